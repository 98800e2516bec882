"""What the paper reports, beside which the pages set what came out.

`paper.toml` has its findings, and says where they come from.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import math

import msgspec

from wcse_jax import data_files
from wcse_jax.results.types import Comparison, Results

TASKS = {'math': 'MATH', 'gsm8k': 'GSM8K'}
_STUDENTS = ('Gemma-7B', 'Gemma2-9B', 'Gemma2-27B')
_NO_MATHEMATICS = ('mbpp', 'mbpp_sanitized', 'humaneval', 'ifeval')
_Z = 1.959964  # of a two-sided interval of 95%


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
  """What the paper reports of both sides of a comparison on a task.

  Attributes:
    a: The value of the first side: a share, or a number of solutions.
    b: The value of the other.
    n: Of how many problems, or solutions, each is a share; 0 of no share.

  >>> finding = Finding(a=0.282, b=0.266, n=500)
  >>> round(finding.difference, 3), round(finding.half_width, 3)
  (0.016, 0.055)
  """

  a: float
  b: float
  n: int = 0

  @property
  def difference(self) -> float:
    """`a - b`."""
    return self.a - self.b

  @property
  def half_width(self) -> float | None:
    """Of the 95% interval of two unpaired shares; None of no share."""
    if not self.n:
      return None
    return _Z * math.sqrt(sum(x * (1 - x) for x in (self.a, self.b)) / self.n)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
  """What the paper says of a comparison of a run.

  Attributes:
    comparison: The comparison.
    of: What it reports, by a task's name in `TASKS`: numbers, or words.
    expected: 1 if the paper finds the first side above the other, -1 if below;
      0 if it finds no difference, or one that depends on the task.
  """

  comparison: Comparison
  of: Mapping[str, Finding | str]
  expected: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Values:
  """Numbers of one metric, task and budget, by student or source, and arm."""

  metric: str
  task: str
  samples: int
  arms: Sequence[str]
  rows: Mapping[str, Sequence[float]]
  n: int = 0
  experiment: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Words:
  """What is said of two arms, by student."""

  metric: str
  task: str
  samples: Sequence[int]
  a: str
  b: str
  rows: Mapping[str, str]
  expected: int = 1
  experiment: str = ''


@dataclasses.dataclass(frozen=True)
class _Paper:
  """All of `paper.toml`."""

  source: str
  expected: Mapping[str, str]
  values: Sequence[_Values]
  words: Sequence[_Words]
  pairs: Sequence[Mapping[str, str]]


@functools.cache
def _paper() -> _Paper:
  return msgspec.convert(data_files.tables(__file__), _Paper)


def source() -> str:
  """Where the paper's numbers come from."""
  return _paper().source


def expected(experiment: str) -> str:
  """What the paper answers to what an experiment asks; '' of another's.

  >>> expected('number_matched')
  'With as many samples of each, SE data win.'
  """
  return _paper().expected.get(experiment, '')


@functools.cache
def pairs() -> set[tuple[str, str]]:
  """Pairs of arms and budgets, other than with SE, that it compares."""
  return {(pair['a'], pair['b']) for pair in _paper().pairs}


def student(results: Results) -> str:
  """The student in the paper that takes the place of the run's."""
  student, *teachers = map(results.models.get, ('student', 'wc', 'se'))
  for teacher, name in zip(teachers, _STUDENTS[1:], strict=True):
    if student and teacher and student.name == teacher.name:
      return name
    if student and student.name.replace('_', '-') == name.lower():
      return name
  return _STUDENTS[0]


def claims(results: Results) -> list[Claim]:
  """What the paper says of a run's comparisons, those with SE last.

  Its numbers are of mathematics, of students that learn from right answers, and
  of its own budgets, which are known by SE's samples.
  """
  if results.run.task in _NO_MATHEMATICS:
    return []
  values, words = dict(_values(results)), dict(_words(results))
  found = []
  for comparison in results.comparisons:
    metric, a, b = comparison.metric, comparison.a, comparison.b
    of: dict[str, Finding | str] = {}
    signs: dict[str, int] = {}
    for task in TASKS:
      both = [values.get((task, metric, side)) for side in (a, b)]
      if both[0] and both[1]:
        of[task] = Finding(a=both[0][0], b=both[1][0], n=both[0][1])
        signs[task] = _sign(both[0][0] - both[1][0])
      elif said := words.get((task, metric, a, b)):
        of[task], signs[task] = said
    if of:
      # A run on one of these tasks is like the paper's there alone.
      own = signs.get(results.run.task)
      agreed = set(signs.values()) if own is None else {own}
      sign = agreed.pop() if len(agreed) == 1 else 0
      found.append(Claim(comparison=comparison, of=of, expected=sign))
  return sorted(
    found, key=lambda claim: claim.comparison.b.rpartition('-')[0] == 'se'
  )


def verdict(claim: Claim, direction: int) -> str:
  """'agrees', 'opposite' or 'undecided', from the direction of the gain.

  It is '-' where the paper itself finds no difference.
  """
  if not claim.expected:
    return '-'
  if not direction:
    return 'undecided'
  return 'agrees' if direction == claim.expected else 'opposite'


def note(results: Results) -> str:
  """Where the paper's numbers come from, and whose they are."""
  return (
    'The paper samples MATH and GSM8K with Gemma2-9B (WC)'
    f' and Gemma2-27B (SE); its student here is {student(results)}. {source()}'
  )


def _sign(difference: float) -> int:
  return (difference > 0) - (difference < 0)


def _applies(results: Results, part: _Values | _Words) -> bool:
  """Whether numbers or words are of the run's experiment, and of its rule."""
  special = {of.experiment for of in _paper().values}
  experiment = results.run.name if results.run.name in special else ''
  of_students = part.metric.endswith('pass_at_1')
  return part.experiment == experiment and (
    results.run.keep == 'correct' or not of_students
  )


def _row[T](results: Results, rows: Mapping[str, T]) -> T | None:
  """What is of the run's student, of who checks its samples, or of all."""
  source = results.fpr_source
  checker = 'judge' if source and source.name == 'judge' else 'people'
  for who in (student(results), checker, ''):
    if who in rows:
      return rows[who]
  return None


def _values(
  results: Results,
) -> Iterator[tuple[tuple[str, str, str], tuple[float, int]]]:
  """Yields each number, and of how many, by task, metric and side."""
  for table in _paper().values:
    row = _row(results, table.rows)
    if row is None or not _applies(results, table):
      continue
    unit = 1 if table.metric.startswith('diversity') else 100
    for budget, samples in results.run.budgets.items():
      if samples == table.samples:
        for arm, value in zip(table.arms, row, strict=True):
          side = f'{arm}-{budget}'
          yield (table.task, table.metric, side), (value / unit, table.n)


def _words(
  results: Results,
) -> Iterator[tuple[tuple[str, str, str, str], tuple[str, int]]]:
  """Yields what is said, and its sign, by task, metric and both sides."""
  for words in _paper().words:
    text = _row(results, words.rows)
    if text is None or not _applies(results, words):
      continue
    for budget, samples in results.run.budgets.items():
      if samples in words.samples:
        a, b = f'{words.a}-{budget}', f'{words.b}-{budget}'
        yield (words.task, words.metric, a, b), (text, words.expected)
