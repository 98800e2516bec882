"""How to split a budget between WC and SE, told from a pilot.

The pilot is what the pools of a workdir hold: a few samples of a few problems
will do, and none is needed of the others. `forecast` learns from it.

  P  problems          A  arms: WC, SE
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
import math
from typing import Any, NamedTuple

import numpy as np

from wcse_jax.analysis import allocation, estimators, forecast, intervals
from wcse_jax.errors import Error
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.stages import sizes
from wcse_jax.stages.layout import Run

ARMS = ('wc', 'se')
MATCHINGS = ('compute', 'price')  # what a budget is counted in
_WORLDS = 40  # in which adaptive allocation is tried
_ROUNDS = 200  # samples of a problem beyond which that would take too long
_DRAWS = 25  # of the posterior, for its choices


class PilotError(Error):
  """A pilot that tells nothing. Names what is missing and the remedy."""


class Pilot(NamedTuple):
  """What was sampled so far.

  Attributes:
    levels_P: Of all problems.
    tried_AxP: Samples with a verdict.
    correct_AxP: Of these, correct; unknown ones are not.
    unique_AxP: Unique solutions among these.
  """

  levels_P: np.ndarray
  tried_AxP: np.ndarray
  correct_AxP: np.ndarray
  unique_AxP: np.ndarray


def read(run: Run) -> Pilot:
  """The pools of a workdir, as far as they are.

  Raises:
    PilotError: An arm has no model, no samples or no verdicts.
    StoreError: There are no problems, or a pool was made with other settings.
  """
  place = {problem.problem_id: p for p, problem in enumerate(run.train)}
  tried, correct, unique = np.zeros((3, len(ARMS), len(place)), np.int64)
  for arm, name in enumerate(ARMS):
    if not getattr(run.config, name):
      raise PilotError(
        f'config.{name} is not set: a split is between wc and se'
      )
    pool = Pool(name)
    texts = {s.key: s.text for s in run.samples(pool)}
    found = collections.defaultdict(list)
    for verdict in run.verdicts(pool):
      key = verdict.key
      if key in texts and verdict.problem_id in place:
        p = place[verdict.problem_id]
        tried[arm, p] += 1
        if verdict.verdict == 'correct':
          found[p].append(texts[key])
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
    levels_P=np.array([problem.level for problem in run.train]),
    tried_AxP=tried,
    correct_AxP=correct,
    unique_AxP=unique,
  )


def costs(config: Config, matching: str) -> tuple[float, ...]:
  """What a sample of each arm costs, by size or by price.

  Raises:
    ConfigError: A size or a price is not known.
  """
  if matching == 'price':
    return tuple(sizes.dollars(config)[arm] for arm in ARMS)
  for arm in ARMS:
    if (name := getattr(config, arm)) not in presets.PRESETS:
      raise ConfigError(
        arm, name, 'its size is not known: count the budget with --by=price'
      )
  return tuple(presets.PRESETS[getattr(config, a)].cost_params for a in ARMS)


def plan(
  pilot: Pilot, each_A: tuple[float, ...], budget: float, seed: int
) -> dict[str, Any]:
  """What every split of a budget will give, best first.

  Args:
    pilot: What is known.
    each_A: What a sample of each arm costs.
    budget: Samples of SE per problem that it would pay for.
    seed: Of the draws.

  Returns:
    budget, problems; pilot: problems, samples and share (of the budget);
    splits: for each wc, se, coverage, diversity, chance_best; adaptive: for
    each arm alone and both, coverage, and samples per problem; none if the
    pilot has spent the budget, or it pays for more than 200 samples of a
    problem.
  """
  total = budget * each_A[1]
  ways = forecast.splits(total, each_A)
  if ways == [(0, 0)]:
    raise PilotError(f'--budget={budget:g} pays for no sample: give more')
  told = forecast.Forecast(*pilot, seed=seed)
  problems = pilot.levels_P.size
  tried_A = pilot.tried_AxP.sum(axis=1)
  spent = float(tried_A @ each_A)
  return {
    'budget': budget,
    'costs': _by_arm(each_A),
    'problems': problems,
    'pilot': {
      'problems': int(pilot.tried_AxP.any(axis=0).sum()),
      'samples': _by_arm(tried_A.tolist()),
      'share': spent / (total * problems),
    },
    'splits': [
      {
        **_by_arm(split.samples),
        'coverage': split.coverage.to_dict(),
        'diversity': split.diversity and split.diversity.to_dict(),
        'chance_best': split.chance_best,
      }
      for split in told.rank(ways)
    ],
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
  quick = forecast.Forecast(*pilot[:3], seed=seed, draws=_DRAWS)
  chances: dict[str, allocation.Chances] = {
    **dict.fromkeys(ARMS, lambda tried_AxP, _: np.ones(tried_AxP.shape)),
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
          limits_A=[many if name in (arm, 'both') else 0 for arm in ARMS],
          tried_AxP=pilot.tried_AxP,
          correct_AxP=pilot.correct_AxP,
          batch=pilot.levels_P.size,
        )
      )
  return {name: _summary(worlds) for name, worlds in made.items()}


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


def _summary(worlds: Sequence[allocation.Allocated]) -> dict[str, Any]:
  covered = [world.covered for world in worlds]
  tried_A = np.mean([world.tried_AxP.mean(axis=1) for world in worlds], axis=0)
  return {
    'coverage': intervals.of_draws(covered).to_dict(),
    'samples': _by_arm(tried_A.tolist()),
  }


def _by_arm(values: Iterable[Any]) -> dict[str, Any]:
  return dict(zip(ARMS, values, strict=True))


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
  lines = [
    f'pilot: {pilot["samples"]["wc"]:,} samples of wc and'
    f' {pilot["samples"]["se"]:,} of se, of {pilot["problems"]:,} of'
    f' {result["problems"]:,} problems: {pilot["share"]:.1%} of the budget',
    f'budget: {result["budget"]:g} samples of se per problem; one costs what'
    f' {result["costs"]["se"] / result["costs"]["wc"]:.4g} of wc do',
    '',
    '  wc   se  coverage               diversity          best',
  ]
  lines += [
    f'{split["wc"]:4} {split["se"]:4}  {share(split["coverage"]):22}'
    f' {number(split["diversity"]):18} {split["chance_best"]:4.0%}'
    for split in sorted(result['splits'], key=lambda split: split['se'])
  ]
  lines += [
    '',
    f'recommended: {best["wc"]} of wc and {best["se"]} of se per problem',
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
    f'  {share(row["coverage"])} with {row["samples"]["wc"]:.1f} of wc and'
    f' {row["samples"]["se"]:.1f} of se per problem ({name})'
    for name, row in result['adaptive'].items()
  ]
  return '\n'.join(lines)
