"""Pairs with words, equations, denials and prose; see `worded_pairs.toml`."""

import collections
from collections.abc import Mapping
from typing import NamedTuple

from wcse_jax import data_files


class WordedPair(NamedTuple):
  """A gold answer and a solution, judged by hand.

  Attributes:
    kind: What is hard about it.
    gold: The right answer.
    text: The solution.
    question: The question; '' is unknown.
    right: Whether the solution gives the right answer.
  """

  kind: str
  gold: str
  text: str
  question: str
  right: bool


def lines(task: str) -> Mapping[str, list[WordedPair]]:
  """The pairs for a task's grader, by their line of the certificate."""
  grader = 'gsm8k' if task == 'gsm8k' else 'math'
  found = collections.defaultdict(list)
  for table in data_files.tables(__file__)['kinds']:
    if table['task'] != grader:
      continue
    for right in (True, False):
      for gold, written, *question in table['right' if right else 'wrong']:
        text = written if table.get('whole') else f'\\boxed{{{written}}}'
        asked = question[0] if question else ''
        pair = WordedPair(table['kind'], gold, text, asked, right)
        found[table['line']].append(pair)
  return found
