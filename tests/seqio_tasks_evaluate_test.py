"""`python -m wcse_jax.verify`: what seqio decides is what the stage decides."""

import dataclasses
import itertools
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from wcse_jax import store, tasks
from wcse_jax.records import Sample, Verdict
from wcse_jax.runtime.children import Child, TaskError
from wcse_jax.verify import __main__ as command
from wcse_jax.verify import pool

RUN = pathlib.Path(__file__).parent / 'golden_workdir'
WRONG = ' So 2 + 2 = 5. The answer is 123456789. \\boxed{123456789}'
FOLLOWED = 'Section 1, Section 2, Section 3, Section 4: dammit' + ' fake' * 6
COUNT = 4  # problems of a task, each with a right, a wrong and an odd solution


@pytest.fixture(scope='module')
def child():
  with Child('wcse_jax.seqio_tasks.evaluate') as child:
    yield child


def _problems(name):
  splits = tasks.load(name, 'problems')()
  return list(itertools.islice(splits['test'], COUNT))


def _solutions(name, problem):
  right = problem.solution or FOLLOWED
  stop = tasks.find(name).stop_strings[0]
  return right, f'{right}{stop}{WRONG}', WRONG, '', 'é\n\u2028 \\frac{'


def _commit(stage, rows, schema):
  stage.write_part(store.to_table(rows, schema), schema)
  stage.finish(rows=len(rows))


def _run(folder, name):
  """A workdir with solutions of a task, verified as the stage does."""
  data, problems = store.Store(folder), _problems(name)
  texts = [text for p in problems for text in _solutions(name, p)]
  keys = [(p, i) for p in problems for i in range(len(texts) // len(problems))]
  items = [
    pool.Item(name, p.gold, text, p.question)
    for (p, _), text in zip(keys, texts, strict=True)
  ]
  with pool.Pool(1, 30.0) as workers:
    grades = list(workers.grade(items))
  rows = lambda record, columns: [
    record(generator='wc', problem_id=p.problem_id, sample_index=i, **column)
    for (p, i), column in zip(keys, columns, strict=True)
  ]
  cost = {'num_tokens': 1, 'num_prompt_tokens': 1, 'logprob': -1.0}
  samples = [{'text': x, 'finish_reason': 'eos', **cost} for x in texts]
  verdicts = [grade._asdict() for grade in grades]
  for stage, schema, made in (
    (f'problems/{name}', store.PROBLEMS, problems),
    ('sample/wc', store.SAMPLES, rows(Sample, samples)),
    ('verify/wc', store.VERDICTS, rows(Verdict, verdicts)),
  ):
    _commit(data.stage(stage, {'task': name, 'timeout_s': 30.0}), made, schema)
  config = {'config': {'task': {'name': name}}}
  store.write_json(folder / 'config.json', config)
  return grades


@pytest.mark.parametrize('name', tasks.TASKS)
def test_seqio_decides_what_the_stage_decides(child, tmp_path, name):
  if not name.startswith('nano_') and 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('WCSE_DATA_DIR is not set: it has the official files')
  grades = _run(tmp_path, name)
  decisions = {grade.verdict for grade in grades}
  assert {'correct', 'wrong'} <= decisions
  request = {'workdir': str(tmp_path), 'generator': 'wc', 'split': 'test'}
  answer = child.request(request)
  assert answer['differing'] == []
  assert answer['samples'] == len(grades) == 5 * COUNT
  right = sum(grade.verdict == 'correct' for grade in grades)
  assert answer['metrics']['pass_at_1'] == right / len(grades)
  assert answer['metrics'] == answer['committed']


def _files(folder):
  return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


def test_a_pool_of_a_run(child, tmp_path):
  """Of a real run; then one verdict is another, and is told."""
  run = tmp_path / 'run'
  shutil.copytree(RUN, run)
  before = _files(run)
  request = {'workdir': str(run), 'generator': 'wc', 'split': 'train'}
  answer = child.request(request)
  assert (answer['samples'], answer['differing']) == (72, [])
  assert _files(run) == before
  data = store.Store(run)
  manifest = data.stage('verify/wc', {}).manifest()
  stage = data.stage('verify/wc', manifest['spec'], manifest['upstream'])
  rows = store.from_table(stage.read_parts(), Verdict)
  rows[3] = dataclasses.replace(rows[3], answer='another')
  stage.clear()
  _commit(stage, rows, store.VERDICTS)
  (differing,) = child.request(request)['differing']
  assert differing[:2] == [rows[3].problem_id, rows[3].sample_index]
  assert differing[2][1] == 'another' != differing[3][1]


def test_a_pool_without_all_verdicts(tmp_path):
  _run(tmp_path, 'nano_arithmetic')
  stage = store.Store(tmp_path).stage(
    'verify/wc', {'task': 'nano_arithmetic', 'timeout_s': 30.0}
  )
  rows = store.from_table(stage.read_parts(), Verdict)
  stage.clear()
  _commit(stage, rows[:-2], store.VERDICTS)
  request = {'workdir': str(tmp_path), 'generator': 'wc', 'split': 'test'}
  child = Child('wcse_jax.seqio_tasks.evaluate')
  with child, pytest.raises(TaskError, match='lacks the verdicts of 2 samples'):
    child.request(request)


@pytest.mark.parametrize(
  ('differing', 'committed', 'code'),
  [
    ([], 0.5, 0),
    ([['p', 1, ['wrong', '8', 'x', None], ['wrong', '9', 'x', None]]], 0.5, 1),
    ([], 0.75, 1),
  ],
)
def test_what_the_command_prints_and_its_exit_code(
  monkeypatch, capsys, differing, committed, code
):
  class Fake(Child):
    def __init__(self, module):
      assert module == 'wcse_jax.seqio_tasks.evaluate'

    def __exit__(self, *_):
      pass

    def request(self, request):
      assert request['split'] == 'train'
      return {
        'metrics': {'pass_at_1': 0.5},
        'committed': {'pass_at_1': committed},
        'samples': 4,
        'differing': differing,
      }

  monkeypatch.setattr(command, 'Child', Fake)
  assert command.main(['--workdir=x', '--generator=wc']) == code
  shown = capsys.readouterr().out
  assert f'pass_at_1: 0.5000 (committed: {committed:.4f})' in shown
  assert f'{4 - len(differing)} of 4 verdicts are the same' in shown


def test_what_is_missing_is_named(tmp_path):
  """In the words of the store, by the command itself."""
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'wcse_jax.verify'),
      *(f'--workdir={RUN}', '--generator=another'),
    ],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 1
  assert 'sample/another is not complete' in done.stderr
