"""What other workdirs have finished is taken over."""

import dataclasses
import json
import re
import subprocess
import sys

import small_run

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.stages import takeover
from wcse_jax.stages.layout import Run

ROOT = small_run.ROOT


def test_what_another_workdir_finished_is_taken_over(finished, tmp_path):
  """A smaller experiment: nothing of it is computed anew but the report."""
  workdir = tmp_path / 'run'
  done = small_run.run(workdir, f'--reuse={finished[0]}', arms="('se',)")
  assert done.returncode == 0, done.stderr
  taken = {
    line.split(':')[0]
    for line in done.stdout.splitlines()
    if line.endswith(f': taken from {finished[0]}')
  }
  assert taken >= {
    'problems/nano_arithmetic',
    'sample/se',
    'curate/se-low',
    'finetune/nano_student-se-high',
    'evaluate/nano_student-se-high/nano_arithmetic',
  }
  assert done.stderr == ''  # no progress of anything
  before, after = small_run.results(finished[0]), small_run.results(workdir)
  for name in ('base', 'se-low', 'se-high'):
    assert after['students'][name] == before['students'][name]


def test_experiments_share_what_they_have_in_common(finished, tmp_path):
  """`experiments`: two config files, run with what the one naming them sets."""
  source = (ROOT / 'configs' / 'number_matched.py').read_text()
  (line,) = re.findall('^SCALES = .*', source, flags=re.M)
  changes = {
    'first': {'student': '', 'arms': ('se',)},
    'second': {'student': '', 'arms': ('se', 'reference')},
    'both': {'experiments': ('first', 'second')},
  }
  for name, sets in changes.items():
    variants = f'SCALES = scales.variants({name!r}, {sets!r})'
    (tmp_path / f'{name}.py').write_text(source.replace(line, variants))
  flags = [
    flag
    for flag in small_run.command(tmp_path / 'run')[2:]
    if 'wc_distill' not in flag
  ]
  command = [
    sys.executable,
    str(ROOT / 'launch' / 'main.py'),
    f'--config={tmp_path / "both.py"}:tiny',
    f'--reuse={finished[0]}',
    '--config.report.confidence=0.9',
    *flags,
  ]
  done = subprocess.run(
    command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False
  )
  assert done.returncode == 0, done.stderr
  assert 'sample/se: kept' in done.stdout
  results = [
    json.loads((tmp_path / 'run' / name / 'report/results.json').read_text())
    for name in ('first', 'second')
  ]
  assert [list(r['arms']) for r in results] == [['se'], ['se', 'reference']]
  for r in results:
    assert r['run']['config']['report']['confidence'] == 0.9
    assert r['run']['config']['task']['num_train'] == 10
  page = (tmp_path / 'run' / 'report' / 'index.html').read_text()
  assert 'first' in page and 'second' in page


def _taking(workdir, others, **changes):
  """What an experiment takes over from other workdirs: its stages' names."""
  values = config_lib.to_config_dict(config_lib.Config())
  fields = {**small_run.SMALL, 'evaluate.ks': (1, 2), **changes}
  values.update_from_flattened_dict(fields)
  experiment = Run(
    config_lib.freeze(values), store.Store(workdir, others=others)
  )
  takeover.take_over(experiment, config_lib.STAGES)
  return experiment, {
    path.parent.relative_to(workdir).as_posix()
    for path in workdir.rglob('_MANIFEST.json')
  }


def test_a_checkpoint_that_another_validation_chose_is_not_taken(
  finished, tmp_path
):
  _, taken = _taking(
    tmp_path / 'run', [finished[0]], **{'task.num_validation': 3}
  )
  assert 'finetune/nano_student-se-low' in taken
  assert 'evaluate/nano_student-base/nano_arithmetic' in taken
  assert not [
    name for name in taken if name.startswith('evaluate/') and '-se-' in name
  ]


def test_verdicts_on_other_samples_are_not_taken(finished, tmp_path):
  """Another device may draw other samples with the same settings."""
  experiment, taken = _taking(tmp_path / 'first', [finished[0]])
  assert {'verify/se', 'verify/wc', 'curate/se-low'} <= taken
  drawn = experiment.samples(Pool('se'))
  odd = experiment.pool_stage(Pool('se')).at(tmp_path / 'odd' / 'sample' / 'se')
  odd.write_part(
    store.to_table(
      [dataclasses.replace(s, text=f'{s.text} Or not.') for s in drawn],
      store.SAMPLES,
    ),
    store.SAMPLES,
  )
  odd.finish(rows=len(drawn) + 1)
  others = [finished[0], tmp_path / 'odd']
  experiment, taken = _taking(tmp_path / 'second', others)
  assert experiment.samples(Pool('se'))[0].text.endswith('Or not.')
  assert not taken & {'verify/se', 'verify/wc', 'curate/se-low'}
  assert 'problems/nano_arithmetic' in taken
