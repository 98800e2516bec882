"""Anybody's completions as a pool: samples of an API, or of another engine.

A file has one row per completion: JSON Lines (`.jsonl`), or Parquet with the
same columns (`.parquet`). Other columns are ignored.

  problem_id         as the task has it
  model              who wrote it
  text               the solution
  num_tokens         sampled, as billed
  num_prompt_tokens  before them
  sample_index  ?    0, 1, ...; left out, rows are counted as they come
  finish_reason ?    'eos', 'stop' or 'length'; left out, 'eos'
  logprob       ?    sum over the sampled tokens, in nats; left out, nan

Every row becomes a sample or is listed with its reason: none is dropped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import dataclasses
import json
import math
import pathlib
import typing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax.errors import Error
from wcse_jax.records import FinishReason, Sample

_LARGEST = 2**31 - 1  # of a number in a pool
_REASONS = typing.get_args(FinishReason)
_SHOWN = 20  # problems named in a message


class ExternalError(Error):
  """External samples that cannot be used. Names the file and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadRow:
  """A row that is no sample.

  Attributes:
    place: 'FILE:LINE' of JSON Lines, 'FILE:ROW' of Parquet, from 1.
    reason: What is wrong with it.
  """

  place: str
  reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imported:
  """What was read: `len(samples) + len(bad_rows)` rows.

  Attributes:
    samples: In the order read.
    bad_rows: In the order read, copies last.
  """

  samples: list[Sample]
  bad_rows: list[BadRow]

  def listing(self) -> str:
    """Returns a line for each bad row; '' if there is none.

    Example:
      >>> bad = BadRow(place='a.jsonl:3', reason='no text')
      >>> Imported(samples=[], bad_rows=[bad]).listing()
      'a.jsonl:3: no text'
    """
    return '\n'.join(f'{row.place}: {row.reason}' for row in self.bad_rows)


def first_model(path: pathlib.Path) -> str:
  """Returns the model that a file's first row names; '' if that names none.

  Args:
    path: A file ending in `.jsonl` or `.parquet`.

  Raises:
    ExternalError: The file cannot be read at all, or is empty.

  Example:
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
    ...   print('{"problem_id": "p1", "model": "flash"}', file=file, flush=True)
    ...   first_model(pathlib.Path(file.name))
    'flash'
  """
  for _, row in _rows(path):
    model = row.get('model') if isinstance(row, Mapping) else None
    return model if isinstance(model, str) else ''
  raise ExternalError(f'{path} has no rows: give one for each sample')


