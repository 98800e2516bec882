"""The clock by which limits are told."""

from wcse_jax.runtime import clock


def test_it_stands_while_threads_wait_and_never_goes_back(monkeypatch):
  """Two threads that wait at once wait for more than has passed."""
  now, waited = iter((0.0, 3.0, 4.0, 9.0, 9.0, 10.0)), {'a': 0.0, 'b': 0.0}
  monkeypatch.setattr(clock.time, 'monotonic', lambda: next(now))
  monkeypatch.setattr(clock, '_waited_s', lambda pid: dict(waited))
  of = clock.Clock(1)
  assert of.seconds() == 3.0
  waited |= {'a': 1.0, 'b': 1.0}  # within one second
  assert of.seconds() == 3.0
  assert of.seconds() == 7.0
  of.restart()
  assert of.seconds() == 1.0
