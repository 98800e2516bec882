"""This machine's accelerator, looked at before JAX is.

A TPU VM is one host, or a worker of a slice of several (a "pod"). JAX on one
worker alone waits for all others, without a word and without end; JAX without
libtpu computes on the CPU, without a word. `check` says so instead. Of a GPU
that it has no plugin for, JAX warns by itself; `idle_gpu` tells `wcse doctor`.

`python -m wcse_jax.tpu.devices` prints the flags with which launch/main.py runs
on this worker: nothing on a single host, else e.g. --replicas=4 --replica=2.
"""

from importlib import metadata
import importlib.util
import os
import pathlib
from typing import NamedTuple
import urllib.error
import urllib.request

from wcse_jax.errors import Error

_PCI = pathlib.Path('/sys/bus/pci/devices')
_DEV = pathlib.Path('/dev')
_GPUS = 'nvidia[0-9]*', 'kfd'
_GOOGLE = '0x1ae0'
_TPUS = {
  '0x0027',  # v2, v3
  '0x005e',  # v4
  '0x0062',  # v5p
  '0x0063',  # v5e
  '0x006f',  # v6e
  '0x0076',  # tpu7x
  '0x007c',
  '0x0083',
}
_BOUNDS = {1: '1,1,1', 2: '1,2,1', 4: '2,2,1', 8: '2,4,1'}  # by chips of a host


class DeviceError(Error):
  """A TPU that cannot be used as asked; names the remedy."""


class Worker(NamedTuple):
  """This host's place in its slice."""

  index: int
  count: int


def chips() -> int:
  """Returns the number of TPU chips of this machine."""
  return sum(
    _read(device / 'vendor') == _GOOGLE and _read(device / 'device') in _TPUS
    for device in _PCI.glob('*.0')
  )


def worker() -> Worker:
  """Returns this host's place, from the environment or the metadata server."""
  names = os.environ.get('TPU_WORKER_HOSTNAMES')
  index = os.environ.get('TPU_WORKER_ID')
  if names is None and 'TPU_SKIP_MDS_QUERY' not in os.environ:
    names = _metadata('worker-network-endpoints')
    index = _metadata('agent-worker-number')
  return Worker(int(index or 0), len(names.split(',')) if names else 1)


def check(replicas: int = 1, together: bool = False) -> None:
  """Makes sure that JAX, which comes next, finds this machine's TPU.

  With replicas, the environment is set so that it sees this host alone, unless
  they are together.

  Args:
    replicas: Number of hosts that run.
    together: Whether their processes are one JAX, instead of one each.

  Raises:
    DeviceError: libtpu is missing, or this is one worker of several.
  """
  platforms = os.environ.get('JAX_PLATFORMS', 'tpu')
  number = chips()
  if not number or 'tpu' not in platforms.split(','):
    return
  if not importlib.util.find_spec('libtpu'):
    raise DeviceError(
      f'this machine has {number} TPU chips, but libtpu is not installed, and'
      ' JAX would run on the CPU.\nInstall it, in a clone by `make demo'
      " EXTRA=tpu`, launch/setup.sh tpu or pip install -e '.[tpu]'; or set"
      ' JAX_PLATFORMS=cpu to mean it.'
    )
  here = worker()
  if here.count == 1 or 'TPU_PROCESS_BOUNDS' in os.environ:
    return
  if replicas == 1:
    raise DeviceError(
      f'this is worker {here.index} of {here.count} of a TPU slice: alone, it'
      ' would wait for the others for ever.\nStart all with launch/tpu_vm.sh'
      f' run, or each by hand with --replicas={here.count} and its --replica'
      f' (here {here.index}), on a --workdir that all of them see.'
    )
  if replicas != here.count:
    raise DeviceError(
      f'--replicas={replicas}: this TPU slice has {here.count} workers; give'
      f' --replicas={here.count} --replica={here.index} here'
    )
  if together:
    return
  os.environ |= {
    'TPU_SKIP_MDS_QUERY': '1',  # it would tell of the whole slice
    'TPU_PROCESS_BOUNDS': '1,1,1',
    'TPU_CHIPS_PER_PROCESS_BOUNDS': _BOUNDS.get(number, f'{number},1,1'),
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_WORKER_ID': '0',
  }


def accelerator() -> str:
  """Returns what JAX, which comes next, computes on; '' for the CPU.

  It is told by device files and JAX's plugins, and is 'a TPU', or the device
  file of a GPU. One process takes it as a whole.
  """
  if os.environ.get('JAX_PLATFORMS', '').split(',')[0] == 'cpu':
    return ''
  if chips() and importlib.util.find_spec('libtpu'):
    return 'a TPU'
  return _gpu() if metadata.entry_points(group='jax_plugins') else ''


def idle_gpu() -> str:
  """Returns the device file of a GPU that JAX has no plugin for, or ''."""
  return '' if metadata.entry_points(group='jax_plugins') else _gpu()


def _gpu() -> str:
  return next((str(p) for name in _GPUS for p in _DEV.glob(name)), '')


def _metadata(key: str) -> str | None:
  host = os.environ.get('GCE_METADATA_IP', 'metadata.google.internal')
  request = urllib.request.Request(
    f'http://{host}/computeMetadata/v1/instance/attributes/{key}',
    headers={'Metadata-Flavor': 'Google'},
  )
  try:
    with urllib.request.urlopen(request, timeout=5) as reply:
      return reply.read().decode()
  except (urllib.error.URLError, TimeoutError):
    return None


def _read(path: pathlib.Path) -> str:
  try:
    return path.read_text().strip()
  except OSError:
    return ''


def _flags() -> str:
  here = worker() if chips() else Worker(0, 1)
  if here.count == 1:
    return ''
  return f'--replicas={here.count} --replica={here.index}'


if __name__ == '__main__':
  print(_flags())
