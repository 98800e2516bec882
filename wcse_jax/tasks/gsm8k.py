"""GSM8K: grade-school word problems. The answer is a rational number.

Cobbe et al. 2021, arXiv 2110.14168. The prompt is the chain-of-thought prompt
for arithmetic of Wei et al. 2022, arXiv 2201.11903, table 20.
"""

from collections.abc import Iterable, Iterator
import json
import pathlib
import re

from wcse_jax import tasks
from wcse_jax.answers import mathematics, numbers
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import numeric, source_files

NUM_VALIDATION = 500  # the last of the official train file

URL = (
  'https://raw.githubusercontent.com/openai/grade-school-math/'
  '3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/'
)
SHA256 = {
  'train.jsonl': (
    '17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465'
  ),
  'test.jsonl': (
    '3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14'
  ),
}

PROMPT_FORMAT = 'Q: {question}\nA:'

_SHOTS = (
  (
    'There are 15 trees in the grove. Grove workers will plant trees in the '
    'grove today. After they are done, there will be 21 trees. How many trees '
    'did the grove workers plant today?',
    'There are 15 trees originally. Then there were 21 trees after some more '
    'were planted. So there must have been 21 - 15 = 6. The answer is 6.',
  ),
  (
    'If there are 3 cars in the parking lot and 2 more cars arrive, how many '
    'cars are in the parking lot?',
    'There are originally 3 cars. 2 more cars arrive. 3 + 2 = 5. The answer '
    'is 5.',
  ),
  (
    'Leah had 32 chocolates and her sister had 42. If they ate 35, how many '
    'pieces do they have left in total?',
    'Originally, Leah had 32 chocolates. Her sister had 42. So in total they '
    'had 32 + 42 = 74. After eating 35, they had 74 - 35 = 39. The answer is '
    '39.',
  ),
  (
    'Jason had 20 lollipops. He gave Denny some lollipops. Now Jason has 12 '
    'lollipops. How many lollipops did Jason give to Denny?',
    'Jason started with 20 lollipops. Then he had 12 after giving some to '
    'Denny. So he gave Denny 20 - 12 = 8. The answer is 8.',
  ),
  (
    'Shawn has five toys. For Christmas, he got two toys each from his mom and '
    'dad. How many toys does he have now?',
    'Shawn started with 5 toys. If he got 2 toys each from his mom and dad, '
    'then that is 4 more toys. 5 + 4 = 9. The answer is 9.',
  ),
  (
    'There were nine computers in the server room. Five more computers were '
    'installed each day, from monday to thursday. How many computers are now '
    'in the server room?',
    'There were originally 9 computers. For each of 4 days, 5 more computers '
    'were added. So 5 * 4 = 20 computers were added. 9 + 20 is 29. The answer '
    'is 29.',
  ),
  (
    'Michael had 58 golf balls. On tuesday, he lost 23 golf balls. On '
    'wednesday, he lost 2 more. How many golf balls did he have at the end of '
    'wednesday?',
    'Michael started with 58 golf balls. After losing 23 on tuesday, he had '
    '58 - 23 = 35. After losing 2 more, he had 35 - 2 = 33 golf balls. The '
    'answer is 33.',
  ),
  (
    'Olivia has $23. She bought five bagels for $3 each. How much money does '
    'she have left?',
    'Olivia had 23 dollars. 5 bagels for 3 dollars each will be 5 x 3 = 15 '
    'dollars. So she has 23 - 15 dollars left. 23 - 15 is 8. The answer is 8.',
  ),
)

TASK = tasks.TaskInfo(
  name='gsm8k',
  prefix=''.join(
    f'{PROMPT_FORMAT.format(question=question)} {answer}\n\n'
    for question, answer in _SHOTS
  ),
  prompt_format=PROMPT_FORMAT,
  stop_strings=('\n\nQ:', '\nQ:'),
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
  train, test = (read(source.path(URL + name), name) for name in SHA256)
  official = {'train': train, 'validation': train, 'test': test}
  return {
    split: split_problems(rows, split) for split, rows in official.items()
  }


def grade(gold: str, text: str, question: str) -> Grade:
  """The same rational number; `sound` tells whether its equations hold."""
  del question
  text = TASK.cut(text)
  if len(text) > mathematics.MAX_TEXT:
    return Grade('unknown', '', 'size', None)
  answer = numbers.extract(text, 'gsm8k')
  return numeric.with_equations(numeric.grade(gold, answer, 'numeric'), text)


quick = grade


def gold(answer: str) -> str:
  """The final answer of an official answer: what follows '####'."""
  return answer.rpartition('####')[2].strip()


def reference_solution(answer: str) -> str:
  """An official answer as a model should write it after the prompt.

  The calculator's annotations (<<48/2=24>>) go, and '#### 72' becomes 'The
  answer is 72.', so that a student learns the format of the prompt.
  """
  steps = re.sub('<<[^>]*>>', '', answer.rpartition('####')[0])
  return f' {steps.strip()}\nThe answer is {gold(answer)}.'


def read(path: pathlib.Path, name: str) -> list[dict[str, str]]:
  """The rows of an official file, if its sha256 is right.

  Args:
    path: The file.
    name: What it is: 'train.jsonl' or 'test.jsonl'.

  Raises:
    TaskError: The file is missing or altered.
  """
  remedy = (
    'get the official file from github.com/openai/grade-school-math, folder '
    'grade_school_math/data'
  )
  content = source_files.read(path, SHA256[name], remedy)
  return [json.loads(line) for line in content.splitlines()]


def split_problems(rows: list[dict[str, str]], split: str) -> Iterator[Problem]:
  """The problems of a split.

  Args:
    rows: All rows of the official file that the split is taken from.
    split: 'train' and 'validation' share the official train file, whose last
      500 problems are the validation split.
  """
  for i, row in enumerate(rows):
    held_out = i >= len(rows) - NUM_VALIDATION
    if split != 'test' and held_out != (split == 'validation'):
      continue
    yield Problem(
      problem_id=f'gsm8k/{split}/{i:05d}',
      split=split,
      question=row['question'],
      prompt=PROMPT_FORMAT.format(question=row['question']),
      solution=reference_solution(row['answer']),
      gold=gold(row['answer']),
      level=0,
    )
