r"""How to split a budget between two models, told from a pilot.

  wcse run --config=configs/wc_distill.py:tiny \
    --workdir=runs/split --stages=prepare,plan,sample,verify \
    --config.task.num_train=15 --config.budget.high=2 \
    --config.arms="('se','wc_number_matched')"
  wcse run --config=configs/wc_distill.py:tiny \
    --workdir=runs/split --stages=prepare
  wcse split --workdir=runs/split --budget=10

The first command samples a pilot, the second prepares all problems that the
forecast is for; the pilot is the beginning of the whole pools. What the third
says of each split is foretold, with 95% intervals: nothing is sampled.
"""

from collections.abc import Sequence
import json
import math
import pathlib
import sys

from absl import flags

from wcse_jax import command_line, store
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages import check, pilot
from wcse_jax.stages.layout import Run
from wcse_jax.store import mirror as remote


def main(argv: Sequence[str]) -> int:
  """Returns the exit code: 0 or 2 (bad input, or something is missing)."""
  if {'--help', '-h'} & set(argv):
    print(__doc__, _flags().get_help(), sep='')
    return 0
  try:
    values = _parse(argv)
    workdir = pathlib.Path(values.workdir)
    if not (workdir / 'config.json').is_file():
      raise pilot.PilotError(
        f'{workdir} has no config.json: name a workdir that launch/main.py made'
      )
    config = config_lib.restore(store.read_config(workdir))
    check.check(config)
    names = pilot.models(config, values.other)
    made = pilot.plan(
      pilot.read(Run(config, store.Store(workdir)), names),
      pilot.costs(config, values.by, names),
      values.budget or config.budget.high,
      config.seed,
      values.by,
    )
  except (Error, flags.Error) as error:
    print('error:', command_line.describe(error), file=sys.stderr)
    return 2
  print(pilot.text(made))
  if values.json:
    pathlib.Path(values.json).write_text(json.dumps(made, indent=2) + '\n')
  return 0


def _flags() -> flags.FlagValues:
  values = flags.FlagValues()
  flags.DEFINE_string('workdir', None, 'Of a pilot.', flag_values=values)
  flags.DEFINE_float(
    'budget',
    None,
    'Samples of the anchor (SE) per problem that it would pay for. Default:'
    ' budget.high.',
    1e-9,
    flag_values=values,
  )
  flags.DEFINE_string(
    'other',
    '',
    'The model beside the anchor, by its name in arms. Default: wc, or the'
    ' first that samples.',
    flag_values=values,
  )
  flags.DEFINE_enum(
    'by',
    'compute',
    pilot.MATCHINGS,
    'What samples cost: FLOPs by the size of the models, or dollars.',
    flag_values=values,
  )
  flags.DEFINE_string('json', None, 'File for the result.', flag_values=values)
  return values


def _parse(argv: Sequence[str]) -> flags.FlagValues:
  values = _flags()
  if rest := values(argv)[1:]:
    raise flags.Error(f'{rest[0]!r} is not a flag; see --help')
  remote.check_local(values.workdir or '')
  if not values.workdir or not pathlib.Path(values.workdir).is_dir():
    raise flags.Error(
      f'--workdir={values.workdir or ""}: name one with a pilot'
    )
  if not math.isfinite(values.budget or 0):
    raise flags.Error(f'--budget={values.budget}: give a finite number')
  if values.json and not pathlib.Path(values.json).parent.is_dir():
    raise flags.Error(f'--json={values.json}: there is no such folder')
  if values.json and pathlib.Path(values.json).is_dir():
    raise flags.Error(f'--json={values.json} is a folder: name a file in it')
  return values
