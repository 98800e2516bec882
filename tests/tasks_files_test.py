"""Problems of a file: what a line may hold, and what is wrong with it."""

import json
import re

import pytest

from wcse_jax import tasks, verify
from wcse_jax.tasks import files

ROW = {'question': 'What is 9 + 8?', 'answer': '17'}


@pytest.fixture
def read(tmp_path):
  """Returns a function that writes rows, or lines, and reads their problems."""

  def read(grader, *rows, whole=True):
    path = tmp_path / 'problems.jsonl'
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text(''.join(f'{line}\n' for line in lines))
    return tasks.load(tasks.FILES[grader], 'problems')(str(path), whole)

  return read


def test_a_row_is_a_problem_of_the_task_it_is_graded_as(read):
  (problem,) = read('math', {**ROW, 'solution': ' 9+8=17. ', 'level': 3})[
    'train'
  ]
  assert problem.prompt == 'Problem:\nWhat is 9 + 8?\n\nSolution:'
  assert (problem.gold, problem.solution, problem.level) == (
    '17',
    ' 9+8=17.',
    3,
  )
  assert re.fullmatch('file_math/train/[0-9a-f]{16}', problem.problem_id)
  other, named = read('gsm8k', {**ROW, 'answer': 18}, {**ROW, 'id': 'a@b'})[
    'train'
  ]
  assert (other.gold, other.solution) == ('18', '')
  assert named.problem_id.startswith('file_gsm8k/train/a-b-')
  (alias,) = read('string', {'problem': 'Who?', 'gold': 'Ann'}, '')['train']
  assert (alias.question, alias.gold) == ('Who?', 'Ann')


def test_a_problem_that_is_altered_is_another(read):
  """Its samples are kept by its id, which must not be that of the old one."""
  names = [
    read('numeric', {**ROW, **change})['train'][0].problem_id
    for change in ({}, {'question': 'What is 8 + 9?'}, {'answer': '18'}, {})
  ]
  assert names[0] == names[3] and len({*names}) == 3


def test_an_official_answer_of_gsm8k_is_solution_and_gold(read):
  answer = 'He sold 48/2 = <<48/2=24>>24.\n#### 24'
  (problem,) = read('gsm8k', {'question': 'How many?', 'answer': answer})[
    'train'
  ]
  assert problem.gold == '24'
  assert problem.solution == ' He sold 48/2 = 24.\nThe answer is 24.'


def test_where_a_line_stands_does_not_count(read):
  """An empty line before it would have had its samples bought again."""
  before, after = (read('math', *rows)['train'] for rows in ([ROW], ['', ROW]))
  assert before == after


@pytest.mark.parametrize(
  'test',
  [
    'assert list(map(lambda x: x + 1, f(3))) == [4]',
    'def close(a, b):\n  return abs(a - b) < 1\nassert close(f(1), 2)',
    'try:\n  f(1)\nexcept ValueError as e:\n  assert str(e)',
    'assert [y for y in range(3) if f(y)]',
    'import math as m\nx: int = 1\nassert m.floor(f(x))',
    'class A:\n  z = 1\nassert f(A.z)',
  ],
)
def test_what_tests_define_is_theirs(read, test):
  row = {'question': 'Write f.', 'tests': [test]}
  (problem,) = read('code', row)['train']
  assert json.loads(problem.gold)['names'] == ['f']


def test_splits_are_those_of_the_rows_or_by_hash(read):
  rows = [{**ROW, 'question': f'What is {i} + 8?'} for i in range(200)]
  whole = read('numeric', *rows)
  assert [len(whole[split]) for split in files.SPLITS] == [200, 0, 0]
  parts = read('numeric', *rows, whole=False)
  numbers = [len(parts[split]) for split in files.SPLITS]
  assert sum(numbers) == 200 and all(8 <= n <= 35 for n in numbers[1:])
  more = read('numeric', *rows, {**ROW, 'question': 'And?'}, whole=False)
  for split in files.SPLITS:  # a row more moves none of the others
    assert {p.problem_id for p in parts[split]} <= {
      p.problem_id for p in more[split]
    }
  given = read('numeric', {**ROW, 'split': 'test'}, {**ROW, 'split': 'train'})
  assert [len(given[split]) for split in files.SPLITS] == [1, 0, 1]


