"""Tables of several experiments: `paper`'s, or any."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import functools
from typing import NamedTuple

from wcse_jax.report import costs, numbers, outcomes, texts, wording
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Results


class Row(NamedTuple):
  """A comparison, in words: the columns of `comparisons` in their order.

  Attributes:
    arms: 'WC compute-matched against SE', with 'UNMATCHED' where they do not
      cost the same.
    measure: What is compared, and at which budget.
    verdict: 'agrees', 'opposite', or 'undecided'; where the paper says nothing
      'higher', 'lower', or 'undecided'.
    absolute: The difference, with its interval.
    relative: The relative difference, with its interval.
    detectable: The smallest difference that could have been detected.
    paper: What the paper says; '-' where it says nothing.
  """

  arms: str
  measure: str
  verdict: str
  absolute: str
  relative: str
  detectable: str
  paper: str


def rows(results: Results, *, students: bool) -> Iterator[Row]:
  """Yields the comparisons of an experiment's students, or of its data."""
  claims = {id(claim.comparison): claim for claim in paper.claims(results)}
  words = {1: 'higher', 0: 'undecided', -1: 'lower'}
  names = _budgets(results)
  for found in results.comparisons:
    metric, direction = found.metric, found.absolute.direction
    of_students = metric.endswith(('pass_at_1', 'student_fpr'))
    if 'maj_at' in metric or of_students != students:
      continue
    claim = claims.get(id(found))
    unmatched = not found.matched and found.b != wording.BASE
    yield Row(
      arms=wording.against(results, found) + ', UNMATCHED' * unmatched,
      measure=wording.measure(found, names).removeprefix('student '),
      verdict=paper.verdict(claim, direction) if claim else words[direction],
      absolute=str(wording.effect(metric, found.absolute)),
      relative=str(wording.relative(found.relative)),
      detectable=wording.detectable(found),
      paper=' / '.join(_reported(claim)) if claim else numbers.NONE,
    )


def _reported(claim: paper.Claim) -> Iterator[str]:
  """What the paper reports on each of its tasks; '-' where it is silent."""
  for task in paper.TASKS:
    of = claim.of.get(task, numbers.NONE)
    metric = claim.comparison.metric
    yield of if isinstance(of, str) else wording.reported(metric, of)


def _budgets(results: Results) -> dict[str, str]:
  """'S = 10' for each budget: one may be high here, and low there."""
  return {name: f'S = {n}' for name, n in results.run.budgets.items()}


def headline(results: Mapping[str, Results]) -> str:
  """How many of the paper's findings came out as they did there."""
  told = {
    row: None
    for students in (True, False)
    for of in results.values()
    for row in rows(of, students=students)
    if row.paper != numbers.NONE
  }
  if not told:
    return 'None of these experiments compares what the paper compares.'
  verdicts = [row.verdict for row in told]
  counted = ', '.join(
    f'{verdicts.count(word)} {said}'
    for word, said in (
      ('agrees', 'came out as there'),
      ('opposite', 'the other way'),
      ('undecided', 'undecided'),
    )
  )
  return f'{len(verdicts)} comparisons are in the paper, too: {counted}.'


def students(results: Mapping[str, Results]) -> Table:
  """Every student with its data."""
  return _once(
    results,
    _students,
    (
      *('student', 'data', 'S', 'seeds', 'examples', 'coverage %'),
      *('diversity', 'FPR %', 'pass@1 %', 'maj@k %'),
    ),
    text=(1, 2),
    caption=texts.of('experiments.every_student'),
  )


def _students(results: Results) -> Iterator[tuple[object, ...]]:
  budgets = results.run.budgets
  for student in results.students.values():
    cell = results.arms.get(student.arm, {}).get(student.budget)
    yield (
      results.models['student'].name,
      wording.arm_label(results, student.arm),
      *(
        (
          budgets.get(student.budget, numbers.NONE),
          student.seeds,
          numbers.count(student.examples),
          numbers.interval(numbers.last(cell.coverage)),
          numbers.interval(
            numbers.last(cell.diversity_per_solved), numbers.decimal
          ),
          numbers.interval(cell.fpr),
        )
        if cell
        else [numbers.NONE] * 6
      ),
      numbers.interval(student.pass_at_1),
      numbers.interval(numbers.last(student.maj_at_k)),
    )


def comparisons(results: Mapping[str, Results]) -> list[Table]:
  """Those of students, and those of data."""
  return [
    _once(
      results,
      functools.partial(rows, students=students),
      (
        *('arms', 'measure, budget', 'verdict', 'difference'),
        *('relative', 'smallest detectable', 'the paper: MATH / GSM8K'),
      ),
      text=(1, 2, 3, 7),
      caption=texts.of(caption),
    )
    for students, caption in (
      (True, 'experiments.of_students'),
      (False, 'experiments.of_data'),
    )
  ]


def winners(results: Mapping[str, Results]) -> Table:
  """Who wins by which matching."""
  header = ('measure, budget', *costs.MATCHINGS.values(), 'does it flip?')
  return _once(
    results,
    lambda of: (
      (f'{metric}, {_budgets(of)[budget]}', *by, flips)
      for metric, budget, by, flips in costs.winners(of)
    ),
    header,
    text=range(1, len(header) + 1),
    caption=texts.of('tables.matched'),
  )


def spent(results: Mapping[str, Results]) -> Table:
  """What each arm costs."""
  header = next(iter(map(costs.spent, results.values()))).header
  return _once(
    results,
    lambda of: costs.spent(of).rows,
    header,
    caption=texts.of('experiments.every_cost'),
  )


def commands(results: Mapping[str, Results]) -> Table:
  """What was typed."""
  return _once(
    results, lambda of: [(of.run.command or '# not known',)], ('command',)
  )


def _once(
  results: Mapping[str, Results],
  lines: Callable[[Results], Iterable[Sequence[object]]],
  header: Sequence[str],
  text: Sequence[int] = (),
  caption: str = '',
) -> Table:
  """Lines behind their experiments; what is the same in several, once."""
  found: dict[tuple[object, ...], list[str]] = {}
  for name, of in results.items():
    for line in lines(of):
      found.setdefault(tuple(line), []).append(name)
  rows = [(', '.join(names), *line) for line, names in found.items()]
  return Table(('experiment', *header), rows, text, caption)


def sentences(results: Results) -> list[str]:
  """What came out, of the students and of their data."""
  return [
    *outcomes.partial(results),
    *outcomes.main(results),
    *outcomes.of_data(results),
    *outcomes.of_others(results),
    *outcomes.left_out(results),
  ]


def setting(results: Results) -> str:
  """'(nano_arithmetic, nano, 3 seeds)'."""
  run = results.run
  seeds = max((s.seeds for s in results.students.values()), default=0)
  counted = f', {seeds} seed{"s" * (seeds > 1)}' if seeds else ''
  return f'({run.task}, {run.scale}{counted})'


def expected(results: Results) -> str:
  """'Expected: ...', by the paper; '' of an experiment that is not its."""
  said = paper.expected(results.run.name)
  return f'Expected: {said}' if said else ''
