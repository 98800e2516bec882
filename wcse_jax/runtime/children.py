"""Running modules in processes of their own, which answer requests in JSON.

TensorFlow takes 10 to 25 s to import; a process of its own keeps that, and
its threads and memory, away from the run.
"""

from collections.abc import Callable, Mapping
import contextlib
import json
import os
import pathlib
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from typing import IO, Any, cast

from wcse_jax.errors import Error


class TaskError(Error):
  """A task's data cannot be had. One line: what, where, the remedy."""


def start(
  *arguments: str,
  stderr: IO[bytes] | None = None,
  environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
  """Starts Python on pipes, with this package on its path.

  Args:
    *arguments: What follows `python` on the command line.
    stderr: The file that gets the process's stderr; None is this one's.
    environment: Variables that are set beside those of this process.
  """
  return subprocess.Popen(
    # -P: a file of the user's folder must not hide a standard module.
    [sys.executable, '-P', *arguments],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=stderr,
    env=with_package(environment or {}),
    start_new_session=True,  # Ctrl-C is the parent's to handle
  )


def with_package(environment: Mapping[str, str]) -> dict[str, str]:
  """Returns this process's environment with this package on Python's path.

  Args:
    environment: Variables that are set beside those of this process.
  """
  root = str(pathlib.Path(__file__).parents[2])
  path = os.pathsep.join(filter(None, [root, os.environ.get('PYTHONPATH')]))
  return {**os.environ, **environment, 'PYTHONPATH': path}


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
  """Returns stdin and stdout of a process that `start` returned."""
  return cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)


def scratch() -> tempfile.TemporaryDirectory[str]:
  """Makes a process's temporary directory, to be given to `start` as TMPDIR.

  A process that is killed does not clear up: who kills it removes this.
  """
  folder = tempfile.TemporaryDirectory('.wcse', ignore_cleanup_errors=True)
  os.chmod(folder.name, 0o711)  # programs in it may run as nobody
  return folder


class Child:
  """A process that runs a module and answers requests.

  It imports what it needs as soon as it is started, so what is asked of it
  later does not wait for that:

    with Child('wcse_jax.seqio_tasks.prepare', 'gsm8k') as child:
      ...
      result = child.request({'task': 'gsm8k', ...})
  """

  def __init__(self, module: str, *arguments: str):
    """Starts the process.

    Args:
      module: The name of a module that calls `serve`.
      *arguments: The module's command-line arguments.
    """
    self._module = module
    self._errors = tempfile.TemporaryFile()  # noqa: SIM115, until `close`
    self._scratch = scratch()
    self._process = start(
      '-m',
      __name__,
      str(os.getpid()),
      self._scratch.name,
      module,
      *arguments,
      stderr=self._errors,
      environment={
        'JAX_PLATFORMS': 'cpu',
        'CUDA_VISIBLE_DEVICES': '',  # TensorFlow would take a GPU's memory
        'TF_CPP_MIN_LOG_LEVEL': '3',
        'TMPDIR': self._scratch.name,
      },
    )
    self._stdin, self._stdout = pipes(self._process)

  def __enter__(self) -> 'Child':
    return self

  def __exit__(self, *_) -> None:
    self._process.kill()
    with contextlib.suppress(BrokenPipeError):  # a request was not read
      self._process.__exit__(None, None, None)
    self._errors.close()
    self._scratch.cleanup()

  def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
    """Sends a JSON-able request and returns what the module answers.

    Raises:
      TaskError: The process failed; the text is its last 'error: ' line, or
        says how it died.
    """
    with contextlib.suppress(BrokenPipeError):  # then there is no answer
      self._stdin.write(json.dumps(request).encode() + b'\n')
      self._stdin.flush()
    answer = self._stdout.readline()
    if answer.endswith(b'\n'):  # else it was killed meanwhile
      return json.loads(answer)
    self._process.wait()
    self._errors.seek(0)
    lines = self._errors.read().decode(errors='replace').splitlines()
    messages = [line for line in lines if line.startswith('error: ')]
    died = f'{self._module} died with exit code {self._process.returncode}'
    if self._process.returncode == -signal.SIGKILL:
      died += ': it was killed, as a system does that is out of memory'
    elif lines:
      died += f': {lines[-1]}'
    died += '.\nMake room if need be, and run the same command again.'
    raise TaskError(messages[-1][7:] if messages else died)


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]):
  """Answers requests: the `main` of a module that is run as a `Child`.

  A request is a JSON object, a line of stdin, and so is its answer on stdout;
  what is printed meanwhile goes to stderr. On failure the last line of stderr
  is 'error: ' and the reason, and the exit code 2.
  """
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  for line in sys.stdin.buffer:
    try:
      result = answer(json.loads(line))
    except Exception as error:  # the parent reports it, whatever it is
      message = ' '.join(str(error).splitlines())
      if not isinstance(error, Error):
        traceback.print_exc()  # not foreseen
        message = f'{type(error).__name__}: {message}'
      print(f'error: {message}', file=sys.stderr)
      sys.exit(2)
    print(json.dumps(result), file=answers, flush=True)


def die_with_parent(parent: int, scratch_folder: str = '') -> None:
  """Has this process end when the one that started it has ended.

  Args:
    parent: The process id of that one, as it told it: to ask for it is too late
      once it has ended.
    scratch_folder: A folder to remove then.
  """

  def watch() -> None:
    while os.getppid() == parent:
      time.sleep(0.5)
    if scratch_folder:
      shutil.rmtree(scratch_folder, ignore_errors=True)
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()


if __name__ == '__main__':  # of a `Child`, before it imports anything slow
  _, _parent, _folder, _module, *_arguments = sys.argv
  die_with_parent(int(_parent), _folder)
  sys.argv = [_module, *_arguments]
  runpy.run_module(_module, run_name='__main__', alter_sys=True)
