"""Accepted rows as a budget: samples are drawn until enough of them are right.

A problem's samples are drawn one after another until `right` of them are right;
and problems are asked one after another until so many right solutions are there
in all: `rows`. Which samples count follows from the samples alone, not from
when or by whom they were drawn; there may be more of them.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import hashlib

from wcse_jax.experiment.config import Config
from wcse_jax.records import Problem

Key = tuple[str, int]  # problem and sample index


@dataclasses.dataclass(frozen=True)
class Enough:
  """When a problem's samples, and a pool's, are enough.

  Attributes:
    right: The right solutions of a problem after which no more of it are drawn;
      None draws as many samples as the budget says.
    rows: The right solutions in all after which no more problems are asked;
      None asks all.
    seed: Decides the order in which they are asked.
  """

  right: int | None = None
  rows: int | None = None
  seed: int = 0

  @classmethod
  def of(cls, config: Config) -> 'Enough':
    """What a config says."""
    return cls(config.budget.right, config.budget.rows, config.seed)

  @property
  def identity(self) -> dict[str, int]:
    """What of it decides which samples count."""
    said = {'right': self.right, 'rows': self.rows}
    if self.rows is not None:
      said['seed'] = self.seed
    return {name: n for name, n in said.items() if n is not None}

  def __bool__(self) -> bool:
    """Whether less may be drawn than the budget says."""
    return self.right is not None or self.rows is not None

  def order(self, problems: Sequence[Problem]) -> list[Problem]:
    """Returns problems in the order in which they are asked.

    It is seeded where not all may be: those that are asked are then a random
    sample, whose mean is that of all.
    """
    if self.rows is None:
      return [*problems]
    name = lambda problem: f'{self.seed}/{problem.problem_id}'.encode()
    return sorted(problems, key=lambda p: hashlib.sha256(name(p)).digest())

  def counted(
    self, problems: Sequence[str], most: int, right: Mapping[Key, bool]
  ) -> Iterator[tuple[str, int | None]]:
    """Yields each problem that is asked, with how many of its samples count.

    None is not known yet: a sample that decides it is not there. Nothing
    follows the problem at which there are rows enough.

    Args:
      problems: The problems, in the order in which they are asked.
      most: The most samples of a problem, which the budget pays for.
      right: Whether a sample is right, as far as samples are there.

    Example:
      >>> flags = {('p', 0): False, ('p', 1): True, ('q', 0): False}
      >>> [*Enough(right=1).counted(['p', 'q'], 3, flags)]
      [('p', 2), ('q', None)]
    """
    rows = 0
    for problem in problems:
      tried = found = 0
      while tried < most and found != self.right:
        if (problem, tried) not in right:
          yield problem, None
          break
        found += right[problem, tried]
        tried += 1
      else:
        yield problem, tried
      rows += found
      if self.rows is not None and rows >= self.rows:
        return

  def following(
    self,
    problems: Sequence[str],
    most: int,
    right: Mapping[Key, bool],
    width: int = 1,
  ) -> list[Key]:
    """Returns what to draw next, in a round; nothing if there is enough.

    All of a round count, whatever the others are. Only if these are fewer than
    `width` it goes on with the problems that follow, which may not.

    Args:
      problems: The problems, in the order in which they are asked.
      most: The most samples of a problem, which the budget pays for.
      right: Whether a sample is right, of all rounds before.
      width: How many samples are drawn at no further cost than fewer.

    Example:
      >>> Enough(right=1).following(['p', 'q'], 3, {})
      [('p', 0), ('q', 0)]
      >>> seen = {('p', 0): False, ('q', 0): True}
      >>> Enough(right=1).following(['p', 'q'], 3, seen)
      [('p', 1)]
    """
    tried, found = collections.Counter(), collections.Counter()
    for (problem, _), is_right in right.items():
      tried[problem] += 1
      found[problem] += is_right
    batch: list[Key] = []
    rows = 0  # at most, once the batch is there
    for problem in problems:
      full = not batch or len(batch) >= width
      if full and self.rows is not None and rows >= self.rows:
        break
      first, number = tried[problem], most - tried[problem]
      if self.right is not None:
        number = min(number, self.right - found[problem])
      batch += [(problem, first + i) for i in range(number)]
      rows += found[problem] + number
    return batch


ALL = Enough()  # as many as the budget says
