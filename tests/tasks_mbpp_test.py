"""MBPP: its texts, its file."""

import json
import os
import pathlib

import pytest

from wcse_jax import tasks
from wcse_jax.answers import sandbox
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, mbpp, mbpp_sanitized

_ROW = {
  'task_id': 601,
  'text': 'Write a function to square.',
  'code': 'import math\r\nP = 1\r\ndef sq(x):  \r\n\treturn x*x\r\n',
  'test_setup_code': '',
  'test_list': ['assert sq(2) == 4', 'assert sq({1: 3}[1]) == math.pow(3, 2)'],
  'challenge_test_list': [],
}


def _folder() -> pathlib.Path:
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with mbpp/mbpp.jsonl')
  return pathlib.Path(os.environ['WCSE_DATA_DIR'])


@pytest.mark.parametrize('task', ['mbpp', 'mbpp_sanitized'])
def test_prompt(task):
  """Three examples, each graded right by its own tests."""
  info = tasks.find(task)
  shots = info.prefix.split('[DONE]\n\n')
  assert shots.pop() == ''
  assert len(shots) == 3
  for shot in shots:
    question, _, solution = shot.partition('\n[BEGIN]\n')
    question = question.partition('here is your task: ')[2]
    assert shot == info.prompt_format.format(question=question) + solution
    tests = question.partition('tests:\n\n')[2]
    name = solution.partition('def ')[2].partition('(')[0]
    gold = sandbox.Tests('', [name], tests).dumps()
    for text, verdict in ((f'{solution}[DONE]', 'correct'), ('x', 'wrong')):
      assert mbpp.grade(gold, text, '').verdict == verdict


def test_problem():
  (problem,) = mbpp.split_problems([_ROW], 'train')
  assert vars(problem) == {
    'problem_id': 'mbpp/train/00601',
    'split': 'train',
    'question': (
      'Write a function to square. Your code should pass these tests:\n\n'
      'assert sq(2) == 4\nassert sq({1: 3}[1]) == math.pow(3, 2)'
    ),
    'prompt': (
      'You are an expert Python programmer, and here is your task: Write a '
      'function to square. Your code should pass these tests:\n\n'
      'assert sq(2) == 4\nassert sq({1: 3}[1]) == math.pow(3, 2)\n[BEGIN]\n'
    ),
    'solution': 'import math\nP = 1\ndef sq(x):\n\treturn x*x',
    'gold': problem.gold,
    'level': 0,
  }
  header, names, _ = sandbox.Tests.loads(problem.gold)
  assert (header, names) == ('import math\n', ['sq'])
  text = problem.solution
  grade = mbpp.grade(problem.gold, text, '')
  assert grade.verdict == 'correct'


def test_text_is_cut_where_the_code_ends():
  assert tasks.find('mbpp').cut('x = 1\n[DONE]\ny') == 'x = 1\n'


def test_altered_file_is_named(tmp_path):
  path = tmp_path / mbpp.FILE
  path.write_text(json.dumps(_ROW))
  expected = datasets.DATASETS['mbpp'].sha256[mbpp.FILE]
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {expected}'
  with pytest.raises(TaskError, match=message):
    mbpp.problems(str(tmp_path))


@pytest.mark.filterwarnings('ignore:invalid escape sequence')
def test_official_file():
  """Splits; examples as in the file; what tests take is there to take."""
  rows = datasets.Source('mbpp', _folder() / 'mbpp').rows(mbpp.FILE)
  ids = {
    split: [p.problem_id for p in mbpp.split_problems(rows, split)]
    for split in mbpp.SPLITS
  }
  assert {split: len(x) for split, x in ids.items()} == {
    'train': 374,
    'validation': 90,
    'test': 500,
  }
  assert ids['test'][0] == 'mbpp/test/00011'
  assert ids['test'][-1] == 'mbpp/test/00510'
  shots = ''.join(
    mbpp.TASK.prompt_format.format(question=mbpp.question(row))
    + mbpp.reference_solution(row)
    + '\n[DONE]\n\n'
    for row in rows[1:4]
  )
  assert shots == mbpp.TASK.prefix
  golds = {row['task_id']: mbpp.gold(row) for row in rows}
  assert all(gold.names for gold in golds.values())
  several = {i: g.names for i, g in golds.items() if len(g.names) > 1}
  assert several == {
    367: ['Node', 'is_tree_balanced'],
    601: ['Pair', 'max_chain_length'],
    927: ['Node', 'max_height'],
  }
  assert {i: g.header for i, g in golds.items() if g.header} == {
    596: 'import sys \n'.replace(' \n', '\n')
  }


@pytest.mark.filterwarnings('ignore:invalid escape sequence')
def test_sanitized():
  """The 427: examples, 324 to learn from, 100 to choose by; others as tests."""
  source = datasets.Source('mbpp_sanitized', _folder() / 'mbpp')
  rows = source.document(mbpp_sanitized.FILE)
  splits = mbpp_sanitized.split(rows, source.rows(mbpp.FILE))
  sizes = datasets.DATASETS['mbpp_sanitized'].sizes
  assert {name: len(rows) for name, rows in splits.items()} == sizes
  ids = [{row['task_id'] for row in rows} for rows in splits.values()]
  assert len(set().union(*ids, mbpp_sanitized.EXAMPLES)) == 427 + 243
  by_id = {row['task_id']: mbpp_sanitized.as_in_mbpp(row) for row in rows}
  shots = ''.join(
    mbpp.TASK.prompt_format.format(question=mbpp.question(by_id[i]))
    + mbpp.reference_solution(by_id[i])
    + '\n[DONE]\n\n'
    for i in mbpp_sanitized.EXAMPLES
  )
  assert shots == mbpp_sanitized.TASK.prefix
  with_setup = [x for x in by_id.values() if x['test_setup_code']]
  assert with_setup
  for row in with_setup:
    solution = mbpp.reference_solution(row)
    grade = mbpp_sanitized.grade(mbpp.gold(row).dumps(), solution, '')
    assert grade[:3:2] == ('correct', 'tests')
