"""Pools made by hand, and what a run of them committed."""

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results import data
from wcse_jax.results.committed import Committed, Sampled
from wcse_jax.results.types import Run

WC, SE = Pool('wc'), Pool('se')
# Of 8 problems, 9 samples each: a third is wrong, and nobody looked.
THIRD_WRONG = [
  ['unchecked' if (i + k) % 3 else None for k in range(9)] for i in range(8)
]


def problems(number):
  return [
    Problem(
      problem_id=f'p/{i}',
      split='train',
      question='?',
      prompt='?',
      solution='1',
      gold='1',
      level=1,
    )
    for i in range(number)
  ]


def sampled(generator, said, tokens=None, **about):
  """A pool.

  Args:
    generator: Its name.
    said: Of each problem, of each sample, whether it is sound; None: its answer
      is wrong; 'unchecked': it is right, and nobody looked.
    tokens: Of a sample of the i-th problem; default: 10.
    **about: Fields of `Sampled`.
  """
  samples, verdicts = [], []
  for i, flags in enumerate(said):
    for index, sound in enumerate(flags):
      key = {
        'generator': generator,
        'problem_id': f'p/{i}',
        'sample_index': index,
      }
      verdicts.append(
        Verdict(
          **key,
          verdict='wrong' if sound is None else 'correct',
          answer='1',
          rule='x',
          sound=None if sound == 'unchecked' else sound,
        )
      )
      samples.append(
        Sample(
          **key,
          text=f'{generator}{index}',
          num_tokens=tokens(i) if tokens else 10,
          num_prompt_tokens=100 + i + 1,
          finish_reason='eos' if index else 'length',
          logprob=0.0,
        )
      )
  return Sampled(samples=samples, verdicts=verdicts, **about)


def judged(generator, said):
  """The judge's verdicts: by problem and index, whether a sample is sound."""
  return [
    Verdict(
      generator=generator,
      problem_id=problem_id,
      sample_index=index,
      verdict='correct' if sound else 'wrong',
      answer='',
      rule='judge',
      sound=None,
    )
    for (problem_id, index), sound in said.items()
  ]


def committed(pools, config, params=(('wc', 1e6), ('se', 3e6)), **about):
  """What a run of pools committed.

  Args:
    pools: By identity.
    config: The experiment.
    params: Sizes by generator.
    **about: Other fields of `Committed`.
  """
  number = len({s.problem_id for of in pools.values() for s in of.samples})
  plan = plan_lib.make(
    config.arms,
    config.budget.by_name,
    dict(params),
    {name: 1.1 * size for name, size in params},
  )
  return Committed(
    run=Run(name='x', scale='nano', task='nano_arithmetic'),
    config=config,
    plan=plan,
    exact_steps=True,
    problems={'train': problems(number)},
    no_gold={},
    models={},
    prices={},
    pools=pools,
    **about,
  )


def config(arms, low=2, high=2, **about):
  return config_lib.Config(
    arms=arms,
    budget=config_lib.BudgetSpec(low=low, high=high),
    report=config_lib.ReportSpec(bootstrap_samples=100),
    student='',
    **about,
  )


def read(pools, arms, low=2, high=2, **about):
  """The data of a run."""
  return data.read(committed(pools, config(arms, low, high), **about))


def mix(of, arm, budget='high'):
  """A mix of the run, by its arm's text."""
  (found,) = (m for m in of.mixes if (str(m.arm), m.budget) == (arm, budget))
  return found


def part(**spent):
  """How a part of a pool was made: all problems, each prefilled once."""
  return {
    'ledger': {
      'samples': 24,
      'tokens': 240,
      'prefill_tokens': 136,
      'prefill_padding': 68,
      'waiting_tokens': 200,
      'refill_idle': 16,
      'tail_idle': 8,
      'seconds': 2.0,
      'device_seconds': 2.0,
      **spent,
    },
    'device': 'cpu',
    'slots': 4,
  }
