"""Turns of ours and of peers, one after the other, and what they say."""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import opponents

Turn = dict[str, float]


class Matmul:
  """The rate of a 1024 x 1024 x 1024 product in float32, FLOP per second.

  Args:
    seconds: To measure it for.
    clock: By which; `time.process_time` leaves other programs out.
  """

  _SIZE = 1024

  def __init__(
    self,
    seconds: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
  ):
    self._clock = clock
    self._a = jnp.ones((self._SIZE, self._SIZE))
    self._product = jax.jit(lambda a: a @ a)
    self._product(self._a).block_until_ready()
    self._seconds = seconds

  def rate(self) -> float:
    start, count = self._clock(), 0
    while (passed := self._clock() - start) < self._seconds or not count:
      self._product(self._a).block_until_ready()
      count += 1
    return 2 * self._SIZE**3 * count / passed


@dataclasses.dataclass(frozen=True)
class Rounds:
  """What came out.

  Attributes:
    turns: Of 'ours' and of each peer.
    due: After which of ours the peers had theirs.
    failed: Why peers took no part any more.
  """

  turns: dict[str, list[Turn]]
  due: list[int]
  failed: dict[str, str]

  def medians(self, what: str, names: Iterable[str] = ()) -> Turn:
    """Returns the median over its turns of each, or of some."""
    return {
      name: statistics.median(turn[what] for turn in self.turns[name])
      for name in names or self.turns
    }

  def ratios(self, rate: str) -> dict[str, float | None]:
    """Returns ours by each peer's: median over rounds.

    Ours is the mean of the turns before and after, for rates drift.
    """
    ours, ratios = [turn[rate] for turn in self.turns['ours']], {}
    for name in self.turns.keys() - {'ours'}:
      each = [
        statistics.mean(ours[at : at + 2]) / turn[rate]
        for at, turn in zip(self.due, self.turns[name], strict=False)
        if turn[rate]
      ]
      ratios[name] = statistics.median(each) if each else None
    return ratios


def alternate(
  ours: Callable[[], Turn],
  peers: Mapping[str, opponents.Peer],
  theirs: Callable[[dict[str, Any]], Turn],
  *,
  repeats: int,
  peer_rounds: int,
  tell: Callable[[str], None],
) -> Rounds:
  """Lets ours have its turns, and between them, evenly, the peers; ends those.

  Args:
    ours: Has a turn.
    peers: Made ready.
    theirs: Says what a peer's turn amounts to.
    repeats: Turns of ours.
    peer_rounds: Turns of each peer.
    tell: Is told how it goes.
  """
  due = sorted(
    {int((r + 0.5) * repeats / peer_rounds) for r in range(peer_rounds)}
  )
  made = Rounds({'ours': []}, due, {})

  def note(name: str, turn: Turn) -> None:
    made.turns.setdefault(name, []).append(turn)
    tell(f'{name}: ' + ', '.join(f'{k} {v:.4g}' for k, v in turn.items()))

  try:
    for i in range(repeats):
      note('ours', ours())
      for name, peer in peers.items():
        if i not in due or name in made.failed:
          continue
        try:
          note(name, theirs(peer.turn()))
        except opponents.PeerError as error:
          made.failed[name] = str(error)
  finally:
    for peer in peers.values():
      peer.close()
  return made
