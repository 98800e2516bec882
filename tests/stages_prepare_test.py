"""The stage `prepare`: what is asked of which process, and when none starts."""

import itertools
import pathlib

import pyarrow.parquet as pq
import pytest

from wcse_jax import store, tasks
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages import prepare
from wcse_jax.stages.layout import Run


class _Child:
  """Answers as the real process would, with the first problems of a task."""

  started: list = []  # noqa: RUF012, the test's own

  def __init__(self, module, *names):
    self.names, self.requests, self.closed = names, [], False
    self.started.append(self)
    assert module == 'wcse_jax.seqio_tasks.prepare'

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.closed = True

  def request(self, request):
    assert not self.closed
    self.requests.append(request)
    splits = tasks.load('nano_arithmetic', 'problems')()
    rows = [
      row
      for split, n in request['splits'].items()
      for row in itertools.islice(splits[split], n)
    ]
    folder = pathlib.Path(request['out_dir'])
    folder.mkdir(parents=True)
    pq.write_table(
      store.to_table(rows, store.PROBLEMS), folder / 'problems.parquet'
    )
    return {'rows': request['splits']}


@pytest.fixture
def run(tmp_path, monkeypatch):
  monkeypatch.setattr(prepare, 'Child', _Child)
  monkeypatch.setattr(_Child, 'started', [])
  values = config_lib.to_config_dict(config_lib.Config())
  changed = {
    'task.data_dir': 'data',
    'task.num_train': 3,
    'task.num_validation': 1,
    'task.num_test': 2,
    'evaluate.transfer': ('gsm8k',),
    'evaluate.num_transfer': 1,
  }
  values.update_from_flattened_dict(changed)
  return Run(config_lib.freeze(values), store.Store(tmp_path))


def _asked():
  (child,) = _Child.started
  return [(r['task'], r['data_dir'], r['splits']) for r in child.requests]


ALL = [
  ('nano_arithmetic', 'data', {'train': 3, 'validation': 1, 'test': 2}),
  ('gsm8k', '', {'test': 1}),
]


def test_one_process_prepares_all_tasks(run, capsys):
  prepare.make(run)
  assert _asked() == ALL
  assert _Child.started[0].names == ('nano_arithmetic', 'gsm8k')
  assert _Child.started[0].closed
  assert [len(run.problems[s]) for s in ('train', 'test', 'gsm8k')] == [3, 2, 1]
  prepare.make(run)
  assert len(_Child.started) == 1
  kept = 'problems/gsm8k: kept, complete with these settings'
  assert kept in capsys.readouterr().out


def test_more_sampled_problems_than_there_are_is_named(tmp_path):
  """Where the config takes all test problems, it cannot know how many."""
  config = config_lib.Config(
    task=config_lib.TaskSpec(num_train=1, num_validation=1, num_test=None),
    evaluate=config_lib.EvaluateSpec(num_sampled=3),
  )
  run = Run(config, store.Store(tmp_path))
  test = tasks.load('nano_arithmetic', 'problems')()['test']
  rows = [*itertools.islice(test, 2)]
  stage = run.problems_stage()
  stage.write_part(store.to_table(rows, store.PROBLEMS), store.PROBLEMS)
  stage.finish()
  with pytest.raises(config_lib.ConfigError) as error:
    prepare.make(run)
  assert error.value.field == 'evaluate.num_sampled'
  assert 'there are 2 test problems' in error.value.remedy


def test_a_process_that_was_started_before_is_used(run):
  with prepare.start(run) as child:
    prepare.make(run, child)
    assert not child.closed
  assert _asked() == ALL


def test_none_starts_where_nothing_is_to_do(run):
  prepare.make(run)
  with prepare.start(run) as child:
    assert child is None
  run.problems_stage('gsm8k').clear()
  with prepare.start(run) as child:
    prepare.make(run, child)
  assert child.names == ('gsm8k',)
  assert [r['task'] for r in child.requests] == ['gsm8k']
