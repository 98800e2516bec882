"""What arms cost and whom they are compared with, of pools made by hand."""

import pytest

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results import pools as lib
from wcse_jax.stages import layout as stages
from wcse_jax.stages import outcome

PROBLEMS = 8


def pool(generator, n):
  """Samples of 10 tokens after questions of 1, 2, ... and a prefix of 100."""
  problems, samples, verdicts = [], [], []
  for i in range(PROBLEMS):
    problems.append(
      Problem(
        problem_id=f'p/{i}',
        split='train',
        question='?',
        prompt='?',
        solution='1',
        gold='1',
        level=1,
      )
    )
    for index in range(n):
      key = {
        'generator': generator,
        'problem_id': f'p/{i}',
        'sample_index': index,
      }
      samples.append(
        Sample(
          **key,
          text=f'{index}',
          num_tokens=10,
          num_prompt_tokens=100 + i + 1,
          finish_reason='eos' if index else 'length',
          logprob=0.0,
        )
      )
      verdict = 'correct' if (i + index) % 3 else 'wrong'
      verdicts.append(
        Verdict(**key, verdict=verdict, answer='1', rule='x', sound=None)
      )
  return lib.Pool(problems, samples, verdicts)


@pytest.fixture
def run(tmp_path, monkeypatch):
  """SE of 1 and 3 samples per problem, WC of 3 and 9."""
  values = config_lib.to_config_dict(config_lib.Config())
  values.update_from_flattened_dict(
    {
      'arms': ('se', 'wc_compute_matched', 'wc_compute_matched=all'),
      'budget.high': 3,
      'report.bootstrap_samples': 100,
    }
  )
  monkeypatch.setattr(
    stages.Stages, 'num_prefix_tokens', lambda self, role: 100
  )
  return stages.Stages(config_lib.freeze(values), store.Store(tmp_path))


@pytest.fixture
def pools(run):
  return {name: pool(name, n) for name, n in run.allotments.pools.items()}


def part(**spent):
  """A part of a pool of all problems; its engine prefilled each once."""
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


def costs(run, pools, parts):
  """Of the first samples of a pool that was drawn in such parts."""
  rows = {
    name: lib.ledger_row(pools[name], n, parts, [])
    for name, n in run.allotments.pools.items()
  }
  return outcome._pool_cost(run, pools, rows, {})


def test_prefill_is_of_an_arms_problems_whoever_drew_from_its_pool(run, pools):
  each = 2 * run.allotments.params_exact['wc']
  cost = costs(run, pools, [part()])('wc', 3)
  assert cost.prefill_flops == each * (100 + 36)
  assert cost.padding_flops == cost.prefill_flops / 2
  assert cost.truncated_flops == cost.decode_flops / 3 == each * 10 * PROBLEMS
  # In two sessions, each of which prefilled anew.
  assert costs(run, pools, [part(), part()])('wc', 3) == cost
  half = {name: pool(name, 9) for name in pools}
  for of in half.values():
    of.problems = of.problems[:4]
  less = costs(run, half, [part(), part()])('wc', 3)
  assert less.prefill_flops == each * (100 + 1 + 2 + 3 + 4)
  assert less.decode_flops == cost.decode_flops / 2


def test_students_of_another_budget_do_not_match(run, pools):
  """They were shown fewer examples: 3 samples of the low against the high."""
  seen = []

  def tested(mix, test):
    seen.append(str(mix))
    return lib.Test(
      [
        [{'problem_id': p, 'level': 1, 'greedy': 'wrong'} for p in range(9)],
      ]
    )

  found = outcome._winners(run, pools, tested, costs(run, pools, [part()]))
  rows = {
    (of['metric'], of['budget'], row['matching']): row
    for of in found
    for row in of['rows']
  }
  assert rows['coverage', 'high', 'number']['wc_samples'] == 3
  student = rows['pass_at_1', 'high', 'number']
  assert student['wc_samples'] is None and student['winner'] is None
  assert student['note'] == (
    '3 samples of WC would match; 9 cost 300.0% of what SE does: no student of'
    ' this budget is nearer'
  )
  assert rows['pass_at_1', 'high', 'flops']['wc_samples'] == 9
  assert rows['pass_at_1', 'low', 'flops']['wc_samples'] == 3
  # What is verified otherwise is no student of the same kind.
  assert set(seen) == {
    f'{arm}-{budget}'
    for arm in ('se', 'wc_compute_matched')
    for budget in ('low', 'high')
  }
