"""Stop strings as a character automaton over the vocabulary."""

from collections.abc import Sequence

import numpy as np


def stop_table(
  pieces: Sequence[bytes], stop_strings: Sequence[str]
) -> np.ndarray:
  """Builds the automaton that tells, token by token, when a string occurred.

  Args:
    pieces: The surface bytes of every token, by its id.
    stop_strings: Strings that end a sample; they may start or end inside a
      token.

  Returns:
    The next state, int32 of shape [states, V]: `state = table[state, token]`,
    starting from 0; the last state is reached once a stop string has occurred,
    and is never left.

  Raises:
    ValueError: A stop string is empty or no token sequence can spell it.

  Example:
    >>> table = stop_table([b'a', b'b', b'ab', b'c'], ['bc'])
    >>> state = 0
    >>> for token in (1, 2, 3):  # b, ab, c
    ...   state = int(table[state, token])
    >>> state == len(table) - 1
    True
    >>> int(table[table[0, 1], 0])  # b, a: it begins anew
    0
  """
  patterns = [s.encode() for s in stop_strings]
  spelled = set(b''.join(pieces))
  for stop, pattern in zip(stop_strings, patterns, strict=True):
    if not pattern or not set(pattern) <= spelled:
      raise ValueError(
        f'stop string {stop!r} can never match: it is empty, or the'
        ' tokenizer has no piece for one of its characters'
      )
  goto_SxC = _byte_automaton(patterns)
  accept = len(goto_SxC) - 1
  # All pieces at a time, one byte after the other.
  spelling = np.frombuffer(b''.join(pieces), np.uint8)
  lengths_V = np.array([len(p) for p in pieces], np.int64)
  start_V = np.cumsum(lengths_V) - lengths_V
  spelled_L = np.flatnonzero(lengths_V)
  table = np.zeros((accept + 1, len(pieces)), np.int32)
  for state, goto_C in enumerate(goto_SxC):
    # A piece leads where it leads from the beginning, but for those whose first
    # bytes go on with what was read before.
    table[state] = table[0]
    table[state, lengths_V == 0] = state
    live_L, column = spelled_L, 0
    if state:
      other_C = goto_C != goto_SxC[0]
      live_L = live_L[other_C[spelling[start_V[live_L]]]]
    here_L, there_L = np.full(len(live_L), state), np.zeros(len(live_L), int)
    while len(live_L):
      read_L = spelling[start_V[live_L] + column]
      here_L, there_L = goto_SxC[here_L, read_L], goto_SxC[there_L, read_L]
      column += 1
      inside_L = lengths_V[live_L] > column
      table[state, live_L[~inside_L]] = here_L[~inside_L]
      inside_L &= (here_L != there_L) | (state == 0)
      live_L = live_L[inside_L]
      here_L, there_L = here_L[inside_L], there_L[inside_L]
  return table


def _byte_automaton(patterns: Sequence[bytes]) -> np.ndarray:
  """Returns next_state [states, 256]; the last state is a match, absorbing."""
  # A state is what was read last, as far as it may begin a pattern.
  prefixes = {b'', *(p[:i] for p in patterns for i in range(len(p)))}
  states = sorted(prefixes, key=lambda p: (len(p), p))
  index = {prefix: i for i, prefix in enumerate(states)}
  accept = len(states)
  goto = np.full((accept + 1, 256), accept, np.int32)
  for prefix, i in index.items():
    if any(pattern in prefix for pattern in patterns):
      continue
    shorter = prefix[1:]
    while shorter not in index:
      shorter = shorter[1:]
    goto[i] = goto[index[shorter]] if prefix else 0
    for pattern in patterns:
      if pattern.startswith(prefix):
        read = pattern[: len(prefix) + 1]
        byte = read[-1]
        if goto[i, byte] != accept:
          goto[i, byte] = accept if read in patterns else index[read]
  return goto
