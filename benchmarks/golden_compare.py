"""Differences between two readings: where, and both values."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import fnmatch
import itertools
from typing import Any

import numpy as np

# What has another value in every run of the same code, as patterns on dotted
# paths: times and what follows from them, and who ran it when.
TIMED = (
  '*MANIFEST.json.time',
  '*config.json.git',
  '*results.json*run.started',
  '*results.json*run.seconds*',
  '*results.json*run.command',
  '*results.json*run.git',
  '*results.json*ledger.*.seconds',
  '*results.json*ledger.*.tokens_per_s',
  '*results.json*ledger.*.verify_seconds',
  '*results.json*ledger.*.device_seconds',
  '*results.json*cost.device_seconds',
  '*results.json*cost.verify_seconds',
  '*results.json*cost_per_true.seconds.*',
  '*results.json*break_even.*.fpr.seconds.*',
  '*results.json*winners.*.rows.seconds.*',
  '*results.json*winners.*.flips',
  '*rows made as.*.info.ledger.seconds',
  '*rows made as.*.info.ledger.device_seconds',
  '*rows made as.*.info.worker_seconds',
)
# What a kill may change beside: parts, and the idle slots of the slots' ledger,
# as what was in flight is drawn again.
KILLED = (
  '*MANIFEST.json.files*',
  '*results.json*ledger.*.slots_busy',
  '*results.json*ledger.*.spent.*',
  '*results.json*cost.padding_flops',
  '*results.json*cost.idle_flops',
  '*results.json*cost.sampling_flops',
  '*results.json*.measured*',
)
MISSING = 'missing'


@dataclasses.dataclass(frozen=True)
class Difference:
  """A value that is not what it was.

  Attributes:
    path: Where: a file's path, then keys and indices, joined by dots.
    before: The value in the base.
    after: The value now.
  """

  path: str
  before: Any
  after: Any

  def __str__(self) -> str:
    return f'{self.path}: {_short(self.before)} -> {_short(self.after)}'


def differences(
  before: Any,
  after: Any,
  path: str = '',
  ignored: Sequence[str] = (),
) -> Iterator[Difference]:
  """Yields every difference between two values, to the bit.

  Args:
    before: Mappings, sequences, arrays and scalars, nested.
    after: The same, of the other side.
    path: Of both.
    ignored: Patterns, as `fnmatch` has them, of paths that may differ. What is
      TIMED may differ in any case, but must be there.
  """
  if _matches(path, ignored):
    return
  if before is not MISSING and after is not MISSING and _matches(path, TIMED):
    return
  below = lambda key: f'{path}.{key}' if path else str(key)
  if isinstance(before, Mapping) and isinstance(after, Mapping):
    for key in [*before, *(key for key in after if key not in before)]:
      values = before.get(key, MISSING), after.get(key, MISSING)
      yield from differences(*values, below(key), ignored)
  elif isinstance(before, list) and isinstance(after, list):
    pairs = itertools.zip_longest(before, after, fillvalue=MISSING)
    for i, values in enumerate(pairs):
      yield from differences(*values, below(i), ignored)
  elif isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
    if difference := _of_arrays(before, after, path):
      yield difference
  elif type(before) is not type(after) or repr(before) != repr(after):
    yield Difference(path, before, after)


def _matches(path: str, patterns: Sequence[str]) -> bool:
  return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _of_arrays(
  before: np.ndarray, after: np.ndarray, path: str
) -> Difference | None:
  """The first element that differs."""
  kinds = [f'{a.dtype} {a.shape}' for a in (before, after)]
  if kinds[0] != kinds[1]:
    return Difference(path, *kinds)
  if before.tobytes() == after.tobytes():
    return None
  bits = [
    np.ascontiguousarray(a).view(np.uint8).reshape(a.size, -1)
    for a in (before, after)
  ]
  first = int(np.argmax((bits[0] != bits[1]).any(axis=1)))
  index = ','.join(map(str, np.unravel_index(first, before.shape)))
  values = (a.reshape(-1)[first].item() for a in (before, after))
  return Difference(f'{path}.{index}', *values)


def _short(value: Any) -> str:
  written = repr(value)
  return written if len(written) <= 200 else f'{written[:200]}...'
