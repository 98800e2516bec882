"""The command `wcse report`: pages of results as they are."""

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
  """Makes the pages; `wcse_jax.report.__main__` says more.

  Args:
    argv: The program, and the arguments.

  Returns:
    The exit code.
  """
  from wcse_jax.report import __main__ as pages

  return pages.main(list(argv[1:]), 'wcse report')
