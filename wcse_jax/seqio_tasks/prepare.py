"""`python -m wcse_jax.seqio_tasks.prepare TASK...`: problems to Parquet.

Imports what those tasks need, then answers requests (`children.serve`).

A request: {task, data_dir, out_dir, splits, skip, train, whole, prompt_format}:
a name that `tasks.find` knows; the folder with the dataset's official files, or
'', or the file of one of `tasks.FILES`; where problems.parquet goes (schema
`store.PROBLEMS`; TFDS keeps its dataset in a folder tfds beside it); how many
problems of which splits, e.g. {'train': 300, 'test': null}, null being all.
Those that may be left out: how many are passed over; the split that the
problems of 'train' are those of; whether all of such a file are training
problems; and the format of the prompt, if it is not the task's own.
The first of a split are taken, behind those: levels cycle, so they are
balanced; an own task's are sorted by their id before. No more are made than are
taken.

The answer: {rows: {split: number of problems}, no_gold: {split: ids of those
whose gold answer cannot be read, so that all answers are 'unknown'}, overlap:
what `overlap.report` says of train and test}.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
import contextlib
import dataclasses
import pathlib
import sys
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import errors, store, tasks
from wcse_jax.analysis import overlap
from wcse_jax.experiment import rules
from wcse_jax.records import Grade, Problem
from wcse_jax.runtime import children
from wcse_jax.runtime.children import TaskError
from wcse_jax.verify import grading


def prepare(request: dict[str, Any]) -> dict[str, Any]:
  """Writes problems.parquet; see the module."""
  name, out_dir = request['task'], pathlib.Path(request['out_dir'])
  skipped, taken = request.get('skip', {}), {'train': request.get('train')}
  source = lambda split: taken.get(split) or split
  ends: dict[str, int | None] = {}  # of splits that may be of two uses
  for split, wanted in request['splits'].items():
    end = wanted and wanted + skipped.get(split, 0)
    before = ends.get(source(split), 0)
    ends[source(split)] = None if None in (end, before) else max(end, before)
  if name in tasks.TASKS:
    splits = _built_in(name, request['data_dir'], out_dir, ends)
  elif name in tasks.FILES.values():
    problems = tasks.load(name, 'problems')
    splits = problems(request['data_dir'], request['whole'])
  else:
    splits = _own(name, request['data_dir'])
  chosen: dict[str, list[Problem]] = {}
  read: dict[str, list[Problem]] = {}  # what yields problems does it once
  for split, wanted in request['splits'].items():
    chosen[split] = []
    if wanted == 0:
      continue
    if source(split) not in splits:
      raise TaskError(
        f'config.task.num_{split} = {wanted}: {name} has no {source(split)}'
        f' problems, only {", ".join(splits)}; give 0'
      )
    if source(split) not in read:
      read[source(split)] = list(splits[source(split)])
    prompt = request.get('prompt_format')
    found = [_asked(problem, split, prompt) for problem in read[source(split)]]
    skip = skipped.get(split, 0)
    left = len(found) - skip
    if (wanted or (skip and 1)) > left:
      behind = f' behind config.task.skip_{split} = {skip}' if skip else ''
      raise TaskError(
        f'config.task.num_{split} = {wanted}: {name} has {max(left, 0)} there'
        f'{behind}; ask for at most that, or None for all'
      )
    if name not in tasks.TASKS:
      found.sort(key=lambda p: p.problem_id)
    chosen[split] = found[skip:][:wanted]
  rows = [problem for found in chosen.values() for problem in found]
  sink = pa.BufferOutputStream()
  pq.write_table(store.to_table(rows, store.PROBLEMS), sink)
  store.commit(out_dir / 'problems.parquet', sink.getvalue().to_pybytes())
  train, test = (
    {problem.problem_id: problem.question for problem in chosen.get(split, ())}
    for split in ('train', 'test')
  )
  return {
    'rows': {split: len(found) for split, found in chosen.items()},
    'no_gold': {
      split: [p.problem_id for p in found if not _has_gold(name, p)]
      for split, found in chosen.items()
    },
    'overlap': msgspec.to_builtins(overlap.report(train, test)),
  }


Splits = Mapping[str, Iterable[Problem]]


def _asked(problem: Problem, split: str, prompt: str | None) -> Problem:
  """The problem as one of a split, and asked by a prompt of one's own."""
  own = {'prompt': prompt.format(question=problem.question)} if prompt else {}
  return dataclasses.replace(problem, split=split, **own)


