r"""What a small experiment can tell, measured on human-written data alone.

  python launch/calibrate_nano.py --config=configs/wc_distill.py:nano \
    --workdir=runs/calibrate --config.finetune.num_seeds=5

An experiment is tuned before it is looked at: by what human-written solutions
teach, by the noise of finetuning seeds, and by the pass rates of the teachers.
This command finetunes students on human-written solutions, one for each seed,
with the stages of a run and the recipe of its high budget (rate, steps and
sizes are `--config.` flags), and says which criteria hold. No student sees a
sample of SE or WC: an arm that draws samples is refused.

It prints, and writes to calibration.json in the workdir:

  base        pass@1 before finetuning, by level
  students    of each seed pass@1, by level, and validation by checkpoint
  gain        of the mean over seeds, with an interval over seeds and problems
  sigma       standard deviation of pass@1 over seeds
  discordant  share of test problems that two seeds answer differently: the same
              data twice is an A/A pair
  detectable  the smallest effect that is found 4 times in 5, at 5%: between two
              students (test problems alone), and between two kinds of data of
              which each has so many students
  teachers    sampled pass@1 on the train split, with --teachers=PROBLEMS: the
              models sample, and nothing is finetuned on that
  criteria    which hold
"""

from collections.abc import Iterator, Sequence
import dataclasses
import itertools
import math
import sys
from typing import Any

from absl import flags
import numpy as np

from wcse_jax import command_line, store
from wcse_jax.analysis import gains, intervals
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment import scales
from wcse_jax.experiment.config import GENERATORS, REFERENCE, Config
from wcse_jax.experiment.plan import Base
from wcse_jax.records import Answers
from wcse_jax.stages import (
  answers,
  check,
  committed,
  curate,
  evaluate,
  finetune,
  prepare,
)
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine
from wcse_jax.tpu import devices

_BUDGET = 'high'  # its steps are the recipe's
_FOUND = 1.96 + 0.84  # standard errors of an effect that is found 4 times in 5
_SEEDS = 1, 3, 5  # students of each kind of data
_SAMPLES = 4  # of a train problem, by each teacher
# By scale: validation problems, and what human-written data teach, at least.
_LEAST = {'nano': (500, 0.05), 'nano_full': (2_000, 0.08)}
_RATIO = 1.16, 1.21  # of SE's pass rate by WC's, as between Gemma2-27B and 9B


class CalibrationError(Error):
  """A calibration that would not be blind; says what to give instead."""


def human_only(config: Config) -> Config:
  """Returns an experiment of which only human-written data is left.

  Args:
    config: The experiment. If its arms are others than its scale's, all of them
      must be human-written.

  Raises:
    CalibrationError: An arm that was asked for draws samples.
  """
  if 'arms' in scales.changes(config):
    refuse_samples(config.arms)
  greedy = dataclasses.replace(
    config.evaluate, num_samples=1, num_sampled=1, ks=(1,)
  )
  return dataclasses.replace(
    config, arms=(REFERENCE,), judge='', evaluate=greedy
  )


def refuse_samples(arms: Sequence[Any]) -> None:
  """Raises CalibrationError if any arm draws samples."""
  for arm in arms:
    if arm.draws:
      raise CalibrationError(
        f'arm {str(arm)!r} draws samples: the experiment is tuned before a'
        ' student of such data is looked at',
        'Calibrate on human-written data alone: leave config.arms out.',
      )


def make_run(config: Config, data: store.Store) -> Run:
  """Returns a run with one human-written mix, at the high budget's steps."""
  run = Run(human_only(config), data)
  plan = plan_lib.make(run.config.arms, {_BUDGET: 1}, {}, {})
  vars(run)['plan'] = plan  # not that of all budgets: their data are the same
  return run


def finetune_students(run: Run, machine: Machine) -> None:
  """Finetunes and tests the students of a run, with the run's own stages.

  Raises:
    CalibrationError: A student's data would be drawn.
  """
  refuse_samples([mix.arm for mix in run.plan.mixes])
  prepare.make(run)
  curate.make(run)
  finetune.make(run, machine, run.taught)
  evaluate.make(run, machine, (Base(), *run.taught))


