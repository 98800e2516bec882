"""What a pilot foretells of the splits of a budget, from workdir to table."""

import json
import pathlib
import re

import numpy as np
import pytest

from wcse_jax import store
from wcse_jax.commands import split
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.stages import pilot
from wcse_jax.stages.layout import Run

RATES = {'wc': (0.7, 0.05), 'se': (0.9, 0.2)}  # of easy and hard problems
NAMES = 'wc', 'se'
NUMBERS = {'wc': 6, 'se': 3}


def make(workdir: pathlib.Path, sampled: int = 30, **changes) -> Run:
  """A workdir of 60 problems, of which the first ones were sampled."""
  values = config_lib.to_config_dict(Config())
  values.update(changes)
  config = config_lib.freeze(values)
  run = Run(config, store.Store(workdir))
  problems = [
    Problem(
      problem_id=f'p{i:02d}',
      split='train',
      question='',
      prompt='',
      solution='',
      gold='',
      level=1 + i % 2,
    )
    for i in range(60)
  ]
  write(run.problems_stage(), problems, store.PROBLEMS)
  run.problems_stage().finish()
  rng = np.random.default_rng(0)
  for arm, number in NUMBERS.items():
    samples, verdicts = [], []
    for i in range(sampled):
      for index in range(number):
        key = {
          'generator': arm,
          'problem_id': f'p{i:02d}',
          'sample_index': index,
        }
        right = rng.random() < RATES[arm][i % 2]
        samples.append(
          Sample(
            **key,
            text=f'way  {rng.integers(2)}',
            num_tokens=5,
            num_prompt_tokens=5,
            finish_reason='eos',
            logprob=0.0,
          )
        )
        verdicts.append(
          Verdict(
            **key,
            verdict='correct' if right else 'unknown',
            answer='',
            rule='',
            sound=None,
          )
        )
    write(run.pool_stage(Pool(arm)), samples, store.SAMPLES)
    write(run.verify_stage(Pool(arm)), verdicts, store.VERDICTS)
  store.write_json(
    workdir / 'config.json', {'config': config_lib.to_dict(config)}
  )
  return run


def write(stage, rows, schema):
  if rows:
    stage.write_part(store.to_table(rows, schema), schema)


def test_pools_are_read_as_far_as_they_are(tmp_path):
  run = make(tmp_path)
  found = pilot.read(run, NAMES)
  assert found.levels_P.tolist() == [1, 2] * 30
  assert (found.tried_AxP[:, :30] == [[6], [3]]).all()
  assert not found.tried_AxP[:, 30:].any()
  right = [v.verdict == 'correct' for v in run.verdicts(Pool('wc'))]
  texts = [s.text.split()[1] for s in run.samples(Pool('wc'))]
  for p in range(30):
    own = slice(6 * p, 6 * p + 6)
    kept = [t for t, r in zip(texts[own], right[own], strict=True) if r]
    assert found.correct_AxP[0, p] == len(kept)
    assert found.unique_AxP[0, p] == len(set(kept))


def test_every_split_is_foretold_and_one_recommended(tmp_path):
  made = pilot.plan(pilot.read(make(tmp_path), NAMES), (1.0, 3.0), 4, seed=0)
  ways = {(s['wc'], s['se']): s for s in made['splits']}
  assert sorted(ways) == [(0, 4), (3, 3), (6, 2), (9, 1), (12, 0)]
  assert made['pilot'] == {
    'problems': 30,
    'samples': {'wc': 180, 'se': 90},
    'share': (180 + 3 * 90) / (4 * 3 * 60),
  }
  covered = [s['coverage']['value'] for s in made['splits']]
  assert covered == sorted(covered, reverse=True)
  assert sum(s['chance_best'] for s in made['splits']) == pytest.approx(1)
  for (wc, se), told in ways.items():
    truth = np.mean(
      [
        1 - (1 - p) ** wc * (1 - q) ** se
        for p, q in zip(RATES['wc'], RATES['se'], strict=True)
      ]
    )
    assert told['coverage']['low'] - 0.02 <= truth
    assert truth <= told['coverage']['high'] + 0.02
    assert 0.5 < told['diversity']['value'] < 4
  # A solved problem needs no more: the rest goes to the hard ones.
  both = made['adaptive']['both']
  assert both['coverage']['value'] > covered[0] + 0.03
  for name, row in made['adaptive'].items():
    each = row['samples']
    assert each['wc'] + 3 * each['se'] <= 12 + 1e-6, name
  assert made['adaptive']['wc']['samples']['se'] == 1.5  # the pilot's alone


