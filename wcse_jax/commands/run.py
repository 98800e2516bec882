r"""Runs an experiment, from its config to its report.

  wcse run --config=configs/wc_distill.py
  wcse run --config=configs/wc_distill.py:nano_full \
    --config.sampling.temperature=0.9 --workdir=runs/hot

--preview=5 draws, or buys, five samples, shows them from prompt to verdict,
says what all would cost, and stops; --stages=plan only says it.

Run it again to continue; `python launch/main.py` is the same. Every field of
`wcse list config` can be overridden: --config.FIELD=VALUE, where None turns an
optional field off. --config_from=runs/x takes what another run was made with.

Processes share the work with --replicas=auto, one for each core (where there is
an accelerator: one alone), or with --replicas=N --replica=I, on several hosts
that share a workdir. Those finetune a student that needs the devices of all
with --stages=finetune --coordinator=HOST:PORT.
"""

from collections.abc import Sequence
import sys
from typing import Any

from absl import flags

from wcse_jax import command_line
from wcse_jax.errors import Error
from wcse_jax.experiment import config
from wcse_jax.store import mirror as remote
from wcse_jax.tpu import devices


def main(argv: Sequence[str]) -> int:
  """Returns the exit code: 0, 1 (failed), 2 (bad input) or 130 (stopped)."""
  if {'--help', '-h'} & set(argv):
    print(__doc__, command_line.usage(), sep='')
    return 0
  try:
    command = command_line.parse(argv)
  except (config.ConfigError, flags.Error) as error:
    return _fail(error, 2)

  from wcse_jax import pipeline  # late: bad input is told at once
  from wcse_jax.runtime import local, progress, replicas  # late, as above

  try:
    devices.check(command.replicas, together=bool(command.coordinator))
    count = 1
    if command.auto and not devices.accelerator():
      count = local.number(command.config.mesh.cpu_threads)
    run: Any = pipeline.run_all if command.experiments else pipeline.run
    with (
      progress.remembering_ctrl_c(),
      remote.local(command.remote, command.workdir) as workdir,
    ):
      if count > 1:
        again, names = not command.redo, command.experiments
        words = command_line.words(argv)
        return local.run(words, workdir, count, again, names)
      run(
        command.experiments or command.config,
        workdir=workdir,
        stages=command.stages,
        redo=command.redo,
        reuse=command.reuse,
        command=command.text,
        preview=command.preview,
        replica=replicas.Spec(
          index=command.replica,
          count=command.replicas,
          coordinator=command.coordinator,
        ),
      )
  except config.ConfigError as error:
    return _fail(error, 2)
  except BaseException as error:
    # Orbax, for one, makes an error of a KeyboardInterrupt.
    if isinstance(error, KeyboardInterrupt) or progress.asked_to_stop():
      print(f'\n{progress.STOPPED}', file=sys.stderr)
      return local.STOPPED
    if isinstance(error, Error | OSError):  # a full disk, a lost folder
      return _fail(error, 1)
    raise
  return 0


def _fail(error: Exception, code: int) -> int:
  most = 3 if code == 2 else 12  # what differs takes its lines
  print('error:', command_line.describe(error, most), file=sys.stderr)
  return code
