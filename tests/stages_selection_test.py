"""Arms are nested, deterministic subsets of the correct samples."""

import dataclasses
import random

import pytest

from wcse_jax.experiment import config
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.stages import selection

PROBLEMS = [
  Problem(
    problem_id=f'p{i}',
    split='train',
    question=f'q{i}',
    prompt=f'Problem: q{i}\nSolution:',
    solution=f' by hand {i}',
    gold=str(i),
    level=1,
  )
  for i in (1, 0)
]


def pool(generator, decisions):
  """Rows from {problem_id: verdicts}, in a scrambled order."""
  samples, verdicts = [], []
  for problem_id, row in decisions.items():
    for index, verdict in enumerate(row):
      key = {
        'generator': generator,
        'problem_id': problem_id,
        'sample_index': index,
      }
      text = f' {generator}  {problem_id}\n'
      samples.append(
        Sample(
          **key,
          text=text,
          num_tokens=3,
          num_prompt_tokens=5,
          finish_reason='stop',
          logprob=-1.0,
        )
      )
      verdicts.append(
        Verdict(**key, verdict=verdict, answer='1', rule='numeric', sound=None)
      )
  random.Random(0).shuffle(samples)
  random.Random(1).shuffle(verdicts)
  return samples, verdicts


C, W, U = 'correct', 'wrong', 'unknown'
WC = pool('wc', {'p0': [W, C, C, U], 'p1': [C, U, W, C], 'other': [C] * 4})
SE = pool('se', {'p0': [C, C, C, C], 'p1': [C, C, C, C]})
SAMPLES, VERDICTS = WC[0] + SE[0], WC[1] + SE[1]


def _select(arm, drawn, *args, **options):
  drawn = {Pool(name): range(n) for name, n in drawn.items()}
  return selection.select(Mix(config.arm(arm), 'low'), drawn, *args, **options)


def keys(num_samples, arm='wc_compute_matched'):
  pools = {arm.split('_')[0]: num_samples}
  examples = _select(arm, pools, SAMPLES, VERDICTS, PROBLEMS)
  return [(e.source, e.problem_id, e.sample_index) for e in examples]


def test_keeps_correct_samples_in_problem_then_index_order():
  assert keys(4) == [
    ('wc', 'p1', 0),
    ('wc', 'p1', 3),
    ('wc', 'p0', 1),
    ('wc', 'p0', 2),  # the same text as index 1: the paper keeps both
  ]


def test_budgets_are_nested():
  assert keys(1) == [('wc', 'p1', 0)]
  assert [key for key in keys(4) if key[2] < 2] == keys(2)


def test_arm_takes_its_own_generator():
  assert {source for source, *_ in keys(2, arm='se')} == {'se'}


def test_example_carries_prompt_and_text_unchanged():
  example = _select(
    'wc_compute_matched', {'wc': 1}, SAMPLES, VERDICTS, PROBLEMS
  )[0]
  assert example.prompt == 'Problem: q1\nSolution:'
  assert example.completion == ' wc  p1\n'


def test_reference_is_each_problems_own_solution():
  examples = _select('reference', {}, [], [], PROBLEMS)
  assert [(e.source, e.completion) for e in examples] == [
    ('reference', ' by hand 1'),
    ('reference', ' by hand 0'),
  ]


def test_empty_mix_names_arm_budget_and_remedy():
  samples, verdicts = pool('wc', {'p0': [W], 'p1': [U]})
  with pytest.raises(
    selection.SelectionError,
    match=r'wc_compute_matched at budget low.*Raise the budget',
  ):
    _select('wc_compute_matched', {'wc': 1}, samples, verdicts, PROBLEMS)


@pytest.mark.parametrize('stage', ['sample', 'verify'])
def test_incomplete_pool_is_not_trained_on_in_silence(stage):
  samples = SAMPLES if stage == 'verify' else SAMPLES[1:]
  verdicts = VERDICTS if stage == 'sample' else VERDICTS[1:]
  with pytest.raises(selection.SelectionError, match=f'{stage}/wc has no row'):
    _select('wc_compute_matched', {'wc': 4}, samples, verdicts, PROBLEMS)


def _answered(answers):
  samples, verdicts = pool('wc', {'p0': [W] * len(answers), 'p1': [W]})
  return samples, [
    dataclasses.replace(v, answer=answers[v.sample_index])
    if v.problem_id == 'p0'
    else dataclasses.replace(v, answer='')
    for v in verdicts
  ]


@pytest.mark.parametrize(
  ('answers', 'num_samples', 'kept'),
  [
    (['7', '8', '8', ''], 4, [1, 2]),
    (['7', '8', '8', ''], 2, [0]),  # as many votes: the first given
    (['', '8', '', ''], 4, [1]),  # no answer is no vote
  ],
)
def test_without_labels_the_majority_decides(answers, num_samples, kept):
  samples, verdicts = _answered(answers)
  examples = _select(
    'wc_compute_matched',
    {'wc': num_samples},
    samples,
    verdicts,
    PROBLEMS[1:],
    keep='majority',
  )
  assert [e.sample_index for e in examples] == kept


def test_without_a_verifier_all_are_kept():
  samples, verdicts = _answered(['7', '8', '8', ''])
  examples = _select(
    'wc_compute_matched', {'wc': 4}, samples, verdicts, PROBLEMS[1:], keep='all'
  )
  assert [e.sample_index for e in examples] == [0, 1, 2, 3]


def test_a_mix_takes_from_each_pool():
  examples = _select(
    'se+wc_compute_matched', {'se': 1, 'wc': 3}, SAMPLES, VERDICTS, PROBLEMS
  )
  assert [(e.source, e.problem_id, e.sample_index) for e in examples] == [
    ('se', 'p1', 0),
    ('wc', 'p1', 0),
    ('se', 'p0', 0),
    ('wc', 'p0', 1),
    ('wc', 'p0', 2),
  ]


def test_so_many_are_kept_of_a_problem():
  assert keys(4, 'wc_compute_matched~1') == [('wc', 'p1', 0), ('wc', 'p0', 1)]


def test_as_many_are_kept_at_random_as_are_right():
  """Neither the verifier's choice nor more of them: what filtering adds."""
  arm, pools = 'wc_compute_matched=random', {'wc': 4}
  drawn = lambda **options: [
    (e.problem_id, e.sample_index)
    for e in _select(
      arm, pools, SAMPLES, VERDICTS, PROBLEMS, keep='random', **options
    )
  ]
  right = [(problem, index) for _, problem, index in keys(4)]
  several = {seed: drawn(seed=seed) for seed in range(20)}
  assert {len(of) for of in several.values()} == {len(right)}
  assert all(len({*of}) == len(of) for of in several.values())
  assert several[3] == drawn(seed=3)
  assert len({*map(tuple, several.values())}) > 10
  assert {key for of in several.values() for key in of} == {
    (p.problem_id, i) for p in PROBLEMS for i in range(4)
  }
