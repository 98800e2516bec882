"""Metrics of a run: metrics.jsonl, and the same for TensorBoard."""

from collections.abc import Mapping
import json
import pathlib
import socket
import time
from typing import Any

import jax

# TensorBoard's own writer of events; it does without TensorFlow.
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer import record_writer

from wcse_jax import store

_EVENTS = 'events.out.tfevents'
_Event: Any = vars(event_pb2)['Event']  # made at import, unseen by checkers


class Log:
  """Writes a line per step to `metrics.jsonl`, and a TensorBoard event.

  Of several processes the first does.

  Args:
    directory: Folder of both files.
    start: Step that training goes on from; lines of later steps, of a run that
      was killed, are dropped.
  """

  def __init__(self, directory: pathlib.Path, start: int):
    self._silent = jax.process_index() > 0
    if self._silent:
      return
    directory.mkdir(parents=True, exist_ok=True)
    self._path = directory / 'metrics.jsonl'
    text = self._path.read_text() if self._path.exists() else ''
    before = {
      line: row for line in text.splitlines() if (row := _row(line, start))
    }
    kept = ''.join(f'{line}\n' for line in before)
    if kept != text:  # whole or not at all: a kill here loses nothing
      store.commit(self._path, kept.encode())
    old = [*directory.glob(f'{_EVENTS}.*')]
    path = directory / f'{_EVENTS}.{time.time():.0f}.{socket.gethostname()}'
    self._events = record_writer.RecordWriter(path.open('wb'))
    self._write_event(file_version='brain.Event:2')
    for row in before.values():
      self._write_scalars(row.pop('step'), row)
    for events in old:
      if events != path:
        events.unlink()

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Writes the values of a step."""
    if self._silent:
      return
    with self._path.open('a') as file:
      file.write(json.dumps({'step': step, **values}) + '\n')
    self._write_scalars(step, values)

  def close(self) -> None:
    if not self._silent:
      self._events.close()

  def _write_scalars(self, step: int, values: Mapping[str, float]) -> None:
    scalars = [{'tag': k, 'simple_value': v} for k, v in values.items()]
    self._write_event(step=step, summary={'value': scalars})

  def _write_event(self, **fields: Any) -> None:
    event = _Event(wall_time=time.time(), **fields)
    self._events.write(event.SerializeToString())
    self._events.flush()


def _row(line: str, last: int) -> dict[str, Any] | None:
  """Returns the values of a line that is whole, and of no later step."""
  try:
    row = json.loads(line)
    return row if row['step'] <= last else None
  except (ValueError, KeyError, TypeError):
    return None  # cut short by a kill
