"""The distribution of a chosen token against the exact softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax.sampling import choosing

LOGITS = np.array([2.0, -1.0, 1.5, 0.0, 1.9, -3.0], np.float32)


def _exact(temperature, top_k, top_p):
  p = np.exp(LOGITS.astype(np.float64) / temperature)
  order = np.argsort(-LOGITS)
  if top_k:
    p[order[top_k:]] = 0
  p /= p.sum()
  if top_p:
    passed = np.cumsum(p[order]) - p[order]
    p[order[passed >= top_p]] = 0
    p /= p.sum()
  return p


@pytest.mark.parametrize('temperature', [0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize('top_k', [None, 1, 3, 99])
@pytest.mark.parametrize('top_p', [None, 0.5, 0.9])
def test_inverse_cdf_gives_the_exact_distribution(temperature, top_k, top_p):
  # A grid of uniforms integrates the distribution: no noise to allow for.
  n = 20_000
  uniform = (jnp.arange(n) + 0.5) / n
  tokens, logprobs = choosing.choose(
    jnp.broadcast_to(LOGITS, (n, len(LOGITS))),
    uniform,
    jnp.full(n, temperature),
    top_k=top_k,
    top_p=top_p,
  )
  shares = np.bincount(tokens, minlength=len(LOGITS)) / n
  expected = _exact(temperature, top_k, top_p)
  np.testing.assert_allclose(shares, expected, atol=2 / n)
  model = np.log(_exact(1.0, None, None))
  np.testing.assert_allclose(logprobs, model[np.asarray(tokens)], rtol=1e-5)


@pytest.mark.parametrize('top_k', [None, 3])
def test_temperature_0_is_greedy(top_k):
  token, _ = choosing.choose(
    jnp.array([LOGITS, LOGITS[::-1]]),
    jnp.array([0.99, 0.01]),
    jnp.zeros(2),
    top_k=top_k,
    top_p=None,
  )
  assert token.tolist() == [0, 5]


@pytest.mark.parametrize('temperature', [0.0, 0.7, 1.0])
@pytest.mark.parametrize('top_k', [None, 1, 2, 99])
@pytest.mark.parametrize('top_p', [None, 0.5, 0.9])
def test_rows_without_a_piece_are_never_chosen(temperature, top_k, top_p):
  """Though they are the likeliest; log-probabilities count them."""
  n, options = 2000, {'top_k': top_k, 'top_p': top_p}
  uniform, temperatures = (jnp.arange(n) + 0.5) / n, jnp.full(n, temperature)
  more = np.append(LOGITS, [9.0, 1.95]).astype(np.float32)
  wide = jnp.broadcast_to(more, (n, 8))
  tokens, logprobs = choosing.choose(
    wide, uniform, temperatures, **options, num_pieces=6
  )
  want, _ = choosing.choose(wide[:, :6], uniform, temperatures, **options)
  np.testing.assert_array_equal(tokens, want)
  model = more - np.log(np.exp(more.astype(np.float64)).sum())
  np.testing.assert_allclose(logprobs, model[np.asarray(tokens)], rtol=1e-5)


def test_a_table_of_as_many_rows_as_pieces_is_chosen_from_as_ever():
  logits = jnp.broadcast_to(LOGITS, (9, 6))
  arguments = logits, jnp.arange(9) / 9, jnp.linspace(0, 2, 9)
  one, other = (
    jax.jit(
      lambda *args, n=n: choosing.choose(
        *args, top_k=None, top_p=None, num_pieces=n
      )
    )
    .lower(*arguments)
    .as_text()
    for n in (None, 6)
  )
  assert one == other, 'another program gives other bits'


def test_never_a_token_of_probability_0():
  logits = jnp.array([[-jnp.inf, 0.0, -jnp.inf, 0.0, -jnp.inf]] * 2)
  uniform = jnp.array([0.0, np.nextafter(np.float32(1), np.float32(0))])
  token, _ = choosing.choose(
    logits, uniform, jnp.ones(2), top_k=None, top_p=None
  )
  assert token.tolist() == [1, 3]


def test_uniforms_are_uniform_and_independent_of_the_row():
  keys = jnp.array([choosing.sample_key(0, 'wc', 'p', i) for i in range(2000)])
  draws = np.array(choosing.uniform(keys, jnp.zeros(2000, int)))
  assert abs(draws.mean() - 0.5) < 4 * (1 / 12 / 2000) ** 0.5
  assert len(set(draws.tolist())) > 1990
  later = np.array(choosing.uniform(keys, jnp.ones(2000, int)))
  assert abs(np.corrcoef(draws, later)[0, 1]) < 0.1
  # what the sample's name gives today, it must give tomorrow
  back = np.array(choosing.uniform(keys[::-1], jnp.zeros(2000, int)))[::-1]
  assert (draws == back).all()
  assert choosing.sample_key(0, 'wc', 'p', 0).tolist() == [
    int.from_bytes(b, 'little')
    for b in (
      choosing.sample_key(0, 'wc', 'p', 0).tobytes()[:4],
      choosing.sample_key(0, 'wc', 'p', 0).tobytes()[4:],
    )
  ]
  names = {
    tuple(choosing.sample_key(s, g, p, i).tolist())
    for s in (0, 1)
    for g in ('wc', 'se')
    for p in ('a', 'b')
    for i in (0, 1)
  }
  assert len(names) == 16
