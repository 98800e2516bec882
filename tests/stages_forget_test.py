"""What is forgotten, and what follows from it."""

import small_run


def test_redo_forgets_what_follows(copied):
  small_run.run(copied, '--redo=sample/se', '--stages=plan')
  gone = ['sample/se', 'verify/se', 'curate/se-low', 'curate/se-high']
  gone += ['finetune/nano_student-se-low', 'evaluate/nano_student-se-high']
  kept = ['sample/wc', 'verify/wc', 'curate/wc_compute_matched-low']
  kept += ['finetune/nano_student-reference-low', 'evaluate/nano_student-base']
  assert not [name for name in gone if (copied / name).exists()]
  assert all((copied / name).exists() for name in kept)
  done = small_run.run(copied, '--redo=sample/../../elsewhere')
  assert done.returncode == 1 and 'no such stage' in done.stderr


def test_redo_forgets_one_stage(copied):
  before = small_run.results(copied)
  done = small_run.run(copied, '--redo=finetune/nano_student-se-low')
  assert done.returncode == 0, done.stderr
  assert small_run.results(copied) == before
  assert 'finetune/nano_student-se-low: forgotten' in done.stdout
