"""A project of nothing but its launch scripts, on a made-up platform."""

import pathlib
import shutil
import subprocess

LAUNCH = pathlib.Path(__file__).parents[1] / 'launch'
SCRIPTS = ('tpu_vm.sh', 'tpu_steps.sh', 'tpu_worker.sh', 'setup.sh')

# Records its calls; knows one VM, whose state is in the file `state`, and fails
# at what the file `fail` names, with what that says.
GCLOUD = r"""#!/bin/bash
echo "$*" >> calls
if [ -e fail ] && [[ "$*" == *"$(head -n 1 fail)"* ]]; then
  tail -n +2 fail >&2
  exit 1
fi
case "$*" in
  *" describe "*yaml*) cat why ;;
  *" describe "*)
    echo 'Updates are available for some Google Cloud CLI components.' >&2
    [ -e state ] || { echo 'ERROR: NOT_FOUND: it was not found' >&2; exit 1; }
    cat state
    [ ! -e gone ] || rm -f gone state
    [ ! -e next ] || mv next state ;;
  *" tpu-vm create "* | *" start "*) echo READY > state ;;
  *queued-resources\ create*) echo WAITING_FOR_RESOURCES > state
    echo ACTIVE > next ;;
  *" delete "*) rm -f state ;;
  "config get-value project") echo my-project ;;
esac
"""
_NEEDED = (
  'bash cat chmod cp dirname env grep mkdir mktemp paste rm sed sort tee tr'
  ' uname'
)
ZONE = '--zone=us-west4-a'
TYPE = '--accelerator=v5litepod-16'
JOB = ('--', '--config=configs/wc_distill.py', "--config.arms=('se',)")


def make(tmp_path):
  """Makes a project with nothing but its scripts, and gcloud on PATH."""
  (tmp_path / 'launch').mkdir()
  for name in SCRIPTS:
    shutil.copy(LAUNCH / name, tmp_path / 'launch')
  shutil.copy(LAUNCH.parent / 'setup.py', tmp_path)
  program(tmp_path, 'gcloud', GCLOUD)
  return tmp_path


def program(tree, name, text):
  """Puts a program on PATH."""
  path = tree / 'bin' / name
  path.parent.mkdir(exist_ok=True)
  path.write_text(text)
  path.chmod(0o755)


def alone(tree):
  """Makes the tree's programs, and a few of the system's, all there are."""
  for name in _NEEDED.split():
    (tree / 'bin' / name).symlink_to(shutil.which(name))
  return str(tree / 'bin')


def run(tree, *words, code=0, script='tpu_vm.sh', path=None):
  path = path or f'{tree / "bin"}:/usr/bin:/bin'
  done = subprocess.run(
    [tree / 'launch' / script, *words],
    cwd=tree,
    env={'PATH': path, 'WCSE_POLL_S': '0', 'HOME': str(tree), 'USER': 'me'},
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )
  assert done.returncode == code, done.stdout + done.stderr
  return done


def calls(tree):
  made = tree / 'calls'
  text = made.read_text() if made.exists() else ''
  made.unlink(missing_ok=True)
  return [line.removeprefix('compute tpus ') for line in text.splitlines()]
