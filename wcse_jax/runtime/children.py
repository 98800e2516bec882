"""Running a module in a process of its own, one JSON value in, one out.

TensorFlow takes 10 to 25 s to import; a process of its own keeps that, and
its threads and memory, away from the run.
"""

from collections.abc import Callable, Mapping
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from typing import IO, Any

from wcse_jax.errors import Error


class TaskError(Error):
  """A task's data cannot be had. One line: what, where, the remedy."""


def start(
  *arguments: str, stderr: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
  """Starts Python on pipes, with this package on its path."""
  root = str(pathlib.Path(__file__).parents[2])
  path = os.pathsep.join(filter(None, [root, os.environ.get('PYTHONPATH')]))
  return subprocess.Popen(
    # -P: a file of the user's folder must not hide a standard module.
    [sys.executable, '-P', *arguments],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=stderr,
    env=os.environ | {'PYTHONPATH': path},
    start_new_session=True,  # Ctrl-C is the parent's to handle
  )


def run_child(
  module: str, request: Mapping[str, Any], log: pathlib.Path | None = None
) -> dict[str, Any]:
  """Runs `python -m module` on `request` and returns its result.

  Args:
    module: E.g. 'wcse_jax.seqio_tasks.prepare'; it calls `serve`.
    request: JSON-able.
    log: Where its stderr goes; None keeps it only to report a failure.

  Raises:
    TaskError: It failed; the text is its last 'error: ' line.
  """
  with (
    open(log, 'w+b') if log else tempfile.TemporaryFile() as errors,
    start('-m', module, '/dev/stdin', stderr=errors) as process,
  ):
    try:
      output, _ = process.communicate(json.dumps(request).encode())
    except BaseException:
      process.kill()
      raise
    if process.returncode == 0:
      return json.loads(output.splitlines()[-1])
    errors.seek(0)
    lines = errors.read().decode(errors='replace').splitlines()
  messages = [line for line in lines if line.startswith('error: ')]
  where = f'; see {log}' if log else ''
  died = f'{module} died with exit code {process.returncode}{where}'
  raise TaskError(messages[-1][7:] if messages else died)


def serve(run: Callable[[dict[str, Any]], dict[str, Any]]):
  """The `main` of a child: `python -m module request.json`.

  Prints the result, a JSON object, as the last line of stdout. On failure
  the last line of stderr is 'error: ' and the reason, and the exit code 2.
  """
  if len(sys.argv) != 2:
    sys.exit(f'usage: python {sys.argv[0]} request.json')
  os.environ['JAX_PLATFORMS'] = 'cpu'
  os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
  threading.Thread(
    target=_die_with_parent, args=[os.getppid()], daemon=True
  ).start()
  try:
    result = run(json.loads(pathlib.Path(sys.argv[1]).read_bytes()))
  except Exception as error:  # the parent reports it, whatever it is
    message = ' '.join(str(error).splitlines())
    if not isinstance(error, Error):
      traceback.print_exc()  # not foreseen
      message = f'{type(error).__name__}: {message}'
    print(f'error: {message}', file=sys.stderr)
    sys.exit(2)
  print(json.dumps(result))


def _die_with_parent(parent: int):
  """Ends this process when the run that started it was killed."""
  while os.getppid() == parent:
    time.sleep(0.5)
  os._exit(1)