def teachers(
  config: Config, run: Run, num_problems: int, samples: int = _SAMPLES
) -> dict[str, Any]:
  """Returns the sampled pass@1 of WC and SE on the train split; keeps nothing.

  Args:
    config: The experiment, whose models are asked.
    run: Its problems.
    num_problems: How many of the train split, from the first.
    samples: Of each.
  """
  machine = Machine(config)
  problems = run.train[:num_problems]
  wanted = answers.requests(
    problems, range(samples), config.sampling.temperature
  )
  prompts = [problem.prompt for problem in problems]
  by_id = {problem.problem_id: problem for problem in problems}
  rates: dict[str, np.ndarray] = {}
  with machine.graders() as graders:
    for role in GENERATORS:
      sampler = machine.sampler(role, run.task, prompts, run.task.prefix)
      drawn = [*sampler.stream(wanted, generator=role)]
      right = dict.fromkeys(by_id, 0)
      for sample, grade in answers.grade(run.task.name, drawn, by_id, graders):
        right[sample.problem_id] += grade.verdict == 'correct'
      rates[role] = np.array([*right.values()]) / samples
  levels = np.array([problem.level for problem in problems])
  ratio = intervals.ratio_bootstrap(rates['se'], rates['wc'], seed=config.seed)
  return {
    **{role: by_level(rate, levels) for role, rate in rates.items()},
    'problems': len(problems),
    'samples': samples,
    'ratio': dataclasses.astuple(ratio),
  }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
  """What students of one recipe, and of the same data, answered.

  Attributes:
    level_P: The level of each test problem.
    before_P: Whether the student solved it before finetuning.
    after_SxP: Whether each seed's student does.
    validation: Of each seed, accuracy by checkpoint.
  """

  level_P: np.ndarray
  before_P: np.ndarray
  after_SxP: np.ndarray
  validation: Sequence[Sequence[tuple[int, float]]]

  @classmethod
  def of(cls, run: Run) -> 'Measured':
    """Reads what a run committed."""
    base = committed.trained(run, Base()).answers['test']
    taught = [committed.trained(run, student) for student in run.students]
    return cls(
      level_P=np.array([a.level for a in base]),
      before_P=_greedy(base),
      after_SxP=np.array([_greedy(of.answers['test']) for of in taught]),
      validation=[of.validation for of in taught],
    )

  @property
  def discordant(self) -> float:
    """The share of problems that two seeds answer differently."""
    pairs = itertools.combinations(self.after_SxP, 2)
    return float(np.mean([np.mean(a != b) for a, b in pairs] or [math.nan]))

  @property
  def sigma(self) -> float:
    """The standard deviation over seeds."""
    means = self.after_SxP.mean(axis=1)
    return float(np.std(means, ddof=1)) if len(means) > 1 else math.nan

  def detectable(self, seeds: int | None = None) -> float:
    """The smallest effect that is found 4 times in 5.

    Args:
      seeds: Students of each kind of data; None compares two students.
    """
    variance = self.discordant / len(self.level_P)
    if seeds:
      variance += 2 * self.sigma**2 / seeds
    return _FOUND * math.sqrt(variance)

  def summary(self, confidence: float = 0.95) -> dict[str, Any]:
    """What is printed and written; see the module."""
    before = np.broadcast_to(self.before_P, self.after_SxP.shape)
    gain = gains.gain(self.after_SxP, before, confidence=confidence, seed=0)
    rates = lambda solved: by_level(solved, self.level_P)
    return {
      'base': rates(self.before_P),
      'students': [
        {**rates(solved), 'validation': accuracy}
        for solved, accuracy in zip(
          self.after_SxP, self.validation, strict=True
        )
      ],
      'mean': rates(self.after_SxP.mean(axis=0)),
      'gain': dataclasses.astuple(gain['absolute']),
      'sigma': self.sigma,
      'discordant': self.discordant,
      'num_test': len(self.level_P),
      'detectable': {
        'two_students': self.detectable(),
        **{
          f'data_of_{seeds}_seeds': self.detectable(seeds) for seeds in _SEEDS
        },
      },
    }


def by_level(rate_P: np.ndarray, level_P: np.ndarray) -> dict[str, Any]:
  """Returns the mean over problems, and over those of each level."""
  return {
    'pass_at_1': float(rate_P.mean()),
    'by_level': {
      str(level): float(rate_P[level_P == level].mean())
      for level in np.unique(level_P)
    },
  }


