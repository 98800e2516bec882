"""What is written down of a run: its config, versions, and seconds spent."""

from collections.abc import Iterator
import contextlib
import dataclasses
import datetime
from importlib import metadata
import pathlib
import platform
import subprocess
import time
from typing import Annotated, Any

import msgspec

import wcse_jax
from wcse_jax import store
from wcse_jax.experiment import config as config_lib

# By stage; more than 30 years is no time that a run took.
_Seconds = dict[str, Annotated[float, msgspec.Meta(ge=0, le=1e9)]]
_DECISIVE = ('jax', 'flax', 'optax', 'orbax-checkpoint', 'seqio', 'numpy')


@dataclasses.dataclass(frozen=True)
class Journal:
  """What people want to know of a run beside its results.

  Attributes:
    workdir: Of the run.
    command: As typed.
    started: When this session of the run began.
  """

  workdir: pathlib.Path
  command: str
  started: datetime.datetime = dataclasses.field(
    default_factory=lambda: datetime.datetime.now(datetime.UTC)
  )

  def write_config(self, config: config_lib.Config) -> None:
    """Writes config.json; a line says what is other than in the run before."""
    path = self.workdir / 'config.json'
    if path.exists() and (changes := _changes(path, config)):
      print(f'other than in the run before: {"; ".join(changes)}')
    store.write_json(
      path,
      {'config': config_lib.saved(config), **versions()},
    )

  @contextlib.contextmanager
  def clock(self, stage: str, kept: bool = True) -> Iterator[None]:
    """Adds the time spent to `seconds.json`: of all sessions, kills aside.

    A stage that fails, or that a limit stops, has taken its time, too.

    Args:
      stage: What it is spent on.
      kept: Whether this process writes it down.
    """
    start = time.monotonic()
    try:
      yield
    finally:
      if kept:
        spent = self.seconds
        spent[stage] = spent.get(stage, 0.0) + time.monotonic() - start
        store.write_json(self.workdir / 'seconds.json', spent)

  @property
  def seconds(self) -> dict[str, float]:
    """The seconds spent on each stage, in all sessions."""
    path = self.workdir / 'seconds.json'
    return store.read_json(path, _Seconds) if path.exists() else {}

  def entries(self) -> dict[str, Any]:
    """Returns what the report says of the run."""
    return {
      'command': self.command,
      'started': self.started.isoformat('T', 'seconds'),
      'seconds': self.seconds,
      **versions(),
    }


def _changes(path: pathlib.Path, config: config_lib.Config) -> list[str]:
  """Returns how fields differ from those of a config.json."""
  try:
    before = store.flat(store.read_config(path.parent))
  except store.StoreError:
    return [f'{path} cannot be read']
  # A field that it lacks had its default: there was no other.
  before = store.flat(config_lib.to_dict(config_lib.Config())) | before
  return [
    f'config.{field} {before[field]} -> {value}'
    for field, value in store.flat(config_lib.to_dict(config)).items()
    if before[field] != value
  ]


def versions() -> dict[str, Any]:
  """Returns versions of what decides results, and the git revision, if any."""
  revision = ''
  with contextlib.suppress(OSError):  # no git
    revision = subprocess.run(
      ['git', 'describe', '--always', '--dirty'],
      cwd=pathlib.Path(__file__).parent,
      capture_output=True,
      text=True,
      check=False,
    ).stdout.strip()
  return {
    'versions': {
      'wcse_jax': wcse_jax.__version__,
      'python': platform.python_version(),
      **{name: metadata.version(name) for name in _DECISIVE},
    },
    'git': revision,
  }