def _built_in(
  name: str,
  data_dir: str,
  out_dir: pathlib.Path,
  wanted: Mapping[str, int | None],
) -> Splits:
  """The first of splits of one of TASKS, from the source of its seqio Task."""
  from wcse_jax.seqio_tasks import builders  # an own task needs no TensorFlow

  first = {split: number for split, number in wanted.items() if number != 0}
  task = builders.task(name, str(out_dir / '_tfds'), data_dir, first=first)
  return {split: builders.problems(task, split) for split in task.splits}


def _own(name: str, data_dir: str) -> Splits:
  """The splits of an own task, whose code may raise and give anything."""

  @contextlib.contextmanager
  def named() -> Iterator[None]:
    try:
      yield
    except TaskError:
      raise
    except Exception as e:
      place = errors.where(e)
      if isinstance(e, FileNotFoundError) and e.filename:
        raise TaskError(
          f'{e.filename}: {e.strerror}; {name} reads it{place}: put it there,'
          ' or name another folder in config.task.data_dir'
        ) from e
      kind = '' if type(e) is ValueError else f'{type(e).__name__}: '
      raise TaskError(f'config.task.name = {name!r}: {kind}{e}{place}') from e

  def read(split: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    with named():
      for number, problem in enumerate(problems):
        if remedy := _fault(problem, split, known):
          raise ValueError(f'problem {number} of {split}: {remedy}')
        known.add(problem.problem_id)
        yield problem

  known: set[str] = set()
  with named():
    splits = tasks.load(name, 'problems')(data_dir)
    if not isinstance(splits, Mapping):
      raise ValueError(
        f"problems() returned {splits!r:.80}: give {{'train': problems, ...}}"
      )
    return {split: read(split, problems) for split, problems in splits.items()}


def _fault(problem: object, split: str, known: Collection[str]) -> str:
  """Returns what is wrong with what an own task gives; '' if nothing is."""
  if not isinstance(problem, Problem):
    return f'it is {problem!r:.80}: make it a wcse_jax.records.Problem'
  for field, hint, _ in rules.leaves(Problem):
    value = getattr(problem, field)
    fault = rules.type_fault(value, hint) or rules.rule_fault(value, hint, ())
    if fault:
      return f'{field} = {rules.shown(value):.80}: {fault}'
  if problem.split != split:
    return f'split = {problem.split!r}: give {split!r}'
  if problem.problem_id in known:
    return f'problem_id = {problem.problem_id!r}: give each problem its own'
  return ''


def _has_gold(task: str, problem: Problem) -> bool:
  """Whether its gold can be read: if not, even no answer is 'unknown'.

  Raises:
    TaskError: What the grader returns is no grade.
  """
  try:
    returned = grading.find(task)(problem.gold, '', problem.question)
  except Exception:  # any fault of a grader is 'unknown'
    return False
  try:
    return Grade.of(returned).verdict != 'unknown'
  except TypeError as e:
    raise TaskError(f'config.task.name = {task!r}: grade(): {e}') from e


if __name__ == '__main__':
  if tasks.TASKS.keys() & sys.argv[1:]:
    # Keras, which TensorFlow imports, takes 3 s for these if they are there.
    sys.modules |= dict.fromkeys(('matplotlib', 'sklearn'))
    import wcse_jax.seqio_tasks.builders  # noqa: F401
  children.serve(prepare)
