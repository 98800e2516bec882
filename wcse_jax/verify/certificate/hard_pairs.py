"""Hard pairs of answers, for the `math` grader; see `hard_pairs.toml`."""

from wcse_jax import data_files


def pairs() -> list[tuple[str, str, bool]]:
  """All of them as (gold, text, whether it is right)."""
  tables = data_files.tables(__file__)
  found = [
    (gold, f'\\boxed{{{answer}}}', right)
    for gold, answers in tables['answers'].items()
    for right, written in zip((True, False), answers, strict=True)
    for answer in written
  ]
  return found + [tuple(text) for text in tables['texts']]


def equal_golds() -> list[tuple[str, str]]:
  """Golds of unlike problems that are the same, as one sees on looking."""
  return [tuple(pair) for pair in data_files.tables(__file__)['equal_golds']]
