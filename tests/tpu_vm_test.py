"""launch/tpu_vm.sh against a made-up platform."""

import tarfile

import launch_tree
from launch_tree import JOB, TYPE, ZONE, alone, calls, run
import pytest


@pytest.fixture
def tree(tmp_path):
  return launch_tree.make(tmp_path)


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
  done = run(tree, 'create', 'my-tpu', ZONE, TYPE, code=1, path=alone(tree))
  assert 'gcloud is not installed' in done.stderr
