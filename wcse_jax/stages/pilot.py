"""How to split a budget between two models, told from a pilot.

The pilot is what the pools of a workdir hold: a few samples of a few problems
will do, and none is needed of the others. `forecast` learns from it.

  P  problems          A  models: the other, and the anchor
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from wcse_jax.analysis import allocation, estimators, forecast, intervals
from wcse_jax.errors import Error
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.stages import sizes
from wcse_jax.stages.layout import Run

MATCHINGS = ('compute', 'price')  # what a budget is counted in
_WORLDS = 40  # in which adaptive allocation is tried
_ROUNDS = 200  # samples of a problem beyond which that would take too long
_DRAWS = 25  # of the posterior, for its choices


class PilotError(Error):
  """A pilot that tells nothing. Names what is missing and the remedy."""


class Pilot(NamedTuple):
  """What was sampled so far.

  Attributes:
    names: What samples: the other, and the anchor, e.g. ('wc', 'se').
    levels_P: Of all problems.
    tried_AxP: Samples with a verdict.
    correct_AxP: Of these, correct; unknown ones are not.
    unique_AxP: Unique solutions among these.
  """

  names: tuple[str, str]
  levels_P: np.ndarray
  tried_AxP: np.ndarray
  correct_AxP: np.ndarray
  unique_AxP: np.ndarray


def models(config: Config, other: str = '') -> tuple[str, str]:
  """Returns the names of two models: the other, and the anchor.

  Args:
    config: The experiment.
    other: The other's name; '' is WC's, or that of the first that samples.

  Raises:
    PilotError: There is no such model, or it is the anchor.
  """
  anchor = config.budget.anchor
  known = [name for name in config.names if name != anchor]
  used = [name for name in config.generators if name != anchor]
  other = other or next(iter(used or known))
  if other not in known:
    raise PilotError(f'--other={other}: give one of {", ".join(known)}')
  return other, anchor


def read(run: Run, names: tuple[str, str]) -> Pilot:
  """The pools of a workdir, as far as they are.

  Args:
    run: The experiment.
    names: What samples.

  Raises:
    PilotError: An arm has no model, no samples or no verdicts; or samples end
      with enough right ones.
    StoreError: There are no problems, or a pool was made with other settings.
  """
  if run.enough:
    raise PilotError(
      'config.budget.right or config.budget.rows ended sampling, so that right'
      ' samples are too many of these: take a workdir without them'
    )
  place = {problem.problem_id: p for p, problem in enumerate(run.train)}
  tried, correct, unique = np.zeros((3, 2, len(place)), np.int64)
  for arm, name in enumerate(names):
    if not run.config.model(name)[0]:
      field = run.config.field_of(name, 'model')
      raise PilotError(f'config.{field} is not set: a split is between two')
    pool = Pool(name)
    texts = {s.key: s.text for s in run.samples(pool)}
    found = collections.defaultdict(list)
    for verdict in run.verdicts(pool):
      key = verdict.key
      if key in texts and verdict.problem_id in place:
        p = place[verdict.problem_id]
        tried[arm, p] += 1
        if verdict.verdict == 'correct':
          program = run.task.answer_is_solution and verdict.answer
          found[p].append(program or texts[key])
    if not tried[arm].any():
      what = 'verdicts on these problems' if texts else 'samples'
      raise PilotError(
        f'{run.pool_stage(pool).path} has no {what}: sample a few problems with'
        ' launch/main.py --stages=prepare,plan,sample,verify, both models among'
        ' the arms'
      )
    for p, solutions in found.items():
      correct[arm, p] = len(solutions)
      unique[arm, p] = estimators.multiplicities(solutions).size
  return Pilot(
    names=names,
    levels_P=np.array([problem.level for problem in run.train]),
    tried_AxP=tried,
    correct_AxP=correct,
    unique_AxP=unique,
  )


def costs(
  config: Config, matching: str, names: tuple[str, str]
) -> tuple[float, ...]:
  """What a sample of each model costs, by size or by price.

  Args:
    config: The experiment.
    matching: One of `MATCHINGS`.
    names: What samples.

  Raises:
    ConfigError: A size or a price is not known.
  """
  if matching == 'price':
    prices = [sizes.price(config, name) for name in names]
    return tuple(price.usd_per_million_output_tokens for price in prices)
  known = [sizes.params(config, name) for name in names]
  for name, size in zip(names, known, strict=True):
    if not size:
      raise ConfigError(
        config.field_of(name, 'model'),
        config.model(name)[0],
        f'its size is not known: give config.teachers.{name}.params, or count'
        ' the budget with --by=price',
      )
  return tuple(size for size in known if size)


def plan(
  pilot: Pilot,
  each_A: tuple[float, ...],
  budget: float,
  seed: int,
  matching: str = 'compute',
) -> dict[str, Any]:
  """What every split of a budget will give, best first.

  Args:
    pilot: What is known.
    each_A: What a sample of each model costs.
    budget: Samples of the anchor per problem that it would pay for.
    seed: Of the draws.
    matching: What that cost is, one of `MATCHINGS`.

  Returns:
    budget, names, problems; pilot: problems, samples and share (of the
    budget); splits: for each the samples of both by name, coverage, diversity,
    chance_best; flags: those of the best split, '' if the budget is no whole
    number; adaptive: for each model alone and both, coverage, and samples per
    problem; none if the pilot has spent the budget, or it pays for more than
    200 samples of a problem.
  """
  total = budget * each_A[1]
  ways = forecast.splits(total, each_A)
  if ways == [(0, 0)]:
    raise PilotError(f'--budget={budget:g} pays for no sample: give more')
  told = forecast.Forecast(*pilot[1:], seed=seed)
  problems = pilot.levels_P.size
  tried_A = pilot.tried_AxP.sum(axis=1)
  spent = float(tried_A @ each_A)
  by_name = functools.partial(_by_name, pilot.names)
  ranked = told.rank(ways)
  return {
    'budget': budget,
    'names': pilot.names,
    'costs': by_name(each_A),
    'problems': problems,
    'pilot': {
      'problems': int(pilot.tried_AxP.any(axis=0).sum()),
      'samples': by_name(tried_A.tolist()),
      'share': spent / (total * problems),
    },
    'splits': [
      {
        **by_name(split.samples),
        'coverage': split.coverage.to_dict(),
        'diversity': split.diversity and split.diversity.to_dict(),
        'chance_best': split.chance_best,
      }
      for split in ranked
    ],
    'flags': _flags(pilot.names, ranked[0].samples, budget, matching),
    'adaptive': (
      _adaptive(pilot, told, each_A, total * problems, seed)
      if spent <= total * problems and total <= _ROUNDS * min(each_A)
      else {}
    ),
  }


def _adaptive(
  pilot: Pilot,
  told: forecast.Forecast,
  each_A: tuple[float, ...],
  total: float,
  seed: int,
) -> dict[str, Any]:
  """Adaptive allocation of what the pilot left, in worlds that may be."""
  rng = np.random.Generator(np.random.PCG64(seed))
  quick = forecast.Forecast(*pilot[1:4], seed=seed, draws=_DRAWS)
  chances: dict[str, allocation.Chances] = {
    **dict.fromkeys(pilot.names, lambda tried_AxP, _: np.ones(tried_AxP.shape)),
    'both': _chances(quick, pilot.levels_P),
  }
  many = np.iinfo(np.int64).max
  made: dict[str, list[allocation.Allocated]] = {name: [] for name in chances}
  for rates_AxP in told.worlds(_WORLDS):
    draw = lambda arms, problems, indices, p=rates_AxP: (
      rng.random(len(arms)) < p[arms, problems]
    )
    for name, chances_of in chances.items():
      made[name].append(
        allocation.adaptive(
          draw,
          chances_of,
          each_A,
          total,
          limits_A=[
            many if name in (arm, 'both') else 0 for arm in pilot.names
          ],
          tried_AxP=pilot.tried_AxP,
          correct_AxP=pilot.correct_AxP,
          batch=pilot.levels_P.size,
        )
      )
  return {name: _summary(pilot.names, worlds) for name, worlds in made.items()}


def _chances(
  told: forecast.Forecast, levels_P: np.ndarray
) -> allocation.Chances:
  """A forecast's chances of unsolved problems: of each state, taken once."""
  known: dict[tuple[int, ...], np.ndarray] = {}

  def chances(tried_AxP: np.ndarray, correct_AxP: np.ndarray) -> np.ndarray:
    chance_AxP = np.zeros(tried_AxP.shape)
    open_P = ~correct_AxP.any(axis=0)
    states = np.vstack([levels_P, tried_AxP])[:, open_P].T.tolist()
    if new := list({*map(tuple, states)} - {*known}):
      levels, *tried = zip(*new, strict=True)
      found_AxX = told.chances(levels, tried, np.zeros_like(tried))
      known.update(zip(new, found_AxX.T, strict=True))
    if states:
      chance_AxP[:, open_P] = np.array([known[*s] for s in states]).T
    return chance_AxP

  return chances


