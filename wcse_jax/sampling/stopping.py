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
  # All pieces at a time, one character after the other.
  lengths_V = np.array([len(p) for p in pieces])
  width = max(1, lengths_V.max())
  bytes_VxW = np.zeros((len(pieces), width), np.uint8)
  for i, piece in enumerate(pieces):
    bytes_VxW[i, : len(piece)] = np.frombuffer(piece, np.uint8)
  table = np.empty((accept + 1, len(pieces)), np.int32)
  for start in range(accept + 1):
    state_V = np.full(len(pieces), start, np.int32)
    for column in range(width):
      inside = column < lengths_V
      state_V = np.where(
        inside, goto_SxC[state_V, bytes_VxW[:, column]], state_V
      )
    table[start] = state_V
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
    for byte in range(256):
      read = prefix + bytes([byte])
      if any(pattern in read for pattern in patterns):
        continue
      while read not in index:
        read = read[1:]
      goto[i, byte] = index[read]
  return goto
