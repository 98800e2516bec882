"""What sentences mean: edits of a small world, and questions about it."""

import functools
from typing import Any, NamedTuple

from wcse_jax.tasks.nano.expression import Node, join

# The operation that gives what A has of what B has, and its inverse.
_RELATIONS = {'more': '+-', 'fewer': '-+', 'times': '*/', 'part': '/*'}
# How many people each query asks about, and how many operations it takes.
ASKED = {
  'both': (2, 1),
  'three': (3, 2),
  'gap': (2, 1),
  'share_both': (2, 2),
  'now': (1, 0),
  'share': (1, 1),
  'fill': (1, 1),
  'price': (1, 1),
}


class Fact(NamedTuple):
  """The meaning of a sentence.

  Attributes:
    kind: A key of `wording.FACTS` or `wording.QUERIES`.
    people: Names when read; indices into a cast when written.
    x: The items: a name when read; when written 0 for those of the query and 1
      for others.
    n: The `Node` of the number or factor that it states, or None.
    g: The `Node` of the number of groups that it states, or None.
  """

  kind: str
  people: tuple
  x: Any
  n: Any = None
  g: Any = None


# Who has how many of what: (person, items) -> number.
World = dict[Any, Node]


def edit(world: World, fact: Fact) -> None:
  """Does to the world what the fact says; an aside does nothing."""
  kind, people, x, n, g = fact
  a = people[0], x
  b = (people[1], x) if len(people) > 1 else None
  amount = join('*', g, n) if g else n
  if kind in ('have', 'groups'):
    world[a] = amount
  elif kind in _RELATIONS:
    op, inverse = _RELATIONS[kind]
    if b in world:
      world[a] = join(op, world[b], n)
    elif a in world:
      world[b] = join(inverse, world[a], n)
  elif kind in ('give_part', 'lose_part'):
    if a in world:
      part = join('/', world[a], n)
      world[a] = part if n.value == 2 else join('-', world[a], part)
      if b in world:
        world[b] = join('+', world[b], part)
  elif kind != 'aside':
    if a in world:
      op = '+' if kind in ('gain', 'gain_groups') else '-'
      world[a] = join(op, world[a], amount)
    if b in world:  # who is given what `a` loses
      world[b] = join('+', world[b], amount)


def ask(world: World, query: Fact) -> Node:
  """The expression that the query asks for."""
  have = [world[person, query.x] for person in query.people]
  if query.kind == 'gap':
    return join('-', *have)
  total = functools.reduce(functools.partial(join, '+'), have)
  if query.n is None:
    return total
  return join('*' if query.kind == 'price' else '/', total, query.n)
