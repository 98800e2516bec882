"""The experiments that are run with two versions of the code: the quick ones.

Each is a function that runs commands in a folder of its own and leaves workdirs
there. All that it does besides follows from what the commands left.
"""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from typing import Any

import pyarrow.parquet as pq


class ExperimentError(RuntimeError):
  """A command that failed; its text ends with what it said."""


@dataclasses.dataclass(frozen=True)
class Place:
  """Where an experiment runs, and with which code.

  Attributes:
    code: The root of a tree of this project.
    folder: Where the commands run; workdirs are below.
  """

  code: pathlib.Path
  folder: pathlib.Path

  def main(self, workdir: str, *flags: str, **fields: Any) -> None:
    """Runs `launch/main.py` to its end; see `command`."""
    self.wait(self.start(self.command(workdir, *flags, **fields)))

  def command(
    self, workdir: str, *flags: str, config: str = 'wc_distill', **fields: Any
  ) -> list[str]:
    """Returns the command of an experiment.

    Args:
      workdir: Below the folder.
      *flags: As they are.
      config: A file of `configs/`, whose scale tiny is run.
      **fields: Of the config, '__' for a dot.
    """
    given = {name.replace('__', '.'): value for name, value in fields.items()}
    code = pathlib.Path(os.path.relpath(self.code, self.folder))
    return [
      str(code / 'launch' / 'main.py'),
      f'--config={code / "configs" / config}.py:tiny',
      f'--workdir={workdir}',
      *(f'--config.{name}={value}' for name, value in given.items()),
      *flags,
    ]

  def check(self) -> None:
    """ExperimentError unless the code that runs is this tree's."""
    self.wait(self.start(['-c', _CHECK.format(str(self.code))]))

  def report(self, out: str, *workdirs: str | pathlib.Path) -> None:
    """Makes the pages of workdirs anew, from their results."""
    command = ['-m', 'wcse_jax.report', out, *map(str, workdirs)]
    self.wait(self.start(command))

  def start(self, command: list[str], **environment: str) -> subprocess.Popen:
    """Starts a command of Python, its output going to `log.txt`."""
    path = os.pathsep.join(map(str, (self.code, self.folder)))
    with open(self.folder / 'log.txt', 'ab') as log:
      return subprocess.Popen(
        [sys.executable, *command],
        cwd=self.folder,
        env=os.environ
        | {'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': path}
        | environment,
        stdout=log,
        stderr=log,
        start_new_session=True,  # so that it can be killed with its children
      )

  def wait(self, process: subprocess.Popen) -> None:
    """Waits for a command; ExperimentError if it fails."""
    try:
      failed = process.wait()
    except BaseException:
      self.kill(process)
      raise
    if failed:
      log = (self.folder / 'log.txt').read_text(errors='replace')
      raise ExperimentError(f'{process.args} failed:\n{log[-2000:]}')

  def kill(self, process: subprocess.Popen) -> None:
    """Kills a command and all that it started, as a lost machine does."""
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_CHECK = """
import pathlib, wcse_jax
found = pathlib.Path(wcse_jax.__file__)
assert found.is_relative_to({!r}), found
"""

# Fields of a run that takes a minute.
SMALL: dict[str, Any] = {
  'task__num_train': 8,
  'task__num_validation': 3,
  'task__num_test': 5,
  'budget__high': 2,
  'sampling__slots': 16,
  'sampling__shard_rows': 8,
  'finetune__steps_low': 2,
  'finetune__steps_high': 4,
  'finetune__batch_size': 4,
  'finetune__num_checkpoints': 2,
  'evaluate__num_samples': 2,
  'evaluate__ks': '(1, 2)',
  'report__bootstrap_samples': 100,
}
# Every kind of arm, a judge, adapters; see `arms`.
ARMS: dict[str, Any] = SMALL | {
  'budget__low': 2,
  'budget__high': 3,
  'finetune__num_checkpoints': 1,
  'finetune__lora_rank': 1,
  'judge': 'nano_se',
  'report__across_budgets': True,
  'arms': (
    *('se', 'wc_compute_matched', 'wc_number_matched', 'reference'),
    *('se@1.2', 'se+wc_compute_matched', 'wc_compute_matched~1'),
    *('wc_price_matched^1', 'se=all', 'se=majority', 'se=judge'),
  ),
}


