"""`python -m wcse_jax.report OUT WORKDIR...`: pages of results as they are.

Reads report/results.json of each workdir and writes to OUT: for one experiment
its page, for several one page of all. The workdir of a config that runs many,
as configs/paper.py does, counts as theirs. Nothing is sampled or graded again.
"""

import argparse
import pathlib
import sys

from wcse_jax import report, store
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
    remedy = (
      'run the stage report there first (--stages=report), or give another'
      ' workdir'
    )
    if not path.exists():
      raise store.StoreError(f'{path} is missing; {remedy}')
    try:
      experiments = types.decode(path.read_bytes())
    except types.SchemaError as e:
      raise store.StoreError(f'{path}: {e}; {remedy}') from e
    for name, results in experiments.items():
      if name in found:
        name = f'{name} ({workdir.name})'
      if name in found:
        raise store.StoreError(f'{workdir}: a second {name}; give each once')
      found[name] = results
  return found


def main(arguments: list[str] | None = None) -> int:
  """Returns the exit status."""
  usage = (__doc__ or '').replace('`', '').split('\n\n')
  parser = argparse.ArgumentParser(
    prog='python -m wcse_jax.report', description=usage[1]
  )
  parser.add_argument('out', type=pathlib.Path, metavar='OUT')
  parser.add_argument(
    'workdirs', type=pathlib.Path, nargs='+', metavar='WORKDIR'
  )
  given = parser.parse_args(arguments)
  try:
    results = read(given.workdirs)
    if len(results) == 1:
      (one,) = results.values()
      index = report.write(one, given.out)
    else:
      index = report.write_all(results, given.out)
  except (remote.RemoteError, store.StoreError) as error:
    print(error, file=sys.stderr)
    return 1
  print(f'report: {index}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
