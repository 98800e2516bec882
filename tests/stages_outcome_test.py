"""What is said of arms follows what curation keeps of them."""

import copy

import pytest

from wcse_jax import store, tasks
from wcse_jax.analysis import costs as ledger
from wcse_jax.experiment import arms, config
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results import pools as lib
from wcse_jax.stages import curation, outcome
from wcse_jax.stages import layout as stages

NUM_PROBLEMS = 20
ONE = 'wc_compute_matched~1'
TWO_OF_MIX = 'se+wc_compute_matched~2'
PROBLEMS = [
  Problem(
    problem_id=f'p/{i}',
    split='train',
    question='?',
    prompt='?',
    solution='1',
    gold='1',
    level=1,
  )
  for i in range(NUM_PROBLEMS)
]


def pool(generator, said):
  """A pool whose every problem has the same samples.

  Args:
    generator: Its name.
    said: Of each sample, whether it is sound; None: its answer is wrong.
  """
  samples, verdicts = [], []
  for p in PROBLEMS:
    for index, sound in enumerate(said):
      key = {
        'generator': generator,
        'problem_id': p.problem_id,
        'sample_index': index,
      }
      verdict = 'wrong' if sound is None else 'correct'
      verdicts.append(
        Verdict(**key, verdict=verdict, answer='1', rule='x', sound=sound)
      )
      samples.append(
        Sample(
          **key,
          text=f'{generator}{index}',
          num_tokens=10,
          num_prompt_tokens=5,
          finish_reason='eos',
          logprob=0.0,
        )
      )
  return lib.Pool(PROBLEMS, samples, verdicts)


POOLS = {
  'wc': pool('wc', [None, True, False, False, None, None]),
  'se': pool('se', [False, True]),
}


@pytest.fixture(name='run')
def _run(tmp_path):
  made = stages.Stages(
    config.Config(
      arms=('se', 'wc_compute_matched', ONE, TWO_OF_MIX),
      budget=config.BudgetSpec(low=2, high=2),
      report=config.ReportSpec(bootstrap_samples=50),
      student='',
    ),
    store.Store(tmp_path),
  )
  made.__dict__['problems'] = {'train': PROBLEMS}
  return made


def costs(run):
  return {
    mix: ledger.Cost(
      samples=NUM_PROBLEMS * sum(outcome._drawn(run, mix).values()),
      rule_flops=1.0,
      decode_flops=2.0,
      truncated_flops=0.0,
    )
    for mix in run.mixes()
  }


@pytest.mark.parametrize('arm', ['wc_compute_matched', ONE, TWO_OF_MIX])
def test_curation_keeps_the_samples_that_are_measured(run, arm):
  mix = stages.Mix(arm, 'high')
  joined, n, most = outcome._data(run, POOLS, mix)
  assert most == arms.parse(arm).most
  rows = [pair for pool in POOLS.values() for pair in pool.all(2)]
  rows += POOLS['wc'].all(6)
  examples = curation.select(
    arm,
    run.allotments.arms[arm]['high'].samples,
    [sample for sample, _ in rows],
    [verdict for _, verdict in rows],
    PROBLEMS,
  )
  assert [e.completion for e in examples] == [
    s.text for s in joined.correct(n, most)
  ]


def test_rates_and_costs_are_of_the_samples_kept(run):
  """They were of all that is right: 2 of 3 unsound, not none."""
  cells = outcome._arms(run, POOLS, costs(run), 'steps')
  every, one = (cells[arm]['high'] for arm in ('wc_compute_matched', ONE))
  assert every['fpr']['value'] == pytest.approx(2 / 3)
  assert one['fpr']['value'] == one['fpr_by']['steps']['value'] == 0
  for cell in (every, one):  # 1 of 6 samples is kept, and sound
    assert cell['cost_per_true']['number']['value'] == pytest.approx(6)

  # SE's first, unsound, and WC's first, sound.
  assert cells[TWO_OF_MIX]['high']['fpr']['value'] == pytest.approx(1 / 2)
  compared = {
    (row['a'], row['b']): row['absolute']['value']
    for row in outcome._comparisons(
      run, POOLS, lambda *_: lib.Test([]), 'steps'
    )
    if row['metric'] == 'fpr'
  }
  assert compared[f'{ONE}-high', 'se-high'] == pytest.approx(-1 / 2)
  assert compared['wc_compute_matched-high', 'se-high'] == pytest.approx(1 / 6)
  even = {
    row['a']: row['fpr']['number']['value']
    for row in outcome._break_even(run, POOLS, costs(run), 'steps')
  }
  # SE's 2 of 2 samples are right, 1 sound; of WC's 6 these are 3, and 1.
  assert even['wc_compute_matched-high'] == pytest.approx(1 - (1 / 2) / (3 / 6))
  assert even[f'{ONE}-high'] == pytest.approx(1 - (1 / 2) / (1 / 6))


def test_every_rate_is_by_the_source_that_is_chosen(run):
  """The judge's costs stood beside the step checker's rates."""
  pools = {name: copy.deepcopy(of) for name, of in POOLS.items()}
  for of in pools.values():  # says the opposite of the steps' check
    of.sound['judge'] = {k: not said for k, said in of.sound['steps'].items()}
  arm = 'wc_compute_matched'
  cells = outcome._arms(run, pools, costs(run), 'judge')
  cell = cells[arm]['high']
  assert cell['fpr'] == cell['fpr_by']['judge'] != cell['fpr_by']['steps']
  assert cell['fpr']['value'] == pytest.approx(1 / 3)
  assert cell['cost_per_true']['number']['value'] == pytest.approx(6 / 2)
  assert cells[ONE]['high']['cost_per_true']['number']['value'] is None
  (compared,) = (
    row['absolute']['value']
    for row in outcome._comparisons(
      run, pools, lambda *_: lib.Test([]), 'judge'
    )
    if (row['a'], row['b'], row['metric']) == (f'{ONE}-high', 'se-high', 'fpr')
  )
  assert compared == pytest.approx(1 - 1 / 2)
  del pools['se'].sound['judge']
  assert not outcome._break_even(run, pools, costs(run), 'judge')


def test_data_that_are_the_same_are_not_compared(tmp_path):
  """Of what is verified otherwise, only students differ."""
  spec = config.Config(arms=('se', 'se=all', 'wc_compute_matched'), student='')
  run = stages.Stages(spec, store.Store(tmp_path))
  pools = {
    'wc': pool('wc', [True] * 30),
    'se': pool('se', [False, True] * 5),
  }
  found = {
    row['a']
    for row in outcome._comparisons(
      run, pools, lambda *_: lib.Test([]), 'steps'
    )
  }
  assert found == {'wc_compute_matched-low', 'wc_compute_matched-high'}


def test_only_one_task_has_an_exact_check_of_the_steps():
  exact = [name for name in tasks.TASKS if tasks.find(name).exact_steps]
  assert exact == ['nano_arithmetic']
