"""Lengths that programs of fixed shapes have: whole tiles, whole blocks."""

BLOCK_STEPS = 8  # between two refills


def whole_tiles(tokens: int) -> int:
  """Returns the smallest multiple of 16, a tile of TPUs, that holds them.

  Example:
    >>> whole_tiles(16), whole_tiles(17)
    (16, 32)
  """
  return -(-tokens // 16) * 16


def question_columns(tokens: int, most: int) -> int:
  """Returns the columns a question is computed in: 1, 2, 4, ... tiles.

  Args:
    tokens: Its length.
    most: The columns of the longest, which bound the others'.

  Example:
    >>> [question_columns(tokens, 80) for tokens in (9, 17, 33, 65)]
    [16, 32, 64, 80]
  """
  tiles = whole_tiles(tokens) // 16
  return min(16 << (tiles - 1).bit_length(), most)


def whole_blocks(tokens: int) -> int:
  """Returns the smallest multiple of `BLOCK_STEPS` that holds the tokens.

  Example:
    >>> whole_blocks(8), whole_blocks(9)
    (8, 16)
  """
  return -(-tokens // BLOCK_STEPS) * BLOCK_STEPS
