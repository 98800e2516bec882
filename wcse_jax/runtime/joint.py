"""What several processes print, and how far they are, on one terminal."""

from collections.abc import Iterable
import sys
import threading
import time
from typing import IO

from wcse_jax.runtime import progress

_SETTLED_S = 5.0  # before a rate says something
_SILENT_S = 60.0  # that a stage may be without waiting
_CLEAR = '\r\033[K'  # the line that the cursor is in


class Joint:
  """A terminal, or a log, that processes share: lines, and one line of bars.

  Bars of the same stage are added up, and set against what it has to do in all
  if that was told (`progress.expect`): `sample 45/90 samples, 2 min left`. If
  the time of all stages was foretold, what is left of it stands at the end,
  scaled by what the stages took so far: `in all 9 min left`.

  Args:
    file: Where the line of bars goes: on a terminal often, in a log every 10
      seconds.
  """

  def __init__(self, file: IO[str] = sys.stderr):
    self._file = file
    self._on_terminal = file.isatty()
    self._every_s = 0.2 if self._on_terminal else 10.0
    self._bars: dict[tuple[int, str], progress.Bar] = {}
    self._begun: dict[str, tuple[float, int]] = {}  # when, and done by then
    self._moved: dict[str, tuple[float, int]] = {}  # when last, and to where
    # The seconds of each stage, and what was done of it when they were told.
    self._foretold: dict[str, tuple[float, int]] = {}
    self._ratio = 1.0  # of a stage's seconds to those foretold
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
        if bar.name.startswith(progress.FORETOLD):
          stage = bar.name.removeprefix(progress.FORETOLD)
          self._foretold[stage] = bar.total, self._done(stage)
          self._begun.pop(stage, None)  # in the run before
          continue
        place = index, bar.name
        last = self._bars.get(place)
        if last and '/' not in bar.name:  # of the next run; or less is to do
          unit = bar.unit or last.unit
          bar = bar._replace(total=bar.total + last.total, unit=unit)
        elif last and bar.done < last.done:
          # The next of that name: what is done is not taken back.
          ended = last._replace(done=last.total)
          self._bars[index, f'{bar.name}/{len(self._bars)}'] = ended
        self._bars[place] = bar
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

  def _done(self, stage: str) -> int:
    return sum(b.done for b in self._bars.values() if _stage(b) == stage)

  def _text(self) -> str:
    stages: dict[str, list[progress.Bar]] = {}
    for bar in self._bars.values():
      stages.setdefault(_stage(bar), []).append(bar)
    parts, left, begun = [], [], set()
    for name, bars in stages.items():
      told = [bar for bar in bars if bar.name == name]  # of all that is to do
      shown = [bar for bar in bars if bar.name != name]
      done = sum(bar.done for bar in shown)
      total = max(sum(b.total for b in of) for of in (told, shown))
      if done > self._foretold.get(name, (0, -1))[1]:
        begun.add(name)
      if shown and done < total:
        part = f'{name} {done:,}/{total:,} {bars[0].unit}'
        if seconds := self._left(name, done, total):
          left.append(seconds)
          part += f', {progress.minutes(seconds)} min left'
        parts.append(part)
    later = sum(
      s for name, (s, _) in self._foretold.items() if name not in begun
    )
    if left and later:
      # Stages that have begun may go on at a time: the last of them counts.
      seconds = max(left) + self._ratio * later
      parts.append(f'in all {progress.minutes(seconds)} min left')
    return '; '.join(parts)

  def _left(self, stage: str, done: int, total: int) -> float:
    """The seconds that a stage still takes, at its rate so far; 0: unknown."""
    now = time.monotonic()
    begun, before = self._begun.setdefault(stage, (now, done))
    moved, last = self._moved.get(stage, (now, -1))
    if done != last:
      moved, self._moved[stage] = now, (now, done)
    # It waits for another stage, if it is silent for longer than it went on.
    if done <= before or now - moved > moved - begun + _SILENT_S:
      self._begun[stage] = now, done
      return 0
    if now - begun < _SETTLED_S:
      return 0
    each = (now - begun) / (done - before)
    seconds, was = self._foretold.get(stage, (0, 0))
    if seconds:
      self._ratio = each * (total - was) / seconds
    return each * (total - done)


def _stage(bar: progress.Bar) -> str:
  """The stage that a bar is of: of 'sample/wc' it is 'sample'."""
  return bar.name.split('/')[0]
