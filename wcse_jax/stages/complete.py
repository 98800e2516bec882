"""Whether a stage is complete: it is kept, or those after it cannot start."""

from collections.abc import Collection, Mapping
from typing import Any

from wcse_jax import store

KEPT = 'kept'  # in a student's manifest: the checkpoint that alone is left


def kept(stage: store.Stage) -> bool:
  """Whether a stage is complete; says so."""
  if not stage.is_complete():
    return False
  print(f'{stage.name}: kept, complete with these settings')
  return True


def need(stage: store.Stage, name: str) -> None:
  """Raises StoreError unless a stage is complete."""
  if not stage.is_complete():
    raise store.StoreError(
      f'{stage.path} is not complete; run the stage {name} first'
      f' (--stages={name}, or all)'
    )


def chosen_of(name: str, recorded: Mapping[str, Mapping[str, Any]]) -> str:
  """Returns the student among whose checkpoints validation cannot choose again.

  Args:
    name: A stage, e.g. 'evaluate/gemma_7b-se-low/validation'.
    recorded: What `Store.identities` returned.

  Returns:
    The stage that finetuned it, of which only the best checkpoint was kept; ''
    if there is none, or the stage is no validation.
  """
  kind, part, *split = name.split('/')
  trained = f'finetune/{part}'
  chooses = kind == 'evaluate' and split == ['validation']
  return trained if chooses and KEPT in recorded.get(trained, {}) else ''


def cannot_choose(redo: Collection[str]) -> store.StoreError:
  """Returns the error of checkpoints that are not there to choose among.

  Args:
    redo: The stages that finetune their students.
  """
  return store.StoreError(
    'Validation cannot choose again: only the best checkpoint of a student was'
    ' kept, as config.finetune.keep said.\nRun with'
    f' --redo={",".join(redo)} to finetune anew, or choose another --workdir to'
    ' keep what is there. A test alone can be made anew by its name.'
  )
