r"""The planner on a finished run: what it foretold, against what came out.

  python benchmarks/planner.py --workdir=runs/wc_distill-nano --json=FILE

A pilot sees 5% of the large budget (what SE's whole pool costs by the paper's
rule): a few samples of a few problems, of both models. From it
`wcse_jax.analysis.forecast` predicts both coverage curves and every split of
the budget; the full pools tell what they would have been.
`wcse_jax.analysis.allocation` spends the same budgets on unsolved problems. All
of it many times, with other problems in the pilot and the pools in other
orders; nothing is sampled anew.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import sys
from typing import Any

from finished_pools import ARMS, Pools, read
import numpy as np

from wcse_jax.analysis import allocation, estimators, forecast, gains, intervals

PILOT_SAMPLES = (4, 2)  # per problem of the pilot, of each arm
POINTS = 0.03  # the error that is wanted
BUDGETS = (1, 2, 3, 5)  # of adaptive allocation, in samples of SE


def main(argv: Sequence[str] | None = None) -> int:
  """Back-tests, prints a summary, and writes JSON; returns the exit code."""
  args = _parse(argv)
  try:
    pools = read(pathlib.Path(args.workdir))
    found = backtest(pools, args.pilot, args.pilots, args.seed)
  except (OSError, KeyError, ValueError) as error:
    print(
      f'{args.workdir}: {error}\nName the workdir of a run that has sampled and'
      ' verified wc and se.',
      file=sys.stderr,
    )
    return 2
  result = {
    'workdir': args.workdir,
    'problems': int(pools.levels_P.size),
    'pools': dict(zip(ARMS, pools.limits, strict=True)),
    'pilot': args.pilot,
    'pilots': args.pilots,
    **found,
  }
  if args.json:
    pathlib.Path(args.json).write_text(json.dumps(result, indent=2) + '\n')
  print(summary(result))
  return 0


def pilot(rng: np.random.Generator, pools: Pools, budget: float) -> np.ndarray:
  """Samples tried of each arm and problem, (A, P): few problems of all levels.

  Args:
    rng: Chooses problems.
    pools: A run's.
    budget: FLOPs per token, of all samples.
  """
  each = np.dot(PILOT_SAMPLES, pools.costs)
  number = min(pools.levels_P.size, int(budget / each * (1 + 1e-9)))
  if not number:
    raise ValueError('the pilot pays for no problem: give it more')
  # In order of level, at equal distances: each level has its share.
  order_P = np.lexsort((rng.random(pools.levels_P.size), pools.levels_P))
  places = (np.arange(number) + rng.random()) * order_P.size / number
  tried_AxP = np.zeros((len(ARMS), order_P.size), np.int64)
  for arm, samples in enumerate(PILOT_SAMPLES):
    tried_AxP[arm, order_P[places.astype(int)]] = samples
  return tried_AxP


def outcomes(pools: Pools, tried_AxP: np.ndarray) -> np.ndarray:
  """Correct ones among the first `tried` samples, (A, P)."""
  return np.array(
    [
      (correct_PxM & (np.arange(correct_PxM.shape[1]) < tried_P[:, None])).sum(
        1
      )
      for correct_PxM, tried_P in zip(pools.correct, tried_AxP, strict=True)
    ]
  )


def unique(pools: Pools, tried_AxP: np.ndarray) -> np.ndarray:
  """Unique solutions among these correct ones, (A, P)."""
  return np.array(
    [
      [
        np.unique(solutions[:tried][correct[:tried]]).size
        for solutions, correct, tried in zip(*rows, strict=True)
      ]
      for rows in zip(pools.solutions, pools.correct, tried_AxP, strict=True)
    ]
  )


def backtest(
  pools: Pools, share: float, pilots: int, seed: int
) -> dict[str, Any]:
  """All comparisons; shares are fractions, intervals hold 95%."""
  rng = np.random.Generator(np.random.PCG64(seed))
  most = pools.limits[1]
  ways = [
    way
    for way in forecast.splits(pools.budget(most), pools.costs)
    if way[0] <= pools.limits[0]
  ]
  curves = {
    name: [pools.alone(arm, b) for b in range(1, most + 1)]
    for arm, name in enumerate(ARMS)
  }
  told: dict[str, list] = {name: [] for name in (*ARMS, 'unique', 'first')}
  adapted: dict[tuple[str, int], list] = {}
  for number in range(pilots):
    drawn = pools.shuffled(rng)
    tried_AxP = pilot(
      rng, pools, share * pools.budget(most) * pools.levels_P.size
    )
    found = forecast.Forecast(
      pools.levels_P,
      tried_AxP,
      outcomes(drawn, tried_AxP),
      unique(drawn, tried_AxP),
      seed=seed + number,
      draws=100,
    )
    for name in ARMS:
      told[name].append([found.coverage(*way) for way in curves[name]])
    told['unique'].append(
      [
        [found.diversity(*way) for way in (curves[name][0], curves[name][-1])]
        for name in ARMS
      ]
    )
    told['first'].append(found.rank(ways)[0])
    for key, made in _adapted(drawn, found, tried_AxP).items():
      adapted.setdefault(key, []).append(made.correct_AxP.any(axis=0))
  return {
    'prediction': {
      name: _errors(
        told[name], [float(pools.coverage(*w).mean()) for w in curves[name]]
      )
      for name in ARMS
    },
    'diversity': {
      name: _errors(
        [rows[arm] for rows in told['unique']],
        [pools.diversity(arm, curves[name][i][arm]) for i in (0, -1)],
      )
      for arm, name in enumerate(ARMS)
    },
    'split': _split(pools, ways, told['first'], seed),
    'adaptive': [
      _against_uniform(pools, *key, np.mean(covered, axis=0), seed)
      for key, covered in adapted.items()
    ],
  }


def _errors(
  told: Sequence[Sequence[intervals.Estimate]], truth: Sequence[float]
) -> dict[str, Any]:
  """Of predictions, by pilot and budget, against what came out."""
  error = np.array([[e.value for e in row] for row in told]) - truth
  held = [
    [e.low <= t <= e.high for e, t in zip(row, truth, strict=True)]
    for row in told
  ]
  return {
    'realised': list(truth),
    'mean_error': error.mean(axis=0).tolist(),
    'mean_absolute_error': abs(error).mean(axis=0).tolist(),
    'largest_error_median': float(np.median(abs(error).max(axis=1))),
    'pilots_within_3_points_everywhere': float(
      (abs(error) <= POINTS).all(axis=1).mean()
    ),
    'predictions_within_3_points': float((abs(error) <= POINTS).mean()),
    'intervals_that_hold': float(np.mean(held)),
  }


def _split(
  pools: Pools,
  ways: Sequence[tuple[int, int]],
  first: Sequence[forecast.Split],
  seed: int,
) -> dict[str, Any]:
  """The recommended splits against all fixed ones."""
  covered: dict[tuple[int, ...], np.ndarray] = {
    way: pools.coverage(*way) for way in ways
  }
  best = max(ways, key=lambda way: covered[way].mean())
  chosen_P = np.mean([covered[split.samples] for split in first], axis=0)
  gain = gains.paired_bootstrap(chosen_P, covered[best], seed=seed)
  return {
    'fixed': [[*way, float(covered[way].mean())] for way in ways],
    'best_fixed': list(best),
    'recommended': [list(split.samples) for split in first],
    'recommended_coverage': float(chosen_P.mean()),
    'recommended_minus_best': gain['absolute'].to_dict(),
    'intervals_that_hold': float(
      np.mean(
        [
          s.coverage.low <= covered[s.samples].mean() <= s.coverage.high
          for s in first
        ]
      )
    ),
  }


def _adapted(
  drawn: Pools, found: forecast.Forecast, tried_AxP: np.ndarray
) -> dict[tuple[str, int], allocation.Allocated]:
  """Budgets spent on unsolved problems, by arms and SE's samples.

  One arm alone begins with a sample of each problem, both with the pilot.
  """
  made = {}
  one = np.ones_like(tried_AxP)
  costs_Ax1 = np.array(drawn.costs)[:, None]
  draw = lambda arms, problems, indices: [
    drawn.correct[a][p, i]
    for a, p, i in zip(arms, problems, indices, strict=True)
  ]
  for arms in (*ARMS, 'both'):
    used_Ax1 = np.array([[arms in (name, 'both')] for name in ARMS])
    first = tried_AxP if arms == 'both' else one * used_Ax1
    chances = lambda tried, correct, arms=arms: (
      found.chances(drawn.levels_P, tried, correct) if arms == 'both' else one
    )
    for b in BUDGETS:
      budget = drawn.budget(b) * drawn.levels_P.size
      if b > drawn.limits[1] or (first * costs_Ax1).sum() > budget:
        continue
      made[arms, b] = allocation.adaptive(
        draw,
        chances,
        drawn.costs,
        budget,
        limits_A=(np.array(drawn.limits) * used_Ax1[:, 0]).tolist(),
        tried_AxP=first,
        correct_AxP=outcomes(drawn, first),
        batch=drawn.levels_P.size,
      )
  return made


def _against_uniform(
  pools: Pools, arms: str, b: int, adapted_P: np.ndarray, seed: int
) -> dict[str, Any]:
  """Adaptive allocation against the best uniform one at equal FLOPs."""
  ways = forecast.splits(pools.budget(b), pools.costs)
  if arms != 'both':
    ways = [pools.alone(ARMS.index(arms), b)]
  best = max(
    (way for way in ways if way[0] <= pools.limits[0]),
    key=lambda way: pools.coverage(*way).mean(),
  )
  uniform_P = pools.coverage(*best)
  first_P = pools.coverage(*((1, 0) if arms != 'se' else (0, 1)))
  newly = intervals.function_bootstrap(
    lambda a, u, f: estimators.divide(a - f, u - f) - 1,
    [adapted_P, uniform_P, first_P],
    seed=seed,
  )
  gain = gains.paired_bootstrap(adapted_P, uniform_P, seed=seed)
  return {
    'arms': arms,
    'se_samples': b,
    'uniform': list(best),
    'first_sample_coverage': float(first_P.mean()),
    'uniform_coverage': float(uniform_P.mean()),
    'adaptive_coverage': float(adapted_P.mean()),
    'gain': gain['absolute'].to_dict(),
    'more_of_the_unsolved': newly.to_dict(),
  }


def summary(result: dict[str, Any]) -> str:
  """For the terminal."""
  percent = lambda e: (
    'undefined'
    if e['value'] is None
    else '{value:+.1%} [{low:+.1%}, {high:+.1%}]'.format(**e)
  )
  lines = [
    f'{result["pilots"]} pilots of {result["pilot"]:.0%} of the budget, on'
    f' {result["problems"]} problems; errors in points of coverage:'
  ]
  for name in ARMS:
    row = result['prediction'][name]
    lines.append(
      f'  {name}: mean {100 * np.mean(row["mean_error"]):+.1f}, mean absolute'
      f' {100 * np.mean(row["mean_absolute_error"]):.1f}, largest of a pilot'
      f' {100 * row["largest_error_median"]:.1f} (median);'
      f' {row["predictions_within_3_points"]:.0%} within 3,'
      f' {row["pilots_within_3_points_everywhere"]:.0%} of pilots at all'
      f' budgets; {row["intervals_that_hold"]:.0%} of intervals hold'
    )
  split = result['split']
  lines.append(
    f'recommended split: {split["recommended_coverage"]:.1%} covered; best'
    f' fixed one (wc, se) = {tuple(split["best_fixed"])}; difference'
    f' {percent(split["recommended_minus_best"])}'
  )
  lines.append(
    'adaptive against the best uniform allocation of the same FLOPs, and how'
    ' many more\nof the problems that a first sample left it solves:'
  )
  for row in result['adaptive']:
    lines.append(
      f'  {row["arms"]:>4}, budget of {row["se_samples"]} se:'
      f' {row["adaptive_coverage"]:.1%}, {row["uniform_coverage"]:.1%};'
      f' {percent(row["more_of_the_unsolved"])}'
    )
  return '\n'.join(lines)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add('--workdir', required=True, help='of a finished run')
  add('--json', default='', help='file to write')
  add('--pilot', type=float, default=0.05, help='share of the large budget')
  add('--pilots', type=int, default=40, help='how many are tried')
  add('--seed', type=int, default=0)
  args = parser.parse_args(argv)
  if not 0 < args.pilot <= 1 or args.pilots < 1:
    parser.error('--pilot: more than 0, at most 1; --pilots: at least 1')
  return args


if __name__ == '__main__':
  sys.exit(main())
