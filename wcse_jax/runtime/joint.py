"""What several processes print, and how far they are, on one terminal."""

from collections.abc import Iterable
import sys
import threading
import time
from typing import IO

from wcse_jax.runtime import progress

_CLEAR = '\r\033[K'  # the line that the cursor is in


class Joint:
  """A terminal, or a log, that processes share: lines, and one line of bars.

  Bars of the same stage are added up: `sample 45/90 samples`.

  Args:
    file: Where the line of bars goes: on a terminal often, in a log every 10
      seconds.
  """

  def __init__(self, file: IO[str] = sys.stderr):
    self._file = file
    self._on_terminal = file.isatty()
    self._every_s = 0.2 if self._on_terminal else 10.0
    self._bars: dict[tuple[int, str], progress.Bar] = {}
    self._drawn, self._at = '', time.monotonic()
    self._lock = threading.Lock()
    self._said = {progress.STOPPED}  # who starts them says that

  def show(self, lines: Iterable[str], file: IO[str], head: str = '') -> None:
    """Shows lines as they come, until there are no more.

    What goes to stderr is shown once, whichever of them says it.

    Args:
      lines: What a process prints.
      file: Where they go, e.g. `sys.stdout`.
      head: What stands before each that is not empty.
    """
    for line in lines:
      text = line.rstrip('\n').removeprefix(head)
      with self._lock:
        if file is sys.stderr:
          if not text or text in self._said:
            continue
          self._said.add(text)
        self._draw('')
        print(f'{head}{text}' if text else '', file=file, flush=True)
        self._draw(self._text())

  def follow(self, told: Iterable[str], index: int) -> None:
    """Shows the bars that a process tells of, until it tells no more.

    Args:
      told: What `progress.tell` has written.
      index: The process's number.
    """
    for bar in filter(None, map(progress.read, told)):
      with self._lock:
        self._bars[index, bar.name] = bar
        if time.monotonic() - self._at >= self._every_s:
          self._at = time.monotonic()
          if self._on_terminal:
            self._draw(self._text())
          elif text := self._text():
            print(text, file=self._file, flush=True)

  def close(self) -> None:
    """Takes the line of bars away."""
    with self._lock:
      self._draw('')

  def _draw(self, text: str) -> None:
    if self._on_terminal and text != self._drawn:
      self._file.write(_CLEAR + text)
      self._file.flush()
      self._drawn = text

  def _text(self) -> str:
    stages: dict[str, list[progress.Bar]] = {}
    for bar in self._bars.values():
      stages.setdefault(bar.name.split('/')[0], []).append(bar)
    parts = []
    for name, bars in stages.items():
      done, total = sum(b.done for b in bars), sum(b.total for b in bars)
      if done < total:
        parts.append(f'{name} {done:,}/{total:,} {bars[0].unit}')
    return ', '.join(parts)
