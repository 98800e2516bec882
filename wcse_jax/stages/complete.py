"""Whether a stage is complete: it is kept, or those after it cannot start."""

from wcse_jax import store


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
