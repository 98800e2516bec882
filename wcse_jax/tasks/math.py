r"""MATH: competition problems. The answer is a mathematical object in TeX.

Hendrycks et al. 2021, arXiv 2103.03874. The prompt is the four-shot prompt of
Minerva (Lewkowycz et al. 2022, arXiv 2206.14858, appendix D.2), with its stray
brace, as in https://github.com/EleutherAI/lm-evaluation-harness/blob/
0348ed975af5b6788c275445197287dd91acb221/lm_eval/tasks/minerva_math/utils.py.
The test split is MATH-500 of Lightman et al. 2023, arXiv 2305.20050; the
validation split is 500 of the other 4,500 test problems.

The public forms of the rest, any one of which will do:

  train.jsonl, test.jsonl   a row per problem: problem, level, type, solution
  MATH.tar                  the original: MATH/train/algebra/1.json, ...
  *.parquet                 train*.parquet and test*.parquet, in any folders

They hold the same problems in unlike orders, so the checksum is that of the
problems, and so is the order of ours: by the sha256 of the problem's text,
which makes the first n of a split a random sample of all levels and subjects.
"""

from collections.abc import Iterable, Iterator
import hashlib
import json
import pathlib
import tarfile

from wcse_jax import data_files, tasks
from wcse_jax.answers import extraction, mathematics
from wcse_jax.records import Grade, Problem
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, numeric

NUM_VALIDATION = 500
MATH500 = 'math500.jsonl'
# The checksums of the problems, see `content_sha256`.
SHA256 = {
  'train': 'ed0b8150077e7aa224b473ffc02ec295c4b2eade4444da090692b216a11460cd',
  'test': '63bfe09c97503b86e2ce0b749349d439dd120afc6e537ddf78edb2adea50a541',
}

_FIELDS = ('problem', 'level', 'type', 'solution')
_REMEDY = (
  'get MATH in one of its public forms: train.jsonl and test.jsonl, MATH.tar,'
  ' or Parquet files named train* and test*'
)

