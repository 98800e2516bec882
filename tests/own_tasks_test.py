"""Own tasks of another shape: what is wrong is said, with config.task.name."""

import sys
import types

import pytest

from wcse_jax import tasks
from wcse_jax.experiment import config as config_lib
from wcse_jax.records import Grade, Problem
from wcse_jax.runtime.children import TaskError
from wcse_jax.seqio_tasks import prepare
from wcse_jax.stages import check
from wcse_jax.verify import pool, worker

TASK = tasks.TaskInfo(
  name='own', prefix='', prompt_format='{question}', stop_strings=('\n',)
)


def problem(number=0, **changes):
  fields = {
    'problem_id': f'own/{number}',
    'split': 'train',
    'question': '1+1?',
    'prompt': '1+1?',
    'solution': ' 2',
    'gold': '2',
    'level': 0,
  }
  return Problem(**fields | changes)


def right(gold, text, question):
  return Grade('correct' if gold == text else 'wrong', text, 'same')


@pytest.fixture
def own(monkeypatch):
  def add(**parts):
    module = types.ModuleType('own_task')
    found = {'TASK': TASK, 'grade': right, 'problems': None} | parts
    vars(module).update({k: v for k, v in found.items() if v is not None})
    monkeypatch.setitem(sys.modules, 'own_task', module)

  return add


def ask(folder, wanted=None):
  return prepare.prepare(
    {
      'task': 'own_task',
      'data_dir': '',
      'out_dir': str(folder),
      'splits': {'train': wanted},
    }
  )


def failing(error):
  yield problem()
  raise error


GIVEN = {
  'a list': [problem()],
  'nothing': None,
  'no iterable': {'train': 7},
  'dicts': {'train': [vars(problem())]},
  'texts': {'train': 'abc'},
  'no text': {'train': [problem(question=None)]},
  'bytes': {'train': [problem(gold=b'2')]},
  'half a character': {'train': [problem(prompt='\ud800')]},
  'a level of text': {'train': [problem(level='hard')]},
  'a level out of range': {'train': [problem(level=2**40)]},
  'another split': {'train': [problem(split='test')]},
  'one id twice': {'train': [problem(), problem()]},
}


@pytest.mark.parametrize('given', GIVEN.values(), ids=GIVEN)
def test_problems_that_are_none_are_named(own, tmp_path, given):
  own(problems=lambda data_dir: given)
  with pytest.raises(TaskError, match=r"config.task.name = 'own_task': "):
    ask(tmp_path)


@pytest.mark.parametrize('error', [ValueError, OSError, KeyError, RuntimeError])
def test_an_error_while_reading_is_named(own, tmp_path, error):
  def raising(data_dir):
    raise error('no such row')

  for problems in (
    raising,
    lambda data_dir: {'train': failing(error('no such row'))},
  ):
    own(problems=problems)
    with pytest.raises(TaskError, match='config.task.name.*no such row'):
      ask(tmp_path)


BUGGY = """from wcse_jax import tasks

TASK = tasks.TaskInfo(
  name='own', prefix='', prompt_format='{question}', stop_strings=()
)


def problems(data_dir):
  return {'train': _rows(data_dir)}


def _rows(data_dir):
  yield from open(data_dir + '/rows.jsonl') if data_dir else [][7]


def grade(gold, text, question):
  return int(text) == int(gold)
"""


def test_an_error_in_own_code_is_told_with_its_line(tmp_path, monkeypatch):
  (tmp_path / 'own_buggy.py').write_text(BUGGY)
  monkeypatch.syspath_prepend(tmp_path)
  request = {'task': 'own_buggy', 'out_dir': '', 'splits': {'train': None}}
  with pytest.raises(TaskError, match=r'range \(own_buggy.py:13\)$'):
    prepare.prepare(request | {'data_dir': ''})
  message = f'^{tmp_path}/rows.jsonl: No such .*own_buggy.py:13.*task.data_dir$'
  with pytest.raises(TaskError, match=message):  # no fault of the name
    prepare.prepare(request | {'data_dir': str(tmp_path)})
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  with pool.Pool(1, 5.0) as workers:
    (grade,) = workers.grade([pool.Item('own_buggy', '1', 'one')])
  assert grade.rule == 'error: ValueError (own_buggy.py:17)'


def test_an_error_in_a_module_is_told_with_its_line(tmp_path, monkeypatch):
  (tmp_path / 'own_at_once.py').write_text('import json\n\njson.loads("{")\n')
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(ValueError, match=r'own_at_once.py:3\)$'):
    tasks.find('own_at_once')
  with pytest.raises(ValueError, match=r"module named 'no_task_at_all'\)$"):
    tasks.find('no_task_at_all')


@pytest.mark.parametrize(
  'grade', ['correct', None, True, ('right', '', ''), ('correct', 2, 'same')]
)
def test_a_grader_that_gives_no_grade_is_named(own, tmp_path, grade):
  own(problems=lambda data_dir: {'train': [problem()]}, grade=lambda *_: grade)
  with pytest.raises(TaskError, match='config.task.name.*records.Grade'):
    ask(tmp_path)


def test_what_is_no_grade_is_unknown_and_no_announcement(monkeypatch):
  """A text was taken for news of the worker, which then was waited for."""
  script = (
    'from wcse_jax.verify import worker\n'
    "worker.serve(lambda task: lambda *_: 'correct', 5.0)\n"
  )
  with pool.Pool(1, 5.0, command=('-c', script)) as workers:
    (grade,) = workers.grade([pool.Item('gsm8k', '1', '1')])
  assert (grade.verdict, grade.rule) == ('unknown', 'error: TypeError')
  assert worker.serve


@pytest.mark.parametrize(
  'task',
  [None, 'own', {'name': 'own'}, lambda: None],
  ids=lambda task: type(task).__name__,
)
def test_a_task_that_is_none_is_named(own, task):
  own(TASK=task)
  config = config_lib.Config(task=config_lib.TaskSpec(name='own_task'))
  with pytest.raises(config_lib.ConfigError, match='TASK') as error:
    check.check(config)
  assert error.value.field == 'task.name'


@pytest.mark.parametrize(
  'source', ['1 / 0', 'TASK =', 'raise KeyError("x")', 'import no_such']
)
def test_a_module_that_fails_is_named(tmp_path, monkeypatch, source):
  name = f'own_{abs(hash(source))}'
  (tmp_path / f'{name}.py').write_text(source)
  monkeypatch.syspath_prepend(tmp_path)
  config = config_lib.Config(task=config_lib.TaskSpec(name=name))
  with pytest.raises(config_lib.ConfigError, match=r'Error: ') as error:
    check.check(config)
  assert error.value.field == 'task.name'


@pytest.mark.parametrize(
  'changes', [{'stop_strings': '\n\n'}, {'stop_strings': [7]}, {'prefix': None}]
)
def test_a_task_of_wrong_texts_is_refused(changes):
  fields = {name: getattr(TASK, name) for name in ('name', 'prefix')}
  with pytest.raises(ValueError, match='give'):
    tasks.TaskInfo(
      **{
        **fields,
        'prompt_format': '{question}',
        'stop_strings': (),
        **changes,
      }
    )


def test_right_ones_are_taken(own, tmp_path):
  own(
    problems=lambda data_dir: {
      'train': (problem(i) for i in range(3)),
      'test': iter([problem(9, split='train')]),  # not asked for, not read
    },
  )
  assert ask(tmp_path, 2)['rows'] == {'train': 2}
  assert tasks.TaskInfo(
    name='x', prefix='', prompt_format='', stop_strings=['\n\n']
  ).stop_strings == ('\n\n',)
