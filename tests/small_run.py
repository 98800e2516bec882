"""A small run by the command line, and what it leaves."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {
  'task.num_train': 10,
  'task.num_validation': 4,
  'task.num_test': 6,
  'budget.high': 3,
  'sampling.slots': 16,
  'sampling.shard_rows': 8,
  'finetune.steps_low': 4,
  'finetune.steps_high': 8,
  'finetune.batch_size': 4,
  'finetune.num_checkpoints': 2,
  'evaluate.num_samples': 2,
  'evaluate.ks': '(1, 2)',
  'report.bootstrap_samples': 100,
}


def command(workdir, *flags, **changes):
  fields = {**SMALL, **changes}
  return [
    sys.executable,
    str(ROOT / 'launch' / 'main.py'),
    f'--config={ROOT / "configs" / "wc_distill.py"}:tiny',
    f'--workdir={workdir}',
    *(f'--config.{name}={value}' for name, value in fields.items()),
    *flags,
  ]


def run(workdir, *flags, **changes):
  return subprocess.run(
    command(workdir, *flags, **changes),
    capture_output=True,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    timeout=600,
    check=False,
  )


def results(workdir):
  """results.json, times and what follows from them aside."""
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  timed = ('measured', 'seconds')
  for name in ('seconds', 'started', 'command'):
    del results['run'][name]
  for row in results['ledger'].values():
    for name in (
      *('seconds', 'tokens_per_s', 'slots_busy', 'spent', 'verify_seconds'),
    ):
      del row[name]
  for by_budget in results['arms'].values():
    for cell in by_budget.values():
      for name in (
        *('padding_flops', 'idle_flops', 'sampling_flops'),
        *('device_seconds', 'verify_seconds'),
      ):
        del cell['cost'][name]
      for name in timed:
        cell['cost_per_true'].pop(name, None)
  for row in results['winners']:
    del row['flips']
    row['rows'] = [r for r in row['rows'] if r['matching'] not in timed]
  for row in results['break_even']:
    for name in timed:
      del row['fpr'][name]
  return results
