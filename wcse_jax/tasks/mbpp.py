r"""MBPP: basic Python programming problems, each with three tests.

Austin et al. 2021, arXiv 2108.07732. Splits and prompt, with problems 2, 3 and
4 as examples, are those of the dataset's own page, beside the data:
https://github.com/google-research/google-research/blob/
f82046ba5aabbbb427dbfd38a254d26bff08b533/mbpp/README.md
The examples are the dataset's (CC-BY-4.0), with line ends made '\n' and
trailing spaces removed.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from wcse_jax import data_files, tasks
from wcse_jax.answers import code, sandbox
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets

FILE = 'mbpp.jsonl'
SPLITS = {  # by task_id
  'train': range(601, 975),
  'validation': range(511, 601),
  'test': range(11, 511),
}

TASK = tasks.TaskInfo(
  name='mbpp',
  prefix=data_files.text(__file__),
  prompt_format=(
    'You are an expert Python programmer, and here is your task: '
    '{question}\n[BEGIN]\n'
  ),
  stop_strings=('[DONE]',),
  grader_version=3,
  answer_is_solution=True,
)


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from the official files."""
  rows = source.rows(FILE)
  return {split: split_problems(rows, split) for split in SPLITS}


def grade(gold: str, text: str, question: str) -> Grade:
  """Code that passes its tests in a sandbox."""
  del question
  return code.grade(gold, text, end)


def end(text: str, names: Sequence[str]) -> int:
  """Where a text ends, whatever it defines."""
  del names
  return len(TASK.cut(text))


def question(row: dict[str, Any]) -> str:
  """The task and its tests, as they stand in the prompt."""
  tests = '\n'.join(row['test_list'])
  return f'{row["text"]} Your code should pass these tests:\n\n{tests}'


def reference_solution(row: dict[str, Any]) -> str:
  """The human-written code, without what only its file has."""
  lines = row['code'].replace('\r\n', '\n').split('\n')
  return '\n'.join(line.rstrip() for line in lines).strip('\n')


def gold(row: dict[str, Any]) -> sandbox.Tests:
  """What decides: the three tests that the prompt shows.

  From the program they take what the reference solution defines and they
  use; a module that they use and it imports, they import themselves.
  """
  tests = '\n'.join([row['test_setup_code'], *row['test_list'], ''])
  nodes = ast.walk(ast.parse(tests))
  used = {node.id for node in nodes if isinstance(node, ast.Name)}
  names, imports = set(), []
  for node in ast.parse(reference_solution(row)).body:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
      names.add(node.name)
    elif isinstance(node, ast.Import) and used & {a.name for a in node.names}:
      imports.append(ast.unparse(node) + '\n')
  return sandbox.Tests(''.join(imports), sorted(names & used), tests)


def split_problems(rows: list[dict[str, Any]], split: str) -> Iterator[Problem]:
  """The problems of a split."""
  for row in rows:
    if row['task_id'] in SPLITS[split]:
      yield problem(TASK, split, row)


def problem(task: tasks.TaskInfo, split: str, row: dict[str, Any]) -> Problem:
  """The problem of a row, of this task or one with rows like its own."""
  return task.problem(
    f'{row["task_id"]:05d}',
    split,
    question=question(row),
    solution=reference_solution(row),
    gold=gold(row).dumps(),
  )
