"""launch/tpu_worker.sh on a made-up worker."""

import subprocess

import launch_tree
from launch_tree import ZONE, calls, program, run
import pytest


@pytest.fixture
def tree(tmp_path):
  return launch_tree.make(tmp_path)


SUDO = r"""#!/bin/bash
file=etc/$(basename "${@: -1}")
case "$1 $2" in
  'tee -a') cat >> "$file" ;;
  tee*) cat > "$file" ;;
  sed*) sed -i "$3" "$file" ;;
  mount*) cut -d' ' -f1 etc/fstab > mounted ;;
  systemctl*) "$@" ;;
esac
"""


@pytest.fixture
def worker(tree):
  """A tree on a worker; sudo writes to `etc`; `mounted` tells what is."""
  log = 'echo "$(basename "$0") $*" >> calls\n'
  (tree / 'etc').mkdir()
  (tree / 'etc' / 'fstab').touch()
  program(tree, 'sudo', SUDO)
  program(tree, 'mountpoint', '#!/bin/bash\n[ -e mounted ]\n')
  program(tree, 'findmnt', '#!/bin/bash\ncat mounted 2> /dev/null\n')
  program(tree, 'systemctl', f'#!/bin/bash\n{log}[ "$1" != is-active ]\n')
  python = tree / '.venv' / 'bin' / 'python'
  python.parent.mkdir(parents=True)
  python.write_text(
    '#!/bin/bash\ncase $1 in -m) cat replica;;'
    ' *) printf "%s\\n" "$@"; exit "$(cat code)";; esac\n'
  )
  (tree / 'replica').write_text('--replicas=4 --replica=2\n')
  (tree / 'code').write_text('3')
  python.chmod(0o755)
  return tree


def test_a_job_is_a_service_with_its_replica(worker):
  (worker / '.venv' / '.ready-tpu').touch()
  (worker / 'mounted').write_text('host:/share\n')
  words = ("--config.arms=('se', 'wc')", '--workdir=/mnt/wcse_jax/a b')
  run(worker, 'run', *words, script='tpu_worker.sh')
  unit = (worker / 'etc' / 'wcse_jax.service').read_text()
  assert f'WorkingDirectory={worker}\n' in unit
  assert 'Restart=on-failure' in unit
  assert 'RequiresMountsFor=/mnt/wcse_jax\n' in unit
  assert calls(worker) == [
    'systemctl daemon-reload',
    'systemctl enable -q wcse_jax',
    'systemctl reset-failed wcse_jax',
    'systemctl restart wcse_jax',
  ]
  job = run(worker, 'job', script='tpu_worker.sh', code=3)
  assert job.stdout.splitlines()[1:] == [
    'launch/main.py',
    *words,
    '--replicas=4',
    '--replica=2',
  ]


def test_together_the_job_is_three_commands(worker):
  (worker / '.venv' / '.ready-tpu').touch()
  (worker / 'state').write_text('READY\n')
  (worker / 'mounted').write_text('host:/share\n')
  own = ['--a', '--b=c d', '--workdir=/mnt/wcse_jax/x']
  run(worker, 'run', 'my-tpu', ZONE, '--together', '--', *own)
  words = calls(worker)[-1].partition('tpu_worker.sh run ')[2]
  asked = subprocess.run(
    ['bash', '-c', f'printf "%s\\n" {words}'],
    capture_output=True,
    text=True,
    check=True,
  ).stdout.splitlines()
  assert asked == ['--together', *own]
  run(worker, 'run', *asked, script='tpu_worker.sh')

  stages = [
    ['--stages=prepare,plan,sample,verify,curate'],
    ['--stages=finetune', '--coordinator=auto'],
    ['--stages=evaluate,report'],
  ]
  (worker / 'code').write_text('0')
  done = run(worker, 'job', script='tpu_worker.sh').stdout.splitlines()
  all_own = [*own, '--replicas=4', '--replica=2']
  assert [line for line in done if not line.startswith('20')] == [
    word for more in stages for word in ['launch/main.py', *all_own, *more]
  ]
  (worker / 'code').write_text('3')
  done = run(worker, 'job', script='tpu_worker.sh', code=3).stdout.splitlines()
  assert done[1:] == ['launch/main.py', *all_own, *stages[0]], 'it ends there'
  (worker / 'replica').write_text('')
  done = run(worker, 'job', script='tpu_worker.sh', code=3).stdout.splitlines()
  assert done[1:] == ['launch/main.py', *own], 'one host is enough'