def criteria(found: dict[str, Any], config: Config) -> dict[str, bool]:
  """Returns which criteria of an experiment that can tell hold.

  Args:
    found: What `Measured.summary` says, and perhaps 'teachers'.
    config: The experiment.
  """
  validated, gain = _LEAST.get(config.scale, _LEAST['nano_full'])
  students, base = found['students'], found['base']['pass_at_1']
  levels = [found['mean']['by_level'].get(level, 0) for level in '123']
  curve = [value for of in students for _, value in of['validation']]
  number = config.task.num_validation
  holds = {
    'base pass@1 is 15 to 35%': 0.15 <= base <= 0.35,
    'every student is at 20 to 60%': all(
      0.2 <= of['pass_at_1'] <= 0.6 for of in students
    ),
    'levels 1 to 3 are at 5 to 95%': all(0.05 <= x <= 0.95 for x in levels),
    'no checkpoint is below half of the base': min(curve) > base / 2,
    f'{validated:,} validation problems or more': (number or math.inf)
    >= validated,
    f'human-written data teach {100 * gain:g} points or more': found['gain'][0]
    >= gain,
    'the interval of the gain is above 0': found['gain'][1] > 0,
    'every arm has the same rate': len(config.finetune.learning_rates) == 1,
    'two students are told apart at 1.5 points': found['detectable'][
      'two_students'
    ]
    <= 0.015,
  }
  if 'teachers' in found:
    low, high = _RATIO
    ratio = found['teachers']['ratio'][0]
    holds[f'SE passes {low} to {high} times as often as WC'] = (
      low <= ratio <= high
    )
  return holds


def _greedy(found: Sequence[Answers]) -> np.ndarray:
  return np.array([a.greedy == 'correct' for a in found])


def text(found: dict[str, Any]) -> Iterator[str]:
  """Yields lines for people."""

  def rates(of: dict[str, Any]) -> str:
    levels = ' / '.join(f'{100 * x:.1f}' for x in of['by_level'].values())
    return f'{100 * of["pass_at_1"]:.2f}% by level {levels}'

  yield f'base: {rates(found["base"])}'
  for seed, of in enumerate(found['students']):
    curve = ' '.join(f'{100 * value:.1f}' for _, value in of['validation'])
    yield f'seed {seed}: {rates(of)}; validation {curve}'
  value, low, high = (100 * x for x in found['gain'])
  yield f'mean: {rates(found["mean"])}'
  yield f'human-written data teach {value:+.2f} [{low:+.2f}, {high:+.2f}]'
  yield (
    f'seeds: sigma {100 * found["sigma"]:.2f} points; two students differ on'
    f' {100 * found["discordant"]:.1f}% of {found["num_test"]:,} problems'
  )
  for name, effect in found['detectable'].items():
    yield f'detectable, {name.replace("_", " ")}: {100 * effect:.2f} points'
  if 'teachers' in found:
    of = found['teachers']
    for role in GENERATORS:
      yield f'{role}, sampled: {rates(of[role])}'
    ratio, low, high = of['ratio']
    yield f'se over wc: {ratio:.3f} [{low:.3f}, {high:.3f}]'
  for name, holds in found['criteria'].items():
    yield f'{"yes" if holds else "NO ":3} {name}'


def main(argv: Sequence[str]) -> int:
  """Returns the exit code: 0 or 2 (bad input)."""
  if {'--help', '-h'} & set(argv):
    print(__doc__)
    return 0
  number = [a.split('=')[1] for a in argv if a.startswith('--teachers=')]
  try:
    given = [a for a in argv if not a.startswith('--teachers=')]
    command = command_line.parse(given)
    if number and not number[-1].isdecimal():
      raise CalibrationError(
        f'--teachers={number[-1]}', 'Give a number of train problems.'
      )
    run = make_run(command.config, store.Store(command.workdir))
    check.check(run.config)
    devices.check(1)
    machine = Machine(run.config)
    print(f'{machine.device}, workdir {command.workdir}')
    with run.data.lock():
      finetune_students(run, machine)
      found = Measured.of(run).summary(run.config.report.confidence)
      if number and int(number[-1]):
        found['teachers'] = teachers(command.config, run, int(number[-1]))
      found['criteria'] = criteria(found, run.config)
      found['config'] = config_lib.saved(run.config)
      path = command.workdir / 'calibration.json'
      store.write_json(path, found)
  except (Error, flags.Error) as error:
    print('error:', command_line.describe(error), file=sys.stderr)
    return 2
  print('\n'.join(text(found)), f'\n{path}')
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv))
