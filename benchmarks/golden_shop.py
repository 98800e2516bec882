"""Word problems of a shop, from JSON lines: an own task.

For `golden.py`, in the one text that both versions of the code can read: it is
part of what an own task made.
"""

from collections.abc import Iterator
import json
import pathlib

from wcse_jax import records, tasks

try:  # an older version's: there, tasks.gsm8k imports seqio
  from wcse_jax.verify.graders import gsm8k as grade  # pyright: ignore
except ImportError:
  from wcse_jax.tasks.gsm8k import grade  # the last number is right

__all__ = ['TASK', 'grade', 'problems']

SHOTS = (
  (
    'Tom has 20 eggs. Tom sells 6 eggs. How many eggs are left for Tom?',
    '20-6=14. The answer is 14.',
  ),
  (
    'Mia has 5 boxes with 8 toys each. How many toys does Mia have now?',
    '5*8=40. The answer is 40.',
  ),
)
PROMPT = 'Problem: {question}\nSolution:'

TASK = tasks.TaskInfo(
  name='shop',
  prefix=''.join(f'{PROMPT.format(question=q)} {s}\n\n' for q, s in SHOTS),
  prompt_format=PROMPT,
  stop_strings=('\n\n',),
)


def problems(data_dir: str) -> dict[str, Iterator[records.Problem]]:
  """The problems of each split, in the files' order."""
  return {
    split: read(pathlib.Path(data_dir, f'{split}.jsonl'), split)
    for split in ('train', 'validation', 'test')
  }


def read(path: pathlib.Path, split: str) -> Iterator[records.Problem]:
  """The problems of a file."""
  for number, line in enumerate(path.read_text().splitlines()):
    row = json.loads(line)
    yield records.Problem(
      problem_id=f'shop/{split}/{number:04d}',
      split=split,
      question=row['question'],
      prompt=PROMPT.format(question=row['question']),
      solution=f' {row["steps"]} The answer is {row["answer"]}.',
      gold=str(row['answer']),
      level=0,
    )