def test_a_job_that_runs_is_left_alone(worker):
  (worker / '.venv' / '.ready-tpu').touch()
  (worker / 'replica').write_text('')
  run(worker, 'run', '--a', script='tpu_worker.sh')
  calls(worker)
  program(worker, 'systemctl', '#!/bin/bash\necho "systemctl $*" >> calls\n')
  done = run(worker, 'run', '--a', script='tpu_worker.sh')
  assert 'runs already' in done.stdout
  assert calls(worker) == ['systemctl is-active -q wcse_jax']
  run(worker, 'run', '--b', script='tpu_worker.sh')
  assert calls(worker)[-1] == 'systemctl restart wcse_jax'


def test_a_half_set_up_worker_does_not_run(worker):
  done = run(worker, 'run', '--a', script='tpu_worker.sh', code=1)
  assert 'not set up' in done.stderr
  assert not calls(worker)


@pytest.mark.parametrize(
  ('workdir', 'mounted', 'replica', 'said'),
  [
    ('gs://b/run', True, '--replicas=4 --replica=2', '--nfs=HOST:/SHARE'),
    ('runs/x', True, '--replicas=4 --replica=2', '--nfs=HOST:/SHARE'),
    (
      '/mnt/wcse_jax/../x',
      True,
      '--replicas=4 --replica=2',
      '--nfs=HOST:/SHARE',
    ),
    ('/mnt/wcse_jax/x', False, '--replicas=4 --replica=2', 'nothing is mount'),
    ('/mnt/wcse_jax/x', False, '', 'nothing is mounted at /mnt/wcse_jax'),
    ('/mnt/wcse_jax/x', True, '', ''),
    ('runs/x', False, '', ''),
    ('gs://b/run', False, '', ''),
  ],
)
def test_a_workdir_that_cannot_be_kept_or_shared(
  worker, workdir, mounted, replica, said
):
  """Each replica once waited two minutes for the others, for ever."""
  (worker / '.venv' / '.ready-tpu').touch()
  (worker / 'replica').write_text(replica)
  if mounted:
    (worker / 'mounted').write_text('host:/share\n')
  words = ('run', '--a', f'--workdir={workdir}')
  done = run(worker, *words, script='tpu_worker.sh', code=1 if said else 0)
  assert said in done.stderr
  assert bool(calls(worker)) == (not said)
  if not said:
    unit = (worker / 'etc' / 'wcse_jax.service').read_text()
    assert ('RequiresMountsFor' in unit) == workdir.startswith('/mnt')


def test_a_wrong_share_can_be_corrected(worker):
  (worker / 'launch' / 'setup.sh').write_text('#!/bin/bash\n')
  fstab = worker / 'etc' / 'fstab'
  other = '/dev/sda1 / ext4 defaults 0 1\n'
  fstab.write_text(f'{other}wrong:/share /mnt/wcse_jax nfs hard,nofail 0 2\n')
  words = ('setup', '--nfs=right:/share')
  run(worker, *words, script='tpu_worker.sh')
  line = 'right:/share /mnt/wcse_jax nfs hard,nofail 0 2\n'
  assert fstab.read_text() == other + line
  (worker / 'mounted').write_text('wrong:/share\n')
  done = run(worker, *words, script='tpu_worker.sh', code=1)
  assert 'wrong:/share is mounted at /mnt/wcse_jax, not right:' in done.stderr
  assert 'sudo umount /mnt/wcse_jax' in done.stderr
  (worker / 'mounted').write_text('right:/share\n')
  run(worker, *words, script='tpu_worker.sh')
