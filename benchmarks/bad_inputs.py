"""Feeds bad inputs to everything that reads some: none ends in a traceback.

  python benchmarks/bad_inputs.py
  python benchmarks/bad_inputs.py --only=files

Every field of the config is given values that it cannot have; every kind of
file of a finished workdir, of external samples, of data sets and of checkpoints
is damaged or has another shape; the Python calls get arguments that make no
sense. Each is to be taken, or refused by an error of this project (a Python
call: by a ValueError, too), within a minute. Prints how many were, and the last
line of every other one's traceback; exits with 1 if there is any.
"""

import argparse
import collections
from collections.abc import Sequence
import contextlib
import io
import os
import pathlib
import signal
import sys
import tempfile
import traceback

import bad_calls
import bad_files
from bad_values import Case

_PATIENCE_S = 60


class SlowError(Exception):
  """It took more than a minute."""


def tried(case: Case) -> str:
  """Returns 'taken', 'refused', or the last line of the traceback."""

  def late(*_):
    raise SlowError(f'no word for {_PATIENCE_S} s')

  before = signal.signal(signal.SIGALRM, late)
  signal.alarm(_PATIENCE_S)
  try:
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
      case.call()
    return 'taken'
  except case.errors as error:
    if str(error).strip() and not isinstance(error, UnicodeError):
      return 'refused'
    return f'an error without a remedy: {error!r}'
  except BaseException as error:
    if isinstance(error, KeyboardInterrupt):
      raise
    where = traceback.extract_tb(error.__traceback__)[-1]
    last = ''.join(traceback.format_exception_only(error)).strip()
    return f'{last[:200]} ({pathlib.Path(where.filename).name}:{where.lineno})'
  finally:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


GROUPS = {
  'config': bad_calls.of_config,
  'files': bad_files.of_files,
  'external': bad_files.of_external,
  'checkpoints': bad_files.of_checkpoints,
  'calls': bad_calls.of_calls,
}


def main(argv: Sequence[str] | None = None) -> int:
  """Returns the exit code: 1 if any input ends in a traceback."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--only', choices=GROUPS, help='Only one group.')
  only = parser.parse_args(argv).only
  faults = 0
  for group in [only] if only else GROUPS:
    ends: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
      for case in GROUPS[group](pathlib.Path(folder)):
        end = tried(case)
        ends[end if end in ('taken', 'refused') else 'traceback'] += 1
        if end not in ('taken', 'refused'):
          print(f'  {case.name}\n    {end}', flush=True)
    faults += ends['traceback']
    print(
      f'{group}: {ends.total()} bad inputs, {ends["refused"]} refused,'
      f' {ends["taken"]} taken, {ends["traceback"]} tracebacks',
      flush=True,
    )
  return 1 if faults else 0


if __name__ == '__main__':
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')
  sys.exit(main())
