"""The stage `plan`: budgets in samples per problem, for each arm."""

from collections.abc import Collection, Iterable, Iterator, Mapping
import contextlib
import dataclasses

from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.experiment.counts import READ, Counted
from wcse_jax.experiment.plan import Mix
from wcse_jax.experiment.sections import PARAMS
from wcse_jax.stages import bills, disk, outlook, planned, sizes
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine


def make(
  run: Run, machine: Machine, processes: int, wanted: Collection[str]
) -> None:
  """Writes plan.json, and prints what each arm gets, and what all takes.

  Costs are those of the longest solutions that there may be; once it is known
  how long they are, the stage `report` writes what they cost.

  Args:
    run: The experiment.
    machine: What it computes with.
    processes: How many share the work.
    wanted: The names of the stages to run.

  Raises:
    DiskError: What they write will not fit the disk.
  """
  plan = run.plan
  drawn: Mapping[Mix, float] = {}
  with contextlib.suppress(Error):  # a model's files are not there
    drawn = planned.expected_by_mix(run)
  write(run, run.config.sampling.max_new_tokens, drawn=drawn)
  for arm in run.config.arms:
    counts = ', '.join(
      f'{mix.budget} {" + ".join(map(str, allotment.samples.values()))}'
      for mix, allotment in plan.allotments.items()
      if mix.arm == arm and allotment.samples
    )
    print(f'plan: {arm}: {counts or "no sampling"}')
  for note in plan.notes:
    print(f'plan: {note}')
  for line in _counted(run):
    print(f'plan: {line}')
  for line in _ends(run):
    print(f'plan: {line}')
  for line in bills.foretold(run):
    print(f'plan: {line}')
  outlook.tell(run, machine, processes, wanted)
  for line in disk.foretold(run, processes, wanted):
    print(f'plan: {line}')


def _counted(run: Run) -> Iterator[str]:
  """Tells what arms would get if P of the rule counted otherwise."""
  rows, rule = sizes.counted(run.config), run.config.budget.params
  slots = run.config.sampling.slots
  for row in rows:
    if row.changes:
      yield (
        f'{row.arm}, {row.budget}: P counts {rule} parameters (budget.params);'
        f' samples by count: {_listed(row, PARAMS)}'
      )
    if (read := row.samples.get(READ)) != row.samples.get('active'):
      yield (
        f'{row.arm}, {row.budget}: {read or "none"} for as much reading of'
        f' weights, which bounds decoding, in steps of {slots} rows'
      )
  if rows and not any(row.changes for row in rows):
    yield (
      f'P counts {rule} parameters (budget.params); arms get as many samples by'
      ' other counts'
    )


def _listed(row: Counted, counts: Iterable[str]) -> str:
  """What an arm gets, by count: '3 nominal, 2 active'."""
  known = {of: row.samples[of] for of in counts if of in row.samples}
  return ', '.join(f'{n or "none"} {of}' for of, n in known.items())


def _ends(run: Run) -> Iterator[str]:
  """Tells what may end sampling before the budgets do."""
  right, rows = run.enough.right, run.enough.rows
  if right is not None:
    yield f'at most: of a problem {right:,} right solutions are enough'
  if rows is not None:
    yield f'at most: {rows:,} right solutions of an arm are enough'
  with contextlib.suppress(Error):  # a model's files are not there
    for pool in run.pools if run.enough else ():
      needs = planned.of(run, pool)
      if needs.expected:
        yield (
          f'{pool}: about {needs.samples:,.0f} samples are expected, at most'
          f' {len(needs.keys):,}, by the {needs.told_by:,} that are graded'
        )


def write(
  run: Run,
  mean_tokens: float,
  *,
  sampled: bool = False,
  drawn: Mapping[Mix, float],
) -> None:
  """Writes plan.json, with costs by the paper's rule.

  Args:
    run: The experiment.
    mean_tokens: The mean length of a solution in tokens, W.
    sampled: Whether that is of what was sampled, and not the limit.
    drawn: The samples of mixes that end with enough right ones, if known.
  """
  number = len(run.train)
  plan = run.plan.to_dict(number, mean_tokens, sampled=sampled, drawn=drawn)
  plan['by_count'] = sizes.by_count(run.config)
  plan['counted'] = [*map(dataclasses.asdict, sizes.counted(run.config))]
  store.write_json(run.data.workdir / 'plan' / 'plan.json', plan)
