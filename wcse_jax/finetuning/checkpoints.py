"""Checkpoints of a training state, one folder per step."""

from collections.abc import Iterable
import contextlib
import dataclasses
import errno
import logging
import pathlib
import re
from typing import Any

import jax
import orbax.checkpoint as ocp

from wcse_jax import store
from wcse_jax.finetuning import FinetuneError
from wcse_jax.finetuning.step import TrainState
from wcse_jax.models import checkpoint, lora
from wcse_jax.models.formats.folder import first_line

_LOGGER = logging.getLogger('absl')  # Orbax's
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Checkpoints(contextlib.AbstractContextManager):
  """Parameters at each step that was saved, and the last one's moments.

  A step is there as a whole or not at all.

  Args:
    directory: Folder that gets `<step>/params`, `<step>/moments` of the last
      step and, of adapters, what they belong to, as `<step>/adapters`.
  """

  def __init__(self, directory: pathlib.Path):
    _LOGGER.addFilter(_is_not_raised)  # for good: its threads may outlive it
    self._manager = ocp.CheckpointManager(
      directory.absolute(),
      options=ocp.CheckpointManagerOptions(cleanup_tmp_directories=True),
    )

  def steps(self) -> list[int]:
    """Returns the steps that are there, or are being saved."""
    return sorted(self._manager.all_steps())

  def save(
    self, step: int, state: TrainState, record: lora.Record | None = None
  ) -> None:
    """Saves, once the save before has ended; does not wait for the disk.

    Raises:
      FinetuneError: The one before could not be saved, or this one.
    """
    self.wait()
    self._drop_moments(self.steps()[:-1])
    items: dict[str, Any] = {
      'params': ocp.args.StandardSave(state.params),
      'moments': ocp.args.StandardSave(state.moments),
    }
    if record:
      items[lora.RECORD] = ocp.args.JsonSave(dataclasses.asdict(record))
    with self._saving():
      self._manager.save(step, args=ocp.args.Composite(**items))

  def wait(self) -> None:
    """Waits until all that was saved is on disk.

    Raises:
      FinetuneError: It could not be saved.
    """
    with self._saving():
      self._manager.wait_until_finished()

  def finish(self) -> None:
    """Waits, and drops the moments: there is nothing to go on with."""
    self.wait()
    self._drop_moments(self.steps())

  def restore(self, step: int, **like: Any) -> Any:
    """Reads items of a step, each laid out as what is given by its name.

    Args:
      step: Which step.
      **like: Of `params` and `moments` those that are wanted.

    Returns:
      What has them as attributes.

    Raises:
      CheckpointError: They are damaged.
    """
    args = {k: ocp.args.StandardRestore(v) for k, v in like.items()}
    path = pathlib.Path(self._manager.directory / str(step))
    try:
      for item in like:
        store.check(path / item)
      return self._manager.restore(step, args=ocp.args.Composite(**args))
    except Exception as e:  # orbax and tensorstore raise all kinds
      others = ', '.join(str(s) for s in self.steps() if s != step)
      raise checkpoint.CheckpointError(
        f'{path} cannot be read: {first_line(e)}. The parameters of these steps'
        f' are there as well: {others or "none"}.\n{_remedy(path)}'
      ) from e

  def __exit__(self, failed, *_):
    # What has failed already is not to hide behind what fails now.
    with contextlib.suppress(*([Exception] if failed else [])):
      self._manager.close()

  def _drop_moments(self, steps: Iterable[int]) -> None:
    for step in steps if jax.process_index() == 0 else ():
      moments = self._manager.directory / str(step) / 'moments'
      if moments.exists():
        moments.rmtree()

  @contextlib.contextmanager
  def _saving(self):
    try:
      yield
    except Exception as e:  # orbax and tensorstore raise all kinds
      self._manager.reload()
      raise FinetuneError(
        f'{self._manager.directory}: a checkpoint could not be saved'
        f' ({first_line(_reason(e))}). The last good one is step'
        f' {max(self.steps(), default=None)}. Make room and run the same'
        ' command again.'
      ) from e


def _is_not_raised(record: logging.LogRecord) -> bool:
  """Whether a message is to be shown: not of what Orbax raises as well.

  Of a full disk it logs hundreds of lines, the traceback of each thread.
  """
  return record.levelno < logging.ERROR or 'orbax' not in record.pathname


def _remedy(step: pathlib.Path) -> str:
  """Returns what to do about a damaged step: of a run, redo that student."""
  folder = store.owner(step)
  if folder is None or folder.name.startswith('.'):  # a draft
    return f'Delete {step.parent} and run again.'
  name = f'{folder.parent.name}/{folder.name}'
  return f'Run again with --redo={name}: other students are kept.'


def _reason(error: Exception) -> Exception:
  """Returns what in an error's chain says that the disk is full, else itself.

  Orbax may fail once more when it cleans up after that, and raise this one.
  tensorstore's errors have the system's number in their text.
  """
  chain = [error]
  for e in chain:  # which grows
    code = re.search(r"os_error_code='(\d+)'", str(e))
    if (int(code[1]) if code else getattr(e, 'errno', None)) in _DISK_FULL:
      return e
    before = e.__cause__, e.__context__
    chain += [b for b in before if isinstance(b, Exception) and b not in chain]
  return error
