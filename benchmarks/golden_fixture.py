r"""Makes tests/golden_workdir: a workdir that a version of the code finished.

  python benchmarks/golden_fixture.py --base=COMMIT
  python benchmarks/golden_fixture.py --results

It is the experiment `arms` of golden.py, in few parts. What no run reads again
is left out: pages, figures, locks, and the checkpoints of all students but one.
JSON that no checksum protects is written on one line, and no file says where it
was made. COMMAND has the command that finds everything there. With --results
only the results and the plan are made anew, by the working tree, which gives
others now.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

import golden
import golden_experiments

TARGET = golden.ROOT / 'tests' / 'golden_workdir'
STUDENT = 'nano_student-se-low'  # whose checkpoints are kept
_CHANGES = {
  'sampling__shard_rows': 1024,
  'task__num_test': 3,
  'evaluate__num_samples': 1,
  'evaluate__ks': '(1,)',
}
_LEFT_OUT = ('_tfds', '.*', 'figures', 'index.html', 'label.html')
_ONE_LINE = ('results.json', '_metrics.json', 'plan.json', 'config.json')


def main() -> int:
  """Returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  which = parser.add_mutually_exclusive_group(required=True)
  which.add_argument('--base', metavar='COMMIT')
  which.add_argument('--results', action='store_true')
  given = parser.parse_args()
  if given.results:
    renew(TARGET)
    return 0
  with tempfile.TemporaryDirectory() as folder:
    place = golden_experiments.Place(
      pathlib.Path(folder, 'code'), pathlib.Path(folder, 'arms')
    )
    golden.export(given.base, place.code)
    place.folder.mkdir()
    place.check()
    golden_experiments.arms(place, **_CHANGES)
    command = place.command('run', **golden_experiments.ARMS | _CHANGES)
    keep(place.folder / 'run', TARGET, command)
  return 0


def renew(target: pathlib.Path) -> None:
  """Makes the results and the plan of the workdir anew; all else stays."""
  plan = pathlib.Path('plan', 'plan.json')
  path = pathlib.Path('report', 'results.json')
  before = json.loads((target / path).read_text())
  with tempfile.TemporaryDirectory() as folder:
    workdir = shutil.copytree(target, pathlib.Path(folder, 'run'))
    _, *command = shlex.split((target / 'COMMAND').read_text())
    subprocess.run(
      [sys.executable, *command, f'--workdir={workdir}'],
      cwd=golden.ROOT,
      check=True,
    )
    made = json.loads((workdir / path).read_text())
    planned = json.loads((workdir / plan).read_text())
  (target / plan).write_text(json.dumps(planned) + '\n')
  made['run'] = before['run']
  (target / path).write_text(json.dumps(made) + '\n')


def keep(workdir: pathlib.Path, target: pathlib.Path, command: list[str]):
  """Copies what is kept of a workdir, with the command that made it."""
  shutil.rmtree(target, ignore_errors=True)
  shutil.copytree(workdir, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))
  for checkpoints in target.glob('finetune/*/checkpoints'):
    if checkpoints.parent.name != STUDENT:
      shutil.rmtree(checkpoints)
  words = [
    word.replace('../code/', '')
    for word in command
    if not word.startswith('--workdir')
  ]
  written = shlex.join(['python', *words])
  (target / 'COMMAND').write_text(f'{written}\n')
  for path in target.rglob('commit_success.txt'):  # its text is not read
    path.write_text('Checkpoint commit was successful\n')
  for path in target.rglob('*.json'):
    if path.name in _ONE_LINE:
      value = json.loads(path.read_text())
      if path.name == 'results.json':
        value['run']['command'] = written
      path.write_text(json.dumps(value) + '\n')


if __name__ == '__main__':
  sys.exit(main())