TASK = tasks.TaskInfo(
  name='math',
  prefix=data_files.text(__file__),
  prompt_format='Problem:\n{question}\n\nSolution:',
  stop_strings=('\n\nProblem:', '\nProblem:'),
  grader_version=4,
)


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from one of the public forms."""
  rows = splits(source)
  return {split: split_problems(rows[split], split) for split in rows}


def grade(gold: str, text: str, question: str) -> Grade:
  """The same mathematical object; `sound` as in `gsm8k`. May hang."""
  text = TASK.cut(text)
  return numeric.with_equations(mathematics.grade(gold, text, question), text)


def quick(gold: str, text: str, question: str) -> Grade | None:
  """The grade if no symbolic rule is needed, else None. Takes no long time."""
  text = TASK.cut(text)
  decided = mathematics.quick(gold, text, question)
  return decided and numeric.with_equations(decided, text)


def gold(solution: str, question: str) -> str:
  r"""The final answer of an official solution, see `extraction.boxed`."""
  return extraction.boxed(solution, question)


def reference_solution(solution: str, question: str) -> str:
  """An official solution as a model should write it after the prompt."""
  answer = extraction.alternatives(gold(solution, question))[0]
  end = f'\nFinal Answer: The final answer is ${answer}$. I hope it is correct.'
  return f'\n{solution.strip()}{end if answer else ""}'


def content_sha256(rows: Iterable[dict[str, str]]) -> str:
  """The checksum of problems, whatever their order and white space."""
  lines = sorted(
    json.dumps([' '.join(row[name].split()) for name in _FIELDS])
    for row in rows
  )
  return hashlib.sha256('\n'.join(lines).encode()).hexdigest()


# What reading a file raises that is damaged, or of another shape.
UNREADABLE = (
  OSError,
  EOFError,
  ValueError,
  LookupError,
  TypeError,
  AttributeError,
  RecursionError,
  tarfile.TarError,
)


def read(folder: pathlib.Path, split: str) -> list[dict[str, str]]:
  """The problems of an official split, in the order of the files.

  Args:
    folder: Holds one of the public forms.
    split: 'train' (7,500 problems) or 'test' (5,000).

  Raises:
    TaskError: A file is missing, unreadable or altered.
  """
  path = folder / f'{split}.jsonl'
  archives = sorted(folder.glob('MATH*.tar*'))
  tables = sorted(folder.rglob(f'{split}*.parquet'))
  try:
    if path.exists():
      rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    elif archives:
      path = archives[0]
      rows = list(_from_tar(path, split))
    elif tables:
      path = tables[0]
      rows = list(_from_parquet(tables))
    else:
      raise TaskError(
        f'{folder}: there is no {split}.jsonl, MATH.tar or {split}*.parquet;'
        f' {_REMEDY}'
      )
    found = content_sha256(rows)
  except UNREADABLE as error:
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())
    raise TaskError(f'{path}: {reason}; {_REMEDY}') from error
  if found != SHA256[split]:
    raise TaskError(
      f'{path}: the sha256 of its {len(rows)} {split} problems is {found}, not'
      f' {SHA256[split]}: they were altered; {_REMEDY}'
    )
  return [{name: row[name] for name in _FIELDS} for row in rows]


def _from_tar(path: pathlib.Path, split: str) -> Iterator[dict[str, str]]:
  with tarfile.open(path) as archive:
    for member in archive:
      parts = pathlib.PurePosixPath(member.name).parts
      file = archive.extractfile(member) if member.isfile() else None
      if file and split in parts[:-2] and parts[-1][-5:] == '.json':
        yield json.load(file)


def _from_parquet(paths: list[pathlib.Path]) -> Iterator[dict[str, str]]:
  import pyarrow.parquet as pq

  for path in paths:
    yield from pq.read_table(path, columns=list(_FIELDS)).to_pylist()


def splits(source: datasets.Source) -> dict[str, list[dict[str, str]]]:
  """The rows of 'train' (7,500), 'validation' (500) and 'test' (500).

  Raises:
    TaskError: A file is missing or altered.
  """
  chosen = {row['problem'] for row in source.rows(MATH500)}
  train, test = (_shuffled(read(source.folder(), split)) for split in SHA256)
  others = [row for row in test if row['problem'] not in chosen]
  return {
    'train': train,
    'validation': others[:NUM_VALIDATION],
    'test': [row for row in test if row['problem'] in chosen],
  }


def _shuffled(rows: list[dict[str, str]]) -> list[dict[str, str]]:
  return sorted(
    rows, key=lambda r: hashlib.sha256(r['problem'].encode()).digest()
  )


def split_problems(rows: list[dict[str, str]], split: str) -> Iterator[Problem]:
  """The problems of a split, from its rows."""
  for i, row in enumerate(rows):
    yield problem(TASK, f'{i:05d}.{slug(row["type"])}', split, row)


def problem(
  task: tasks.TaskInfo, name: str, split: str, row: dict[str, str]
) -> Problem:
  """The problem of a row.

  One whose solution has no final answer has an empty gold: whatever is answered
  to it is graded 'unknown'. One of unknown level has level 0.

  Args:
    task: This one, or one with rows and prompts like its own.
    name: The problem's, within the split.
    split: The split.
    row: The fields problem, level and solution.
  """
  return task.problem(
    name,
    split,
    question=row['problem'],
    solution=reference_solution(row['solution'], row['problem']),
    gold=gold(row['solution'], row['problem']),
    level=level(row['level']),
  )


def level(name: str) -> int:
  """'Level 3' is 3, and 'Level ?' is 0."""
  digit = name.removeprefix('Level ')
  return int(digit) if digit.isdigit() else 0


def slug(subject: str) -> str:
  """'Counting & Probability' is 'counting_and_probability'."""
  return subject.lower().replace('&', 'and').replace(' ', '_')
