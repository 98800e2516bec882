"""Forgetting stages, or parts of them, and what was made from them.

What a stage was made from is what its files say, whatever the config names by
now: an arm or a student that has left it is forgotten, too.
"""

from collections.abc import Iterable, Mapping, Sequence
import contextlib
import re
from typing import Any

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages import purse
from wcse_jax.stages.complete import cannot_choose, chosen_of
from wcse_jax.stages.layout import Run
from wcse_jax.store import drafts

# By stage; of two the first: the judge's folder is named itself.
_FOLDER = {
  stage: folder for folder, stage in reversed(config_lib.FOLDERS.items())
}


def forget(run: Run, *redo: str) -> None:
  """Clears stages, or parts of them, and what was made from them.

  A redone `prepare` keeps pools: they are of problems, not of their number.
  What was made last goes first: a kill leaves nothing without its origin. What
  was paid for stays in the ledger, and counts for a limit.

  Args:
    run: The experiment, and its workdir.
    *redo: Each a stage ('finetune') or a part of one ('sample/wc').

  Raises:
    StoreError: The workdir has no such stage, or validation could not choose
      again among checkpoints; then nothing is cleared.
  """
  recorded = run.data.identities()
  why = _why(run, recorded, redo)
  if 'verify' in map(config_lib.made_by, redo):  # it is made by the report
    run.reference_stage.clear()
  order = [*config_lib.FOLDERS]
  # What is said of a student ('judge/gemma-se-low') is made last of all.
  answers = {
    told.get('fingerprint')
    for name, told in recorded.items()
    if name.startswith('evaluate/')
  }
  of_student = lambda name: (
    name.startswith('judge/')
    and not answers.isdisjoint(recorded[name].get('upstream', ()))
  )
  rank = lambda name: (of_student(name), order.index(name.split('/')[0]), name)
  known = [name for name in why if name.split('/')[0] in order]
  for name in sorted(known, key=rank, reverse=True):
    stage = run.data.stage(name, {})
    drafts.drop(stage)
    purse.put_by(stage, run.data.workdir)
    stage.clear()
    if name.count('/') > 1:
      with contextlib.suppress(OSError):  # others are there
        stage.path.parent.rmdir()
    print(f'{name}: forgotten (--redo={why[name]})')


def _why(
  run: Run, recorded: Mapping[str, Mapping[str, Any]], redo: Iterable[str]
) -> dict[str, str]:
  """Returns the stages to forget, and of each which of `redo` asks for that."""
  why: dict[str, str] = {}
  for asked in redo:
    parts = named(recorded, asked)
    if '/' in asked and not parts:
      raise store.StoreError(
        f'--redo={asked}: {run.data.workdir} has no such stage'
      )
    for name in [*parts, *following(recorded, parts)]:
      why.setdefault(name, asked)
  lacking = {chosen_of(name, recorded) for name in why} - {'', *why}
  if lacking:
    raise cannot_choose(sorted(lacking))
  return why


def forget_of_all(runs: Sequence[Run], *redo: str) -> None:
  """Clears, as `forget` does, of each run what it has of this.

  Raises:
    StoreError: No run has such a stage, or as in `forget`; then nothing is
      cleared.
  """
  having = {
    run: [p for p in redo if '/' not in p or named(run.data.identities(), p)]
    for run in runs
  }
  for part in redo:
    if not any(part in parts for parts in having.values()):
      raise store.StoreError(f'--redo={part}: no experiment has such a stage')
  for run, parts in having.items():
    _why(run, run.data.identities(), parts)
  for run, parts in having.items():
    if parts:
      with run.data.lock():
        forget(run, *parts)


def named(recorded: Iterable[str], redo: str) -> list[str]:
  """Returns the stages of a workdir that `--redo` names.

  Args:
    recorded: The names of the stages that are there.
    redo: A stage ('prepare'), a folder ('problems') or a part ('judge/wc').
  """
  kind, *part = redo.strip('/').split('/')
  path = '/'.join([_FOLDER.get(kind, kind), *part])
  return [name for name in recorded if f'{name}/'.startswith(f'{path}/')]


def following(
  recorded: Mapping[str, Mapping[str, Any]], names: Iterable[str]
) -> list[str]:
  """Returns what was made from stages, at once or by way of others.

  Args:
    recorded: What `Store.identities` returned.
    names: The stages that it was made from; they are left out.
  """
  reached = [*names]
  count = len(reached)
  for source in reached:  # which grows
    reached += [
      name
      for name in recorded
      if name not in reached and _follows(name, source, recorded)
    ]
  return reached[count:]


def _follows(
  name: str, source: str, recorded: Mapping[str, Mapping[str, Any]]
) -> bool:
  """Whether a stage was made from another."""
  kind, part, *test = name.split('/')
  if test and source == f'{kind}/{part}/validation':
    return True  # which chose the checkpoint
  told, origin = recorded[name], recorded[source].get('fingerprint')
  if origin not in told.get('upstream', ()):
    return False
  # Two stages may be made alike, e.g. the pools of one model by two names.
  alike = [n for n in recorded if recorded[n].get('fingerprint') == origin]
  pools = told.get('spec', {}).get('samples', ())
  of = [n for n in alike if (p := n.split('/')[1]) in pools or _ends(part, p)]
  return source in (of or alike)


def _ends(part: str, other: str) -> bool:
  """Whether a part is another's, or of a student: 'gemma-se-low-seed1'."""
  return bool(re.fullmatch(rf'(.+-)?{re.escape(other)}(-seed\d+)?', part))