def arms(place: Place, **changes: Any) -> None:
  """Every kind of arm, judged, labelled by people, and adapters trained."""
  fields = ARMS | changes
  place.main('run', '--stages=prepare,plan,sample,verify', **fields)
  judge_by_lot(place.folder / 'run')
  place.main('run', **fields)
  label_by_lot(place.folder / 'run')
  place.main('run', '--stages=report', **fields)


def students(place: Place) -> None:
  """All weights of students trained, at three budgets, two checkpoints each."""
  place.main('run', **STUDENTS)


STUDENTS: dict[str, Any] = SMALL | {
  'arms': ('se', 'wc_compute_matched', 'reference'),
  'budget__more': '(3,)',
}


def external(place: Place) -> None:
  """Two files of samples, matched by their price; no students."""
  fields = {**SMALL, 'config': 'price_matched', 'student': ''}
  place.main('run', '--stages=prepare', **fields)
  problems = pq.read_table(
    place.folder / 'run/problems/nano_arithmetic/part-00000.parquet'
  ).to_pylist()
  prices = []
  for model, number, skill, usd in (
    ('large', 2, 0.7, 2.0),
    ('small', 16, 0.3, 0.25),
  ):
    rows = [
      sample_by_lot(problem, model, index, skill)
      for problem in problems
      if problem['split'] == 'train'
      for index in range(number)
    ]
    (place.folder / f'{model}.jsonl').write_text(
      ''.join(f'{json.dumps(row)}\n' for row in rows)
    )
    prices.append(
      f'[[prices]]\nmodel = "{model}"\ndate = "2026-10-01"\n'
      f'usd_per_million_output_tokens = {usd}\n'
    )
  (place.folder / 'prices.toml').write_text('\n'.join(prices))
  fields |= {'wc': 'small', 'external__wc': 'small.jsonl'}
  fields |= {'se': 'large', 'external__se': 'large.jsonl'}
  place.main('run', **fields, prices='prices.toml')


def sample_by_lot(
  problem: Mapping[str, Any], model: str, index: int, skill: float
) -> dict[str, Any]:
  """Returns a sample as of an API, right with probability `skill`."""
  text = problem['solution']
  if lot(f'{model}/{problem["problem_id"]}/{index}') > skill:
    text = f' The answer is {1000 + index}.'
  return {
    'problem_id': problem['problem_id'],
    'model': model,
    'text': text,
    'num_tokens': len(text.split()) + index,
    'num_prompt_tokens': len(problem['prompt'].split()),
  }


def judge_by_lot(workdir: pathlib.Path) -> None:
  """Has a judge that knew nothing of a sample say what a lot says.

  The nano models answer neither Yes nor No, and without a Yes there would be
  nothing to train on.
  """
  parts = sorted((workdir / 'judge').rglob('part-*.parquet'))
  if not parts:
    raise ExperimentError(f'{workdir} has no judgements')
  for part in parts:
    table = pq.read_table(part)
    rows = table.to_pylist()
    for row in rows:
      if row['verdict'] == 'unknown':
        name = f'{row["generator"]}/{row["problem_id"]}/{row["sample_index"]}'
        row['verdict'] = 'correct' if lot(name) < 0.6 else 'wrong'
    pq.write_table(
      type(table).from_pylist(rows, schema=table.schema),
      part,
      compression='zstd',
      write_page_checksum=True,
    )


def label_by_lot(workdir: pathlib.Path) -> None:
  """Writes the labels.json that somebody saved who labelled by lot."""
  page = (workdir / 'report' / 'label.html').read_text()
  run = re.search(r'const run = (".*?")', page)
  names = re.findall(r'<article id="(\w+)"', page)
  if not run or not names:
    raise ExperimentError(f'{workdir}: nothing to label in report/label.html')
  choices = ('right', 'right', 'right', 'wrong', 'unsure')
  labels = {name: choices[int(5 * lot(name))] for name in names}
  (workdir / 'labels.json').write_text(
    json.dumps({'run': json.loads(run[1]), 'labels': labels})
  )


def lot(name: str) -> float:
  """Returns a number of [0, 1) that depends on the name alone."""
  return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48


@dataclasses.dataclass(frozen=True)
class Experiment:
  """One of them.

  Attributes:
    run: What it does.
    like: The experiment whose results it must have, if it is one that is
      disturbed; the base runs that alone.
    racing: Whether hosts race, so that parts come in another order each time.
  """

  run: Callable[[Place], None]
  like: str = ''
  racing: bool = False


QUICK: dict[str, Experiment] = {
  'external': Experiment(external),
  'students': Experiment(students),
  'arms': Experiment(arms),
}