def read(
  paths: Sequence[pathlib.Path],
  generators: Mapping[str, str],
  problem_ids: Iterable[str],
) -> Imported:
  r"""Reads the completions of one or several files, row by row.

  Args:
    paths: Files ending in `.jsonl` or `.parquet`.
    generators: By model, the name of the pool that its samples go to, e.g.
      `{'gemini-1.5-pro': 'se', 'gemini-1.5-flash': 'wc'}`.
    problem_ids: Ids of the task's problems; a row of another is bad.

  Returns:
    The samples, and the rows that are none with their reasons.

  Raises:
    ExternalError: A file cannot be read at all.

  Example:
    >>> import tempfile
    >>> rows = [
    ...   {'problem_id': 'p1', 'model': 'pro', 'text': '1+1=2.',
    ...    'num_tokens': 6, 'num_prompt_tokens': 40},
    ...   {'problem_id': 'p2', 'model': 'pro'},
    ... ]
    >>> with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
    ...   print(*map(json.dumps, rows), sep='\n', file=file, flush=True)
    ...   found = read([pathlib.Path(file.name)], {'pro': 'se'}, ['p1'])
    >>> [(s.generator, s.sample_index, s.text) for s in found.samples]
    [('se', 0, '1+1=2.')]
    >>> [row.reason for row in found.bad_rows]
    ["unknown problem_id 'p2'"]
  """
  known = frozenset(problem_ids)
  samples, bad_rows = [], []
  counted: dict[str, list[Sample]] = {}  # rows without an index, by model
  first: dict[tuple[str, str, int], str] = {}
  counts: dict[tuple[str, str], int] = {}
  for path in paths:
    for number, row in _rows(path):
      place = f'{path}:{number}'
      try:
        if isinstance(row, Exception):
          raise ValueError(f'not JSON ({row})')
        sample = _sample(row, generators, known, counts)
        key = sample.generator, sample.problem_id, sample.sample_index
        if key in first:
          raise ValueError(
            f'problem_id {key[1]!r} has sample {key[2]} of {row["model"]!r}'
            f' already, at {first[key]}'
          )
      except ValueError as error:
        bad_rows.append(BadRow(place=place, reason=str(error)))
        continue
      first[key] = place
      counts[key[:2]] = counts.get(key[:2], 0) + 1
      samples.append(sample)
      if row.get('sample_index') is None:
        counted.setdefault(row['model'], []).append(sample)
  place_of = lambda s: first[s.generator, s.problem_id, s.sample_index]
  copies = set()
  for model, rows in counted.items():
    own = _own(rows)
    for number, copy in enumerate(rows[own:], own):
      copies.add(place_of(copy))
      reason = (
        f'a copy of {place_of(rows[number % own])}, as all'
        f' {len(rows) - own} are of {model!r} from {place_of(rows[own])} on:'
        ' delete them, or give each row its sample_index'
      )
      bad_rows.append(BadRow(place=place_of(copy), reason=reason))
  samples = [s for s in samples if place_of(s) not in copies]
  return Imported(samples=samples, bad_rows=bad_rows)