@pytest.mark.parametrize(
  ('grader', 'gold', 'right', 'wrong'),
  [
    ('math', r'\frac{1}{2}', r'So \boxed{0.5}.', r'So \boxed{2}.'),
    ('gsm8k', '17', 'The answer is 17.', 'The answer is 18.'),
    ('numeric', '0.5', '1+1=3. The answer is 1/2.', 'The answer is 5.'),
    ('string', 'Paris', 'The answer is "paris".', 'The answer is Rome.'),
    ('string', 'B', 'Hm.\nAnswer: B', 'Answer: A'),
    ('string', 'new york', r'\boxed{New  York}', 'York'),
    ('string', 'yes', 'I think so.\nYes', 'The answer is yes and no'),
    (
      'string',
      'B',
      'The answer is B. For A is odd.',
      'The answer is A. Not B.',
    ),
    ('string', 'B', r'It is $\boxed{\text{B}}$.', r'\boxed{\text{A}}'),
  ],
)
def test_solutions_are_graded(grader, gold, right, wrong):
  task = tasks.FILES[grader]
  assert verify.grade(task, gold=gold, text=right).verdict == 'correct'
  assert verify.grade(task, gold=gold, text=wrong).verdict == 'wrong'
  assert verify.grade(task, gold=gold, text='').verdict == 'wrong'


def test_the_steps_of_numeric_are_not_looked_at():
  grade = verify.grade('file_numeric', gold='3', text='1+1=3. The answer is 3.')
  assert grade.verdict == 'correct' and grade.sound is None


def test_code_must_pass_its_tests(read):
  row = {
    'question': 'Write a function that doubles.',
    'tests': ['import math', 'x = 3', 'assert double(x) == math.floor(6.5)'],
    'solution': 'def double(x):\n  return x + x',
  }
  (problem,) = read('code', row)['train']
  assert 'assert double(x)' in problem.prompt
  assert json.loads(problem.gold)['names'] == ['double']
  grade = lambda text: (
    verify.grade('file_code', gold=problem.gold, text=text).verdict
  )
  assert grade(problem.solution) == 'correct'
  assert grade('def double(x):\n  return x') == 'wrong'


BAD = [
  ('{"question": "What?"', 'not JSON'),
  ('[1]', 'not an object with fields'),
  ({'question': 'What?'}, "it has no 'answer'"),
  ({'answer': '5'}, "it has no 'question'"),
  ({**ROW, 'answer': ' '}, "'answer' is empty"),
  ({**ROW, 'answer': None}, "'answer' is None: give a text or a number"),
  ({**ROW, 'answer': True}, "'answer' is True: give a text or a number"),
  ({**ROW, 'question': ''}, "'question' is '': give a text"),
  ({**ROW, 'question': 5}, "'question' is 5: give a text"),
  ({**ROW, 'solution': 5}, "'solution' is 5: give a text"),
  ({**ROW, 'level': 'hard'}, "'level' is 'hard': give a whole number"),
  ({**ROW, 'split': 'dev'}, "'split' is 'dev': give train, validation, test"),
]


@pytest.mark.parametrize(('row', 'why'), BAD, ids=[why for _, why in BAD])
def test_a_bad_line_is_named(read, row, why):
  with pytest.raises(files.FileError) as error:
    read('math', '', '', row)
  said = str(error.value)
  assert 'problems.jsonl:3: ' in said and why in said
  assert 'a line is a JSON object' in said


def test_rows_contradict_each_other(read):
  with pytest.raises(files.FileError, match=r":2: give all rows a 'split'"):
    read('math', ROW, {**ROW, 'split': 'train'})
  twice = {**ROW, 'id': '1'}
  with pytest.raises(files.FileError, match=r':3: it is that of line 1'):
    read('math', twice, ROW, twice)
  with pytest.raises(files.FileError, match=r':3: it is that of line 2'):
    read('math', twice, ROW, ROW)


@pytest.mark.parametrize(
  ('tests', 'why'),
  [
    (None, "it has no 'tests'"),
    ([], "it has no 'tests'"),
    (['assert f('], "'tests' are no Python"),
    (['assert 1 == 1'], 'use nothing that the code is to define'),
  ],
)
def test_bad_tests_of_code_are_named(read, tests, why):
  with pytest.raises(files.FileError, match=why):
    read('code', {'question': 'Write f.', 'tests': tests})


def test_a_file_without_problems_is_named(read, tmp_path):
  with pytest.raises(files.FileError, match='it has no problems'):
    read('math')
  with pytest.raises(files.FileError, match='No such file'):
    files.problems(tasks.find('file_math'), str(tmp_path / 'no'), True)
  (tmp_path / 'binary').write_bytes(b'\xff\xfe')
  with pytest.raises(files.FileError, match='binary'):
    files.problems(tasks.find('file_math'), str(tmp_path / 'binary'), True)
