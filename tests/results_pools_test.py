"""What results.json says of arms and students, from few rows."""

import functools

import numpy as np
import pytest

from wcse_jax.analysis import costs as ledger
from wcse_jax.experiment import config
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results import pools as lib

SPEC = config.ReportSpec(bootstrap_samples=200)
NUM_PROBLEMS = 40
STEPS = functools.partial(lib.false_positives, source='steps')


def answers(greedy, level=1):
  """A seed's answers to problems."""
  return [
    {
      'problem_id': f'p/{i}',
      'level': level + i % 2,
      'greedy': 'correct' if right else 'wrong',
      'verdicts': ['correct', 'wrong'],
      'answers': ['1', '2'],
    }
    for i, right in enumerate(greedy)
  ]


def seeds(rates, draw=0):
  """Seeds that solve so many problems, from the first on: easy ones first."""
  rng = np.random.default_rng(draw)
  ease = np.arange(100) / 100 + rng.normal(scale=0.05, size=100)
  return lib.Test([answers(ease < rate) for rate in rates])


def width(estimate):
  return estimate['high'] - estimate['low']


def test_seeds_that_differ_make_intervals_wider():
  wc, se = seeds((0.3, 0.6, 0.45), 1), seeds((0.40, 0.35, 0.30), 2)
  about = {'matched': True, 'spec': SPEC, 'seed': 0}
  row = lib.compare('a', 'b', 'pass_at_1', wc.greedy(), se.greedy(), **about)
  as_one = lib.compare(
    *('a', 'b', 'pass_at_1', wc.greedy().mean(0), se.greedy().mean(0)), **about
  )
  assert row['absolute']['value'] == pytest.approx(as_one['absolute']['value'])
  for name in ('absolute', 'relative'):
    assert width(row[name]) > 1.5 * width(as_one[name])
  assert row['mde'] > 1.5 * as_one['mde']
  gains = (wc.greedy() - se.greedy()).mean(axis=1)
  assert row['by_seed'] == pytest.approx(gains.tolist())
  assert 'by_seed' not in as_one


def test_a_student_has_each_seeds_value():
  cell = lib.student_cell(seeds((0.2, 0.5, 0.8)), (1, 2), SPEC, 0)
  assert [of['pass_at_1'] for of in cell['by_seed']] == pytest.approx(
    [0.2, 0.5, 0.8], abs=0.08
  )
  assert cell['by_seed'][0]['maj_at_k'] == {1: 0.5, 2: 0.5}
  one = lib.student_cell(seeds((0.5,)), (1, 2), SPEC, 0)
  assert len(one['by_seed']) == 1
  assert width(cell['pass_at_1']) > 3 * width(one['pass_at_1'])
  assert cell['pass_at_1']['low'] >= 0 and cell['pass_at_1']['high'] <= 1
  assert set(cell['by_level']) == {1, 2}


def test_seeds_on_one_problem_are_taken_as_one():
  test = lib.Test([answers([True]), answers([False])])
  cell = lib.student_cell(test, (1,), SPEC, 0)
  assert cell['pass_at_1']['value'] == 0.5


def pool(generator, correct, unsound, tokens=10):
  """Two samples of each problem; the first so many problems have a right one.

  Args:
    generator: Its name.
    correct: Problems of right answer.
    unsound: Of them, those of wrong reasoning.
    tokens: Of a sample of an even problem; of others three times as many.
  """
  problems, samples, verdicts = [], [], []
  for i in range(NUM_PROBLEMS):
    name = f'p/{i}'
    problems.append(
      Problem(
        problem_id=name,
        split='train',
        question='?',
        prompt='?',
        solution='1',
        gold='1',
        level=1,
      )
    )
    for index in range(2):
      key = {
        'generator': generator,
        'problem_id': name,
        'sample_index': index,
      }
      right = index == 0 and i < correct
      samples.append(
        Sample(
          **key,
          text=f'{i}',
          num_tokens=tokens * (3 if i % 2 else 1),
          num_prompt_tokens=5,
          finish_reason='eos',
          logprob=0.0,
        )
      )
      verdicts.append(
        Verdict(
          **key,
          verdict='correct' if right else 'wrong',
          answer='1',
          rule='x',
          sound=i >= unsound if right else None,
        )
      )
  return lib.Pool(problems, samples, verdicts)


