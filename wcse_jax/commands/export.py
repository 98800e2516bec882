r"""Writes the data of an arm, or a finetuned student, for use elsewhere.

  wcse export runs/x --arm=wc_compute_matched --budget=high
  wcse export runs/x --arm=se --format=prompt_completion --output=se.parquet
  wcse export runs/x --student=se-high --format=huggingface --output=student

Data are JSON lines or Parquet that `datasets.load_dataset` opens, and TRL,
axolotl, tunix and MaxText train on as they are:

  messages           {"messages": [{"role": "user", ...}, ...]}
  prompt_completion  {"prompt": "Problem: ...", "completion": " 9+8=17. ..."}
  text               {"text": "Problem: ... 9+8=17. ..."}

A card in Markdown lies beside them: how they were made, what they cost, how
many are wrong all the same, and their licences. They need the stages sample and
verify, and no student. Of a student, the checkpoint that validation chose is
written, as `huggingface` or `gm` has it.
"""

import argparse
from collections.abc import Sequence
import pathlib
import sys

from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages import export as exports
from wcse_jax.stages.layout import Run
from wcse_jax.store import mirror as remote

_MODELS = 'huggingface', 'gm'


def main(argv: Sequence[str]) -> int:
  """Writes what the command line says.

  Args:
    argv: The program, and the arguments.

  Returns:
    The exit code: 0 or 2 (bad input, or something is missing).
  """
  said = _parser().parse_args(argv[1:])
  try:
    remote.check_local(said.workdir)
    workdir = pathlib.Path(said.workdir)
    config = config_lib.restore(store.read_config(workdir))
    run = Run(config, store.Store(workdir))
    _ = run.task, run.problems  # they are there
    if said.student:
      _student(run, said)
    else:
      _data(run, said)
  except (Error, OSError, ValueError) as error:  # the last of own tasks
    print(f'error: {error}', file=sys.stderr)
    return 2
  return 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    'wcse export',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  add = parser.add_argument
  add('workdir', metavar='RUN', help='the workdir of a run')
  what = parser.add_mutually_exclusive_group(required=True)
  what.add_argument('--arm', help='of `wcse list arms`, e.g. se')
  what.add_argument('--student', help="a student's data: ARM-BUDGET")
  add('--budget', default='high', help='low, high, or a number of budget.more')
  add('--seed', default=0, type=int, help='where seeds have their own samples')
  add(
    '--format',
    choices=(*exports.FORMATS, *_MODELS),
    help='of data, by default messages; of a student, by default huggingface',
  )
  add(
    '--output',
    help='a file for data, by default RUN/export/ARM-BUDGET.FORMAT.jsonl; a new'
    ' folder for a student',
  )
  return parser


def _data(run: Run, said: argparse.Namespace) -> None:
  form = said.format or 'messages'
  if form in _MODELS:
    raise exports.ExportError(
      f'--format={form} is of a student: give --student, or one of'
      f' {", ".join(exports.FORMATS)}'
    )
  name = f'{said.arm}-{said.budget}' + (f'-seed{said.seed}' * bool(said.seed))
  default = run.data.workdir / 'export' / f'{name}.{form}.jsonl'
  path = pathlib.Path(said.output or default)
  exports.check(path)  # before what takes a while
  made = exports.data(run, said.arm, said.budget, form, said.seed)
  card = exports.write(made, path)
  print(f'{path}: {len(made.rows):,} examples; {card} says what they are')


def _student(run: Run, said: argparse.Namespace) -> None:
  form = said.format or 'huggingface'
  if form not in _MODELS:
    raise exports.ExportError(
      f'--format={form} is of data: give --arm, or one of {", ".join(_MODELS)}'
    )
  if not said.output:
    raise exports.ExportError('--output: name a new folder for the student')
  import jax  # takes a while

  from wcse_jax.models import export as models

  jax.config.update('jax_platforms', 'cpu')  # nothing is computed
  folder = exports.best(run, said.student)
  models.export(
    folder,
    said.output,
    form,
    preset=run.config.student,
    tokenizer=run.model_files('student')[-1],
    turns=run.task.turns,
  )
  print(f'{said.output}: {folder}')