def _summary(
  names: tuple[str, str], worlds: Sequence[allocation.Allocated]
) -> dict[str, Any]:
  covered = [world.covered for world in worlds]
  tried_A = np.mean([world.tried_AxP.mean(axis=1) for world in worlds], axis=0)
  return {
    'coverage': intervals.of_draws(covered).to_dict(),
    'samples': _by_name(names, tried_A.tolist()),
  }


def _by_name(names: tuple[str, str], values: Iterable[Any]) -> dict[str, Any]:
  return dict(zip(names, values, strict=True))


def _flags(
  names: tuple[str, str], samples: Sequence[int], budget: float, matching: str
) -> str:
  """The flags of a run that splits its budget so; '' of none that can be.

  >>> _flags(('wc', 'se'), (6, 8), 10, 'compute').split()[-1]
  '--config.arms=0.8*se+0.2*wc_compute_matched'
  """
  if budget != int(budget):
    return ''
  (other, anchor), (_, second) = names, samples
  arm, share = f'{other}_{matching}_matched', round(second / budget, 6)
  if not all(samples):
    arm = anchor if second else arm
  else:
    arm = f'{share:.6g}*{anchor}+{1 - share:.6g}*{arm}'
  same = [f'--config.budget.{name}={budget:g}' for name in ('low', 'high')]
  return ' '.join([*same, f'--config.arms={arm}'])