def cost(of):
  return ledger.cost(
    [s.num_tokens for s, _ in of.all(2)],
    [False] * 2 * NUM_PROBLEMS,
    params=100,
    exact_params=110,
    mean_tokens=20,
    prefill_flops=0.0,
    padding_flops=0.0,
    idle_flops=0.0,
  )


def test_false_positives_are_compared():
  wc, se = pool('wc', 30, 12), pool('se', 20, 2)
  row = lib.compare_fpr(
    *('a', 'b', STEPS(wc, 2), STEPS(se, 2)),
    matched=True,
    spec=SPEC,
  )
  assert row['metric'] == 'fpr'
  assert row['absolute']['value'] == pytest.approx(12 / 30 - 2 / 20)
  assert row['relative']['value'] == pytest.approx(3.0)
  assert row['absolute']['low'] > 0
  assert 0.1 < row['mde'] < 0.4


def test_a_truly_correct_sample_costs_what_the_ledger_says():
  wc = pool('wc', 30, 12)
  made = cost(wc)
  cell = lib.arm_cell(
    wc,
    2,
    generator='wc',
    label='WC',
    most=None,
    cost=made,
    examples=None,
    matched=True,
    source='steps',
    spec=SPEC,
    seed=0,
  )
  assert set(cell['cost_per_true']) == {'number', 'flops', 'measured'}
  assert cell['cost_per_true']['number']['value'] == pytest.approx(80 / 18)
  assert cell['cost_per_true']['measured']['value'] == pytest.approx(
    2 * 110 * (20 * 10 + 20 * 30) * 2 / 18
  )
  assert cell['cost']['tokens'] == 1600 and cell['cost']['usd'] is None
  assert cell['cost_flops'] == made.rule_flops


def test_the_break_even_rate_is_by_each_known_cost():
  wc, se = pool('wc', 30, 12, tokens=5), pool('se', 20, 2)
  row = lib.break_even(
    *('a', 'b', (wc, 2, None, cost(wc)), (se, 2, None, cost(se))),
    source='steps',
    spec=SPEC,
    seed=0,
  )
  # By number: 18 of 30 truly correct for the same cost.
  assert row['fpr']['number']['value'] == pytest.approx(1 - 0.9 * 20 / 30)
  # Half the tokens: half the cost.
  assert row['fpr']['measured']['value'] == pytest.approx(1 - 0.9 / 3)
  assert set(row['fpr']) == {'number', 'flops', 'measured'}


def test_one_source_says_what_is_a_false_positive():
  pools = {'wc': pool('wc', 30, 12), 'se': pool('se', 20, 2)}
  drawn = {'wc': 2, 'se': 2}
  chosen = functools.partial(lib.chosen_source, pools, drawn)
  key = ('p/0', 0)
  assert chosen(exact_steps=False) == chosen(exact_steps=True) == 'steps'
  for of in pools.values():
    of.sound['judge'] = {key: True}
  assert chosen(exact_steps=False) == 'judge'
  pools['wc'].sound['people'] = {key: True, ('p/1', 0): True}
  assert chosen(exact_steps=False) == 'judge'  # people did not look at SE's
  pools['se'].sound['people'] = {('p/39', 0): True}
  assert chosen(exact_steps=False) == 'judge'  # but at a wrong one
  pools['se'].sound['people'][key] = False
  assert chosen(exact_steps=False) == 'people'
  assert chosen(exact_steps=True) == 'steps'
  read = lib.to_read(pools, drawn, 'people')
  kinds = [(row['kind'], row['generator']) for row in read]
  assert kinds.count(('false positive', 'se')) == 1
  assert ('false positive', 'wc') not in kinds
  for of in pools.values():
    of.sound.clear()
  assert chosen(exact_steps=False) is None
  assert not lib.false_positives(pools['wc'], 2, source=None)[1].any()