def alike(problems, tried, correct):
  """A pilot of half of so many problems, all of them solved alike."""
  tried_AxP = np.zeros((2, problems), int)
  tried_AxP[:, : problems // 2] = tried
  right_AxP = np.minimum(tried_AxP, correct)
  return pilot.Pilot(
    names=NAMES,
    levels_P=np.ones(problems, int),
    tried_AxP=tried_AxP,
    correct_AxP=right_AxP,
    unique_AxP=np.minimum(right_AxP, 2),
  )


def test_of_splits_that_cover_the_same_the_most_diverse_is_recommended():
  """Of eight equal splits the least diverse was, and it alone was best."""
  made = pilot.plan(alike(20, 4, 4), (1.0, 3.0), 7, seed=0)
  known = alike(10, 4, 4)
  known.tried_AxP[:], known.correct_AxP[:] = 4, 4
  sure = pilot.plan(known, (1.0, 3.0), 7, seed=0)
  assert {way['coverage']['value'] for way in sure['splits']} == {1.0}
  assert {way['chance_best'] for way in sure['splits']} == {1.0}
  diverse = [way['diversity']['value'] for way in sure['splits']]
  assert diverse == sorted(diverse, reverse=True)
  best, *others = made['splits']
  for other in others:
    if round(other['coverage']['value'], 3) == round(
      best['coverage']['value'], 3
    ):
      assert best['diversity']['value'] >= other['diversity']['value']


def test_what_is_not_certain_is_not_shown_as_such():
  """99.9% [100.0, 100.0] was shown, from 10 problems."""
  made = pilot.plan(alike(10, 6, 6), (1.0, 3.0), 7, seed=0)
  text = pilot.text(made)
  for told in (way['coverage'] for way in made['splits']):
    assert told['low'] <= told['value'] <= told['high']
    if told['value'] < 1:
      assert told['low'] < 1
  assert not re.search(r'9\d\.\d% \[100\.0%', text)
  assert '[100.0%, 100.0%]' not in text.split('recommended')[0]


def test_a_pilot_that_spent_the_budget_leaves_nothing_to_allocate(tmp_path):
  made = pilot.plan(pilot.read(make(tmp_path), NAMES), (1.0, 3.0), 2, seed=0)
  assert made['adaptive'] == {}
  assert 'the pilot spent it all' in pilot.text(made)


def test_of_a_large_budget_some_splits_are_foretold(tmp_path):
  made = pilot.plan(
    pilot.read(make(tmp_path), NAMES), (0.3, 10.5), 1000, seed=0
  )
  ways = sorted((s['se'], s['wc']) for s in made['splits'])
  assert (ways[0], ways[-1]) == ((0, 35_000), (1000, 0))
  assert len(ways) == 100
  assert made['adaptive'] == {}
  assert 'not tried with more than 200' in pilot.text(made)


def test_the_command_prints_and_writes(tmp_path, capsys):
  make(tmp_path)
  file = tmp_path / 'split.json'
  arguments = [f'--workdir={tmp_path}', '--budget=4', f'--json={file}']
  assert split.main(['launch/split.py', *arguments]) == 0
  out = capsys.readouterr().out
  made = json.loads(file.read_text())
  best = made['splits'][0]
  assert f'recommended: {best["wc"]} of wc and {best["se"]} of se' in out
  assert all(len(line) <= 80 for line in out.splitlines()), out
  # By price 35 samples of WC cost one of SE.
  arguments[1] = '--budget=1'
  assert split.main(['launch/split.py', *arguments, '--by=price']) == 0
  assert json.loads(file.read_text())['costs'] == {'wc': 0.3, 'se': 10.5}


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    ([], '--workdir'),
    (['--workdir=no/such'], '--workdir=no/such'),
    (['--workdir=gs://b/run'], 'command of its run and --stages=report'),
    (['--workdir={}', '--budget=0.1'], 'pays for no sample'),
    (['--workdir={}', '--budget=-1'], 'budget'),
    (['--workdir={}', '--budget=nan'], '--budget=nan: give a finite number'),
    (['--workdir={}', '--budget=inf'], '--budget=inf: give a finite number'),
    (['--workdir={}', '--json={}'], 'is a folder: name a file in it'),
    (['--workdir={}', '--by=time'], 'compute|price'),
    (['--workdir={}', '--json=no/such/file'], 'no such folder'),
    (['--workdir={}', 'more'], "'more' is not a flag"),
  ],
)
def test_bad_input_is_named(tmp_path, capsys, arguments, said):
  make(tmp_path)
  arguments = [argument.format(tmp_path) for argument in arguments]
  assert split.main(['launch/split.py', *arguments]) == 2
  error = capsys.readouterr().err
  assert error.startswith('error: ') and said in error
  assert len(error.splitlines()) <= 3


@pytest.mark.parametrize(
  ('missing', 'said'),
  [
    ('problems', 'run the stage prepare first'),
    ('sample/se', 'has no samples'),
    ('verify/wc', 'has no verdicts'),
    ('config.json', 'has no config.json: name a workdir that launch/main'),
  ],
)
def test_what_is_missing_is_named(tmp_path, capsys, missing, said):
  make(tmp_path / 'run')
  (tmp_path / 'run' / missing).rename(tmp_path / 'gone')
  assert split.main(['launch/split.py', f'--workdir={tmp_path / "run"}']) == 2
  assert said in capsys.readouterr().err


def test_costs_are_by_size_or_by_price():
  config = Config()
  wc, se = pilot.costs(config, 'compute', NAMES)
  assert se == pytest.approx(3 * wc, rel=0.1)
  assert pilot.costs(config, 'price', NAMES) == (0.3, 10.5)
  unknown = Config(arms=('se', 'wc_number_matched'), wc='small')
  with pytest.raises(ConfigError, match='--by=price'):
    pilot.costs(unknown, 'compute', NAMES)


def test_samples_that_end_with_enough_right_ones_are_no_pilot(tmp_path):
  """Of these, right ones are too many; what was drawn in full is one."""
  run = make(tmp_path)
  assert pilot.read(run, NAMES).tried_AxP.sum() == 30 * 9
  run = make(tmp_path / 'few', **{'budget': {'right': 1}})
  with pytest.raises(pilot.PilotError, match=r'config\.budget\.right'):
    pilot.read(run, NAMES)
