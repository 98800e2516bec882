"""The planner's back-test, on a small run that never was."""

import json
import pathlib

import numpy as np
import pytest

from wcse_jax import store
from wcse_jax.records import Problem, Sample, Verdict

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'
POOLS = {'wc': 12, 'se': 4}


@pytest.fixture
def planner(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import planner

  return planner


@pytest.fixture
def workdir(tmp_path):
  """60 problems of two levels; SE costs thrice as much, and is a bit better."""
  rng = np.random.default_rng(0)
  data = store.Store(tmp_path)
  problems = [
    Problem(
      problem_id=f'p{i:02d}',
      split='train' if i < 60 else 'test',
      question='',
      prompt='',
      solution='',
      gold='',
      level=1 + i % 2,
    )
    for i in range(70)
  ]
  p = rng.beta(0.5, 1.0 + np.arange(60) % 2)
  write = lambda name, rows, schema: data.stage(name, {}).write_part(
    store.to_table(rows, schema), schema
  )
  write('problems/task', problems, store.PROBLEMS)
  for arm, M in POOLS.items():
    samples, verdicts = [], []
    for i in range(60):
      for index in range(M):
        key = {
          'generator': arm,
          'problem_id': f'p{i:02d}',
          'sample_index': index,
        }
        correct = rng.random() < p[i] ** (1 if arm == 'wc' else 0.8)
        samples.append(
          Sample(
            **key,
            text=f'way {rng.integers(3)}',
            num_tokens=5,
            num_prompt_tokens=5,
            finish_reason='eos',
            logprob=0.0,
          )
        )
        verdicts.append(
          Verdict(
            **key,
            verdict='correct' if correct else 'unknown',
            answer='',
            rule='',
            sound=None,
          )
        )
    write(f'sample/{arm}', samples, store.SAMPLES)
    write(f'verify/{arm}', verdicts, store.VERDICTS)
  store.write_json(
    tmp_path / 'config.json', {'config': {'task': {'name': 'task'}}}
  )
  store.write_json(
    tmp_path / 'plan' / 'plan.json',
    {'pools': POOLS, 'params': {'wc': 1e6, 'se': 3e6}},
  )
  return tmp_path


def test_a_finished_run_is_tested(planner, workdir, capsys):
  file = workdir / 'planner.json'
  code = planner.main(
    [f'--workdir={workdir}', f'--json={file}', '--pilot=0.3', '--pilots=2']
  )
  assert code == 0
  result = json.loads(file.read_text())
  assert result['problems'] == 60 and result['pools'] == POOLS
  pools = planner.read(workdir)
  for arm, name in enumerate(planner.ARMS):
    realised = result['prediction'][name]['realised']
    assert len(realised) == 4
    assert realised[-1] == pytest.approx(pools.correct[arm].any(axis=1).mean())
    assert max(result['prediction'][name]['mean_absolute_error']) < 0.2
    unique = [
      len(set(found[right]))
      for found, right in zip(
        pools.solutions[arm], pools.correct[arm], strict=True
      )
    ]
    assert result['diversity'][name]['realised'][-1] == pytest.approx(
      np.mean(unique)
    )
  fixed = {(wc, se): value for wc, se, value in result['split']['fixed']}
  assert list(fixed) == [(12, 0), (9, 1), (6, 2), (3, 3), (0, 4)]
  assert fixed[tuple(result['split']['best_fixed'])] == max(fixed.values())
  of_wc = next(
    row
    for row in result['adaptive']
    if row['arms'] == 'wc' and row['se_samples'] == 3
  )
  assert of_wc['uniform'] == [9, 0]
  assert of_wc['adaptive_coverage'] > of_wc['uniform_coverage']
  assert 'recommended split' in capsys.readouterr().out


def test_a_pilot_has_all_levels_and_costs_its_share(planner, workdir):
  pools = planner.read(workdir)
  budget = 0.1 * pools.budget(4) * 60
  tried = planner.pilot(np.random.default_rng(0), pools, budget)
  chosen = tried.any(axis=0)
  assert (tried[:, chosen] == np.array([[4], [2]])).all()
  assert np.ptp(np.bincount(pools.levels_P[chosen])[1:]) <= 1
  spent = (tried * np.array(pools.costs)[:, None]).sum()
  assert budget - np.dot((4, 2), pools.costs) < spent <= budget


def test_the_order_of_samples_does_not_change_what_is_realised(
  planner, workdir
):
  pools = planner.read(workdir)
  shuffled = pools.shuffled(np.random.default_rng(0))
  assert (shuffled.correct[0] != pools.correct[0]).any()
  np.testing.assert_allclose(shuffled.coverage(5, 2), pools.coverage(5, 2))
  assert shuffled.diversity(0, 5) == pytest.approx(pools.diversity(0, 5))


@pytest.mark.parametrize('missing', ['sample/se', 'verify/wc', 'plan'])
def test_an_unfinished_run_is_named(planner, workdir, missing, capsys):
  (workdir / missing).rename(workdir / 'gone')
  assert planner.main([f'--workdir={workdir}']) == 2
  error = capsys.readouterr().err
  assert str(workdir) in error and 'sampled and verified' in error


def test_an_impossible_share_is_refused(planner, capsys):
  with pytest.raises(SystemExit):
    planner.main(['--workdir=x', '--pilot=2'])
  assert '--pilot: more than 0' in capsys.readouterr().err