def test_the_rate_of_a_mix_is_that_of_its_right_samples():
  """It was that of the samples judged: 12 of 32."""
  wc, se = pool('wc', 30, 12), pool('se', 20, 0)
  wc.sound['judge'] = dict(wc.sound['steps'])
  se.sound['judge'] = dict(list(se.sound['steps'].items())[:2])
  mix, n = lib.join([(wc, 2), (se, 2)])
  for source in ('steps', 'judge'):
    unsound, checked = lib.false_positives(mix, n, source=source)
    assert unsound.sum() / checked.sum() == pytest.approx(12 / 50)
  cell = lib.arm_cell(
    mix,
    n,
    generator='wc+se',
    label='mix',
    most=None,
    cost=cost(wc),
    examples=None,
    matched=True,
    source='judge',
    spec=SPEC,
    seed=0,
  )
  assert cell['fpr'] == cell['fpr_by']['judge']
  assert cell['fpr_by']['judge']['value'] == pytest.approx(12 / 50)
  assert cell['cost_per_true']['number']['value'] == pytest.approx(80 / 38)
  se.sound['judge'] = {}
  mix, n = lib.join([(wc, 2), (se, 2)])
  assert not lib.false_positives(mix, n, source='judge')[1].any()


def test_winners_are_jsonable_and_know_whether_they_flip():
  rng = np.random.default_rng(0)
  noise = rng.normal(scale=0.1, size=100)
  values = {
    'wc': {1: 0.4 + noise, 2: 0.6 + noise / 2},
    'se': {1: 0.5 + noise[::-1] / 2},
  }
  costs = {
    name: {
      k: ledger.Cost(
        samples=k,
        rule_flops=k * rule,
        decode_flops=k * 2.0,
        prefill_flops=0.0,
        padding_flops=0.0,
        idle_flops=0.0,
      )
      for k in (1, 2)
    }
    for name, rule in (('wc', 1.0), ('se', 2.0))
  }
  made = lib.winners(*('low', 'coverage', values, costs, 1), spec=SPEC, seed=0)
  winner = {row['matching']: row['winner'] for row in made['rows']}
  assert winner == {
    'number': 'se',
    'flops': 'wc',
    'measured': 'se',
    'price': None,
    'seconds': None,
  }
  assert made['flips'] and made['rows'][0]['absolute']['value'] < 0
  assert made['rows'][3]['absolute'] is None


def test_the_ledger_has_what_is_planned_beside_what_the_pool_took():
  """A pool may be shared: it used to have our tokens in everybody's time."""
  of = pool('wc', 30, 12)
  part = {
    'ledger': {
      'samples': NUM_PROBLEMS,
      'tokens': 800,
      'prefill_tokens': 40,
      'prefill_padding': 8,
      'waiting_tokens': 700,
      'refill_idle': 100,
      'tail_idle': 20,
      'seconds': 2.0,
      'device_seconds': 2.0,
    },
    'device': 'cpu',
    'slots': 4,
  }
  timed = {'worker_seconds': 1.5}
  row = lib.ledger_row(of, 2, [part, part], [timed, timed])
  whole = {'samples': 80, 'tokens': 1600, 'tokens_per_s': 400, 'seconds': 4}
  assert row.items() >= whole.items()
  assert (row['planned_samples'], row['planned_tokens']) == (80, 1600)
  assert row['duplicates_rate'] == 0.5 and row['prompt_tokens'] == 400
  of.problems = of.problems[:10]
  less = lib.ledger_row(of, 1, [part, part], [timed, timed])
  assert (less['planned_samples'], less['planned_tokens']) == (10, 200)
  planned = ('planned_samples', 'planned_tokens', 'duplicates_rate')
  assert {**less, **{name: row[name] for name in planned}} == row


def test_a_family_counts_once_and_only_if_all_its_variants_are_solved():
  of_seeds = [
    answers([True, True, True, False]),
    answers([True, False, False, False]),
  ]
  test = lib.Test(of_seeds, ['a', 'a', 'b', 'b'])
  assert test.greedy().tolist() == [[1, 0], [0, 0]]
  # Each variant has one right sample of two; both must be found.
  assert test.coverage(1) == pytest.approx(np.full((2, 2), 0.25))
  assert test.coverage(2).tolist() == [[1, 1], [1, 1]]
  of_seeds[1][3]['greedy'] = 'unknown'
  assert test.unknown() == 1
  alone = lib.Test(of_seeds[:1])
  assert alone.greedy().tolist() == [1, 1, 1, 0]
