"""`python -m wcse_jax.report OUT WORKDIR...`: pages of results as they are.

Reads report/results.json of each workdir and writes to OUT: for one experiment
its page, for several one page of all. The workdir of a config that runs many,
as configs/paper.py does, counts as theirs. Nothing is sampled or graded again.
"""

import argparse
from collections.abc import Iterator
import contextlib
import pathlib
import sys

from wcse_jax import report, store
from wcse_jax.report import page, templates
from wcse_jax.results import types
from wcse_jax.store import mirror as remote


def read(workdirs: list[pathlib.Path]) -> dict[str, types.Results]:
  """The results of workdirs, by the experiments' names.

  Of two with one name, the second has the workdir's name, too.

  Raises:
    StoreError: A workdir has no report, one of another version, or is given
      twice.
    RemoteError: A workdir is on an object store.
  """
  found: dict[str, types.Results] = {}
  for workdir in workdirs:
    remote.check_local(workdir)
    path = workdir / 'report' / 'results.json'
    try:
      experiments = types.read(path)
    except types.SchemaError as e:
      raise store.StoreError(str(e)) from e
    for name, results in experiments.items():
      with _contradictions(path):
        page.render(results, [])
        templates.render('results.md', results={name: results})
      if name in found:
        name = f'{name} ({workdir.name})'
      if name in found:
        raise store.StoreError(f'{workdir}: a second {name}; give each once')
      found[name] = results
  return found


@contextlib.contextmanager
def _contradictions(where: object) -> Iterator[None]:
  """Raises StoreError for results whose fields contradict each other."""
  try:
    yield
  except (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
  ) as e:
    raise store.StoreError(
      f'{where}: its fields contradict each other ({type(e).__name__}: {e});'
      ' run the stage report there again (--stages=report), or give another'
      ' workdir'
    ) from e


def main(
  arguments: list[str] | None = None, program: str = 'python -m wcse_jax.report'
) -> int:
  """Returns the exit status."""
  usage = (__doc__ or '').replace('`', '').split('\n\n')
  parser = argparse.ArgumentParser(prog=program, description=usage[1])
  parser.add_argument('out', type=pathlib.Path, metavar='OUT')
  parser.add_argument(
    'workdirs', type=pathlib.Path, nargs='+', metavar='WORKDIR'
  )
  given = parser.parse_args(arguments)
  try:
    results = read(given.workdirs)
    with _contradictions(', '.join(map(str, given.workdirs))):
      if len(results) == 1:
        (one,) = results.values()
        index = report.write(one, given.out)
      else:
        index = report.write_all(results, given.out)
  except (remote.RemoteError, store.StoreError) as error:
    print('error:', error, file=sys.stderr)
    return 1
  print(f'report: {index}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
