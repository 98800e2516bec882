"""HumanEval: its texts, its file."""

import gzip
import json
import os

import pytest

from wcse_jax import tasks
from wcse_jax.answers import sandbox
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, humaneval

_ROW = {
  'task_id': 'HumanEval/0',
  'prompt': 'import math\n\n\ndef f(x):\n  """The square of x."""\n',
  'entry_point': 'f',
  'canonical_solution': '  return x * x\n',
  'test': 'def check(candidate):\n  assert candidate(2) == 4\n',
}


def _rows():
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with humaneval/HumanEval.jsonl.gz')
  return datasets.Source('humaneval').rows(humaneval.FILE)


def test_problem():
  (problem,) = humaneval.split_problems([_ROW])
  assert problem.problem_id == 'humaneval/test/00000'
  assert problem.prompt == problem.question == _ROW['prompt']
  assert problem.solution == _ROW['canonical_solution']
  grader = humaneval.grade
  for text, verdict in (('  return x * x\n', 'correct'), ('  pass', 'wrong')):
    assert grader(problem.gold, text, '').verdict == verdict


def test_zero_shot():
  info = tasks.find('humaneval')
  assert info.prefix == ''
  assert info.prompt_format.format(question='{x}') == '{x}'


def test_a_text_that_continues_ends_where_the_function_does():
  body = '    if x:\n        return 1\n    # no\n    return 2'
  for more in ('def g():', 'class A:', 'if True:', 'print(1)', '# Test'):
    text = f'{body}\n{more}'
    assert text[: humaneval.end(text, ['f'])] == body


def test_sampling_does_not_stop_before_a_function_that_is_restated():
  cut = tasks.find('humaneval').cut
  for start in ('', '\n', '\n\n', '```python\n', 'import re\n\n\n', '# f\n'):
    text = f'{start}def f(x):\n  return 1\n\ndef g(x):\n  return 2\n'
    assert cut(text) == text
    assert cut(f'{text}\nif __name__ == "__main__":\n  f(1)') == text


def test_altered_file_is_named(tmp_path):
  path = tmp_path / humaneval.FILE
  path.write_bytes(gzip.compress(json.dumps(_ROW).encode()))
  expected = datasets.DATASETS['humaneval'].sha256[humaneval.FILE]
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {expected}'
  with pytest.raises(TaskError, match=message):
    humaneval.problems(str(tmp_path))


def test_missing_file_is_named(tmp_path):
  path = tmp_path / humaneval.FILE
  with pytest.raises(TaskError, match=f'{path}: No such file.*get data/'):
    humaneval.problems(str(tmp_path))


def test_official_file():
  rows = _rows()
  problems = humaneval.split_problems(rows)
  assert len(rows) == 164
  cut = tasks.find('humaneval').cut
  for row, problem in zip(rows, problems, strict=True):
    header, names, tests = sandbox.Tests.loads(problem.gold)
    # What is cut is never a part of a solution.
    text = problem.solution
    assert cut(text) == text[: humaneval.end(text, names)] == text
    assert text == row['canonical_solution']
    assert header + row['canonical_solution'] in (
      row['prompt'] + row['canonical_solution']
    )
    assert names == [row['entry_point']]
    assert tests.endswith(f'\ncheck({names[0]})\n')
