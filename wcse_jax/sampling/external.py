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

import collections
from collections.abc import Callable, Iterable, Sequence
import itertools
import math
import pathlib
import sys
from typing import Annotated, Literal

import msgspec

from wcse_jax.errors import Error
from wcse_jax.experiment.rules import rule_fault
from wcse_jax.records import FinishReason, Sample
from wcse_jax.store import rows

_SHOWN = 20  # problems named in a message


class _Row(msgspec.Struct, kw_only=True):
  problem_id: str
  model: str
  text: str
  num_tokens: rows.Count
  num_prompt_tokens: rows.Count
  sample_index: rows.Count | None = None
  finish_reason: FinishReason | Literal[''] = ''
  logprob: Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=0)] = (
    math.nan
  )


class ExternalError(Error):
  """External samples that cannot be used. Names the file and the remedy."""


_ROWS = rows.Rows(
  _Row,
  {
    'problem_id': rows.A_TEXT,
    'model': rows.A_TEXT,
    'text': rows.A_TEXT,
    'num_tokens': rows.A_COUNT,
    'num_prompt_tokens': rows.A_COUNT,
    'sample_index': f'{rows.A_COUNT}, or leave it out',
    'finish_reason': 'eos, stop or length, or leave it out',
    'logprob': 'a number, 0 or less, or leave it out',
  },
  ExternalError,
)


def first_model(path: pathlib.Path) -> str:
  """Returns the model that a file's first row names; '' if that names none.

  Args:
    path: A file ending in `.jsonl` or `.parquet`.

  Raises:
    ExternalError: The file cannot be read at all, or is empty.

  Example:
    >>> import json, tempfile
    >>> with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
    ...   print('{"problem_id": "p1", "model": "flash"}', file=file, flush=True)
    ...   first_model(pathlib.Path(file.name))
    'flash'
  """
  for _, raw in _ROWS.read(path):
    try:
      model = _ROWS.fields(raw).get('model')
    except ValueError:
      return ''
    return model if isinstance(model, str) else ''
  raise ExternalError(f'{path} has no rows: give one for each sample')


def read(
  path: pathlib.Path, model: str, generator: str, problem_ids: Iterable[str]
) -> tuple[list[Sample], list[str]]:
  r"""Reads the completions of a file, row by row.

  Args:
    path: A file ending in `.jsonl` or `.parquet`.
    model: Who wrote them; a row of another is bad.
    generator: Name of the pool that the samples go to.
    problem_ids: Ids of the task's problems; a row of another is bad.

  Returns:
    The samples; and the rows that are none, as 'FILE:LINE: reason', counted
    from 1, copies last.

  Raises:
    ExternalError: The file cannot be read at all.

  Example:
    >>> import json, tempfile
    >>> rows = [
    ...   {'problem_id': 'p1', 'model': 'pro', 'text': '1+1=2.',
    ...    'num_tokens': 6, 'num_prompt_tokens': 40},
    ...   {'problem_id': 'p2', 'model': 'pro', 'text': '1+1=2.',
    ...    'num_tokens': 6, 'num_prompt_tokens': 40},
    ... ]
    >>> with tempfile.NamedTemporaryFile('w', suffix='.jsonl') as file:
    ...   print(*map(json.dumps, rows), sep='\n', file=file, flush=True)
    ...   samples, bad = read(pathlib.Path(file.name), 'pro', 'se', ['p1'])
    >>> [(s.generator, s.sample_index, s.text) for s in samples]
    [('se', 0, '1+1=2.')]
    >>> [row.split(':', 1)[1] for row in bad]
    ["2: unknown problem_id 'p2'"]
  """
  known = frozenset(problem_ids)
  samples: dict[int, Sample] = {}  # by the row's number
  bad_rows: list[str] = []
  first: dict[tuple[str, int], int] = {}
  counts = collections.Counter[str]()
  counted: list[int] = []  # rows without an index
  for number, raw in _ROWS.read(path):
    try:
      row = _ROWS.row(raw)
      if not row.text.strip():
        raise ValueError('text is empty')
      if remedy := rule_fault(row.text, str, ()):
        raise ValueError(f'text = {row.text!r:.80}: {remedy}')
      if row.problem_id not in known:
        raise ValueError(f'unknown problem_id {row.problem_id!r}')
      if row.model != model:
        raise ValueError(f'unknown model {row.model!r}; known: {model}')
      index = row.sample_index
      if index is None:
        index = counts[row.problem_id]
      key = row.problem_id, index
      if key in first:
        raise ValueError(
          f'problem_id {row.problem_id!r} has sample {index} of {model!r}'
          f' already, at {path}:{first[key]}'
        )
    except ValueError as error:
      bad_rows.append(f'{path}:{number}: {error}')
      continue
    first[key] = number
    counts[row.problem_id] += 1
    if row.sample_index is None:
      counted.append(number)
    samples[number] = Sample(
      generator=generator,
      problem_id=row.problem_id,
      sample_index=index,
      text=row.text,
      num_tokens=row.num_tokens,
      num_prompt_tokens=row.num_prompt_tokens,
      finish_reason=row.finish_reason or 'eos',
      logprob=row.logprob,
    )
  own = _own([samples[number] for number in counted])
  copies = counted[own:]
  for copy, original in zip(copies, itertools.cycle(counted[:own])):
    bad_rows.append(
      f'{path}:{copy}: a copy of {path}:{original}, as all {len(copies)} are of'
      f' {model!r} from {path}:{copies[0]} on: delete them, or give each row'
      ' its sample_index'
    )
    del samples[copy]
  return [*samples.values()], bad_rows


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
    samples: Samples of the pool.
    generator: Its name.
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
  have = {s.key for s in samples}
  reach = {
    name: next(i for i in itertools.count() if (name, i) not in have)
    for name in problem_ids
  }
  least = min(reach.values(), default=num_samples)
  if least >= num_samples:
    return
  short = [n for n, k in reach.items() if k < (num_samples if least else 1)]
  named = ', '.join(
    f'{name} has {reach[name]}' if least else name for name in short[:_SHOWN]
  )
  more = f' and {len(short) - _SHOWN} more' if len(short) > _SHOWN else ''
  lack = f'{generator}: {len(short)} of {len(reach)} problems have'
  remedy = ''
  if least:
    lack += f' fewer than {num_samples} samples, counted from index 0'
    if budget := budget_for(least):
      remedy = (
        f', or plan with budgets of at most {budget} samples of SE per problem'
        ' (config.budget)'
      )
  else:
    lack = f'Arms do not share problems.\n{lack} no samples'
    if first := list(reach).index(short[0]):
      remedy = (
        ', or plan with the first problems, which have some'
        f' (config.task.num_train = {first})'
      )
  raise ExternalError(f'{lack}: {named}{more}.\nAdd rows for them{remedy}.')
