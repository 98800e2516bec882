"""The automaton against a search in the text."""

import numpy as np
import pytest

from wcse_jax import records
from wcse_jax.sampling import stopping

PIECES = [b'', b'a', b'b', b'ab', b'aab', b'\n', b'\n\n', b'c\nQ', b'Q:',
          b'Q', b':', 'é'.encode(), b'\xc3', b'\xa9']  # fmt: skip


@pytest.mark.parametrize('stops', [
  ['\n\nQ:'], ['aab'], ['abab', '\n\n'], ['é'], ['Q:', 'b\nQ', 'aa'], [],
])  # fmt: skip
def test_it_stops_at_the_token_that_completes_a_stop_string(stops):
  table = stopping.stop_table(PIECES, stops)
  rng = np.random.default_rng(0)
  stopped = 0
  for _ in range(400):
    text, state = b'', 0
    for token in rng.integers(0, len(PIECES), 12):
      text += PIECES[token]
      state = table[state, token]
      found = any(s.encode() in text for s in stops)
      assert (state == len(table) - 1) == found, (text, stops)
      stopped += found
  assert bool(stopped) == bool(stops)


def _by_definition(stops):
  """Every state and every piece, byte by byte, by a search in what was read."""
  patterns = [stop.encode() for stop in stops]
  prefixes = {b'', *(p[:i] for p in patterns for i in range(len(p)))}
  states = sorted(prefixes, key=lambda p: (len(p), p))

  def read(text):
    if any(pattern in text for pattern in patterns):
      return len(states)
    begins = (text[i:] for i in range(len(text) + 1))
    return states.index(next(t for t in begins if t in prefixes))

  def walk(state, piece):
    for i in range(len(piece)):
      if state < len(states):
        state = read(states[state] + piece[i : i + 1])
    return state

  every = range(len(states) + 1)
  return [[walk(state, piece) for piece in PIECES] for state in every]


def test_it_is_the_table_of_the_definition():
  rng = np.random.default_rng(0)
  for _ in range(100):
    stops = [
      ''.join(rng.choice([*'ab\nQ:'], rng.integers(1, 6)))
      for _ in range(rng.integers(0, 5))
    ]
    table = stopping.stop_table(PIECES, stops)
    np.testing.assert_array_equal(table, _by_definition(stops), str(stops))


@pytest.mark.parametrize('stop', ['', 'xyz'])
def test_a_string_that_never_matches_is_refused(stop):
  with pytest.raises(ValueError, match='can never match'):
    stopping.stop_table(PIECES, [stop])


def test_cut_takes_the_first_of_several():
  assert records.cut('a\nb;c', [';', '\n']) == 'a'
  assert records.cut('abc', [';']) == 'abc'