def _down(share: float) -> float:
  """A share rounded down to a tenth of a percent."""
  return math.floor(round(1000 * share, 6)) / 1000


def text(result: Mapping[str, Any]) -> str:
  """For the terminal."""
  # Rounded outwards: what is not certain is not shown as such.
  share = lambda e: (
    f'{e["value"]:5.1%} [{_down(e["low"]):.1%}, {1 - _down(1 - e["high"]):.1%}]'
  )
  number = lambda e: '{:.2f} [{:.2f}, {:.2f}]'.format(*e.values())
  pilot, best = result['pilot'], result['splits'][0]
  other, anchor = result['names']
  w, v = (max(4, len(name)) for name in (other, anchor))
  lines = [
    f'pilot: {pilot["samples"][other]:,} samples of {other} and'
    f' {pilot["samples"][anchor]:,} of {anchor}, of {pilot["problems"]:,} of'
    f' {result["problems"]:,} problems: {pilot["share"]:.1%} of the budget',
    f'budget: {result["budget"]:g} samples of {anchor} per problem; one costs'
    f' what {result["costs"][anchor] / result["costs"][other]:.4g} of {other}'
    ' do',
    '',
    f'{other:>4} {anchor:>4}  coverage               diversity          best',
  ]
  lines += [
    f'{split[other]:{w}} {split[anchor]:{v}}  {share(split["coverage"]):22}'
    f' {number(split["diversity"]):18} {split["chance_best"]:4.0%}'
    for split in sorted(result['splits'], key=lambda split: split[anchor])
  ]
  lines += [
    '',
    f'recommended: {best[other]} of {other} and {best[anchor]} of {anchor} per'
    ' problem',
    *([f'run it with {result["flags"]}'] if result['flags'] else []),
    '(coverage: problems solved; diversity: unique correct solutions per'
    ' problem,\nwhat both found counted twice; best: chance that no other'
    ' covers more;\nof equal coverage the more diverse is recommended)',
  ]
  if result['adaptive']:
    lines.append(
      'adaptive allocation, which leaves a problem once it is solved, would'
      ' cover'
    )
  elif pilot['share'] > 1:
    lines.append('adaptive: nothing left, the pilot spent it all')
  else:
    lines.append(
      f'adaptive: not tried with more than {_ROUNDS} samples of a problem'
    )
  lines += [
    f'  {share(row["coverage"])} with {row["samples"][other]:.1f} of {other}'
    f' and {row["samples"][anchor]:.1f} of {anchor} per problem ({name})'
    for name, row in result['adaptive'].items()
  ]
  return '\n'.join(lines)
