"""Lengths that programs of fixed shapes have: whole tiles, whole blocks."""

BLOCK_STEPS = 8  # between two refills


def whole_tiles(tokens: int) -> int:
  """Returns the smallest multiple of 16, a tile of TPUs, that holds them.

  Example:
    >>> whole_tiles(16), whole_tiles(17)
    (16, 32)
  """
  return -(-tokens // 16) * 16


def whole_blocks(tokens: int) -> int:
  """Returns the smallest multiple of `BLOCK_STEPS` that holds the tokens.

  Example:
    >>> whole_blocks(8), whole_blocks(9)
    (8, 16)
  """
  return -(-tokens // BLOCK_STEPS) * BLOCK_STEPS
