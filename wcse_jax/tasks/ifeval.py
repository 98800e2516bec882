r"""IFEval: instructions whose following can be checked, without solutions.

Zhou et al. 2023, arXiv 2311.07911. It has 541 prompts, no solutions, and no
split: the dataset is for testing alone. Ours is by the sha256 of a prompt's
key, so each part is a random sample. The examples are our own.
"""

from collections.abc import Iterator
import hashlib
from typing import Any

from wcse_jax import data_files, tasks
from wcse_jax.answers import instructions
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets

FILE = 'input_data.jsonl'
SPLITS = {  # by rank
  'train': range(300),
  'validation': range(300, 391),
  'test': range(391, 541),
}

TASK = tasks.TaskInfo(
  name='ifeval',
  prefix=data_files.text(__file__),
  prompt_format='### Instruction:\n{question}\n\n### Response:\n',
  stop_strings=('\n\n### Instruction:', '\n### Instruction:'),
  grader_version=2,
)


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from the official files."""
  rows = read(source)
  return {split: split_problems(rows, split) for split in SPLITS}


def grade(gold: str, text: str, question: str) -> Grade:
  """A response that follows all instructions; it is its own answer."""
  del question
  return instructions.grade(gold, TASK.cut(text))


def read(source: datasets.Source) -> list[dict[str, Any]]:
  """The rows of the official file, in our order.

  Raises:
    TaskError: The file is missing or altered, or cannot be fetched.
  """
  digest = lambda row: hashlib.sha256(str(row['key']).encode()).digest()
  return sorted(source.rows(FILE), key=digest)


def gold(row: dict[str, Any]) -> str:
  """What decides: the instructions and their arguments."""
  pairs = zip(row['instruction_id_list'], row['kwargs'], strict=True)
  return instructions.dumps(pairs)


def split_problems(rows: list[dict[str, Any]], split: str) -> Iterator[Problem]:
  """The problems of a split.

  The level is the number of instructions. There are no solutions.

  Args:
    rows: All, as `read` orders them.
    split: One of SPLITS.
  """
  for rank in SPLITS[split]:
    row = rows[rank]
    yield TASK.problem(
      f'{rank:05d}.{row["key"]}',
      split,
      question=row['prompt'],
      solution='',
      gold=gold(row),
      level=len(row['instruction_id_list']),
    )
