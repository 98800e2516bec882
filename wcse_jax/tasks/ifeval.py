r"""IFEval: instructions whose following can be checked, without solutions.

Zhou et al. 2023, arXiv 2311.07911. It has 541 prompts, no solutions, and no
split: the dataset is for testing alone. Ours is by the sha256 of a prompt's
key, so each part is a random sample. The examples are our own.
"""

from collections.abc import Iterable, Iterator
import hashlib
import pathlib
from typing import Any

from wcse_jax import tasks
from wcse_jax.answers import instructions
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import source_files

FILE = 'input_data.jsonl'
URL = (
  'https://raw.githubusercontent.com/google-research/google-research/'
  '19638399cc9e03623c5b9087a1d6fa8813974ce9/instruction_following_eval/data/'
  f'{FILE}'
)
SHA256 = '67ffeee0fcb87c317c5b08a2de85557b4a7e96ada6178aa645b4954fe4b53d49'

SPLITS = {  # by rank
  'train': range(300),
  'validation': range(300, 391),
  'test': range(391, 541),
}

PROMPT_FORMAT = '### Instruction:\n{question}\n\n### Response:\n'

TASK = tasks.TaskInfo(
  name='ifeval',
  prefix=pathlib.Path(__file__).with_suffix('.txt').read_text('utf-8'),
  prompt_format=PROMPT_FORMAT,
  stop_strings=('\n\n### Instruction:', '\n### Instruction:'),
)


def problems(
  data_dir: str = '', download: source_files.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of each split, from the official files.

  Args:
    data_dir: The folder with the files, see `source_files.Source`.
    download: How files are fetched where no folder has them; None fetches none.

  Raises:
    TaskError: A file is missing or altered, or cannot be fetched.
  """
  source = source_files.Source(TASK.name, data_dir, download)
  rows = read(source.path(URL))
  return {split: split_problems(rows, split) for split in SPLITS}


def grade(gold: str, text: str, question: str) -> Grade:
  """A response that follows all instructions; it is its own answer."""
  del question
  text = TASK.cut(text)
  verdict, rule = instructions.grade(gold, text)
  return Grade(verdict, '' if rule == 'size' else text, rule, None)


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """The rows of the official file, if its sha256 is right, in our order.

  Raises:
    TaskError: The file is missing or altered.
  """
  remedy = (
    f'get instruction_following_eval/data/{FILE} from'
    ' github.com/google-research/google-research'
  )
  return sorted(
    source_files.rows(path, SHA256, remedy),
    key=lambda row: hashlib.sha256(str(row['key']).encode()).digest(),
  )


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
    yield Problem(
      problem_id=f'ifeval/{split}/{rank:05d}.{row["key"]}',
      split=split,
      question=row['prompt'],
      prompt=PROMPT_FORMAT.format(question=row['prompt']),
      solution='',
      gold=gold(row),
      level=len(row['instruction_id_list']),
    )
