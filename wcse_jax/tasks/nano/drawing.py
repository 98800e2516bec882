"""Drawing what a question says, of a wanted number of operations."""

from collections.abc import Sequence
import random

from wcse_jax.tasks.nano import expression, facts
from wcse_jax.tasks.nano.expression import Infeasible, Node
from wcse_jax.tasks.nano.facts import Fact

# By level, 1..5.
_MAX_NUMBER = (30, 40, 50, 60, 60)  # in a question
_MAX_RESULT = (120, 150, 200, 250, 250)  # of a step
_DISTRACTORS = (0.2, 0.35, 0.5, 0.6, 0.7)  # chance of one; half that for two


class Draw:
  """Facts, with a query at their end, of the wanted number of operations.

  Raises:
    Infeasible: What was drawn makes no question; the next draw may.

  Attributes:
    facts: The facts and the query; people and items are indices.
    root: The expression that the query asks for.
  """

  def __init__(self, rng: random.Random, level: int):
    self.rng = rng
    self.level = level
    self.largest = _MAX_NUMBER[level - 1]
    self.cap = _MAX_RESULT[level - 1]
    self.used: set[int] = set()
    self.world: facts.World = {}
    self.facts: list[Fact] = []
    self.fresh = [0, 1, 2, 3]  # people not yet mentioned
    rng.shuffle(self.fresh)
    live = self._relations_and_events()
    self.query = self._finish(live)
    self.root = facts.ask(self.world, self.query)
    if expression.count_steps(self.root) != level:
      raise Infeasible('steps')
    if self.root.value in self.used or expression.cancels(self.root):
      raise Infeasible('trivial')
    self._distract()
    self.facts.append(self.query)

  def _pick(self, low: int, high: int) -> Node:
    """A number that the question does not have yet."""
    for _ in range(8):
      value = low + int(self.rng.random() * (high - low + 1))
      if value <= high and value not in self.used:
        self.used.add(value)
        return Node('', value)
    raise Infeasible('numbers')

  def _divisor(self, value: int, low: int, high: int) -> int:
    found = [k for k in range(low, high + 1) if value % k == 0 and k < value]
    if not found:
      raise Infeasible('divisor')
    return found[int(self.rng.random() * len(found))]

  def _groups(self) -> tuple[Node, Node]:
    g = self._pick(3, 9)
    return g, self._pick(4, min(self.largest, self.cap // g.value))

  def _add(self, fact: Fact) -> None:
    facts.edit(self.world, fact)
    for person in fact.people:
      node = self.world.get((person, fact.x))
      if node and not 0 < node.value <= self.cap:
        raise Infeasible('size')
    self.facts.append(fact)

  def _start(self, person: int, grouped: bool) -> None:
    if grouped:
      g, n = self._groups()
      self._add(Fact('groups', (person,), 0, n, g))
    else:
      self._add(Fact('have', (person,), 0, self._pick(5, self.largest)))

  def _relate(self, known: int, new: int) -> None:
    """Says what `new` has in terms of what `known` has."""
    rng = self.rng
    value = self.world[known, 0].value
    kind = ('more', 'fewer', 'times', 'part')[int(rng.random() * 4)]
    inverse = rng.random() < 0.3
    if kind in ('more', 'fewer'):
      grows = (kind == 'more') != inverse
      room = self.largest if grows else min(self.largest, value - 2)
      n = self._pick(2, room)
    else:
      most = 9 if kind == 'times' else 4
      if (kind == 'times') != inverse:
        factor = 2 + int(rng.random() * (min(most, self.cap // value) - 1))
        if factor < 2 or factor * value > self.cap:
          raise Infeasible('size')
      else:
        factor = self._divisor(value, 2, most)
      n = Node('k', factor)
    people = (known, new) if inverse else (new, known)
    self._add(Fact(kind, people, 0, n))

  def _event(self, live: list[int], budget: int) -> None:
    rng = self.rng
    person = rng.choice(live)
    value = self.world[person, 0].value
    people, g = (person,), None
    u = rng.random()
    if budget > 1 and u < 0.3:
      g, n = self._groups()
      gains = rng.random() < 0.6 or g.value * n.value >= value
      kind = 'gain_groups' if gains else 'lose_groups'
    elif u < 0.5:
      kind, n = 'gain', self._pick(3, self.largest)
    elif u < 0.85:
      kind = 'lose' if u < 0.65 else 'give'
      n = self._pick(2, min(self.largest, value - 2))
    else:
      n = Node('k', self._divisor(value, 2, 4))
      kind = 'lose_part' if rng.random() < 0.5 else 'give_part'
    if kind in ('give', 'give_part'):
      people = person, self._other(person)
    self._add(Fact(kind, people, 0, n, g))

  def _other(self, person: int) -> int:
    """Somebody else."""
    other = int(self.rng.random() * 4)
    if other == person:
      raise Infeasible('people')
    if other in self.fresh:
      self.fresh.remove(other)
    return other

  def _relations_and_events(self) -> list[int]:
    """Facts but for the query's own operations; who the query asks about."""
    rng = self.rng
    kinds = [k for k, (_, cost) in facts.ASKED.items() if cost <= self.level]
    self.kind = kinds[int(rng.random() * len(kinds))]
    asked, cost = facts.ASKED[self.kind]
    live = [self.fresh.pop()]
    self._start(live[0], self.level > cost and rng.random() < 0.4)
    while True:
      left = self.level - cost - self._spent(live)
      if left < 0:
        raise Infeasible('steps')
      new = len(live) < asked or rng.random() < 0.35
      if new and self.fresh and (left or len(live) < asked):
        person = self.fresh.pop()
        if left and rng.random() < 0.7:
          self._relate(rng.choice(live), person)
        elif len(live) < asked:
          self._start(person, left > 0 and rng.random() < 0.5)
        else:
          self.fresh.append(person)
          continue
        if len(live) == asked:
          live.remove(rng.choice(live))
        live.append(person)
      elif left:
        self._event(live, left)
      elif len(live) == asked:
        return live
      else:
        raise Infeasible('people')

  def _spent(self, live: Sequence[int]) -> int:
    return expression.count_steps(*(self.world[person, 0] for person in live))

  def _finish(self, live: list[int]) -> Fact:
    """The query, with a number of its own where it has one."""
    total = sum(self.world[person, 0].value for person in live)
    n = None
    if self.kind == 'gap':
      live.sort(key=lambda person: -self.world[person, 0].value)
      if len({self.world[person, 0].value for person in live}) < 2:
        raise Infeasible('equal')
    elif self.kind in ('share', 'share_both', 'fill'):
      value = self._divisor(total, 3, 15)
      n = self._pick(value, value)
    elif self.kind == 'price':
      n = self._pick(3, min(9, self.cap // total))
    elif total > self.cap:
      raise Infeasible('size')
    return Fact(self.kind, tuple(live), 0, n)

  def _distract(self) -> None:
    """Adds facts that the query does not need."""
    rng = self.rng
    chance = _DISTRACTORS[self.level - 1]
    while rng.random() < chance:
      chance /= 2
      person = int(rng.random() * 4)
      n = self._pick(3, self.largest)
      u = rng.random()
      if u < 0.35 and (person, 0) not in self.world and person in self.fresh:
        self.fresh.remove(person)
        fact = Fact('have', (person,), 0, n)
      elif u < 0.55 and person in self.fresh:
        self.fresh.remove(person)
        known = rng.choice(self.query.people)
        fact = Fact('more', (person, known), 0, n)
        self.facts.append(fact)  # last, so that what it refers to is known
        continue
      elif u < 0.75:
        fact = Fact(rng.choice(('have', 'gain')), (person,), 1, n)
      else:
        fact = Fact('aside', (person,), 0, n)
      self.facts.insert(int(rng.random() * (len(self.facts) + 1)), fact)
