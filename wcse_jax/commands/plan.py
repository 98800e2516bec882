r"""What a config takes on TPU slices, told without a TPU.

  wcse plan --config=configs/wc_distill.py:gemma2 \
    --topology=v5e:2x4 --json=plan.json --price=1.20

Compiles the programs that sample, and the student's train step, for these TPUs:
memory, FLOPs, the bytes they move and exchange, the largest number of slots and
the smallest slice that fit; and from these, by a roofline model, tokens,
chip-hours and dollars. When sampling, a model takes as few chips as its weights
need (config.mesh.tensor chips, if that is set); what chips are left over are
replicas, each with its own share of the problems. All numbers are per chip.
What was compiled is kept in the folder `plans` of $WCSE_CACHE_DIR, by default
~/.cache/wcse_jax: the same program is not compiled again.
"""

from collections.abc import Sequence
import functools
import json
import os
import pathlib
import sys

from absl import flags

from wcse_jax import command_line
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.tpu import topology

_OF_MAIN = ('workdir', 'stages', 'redo', 'reuse', 'replicas', 'replica')


def main(argv: Sequence[str]) -> int:
  """Returns the exit code: 0 or 2 (bad input, or it does not fit)."""
  if {'--help', '-h'} & set(argv):
    print(__doc__, _flags().get_help(), sep='')
    return 0
  try:
    values, config = _parse(argv)
    os.environ['JAX_PLATFORMS'] = 'cpu'  # no TPU is used, if there is one
    from wcse_jax.tpu import experiment  # late: bad input is told at once

    given = values.flag_values_dict()
    path = given.pop('json')
    made = experiment.plan(
      config,
      experiment.Options(**given),
      functools.partial(print, flush=True),
    )
  except (Error, flags.Error) as error:
    print('error:', command_line.describe(error), file=sys.stderr)
    return 2
  if path:
    pathlib.Path(path).write_text(json.dumps(made, indent=2) + '\n')
  return 0


def _flags() -> flags.FlagValues:
  values = flags.FlagValues()
  text: dict[str, str] = {
    'topology': 'TPU slice for sampling, e.g. v5e:2x4.',
    'train_topology': (
      'For finetuning: a slice, or a kind of TPU (v5p) for its smallest slice'
      ' that fits. Default: the kind of --topology; "none" plans none.'
    ),
    'json': 'File for the result.',
  }
  whole = {
    'slots': 'Of each replica. Default: the largest number that fits.',
    'prefix_tokens': 'Few-shot prefix. Default: estimated by characters.',
    'prompt_tokens': 'Longest question. Default: 192.',
  }
  number = {
    'mean_tokens': 'Of a solution. Default: half of the most there may be.',
    'example_tokens': 'Of a question and its solution. Default: as they are.',
    'price': 'Of a chip-hour, in USD.',
  }
  for name, meaning in text.items():
    flags.DEFINE_string(name, None, meaning, flag_values=values)
  for name, meaning in whole.items():
    flags.DEFINE_integer(name, None, meaning, 1, flag_values=values)
  for name, meaning in number.items():
    flags.DEFINE_float(name, None, meaning, 1e-9, flag_values=values)
  flags.DEFINE_bool(
    'whole',
    False,
    'Compile all layers, not a few to extrapolate from; up to an hour.',
    flag_values=values,
  )
  return values


def _parse(
  argv: Sequence[str],
) -> tuple[flags.FlagValues, config_lib.Config]:
  values = _flags()
  values.set_gnu_getopt(True)
  rest = values(argv, known_only=True)
  for word in rest[1:]:
    name = word.lstrip('-').split('=')[0]
    if name in _OF_MAIN:
      raise flags.Error(
        f'--{name} is a flag of launch/main.py: planning runs nothing and'
        ' writes only --json; see --help'
      )
  if not values.topology and not values.train_topology:
    raise flags.Error('--topology: name a TPU slice, e.g. --topology=v5e:2x4')
  if values.topology:
    kind, _ = topology.parse(values.topology)
    values.train_topology = values.train_topology or kind
  if values.train_topology == 'none':
    values.train_topology = None
  elif values.train_topology not in topology.CHIPS:
    topology.parse(values.train_topology)
  if values.json and not pathlib.Path(values.json).parent.is_dir():
    raise flags.Error(f'--json={values.json}: there is no such folder')
  config = command_line.parse(rest).config
  if config.experiments:
    remedy = 'plan each of them: --config=configs/<experiment>.py'
    raise config_lib.ConfigError('experiments', config.experiments, remedy)
  return values, config
