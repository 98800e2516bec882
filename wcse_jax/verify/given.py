"""Verdicts that somebody else gave, of a file, instead of a task's grader.

A file has one row per sample: JSON Lines (`.jsonl`), or Parquet with the same
columns (`.parquet`). Other columns are ignored.

  problem_id     as the sample has it
  sample_index   as there
  verdict        correct, wrong or unknown
  generator    ? the pool: wc, se, ...; left out where there is but one
  answer       ? the final answer, which a majority is of; left out, ''
  sound        ? whether every step of the reasoning holds; left out, unchecked
"""

from collections.abc import Collection, Iterable, Mapping
import pathlib

import msgspec

from wcse_jax.errors import Error
from wcse_jax.records import Decision, Grade
from wcse_jax.store import rows

Key = tuple[str, str, int]  # of a sample: pool, problem_id and sample_index
_SHOWN = 5  # rows, or samples, named in a message


class GivenError(Error):
  """Verdicts that cannot be used. Names the file, its rows and the remedy."""


class _Row(msgspec.Struct, kw_only=True):
  problem_id: str
  sample_index: rows.Count
  verdict: Decision
  generator: str = ''
  answer: str = ''
  sound: bool | None = None


_ROWS = rows.Rows(
  _Row,
  {
    'problem_id': rows.A_TEXT,
    'sample_index': rows.A_COUNT,
    'verdict': 'correct, wrong or unknown',
    'generator': 'the name of a pool, or leave it out where there is but one',
    'answer': f'{rows.A_TEXT}, or leave it out',
    'sound': 'true or false, or leave it out',
  },
  GivenError,
)


def read(
  path: pathlib.Path,
  pools: Collection[str],
  problem_ids: Collection[str] | None = None,
) -> dict[Key, Grade]:
  """Reads the verdicts of a file; there may be more than a run has samples.

  Args:
    path: A file ending in `.jsonl` or `.parquet`.
    pools: The names of the pools; a row of another is bad.
    problem_ids: Ids of the task's problems; a row of another is bad. None is
      not known yet.

  Raises:
    GivenError: It cannot be read, a row is none, or two are of one sample.

  Example:
    >>> import json, tempfile
    >>> row = {'problem_id': 'p', 'sample_index': 0, 'verdict': 'wrong'}
    >>> with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
    ...   print(json.dumps(row), file=file, flush=True)
    ...   read(pathlib.Path(file.name), ['wc'], ['p'])
    {('wc', 'p', 0): Grade(verdict='wrong', answer='', rule='file', sound=None)}
  """
  given: dict[Key, Grade] = {}
  first: dict[Key, int] = {}
  bad: list[str] = []
  for number, raw in _ROWS.read(path):
    try:
      row = _ROWS.row(raw)
      pool = row.generator or (*pools, '')[0]
      if not row.generator and len(pools) > 1:
        raise ValueError(f'no generator: give one of {", ".join(pools)}')
      if pool not in pools:
        raise ValueError(
          f'unknown generator {pool!r}; known: {", ".join(pools)}'
        )
      if problem_ids is not None and row.problem_id not in problem_ids:
        raise ValueError(f'unknown problem_id {row.problem_id!r}')
      key = pool, row.problem_id, row.sample_index
      if key in first:
        raise ValueError(f'a second verdict on the sample of line {first[key]}')
    except ValueError as error:
      bad.append(f'{path}:{number}: {error}')
      continue
    first[key] = number
    given[key] = Grade(row.verdict, row.answer, 'file', row.sound)
  if bad:
    raise GivenError(
      f'{path}: {len(bad):,} rows are no verdicts:\n'
      + '\n'.join(f'  {row}' for row in bad[:_SHOWN]),
      'correct the rows or take them out, and run the same command again',
    )
  return given


def require(
  path: pathlib.Path, given: Mapping[Key, Grade], samples: Iterable[Key]
) -> None:
  """Makes sure that each sample has a verdict.

  Args:
    path: The file, for the message.
    given: What it holds.
    samples: The samples.

  Raises:
    GivenError: Some have none; names the first of them.

  Example:
    >>> file, lacking = pathlib.Path('rows.jsonl'), [('wc', 'p', 0)]
    >>> require(file, {}, lacking)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    wcse_jax.verify.given.GivenError: rows.jsonl has no verdict on 1 samples...
  """
  lacking = [key for key in samples if key not in given]
  if lacking:
    raise GivenError(
      f'{path} has no verdict on {len(lacking):,} samples: '
      + ', '.join(
        f'{pool} {problem} {index}' for pool, problem, index in lacking[:_SHOWN]
      )
      + ('' if len(lacking) <= _SHOWN else ', ...'),
      "add rows for them ('unknown' where nobody can say), or lower"
      ' config.budget to what is graded',
    )