def _own(rows: Sequence[Sample]) -> int:
  """How many rows come before they all come again, in the same order.

  So a file looks that was concatenated with itself. Chance repeats single
  samples, and in a file of one problem all of them.
  """
  said = [(s.problem_id, s.text, s.num_tokens) for s in rows]
  if len({problem_id for problem_id, *_ in said}) > 1:
    for own in range(2, len(said) // 2 + 1):
      if len(said) % own == 0 and said[own:] == said[:-own]:
        return own
  return len(said)


def require(
  samples: Iterable[Sample],
  generator: str,
  problem_ids: Iterable[str],
  num_samples: int,
  budget_for: Callable[[int], int] = lambda num_samples: num_samples,
) -> None:
  """Checks that a pool holds the first `num_samples` of every problem.

  Args:
    samples: Samples of any pools.
    generator: Name of the pool.
    problem_ids: Ids of the problems, in the task's order.
    num_samples: Number of samples wanted of each problem.
    budget_for: Returns the largest budget, in samples of SE per problem, at
      which so many samples of the pool are enough; 0 is none.

  Raises:
    ExternalError: It does not; names problems, and what can be planned with
      the samples that there are.

  Example:
    >>> sample = Sample(
    ...   generator='wc', problem_id='p1', sample_index=0, text='1+1=2.',
    ...   num_tokens=6, num_prompt_tokens=9, finish_reason='eos', logprob=-1.0,
    ... )
    >>> samples = [sample]
    >>> require(samples, 'wc', ['p1'], 1)
    >>> require(samples, 'wc', ['p1'], 2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    wcse_jax.sampling.external.ExternalError: wc: 1 of 1 problems have fewer...
  """
  have = {s.key for s in samples if s.generator == generator}
  reach = {}
  for problem_id in problem_ids:
    reach[problem_id] = 0
    while (problem_id, reach[problem_id]) in have:
      reach[problem_id] += 1
  least = min(reach.values(), default=num_samples)
  if least >= num_samples:
    return
  short = [n for n, k in reach.items() if k < (num_samples if least else 1)]
  named = ', '.join(
    f'{name} has {reach[name]}' if least else name for name in short[:_SHOWN]
  )
  more = f' and {len(short) - _SHOWN} more' if len(short) > _SHOWN else ''
  of = f'{generator}: {len(short)} of {len(reach)} problems have'
  first = list(reach).index(short[0])
  remedies = ['Add rows for them']
  if not least:
    of = f'Arms do not share problems.\n{of} no samples'
    if first:
      remedies.append(
        'plan with the first problems, which have some'
        f' (config.task.num_train = {first})'
      )
  else:
    of += f' fewer than {num_samples} samples, counted from index 0'
    if budget := budget_for(least):
      remedies.append(
        f'plan with budgets of at most {budget} samples of SE per problem'
        ' (config.budget)'
      )
  raise ExternalError(f'{of}: {named}{more}.\n{", or ".join(remedies)}.')


def _rows(path: pathlib.Path) -> Iterator[tuple[int, Any]]:
  """Yields (line or row, dict or what else is there or the error)."""
  try:
    if path.suffix == '.parquet':
      with pq.ParquetFile(path) as file:
        rows = (row for b in file.iter_batches() for row in b.to_pylist())
        yield from enumerate(rows, 1)
    elif path.suffix == '.jsonl':
      with open(path, 'rb') as file:
        for number, line in enumerate(file, 1):
          if line.strip():
            yield number, _parsed(line)
    else:
      raise ValueError('give a .jsonl or a .parquet file')
  except (OSError, ValueError, pa.ArrowException) as error:
    raise ExternalError(f'{path} cannot be read: {error}') from error


def _parsed(line: bytes) -> Any:
  try:
    return json.loads(line.decode('utf-8-sig'))
  except (ValueError, RecursionError) as error:
    return error


def _sample(
  row: Any,
  generators: Mapping[str, str],
  problem_ids: frozenset[str],
  counts: Mapping[tuple[str, str], int],
) -> Sample:
  """A row's Sample; ValueError says what is wrong with it."""
  if not isinstance(row, Mapping):
    raise ValueError('not an object with fields')
  problem_id, model = _text(row, 'problem_id'), _text(row, 'model')
  if problem_id not in problem_ids:
    raise ValueError(f'unknown problem_id {problem_id!r}')
  if model not in generators:
    raise ValueError(f'unknown model {model!r}; known: {", ".join(generators)}')
  generator = generators[model]
  finish_reason = row.get('finish_reason') or 'eos'
  if finish_reason not in _REASONS:
    raise ValueError(
      f'finish_reason {finish_reason!r}: give {", ".join(_REASONS)}, or none'
    )
  index = row.get('sample_index')
  if index is None:
    index = counts.get((generator, problem_id), 0)
  return Sample(
    generator=generator,
    problem_id=problem_id,
    sample_index=_whole('sample_index', index),
    text=_text(row, 'text'),
    num_tokens=_whole('num_tokens', row.get('num_tokens')),
    num_prompt_tokens=_whole('num_prompt_tokens', row.get('num_prompt_tokens')),
    finish_reason=finish_reason,
    logprob=_logprob(row.get('logprob')),
  )


def _text(row: Mapping[str, Any], name: str) -> str:
  value = row.get(name)
  if not isinstance(value, str):
    raise ValueError(_wrong(name, value, 'a string'))
  if not value.strip():
    raise ValueError(f'{name} is empty')
  try:
    value.encode()
  except UnicodeEncodeError:
    raise ValueError(f'{name} has half of a surrogate pair') from None
  return value


def _whole(name: str, value: Any) -> int:
  if type(value) is float and value.is_integer():
    value = int(value)  # pandas has floats where others have gaps
  if type(value) is not int or not 0 <= value <= _LARGEST:
    raise ValueError(_wrong(name, value, 'a whole number, 0 or more'))
  return value


def _logprob(value: Any) -> float:
  if value is None:
    return math.nan
  if type(value) not in (int, float) or not -math.inf < value <= 0:
    raise ValueError(_wrong('logprob', value, 'a number, 0 or less'))
  return float(value)


def _wrong(name: str, value: Any, wanted: str) -> str:
  if value is None:
    return f'no {name}'
  return f'{name} = {value!r:.60}: give {wanted}'
