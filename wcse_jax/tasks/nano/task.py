"""Procedural arithmetic as a task: its problems come from no file."""

from collections.abc import Iterable, Iterator

from wcse_jax.answers import numbers
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets, numeric
from wcse_jax.tasks.nano import problems as procedure
from wcse_jax.tasks.nano import steps

TASK = procedure.TASK


def problems(
  data_dir: str = '', download: datasets.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of each split, drawn as far as somebody reads them.

  No folder and no download is needed.
  """
  del data_dir, download
  return {split: _drawn(split) for split in procedure.SPLITS}


def _drawn(split: str) -> Iterator[Problem]:
  for index in range(procedure.SPLITS[split]):
    yield procedure.problem(split, index)


def grade(gold: str, text: str, question: str) -> Grade:
  """An exact integer; `sound` tells whether every step holds."""
  text = TASK.cut(text)
  verdict = numeric.grade(gold, numbers.extract(text, 'nano'), 'integer')
  sound = verdict.verdict == 'correct' and steps.check(question, text, gold)
  return verdict._replace(sound=sound)


quick = grade
