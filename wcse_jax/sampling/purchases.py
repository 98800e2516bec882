"""What a server was asked for, what came, and what it cost: a log on disk.

A line is written, and is on the disk, before a request is sent and when it has
ended, so that a kill at any moment loses at most the answers in flight. A
request reserves the most that it can cost before it is sent: a limit is never
passed. What was sent and has no end, as the run was killed, counts as paid and
not received, at the most that it may have cost.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import json
import math
import os
import pathlib
import threading
import time
from typing import Any, NamedTuple

from wcse_jax.errors import Error

NAME = '_purchases.jsonl'  # readers of a folder of Parquet pass over a '_'
Key = tuple[str, int]  # problem_id and sample_index

RAISE = 'what came is committed. Raise it, and run the same command again'
_KILLED = 'the run ended before an answer came'


class Cost(NamedTuple):
  """What a request takes, or may take at most.

  Attributes:
    tokens: Tokens that are sampled.
    usd: Dollars; 0 where no price is known.
  """

  tokens: int = 0
  usd: float = 0.0

  def plus(self, other: 'Cost', times: float = 1) -> 'Cost':
    tokens = self.tokens + math.ceil(times * other.tokens)
    return Cost(tokens, self.usd + times * other.usd)


class Spent(NamedTuple):
  """What a pool has taken.

  Attributes:
    cost: Tokens and dollars.
    seconds: Of the clock.
  """

  cost: Cost = Cost()
  seconds: float = 0.0

  def plus(self, other: 'Spent') -> 'Spent':
    return Spent(self.cost.plus(other.cost), self.seconds + other.seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
  """What may be spent in all, by all runs of a workdir; None is any amount.

  Attributes:
    usd: Dollars.
    tokens: Tokens that are sampled.
    seconds: Of the clock, while requests are sent.
  """

  usd: float | None = None
  tokens: int | None = None
  seconds: float | None = None


class LimitError(Error):
  """The next request could pass a limit: nothing more is sent."""


class PurchaseError(Error):
  """A log that cannot be read, or written."""


@dataclasses.dataclass(frozen=True)
class Order:
  """A request.

  Attributes:
    number: In the log, from 0.
    keys: The samples that it asks for.
    most: What it may cost at most.
  """

  number: int
  keys: tuple[Key, ...]
  most: Cost


class Answer(NamedTuple):
  """What came of a request.

  Attributes:
    keys: The samples that were asked for.
    body: What the server sent, as JSON has it.
    most: What the request could cost at most, it was thought.
  """

  keys: tuple[Key, ...]
  body: dict[str, Any]
  most: Cost


class Purchases:
  """The log of a pool; several threads may write to it.

  Attributes:
    path: The file.
    answers: What came, in order.
    spent: What was paid, answers that were not received included.
    lost: Samples that were paid and not received, as far as is known.
  """

  def __init__(self, path: pathlib.Path):
    """Reads what there is; nothing is written before `begin`.

    Args:
      path: The file; it need not exist.

    Raises:
      PurchaseError: A line is damaged, which is not the last.
    """
    self.path, self._limit, self._others = path, Limit(), Spent()
    self._lock = threading.Lock()
    self._open: dict[int, Order] = {}
    self._failed: dict[int, tuple[Order, bool]] = {}
    self._next = 0
    self.answers: list[Answer] = []
    self.spent, self.lost = Cost(), 0
    self._torn: int | None = None  # where a kill has left half a line
    self._before = self._began = self._last = 0.0
    for line in self._lines():
      if 'began' in line:
        self._before, self._began = self.seconds, line['began']
      self._last = line['time']

  @property
  def seconds(self) -> float:
    """Of the clock, from each beginning to the last line that followed."""
    return self._before + self._last - self._began

  @property
  def total(self) -> 'Spent':
    """What was spent: of what has no end, the most."""
    cost = self.spent
    for order in self._open.values():
      cost = cost.plus(order.most)
    return Spent(cost, self.seconds)

  @property
  def limited(self) -> bool:
    """Whether anything may not be spent at will."""
    return self._limit != Limit()

  def begin(self, limit: Limit, others: Sequence['Spent'] = ()) -> None:
    """Notes that this process goes on with the log; it may do so often.

    Args:
      limit: What may be spent in all.
      others: What was spent on other pools, which count, too.

    Raises:
      PurchaseError: The log cannot be written.
    """
    self._limit, self._others = limit, Spent()
    for other in others:
      self._others = self._others.plus(other)
    if self._torn is not None:
      os.truncate(self.path, self._torn)
      self._torn = None
    self._before, self._began = self.seconds, time.time()
    self._write({'began': self._began})
    for order in list(self._open.values()):
      self.fail(order, _KILLED, paid=True)

  def reserve(self, keys: Sequence[Key], most: Cost, wait_s: float) -> Order:
    """Notes that a request is about to be sent.

    Args:
      keys: The samples that it asks for.
      most: What it may cost at most.
      wait_s: How long it may take at most.

    Raises:
      LimitError: With it, a limit could be passed.
      PurchaseError: The log cannot be written: it must not be sent.
    """
    with self._lock:
      self._check(most, wait_s)
      order = Order(self._next, tuple(keys), most)
      self._next += 1
      self._open[order.number] = order
      self._write({'sent': order.number, 'keys': keys, 'most': most})
      return order

  def receive(self, order: Order, body: dict[str, Any], cost: Cost) -> None:
    """Notes an answer, and what it cost."""
    with self._lock:
      del self._open[order.number]
      self.spent = self.spent.plus(cost)
      self.answers.append(Answer(order.keys, body, order.most))
      self._write({'got': order.number, 'body': body, 'cost': cost})

  def fail(self, order: Order, why: str, *, paid: bool, body: str = '') -> None:
    """Notes that no answer came, or none that can be used.

    Args:
      order: The request.
      why: What happened.
      paid: Whether it may have to be paid all the same.
      body: What came instead of an answer.
    """
    with self._lock:
      del self._open[order.number]
      if paid:
        self.spent = self.spent.plus(order.most)
        self.lost += len(order.keys)
      line = {'failed': order.number, 'why': why, 'paid': paid}
      self._write(line | ({'body': body} if body else {}))

  def _check(self, most: Cost, wait_s: float) -> None:
    """Raises LimitError if a request could pass a limit."""
    cost, before = self._others
    spent = cost.plus(self.spent)
    for order in self._open.values():
      spent = spent.plus(order.most)
    total, limit = spent.plus(most), self._limit
    passed = before + self._before + time.time() - self._began
    for name, most_of_it, now, then in (
      ('usd', limit.usd, spent.usd, total.usd),
      ('tokens', limit.tokens, spent.tokens, total.tokens),
      ('hours', limit.seconds, passed, passed + wait_s),
    ):
      if most_of_it is not None and then > most_of_it:
        scale = 3600 if name == 'hours' else 1
        raise LimitError(
          f'config.limit.{name} = {most_of_it / scale:g} is reached:'
          f' {now / scale:,.4g} are spent or in flight, and the next request'
          f' could take {(then - now) / scale:,.4g}',
          RAISE,
        )

  def _replay(self, line: dict[str, Any]) -> None:
    if 'sent' in line:
      keys = tuple((name, index) for name, index in line['keys'])
      order = Order(line['sent'], keys, Cost(*line['most']))
      self._open[order.number] = order
      self._next = max(self._next, order.number + 1)
    elif 'got' in line:
      number = line['got']
      if number in self._failed:  # it came after another run had given it up
        order, paid = self._failed.pop(number)
        if paid:
          self.spent = self.spent.plus(order.most, -1)
          self.lost -= len(order.keys)
      else:
        order = self._open.pop(number)
      self.answers.append(Answer(order.keys, line['body'], order.most))
      self.spent = self.spent.plus(Cost(*line['cost']))
    elif 'failed' in line:
      order = self._open.pop(line['failed'])
      self._failed[order.number] = order, line['paid']
      if line['paid']:
        self.spent = self.spent.plus(order.most)
        self.lost += len(order.keys)

  def _lines(self) -> Iterator[dict[str, Any]]:
    if not self.path.exists():
      return
    content = self.path.read_bytes()
    *lines, torn = content.split(b'\n')
    if torn:  # by a kill; or another host is writing it
      self._torn = len(content) - len(torn)
    for number, line in enumerate(lines, 1):
      try:
        found = json.loads(line)
        self._replay(found)
        _ = found['time'] + 0.0
      except (ValueError, LookupError, TypeError) as e:
        raise PurchaseError(
          f'{self.path}:{number} is damaged ({e})',
          'it says what was paid. Mend that line, or take the pool anew',
        ) from e
      yield found

  def _write(self, line: dict[str, Any]) -> None:
    self._last = time.time()
    text = json.dumps({**line, 'time': self._last})
    try:
      self.path.parent.mkdir(parents=True, exist_ok=True)
      with open(self.path, 'ab', buffering=0) as file:
        size, left = file.tell(), memoryview(text.encode() + b'\n')
        try:
          while left:
            left = left[file.write(left) :]
        except OSError:
          os.truncate(self.path, size)  # half a line
          raise
        os.fsync(file.fileno())
    except OSError as e:
      raise PurchaseError(
        f'{self.path} cannot be written ({e.strerror}): nothing more is sent',
        'make room, and run the same command again',
      ) from e
