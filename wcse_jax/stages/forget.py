"""Forgetting a stage, or a part of it, and what was made from it."""

import re

from wcse_jax import store
from wcse_jax.stages.layout import Run

_ORDER = ('sample', 'verify', 'curate', 'finetune', 'evaluate')


def forget(run: Run, redo: str) -> None:
  """Clears a stage, or a part of it, and what was made from it.

  A redone `prepare` keeps pools: they are of problems, not of their number.

  Args:
    run: The experiment, and its workdir.
    redo: A stage ('finetune'), or a part of one ('sample/wc').

  Raises:
    StoreError: The workdir has no such stage.
  """
  workdir = run.data.workdir
  stage, _, part = redo.partition('/')
  stage = {'problems': 'prepare'}.get(stage, stage)
  if (part and not (workdir / redo).is_dir()) or '..' in redo:
    raise store.StoreError(f'--redo={redo}: {workdir} has no such stage')
  if stage in ('prepare', 'verify'):
    run.data.stage('report/reference', {}).clear()
  later = _ORDER[_ORDER.index(stage) + 1 :] if stage in _ORDER else ()
  student = f'{run.config.student}-'
  mix = part.removeprefix(student)
  made_of_pool = [
    str(mix) for mix in run.mixes if part in map(str, mix.arm.pools)
  ]
  for path in sorted(workdir.glob('*/*/')):
    kind, name = path.parent.name, path.name
    of_mix = re.sub(r'-seed\d+$', '', name.removeprefix(student))
    if kind == ('problems' if stage == 'prepare' else stage):
      hit = part in ('', name)
    else:
      hit = kind in later and (
        not part or part == name or mix == of_mix or of_mix in made_of_pool
      )
    if hit:
      run.data.stage(f'{kind}/{name}', {}).clear()
      print(f'{kind}/{name}: forgotten (--redo={redo})')
