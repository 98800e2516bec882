"""Other graders, asked beside ours."""

from wcse_jax.verify.certificate import peers


def test_a_peer_that_fails_says_no():
  def peer(pair):
    raise RecursionError

  pair = peers.Pair('a', '5', '\\boxed{5}', '', True)
  said, _ = peers.ask(peer, [pair])
  assert said == [False]
