"""What compiled programs take, by name: rows of compiled.jsonl, beside this.

They are in the package, so that planning what others planned compiles nothing.
"""

import dataclasses
import functools
import json
import pathlib
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taken:
  """What one run of a program takes of a device, as `program.Program` has it.

  Attributes:
    argument_bytes: HBM of its arguments.
    result_bytes: HBM of its results, those in place of arguments left out.
    temporary_bytes: HBM that is taken meanwhile.
    used_bytes: HBM of the arguments that are used, by dtype, without padding.
    flops: FLOPs of its products.
    moved_bytes: Bytes read and written in HBM.
    received_bytes: Bytes from other devices, by collective.
    compile_s: Time that compiling took.
  """

  argument_bytes: float
  result_bytes: float
  temporary_bytes: float
  used_bytes: dict[str, float]
  flops: float
  moved_bytes: float
  received_bytes: dict[str, float]
  compile_s: float


class Known:
  """What is known of programs: the rows of a file, and what was added.

  Attributes:
    path: The file; where it is missing, nothing is known.
    recording: Whether `add` writes rows into it.
  """

  def __init__(self, path: pathlib.Path):
    self.path = path
    self.recording = False
    self._asked: set[str] = set()

  def __contains__(self, key: str) -> bool:
    self._asked.add(key)
    return key in self._rows

  def __getitem__(self, key: str) -> Taken | None:
    """What a program takes; None if the compiler finds it too large."""
    return self._rows[key]

  def add(self, key: str, taken: Taken | None) -> None:
    """Adds a program; its row is written at once if `recording` is set.

    Args:
      key: Of `compilation.key`.
      taken: What it takes; None if the compiler finds it too large.
    """
    self._rows[key] = taken
    if self.recording:
      with open(self.path, 'a') as file:
        file.write(_line(key, taken))

  def forget(self) -> None:
    """Drops the rows that nobody asked for: of programs as they once were."""
    self._rows = {
      k: v for k, v in sorted(self._rows.items()) if k in self._asked
    }
    lines = [_line(key, taken) for key, taken in self._rows.items()]
    self.path.write_text(''.join(lines))

  @property
  def compile_s(self) -> float:
    """Seconds that compiling what was asked for took, when it was compiled."""
    rows = (self._rows.get(key) for key in self._asked)
    return sum(taken.compile_s for taken in rows if taken)

  @functools.cached_property
  def _rows(self) -> dict[str, Taken | None]:
    rows = {}
    if self.path.exists():
      for line in self.path.read_text().splitlines():
        row = json.loads(line)
        key = row.pop('key')
        rows[key] = Taken(**row) if row else None
    return rows


def _line(key: str, taken: Taken | None) -> str:
  row: dict[str, Any] = dataclasses.asdict(taken) if taken else {}
  return json.dumps({'key': key, **row}) + '\n'


KNOWN = Known(pathlib.Path(__file__).with_name('compiled.jsonl'))
