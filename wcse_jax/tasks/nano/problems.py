"""Procedural grade-school word problems, small enough for nano models.

A question is a list of facts in plain English, each an edit of a small world
(who has how many of what), and a query. What the query asks is an expression
over the question's numbers; the number of its operations is the level, 1..5.
One table of wordings both writes questions and reads them back, so that the
expression can be had from the question alone (`interpret`).

Everything is a pure function of a seeded `random.Random`. Questions of the
splits, the few-shot examples and the pretraining corpus are disjoint by
construction: sha256 of the question says whose it is (`owner`).
"""

from collections.abc import Mapping, Sequence
import functools
import hashlib
import random
import re
from typing import Any, NamedTuple

from wcse_jax import records

SEED = 0
SPLITS = {'train': 2000, 'validation': 500, 'test': 1000}
LEVELS = (1, 2, 3, 4, 5)
STOP = '\n\n'  # ends a document
PROMPT_FORMAT = 'Problem: {question}\nSolution:'
STOP_STRINGS = (STOP,)

_OWNERS = ('train', 'validation', 'test', 'few_shot')  # of buckets 0..3
_BUCKETS = 64  # all others are the corpus's
_MAX_NUMBER = (30, 40, 50, 60, 60)  # in a question, by level
_MAX_RESULT = (120, 150, 200, 250, 250)  # of a step, by level
_DISTRACTORS = (0.2, 0.35, 0.5, 0.6, 0.7)  # chance of one; half that for two

NAMES = ('Ann', 'Ben', 'Dan', 'Eva', 'Ida', 'Kim')
NAMES += ('Leo', 'Max', 'Mia', 'Sam', 'Tom', 'Zoe')
ITEMS = ('apples', 'books', 'cards', 'coins', 'cups')
ITEMS += ('eggs', 'nuts', 'pens', 'shells', 'toys')
FRACTIONS = {2: 'half', 3: 'a third', 4: 'a quarter'}

# {A}, {B}, {C}: people. {x}: items; left out, those of the query. {n}: a
# number. {g}: a number of groups. {m}: 'twice' or '3 times'. {f}: 'half', ...
FACTS = {
  'have': ('{A} has {n} {x}.', '{A} starts with {n} {x}.'),
  'groups': (
    '{A} has {g} bags of {n} {x}.',
    '{A} has {g} boxes with {n} {x} each.',
  ),
  'more': (
    '{A} has {n} more {x} than {B}.',
    '{A} has {n} {x} more than {B}.',
    '{A} has {n} more than {B}.',
  ),
  'fewer': (
    '{A} has {n} fewer {x} than {B}.',
    '{A} has {n} {x} less than {B}.',
    '{A} has {n} less than {B}.',
  ),
  'times': (
    '{A} has {m} as many {x} as {B}.',
    '{A} has {m} as many as {B}.',
  ),
  'part': (
    '{A} has {f} as many {x} as {B}.',
    '{A} has {f} as many as {B}.',
  ),
  'gain': (
    '{A} buys {n} {x}.',
    '{A} finds {n} {x}.',
    '{A} gets {n} more {x}.',
    '{A} finds {n} more.',
    'Then {A} gets {n} more.',
  ),
  'lose': (
    '{A} loses {n} {x}.',
    '{A} sells {n} {x}.',
    'Then {A} sells {n}.',
    '{A} loses {n} of them.',
  ),
  'gain_groups': (
    '{A} buys {g} bags of {n} {x}.',
    '{A} gets {g} boxes with {n} {x} each.',
    '{g} friends give {A} {n} {x} each.',
    '{A} gets {n} from each of {g} friends.',
  ),
  'lose_groups': (
    '{A} sells {g} bags of {n} {x}.',
    '{A} gives {n} {x} to each of {g} friends.',
    '{A} gives {g} friends {n} each.',
  ),
  'give': (
    '{A} gives {n} {x} to {B}.',
    '{A} gives {B} {n} {x}.',
    '{B} gets {n} {x} from {A}.',
    '{A} gives {n} to {B}.',
  ),
  'give_part': (
    '{A} gives {f} of the {x} to {B}.',
    '{B} gets {f} of the {x} of {A}.',
  ),
  'lose_part': ('{A} loses {f} of the {x}.', '{A} sells {f} of the {x}.'),
  'aside': (
    '{A} is {n} years old.',
    '{A} walks {n} miles.',
    '{A} has {n} dollars.',
  ),
}
QUERIES = {
  'now': (
    'How many {x} does {A} have now?',
    'How many {x} are left for {A}?',
    'How many {x} does {A} end with?',
  ),
  'both': (
    'How many {x} do {A} and {B} have together?',
    'How many {x} do {A} and {B} have in all?',
  ),
  'three': ('How many {x} do {A}, {B} and {C} have in all?',),
  'gap': (
    'How many more {x} does {A} have than {B}?',
    'How many fewer {x} does {B} have than {A}?',
  ),
  'share': (
    'If {A} puts the {x} in {n} equal bags, how many are in each bag?',
    'If {n} friends share the {x} of {A}, how many does each get?',
  ),
  'fill': (
    'If {A} puts {n} {x} in each bag, how many bags are there?',
    'If {A} sells the {x} in boxes of {n}, how many boxes are there?',
  ),
  'price': (
    'If {A} sells the {x} for {n} dollars each, how many dollars is that?',
    'If each costs {n} dollars, how much are the {x} of {A}?',
  ),
  'share_both': (
    'If {A} and {B} put all {x} in {n} equal bags, how many are in each bag?',
    'If {n} friends share the {x} of {A} and {B}, how many does each get?',
  ),
}
# People who share the answer, and operations, of each query.
_ASKED = {'both': (2, 1), 'three': (3, 2), 'gap': (2, 1), 'share_both': (2, 2)}
_ASKED |= {'now': (1, 0), 'share': (1, 1), 'fill': (1, 1), 'price': (1, 1)}


class Infeasible(ValueError):
  """A negative, fractional or too large quantity."""


class Node:
  """An expression: `a op b`, or a number where `op` is empty.

  Attributes:
    op: '+', '-', '*', '/'; '' for a number that the question states; 'k' for
      a factor that it states ('3 times', 'half'), which is not a quantity.
    value: A non-negative integer.
  """

  __slots__ = ('a', 'b', 'op', 'value')

  def __init__(self, op: str, a, b, value: int):
    self.op, self.a, self.b, self.value = op, a, b, value


def _number(value: int) -> Node:
  return Node('', None, None, value)


def _factor(value: int) -> Node:
  return Node('k', None, None, value)


def _apply(op: str, a: int, b: int) -> int:
  if op == '+':
    return a + b
  if op == '*':
    return a * b
  if op == '-' and a >= b:
    return a - b
  if op == '/' and b and a % b == 0:
    return a // b
  raise Infeasible(f'{a}{op}{b}')


def _join(op: str, a: Node, b: Node) -> Node:
  return Node(op, a, b, _apply(op, a.value, b.value))


class Fact(NamedTuple):
  """A sentence's meaning.

  Attributes:
    kind: A key of `FACTS` or `QUERIES`.
    people: Names when read; indices into a cast when written.
    x: The items: a name, or 0 for those of the query and 1 for others.
    n: The `Node` of the number or factor, or None.
    g: The `Node` of the number of groups, or None.
  """

  kind: str
  people: tuple
  x: Any
  n: Any = None
  g: Any = None


def _edit(state: dict, fact: Fact) -> None:
  """Does to `state`, (person, items) -> Node, what the fact says."""
  kind, people, x, n, g = fact
  a = (people[0], x)
  b = (people[1], x) if len(people) > 1 else None
  if kind == 'have':
    state[a] = n
  elif kind == 'groups':
    state[a] = _join('*', g, n)
  elif kind in ('more', 'fewer', 'times', 'part'):
    op, inverse = {
      'more': '+-',
      'fewer': '-+',
      'times': '*/',
      'part': '/*',
    }[kind]
    if b in state:
      state[a] = _join(op, state[b], n)
    elif a in state:
      state[b] = _join(inverse, state[a], n)
  elif a in state and kind in ('gain', 'lose'):
    state[a] = _join('+' if kind == 'gain' else '-', state[a], n)
  elif a in state and kind in ('gain_groups', 'lose_groups'):
    op = '+' if kind == 'gain_groups' else '-'
    state[a] = _join(op, state[a], _join('*', g, n))
  elif kind == 'give':
    if a in state:
      state[a] = _join('-', state[a], n)
    if b in state:
      state[b] = _join('+', state[b], n)
  elif a in state and kind in ('give_part', 'lose_part'):
    part = _join('/', state[a], n)
    state[a] = part if n.value == 2 else _join('-', state[a], part)
    if b in state:
      state[b] = _join('+', state[b], part)


def _ask(state: dict, query: Fact) -> Node:
  """The expression that the query asks for."""
  kind, people, x, n, _ = query
  have = [state[person, x] for person in people]
  if kind == 'now':
    return have[0]
  if kind == 'gap':
    return _join('-', *have)
  if kind in ('both', 'three'):
    return functools.reduce(functools.partial(_join, '+'), have)
  if kind == 'share_both':
    return _join('/', _join('+', *have), n)
  return _join('*' if kind == 'price' else '/', have[0], n)


FEW_SHOT = (
  (
    'Zoe buys 21 shells. Zoe has 17 books. If each costs 3 dollars, how much'
    ' are the books of Zoe?',
    ' 17*3=51. The answer is 51.',
  ),
  (
    'Max starts with 38 cards. Max has 12 more than Mia. How many cards do Max'
    ' and Mia have together?',
    ' 38-12=26. 38+26=64. The answer is 64.',
  ),
  (
    'Ben has 4 boxes with 7 shells each. Sam starts with 27 shells. If Ben and'
    ' Sam put all shells in 11 equal bags, how many are in each bag?',
    ' 4*7=28. 28+27=55. 55/11=5. The answer is 5.',
  ),
  (
    'Leo has 41 shells. Leo gets 28 from each of 3 friends. Ben has 29 less'
    ' than Leo. Ben loses 14 of them. How many shells are left for Ben?',
    ' 3*28=84. 41+84=125. 125-29=96. 96-14=82. The answer is 82.',
  ),
)
PREFIX = ''.join(
  f'{PROMPT_FORMAT.format(question=question)}{solution}{STOP}'
  for question, solution in FEW_SHOT
)


# --- Reading -----------------------------------------------------------------


@functools.cache
def _patterns() -> tuple[list, list]:
  people = '|'.join(NAMES)
  items = '|'.join(ITEMS)
  slots = {letter: f'(?P<{letter}>{people})' for letter in 'ABC'}
  slots |= {'x': f'(?P<x>{items})', 'n': r'(?P<n>\d+)', 'g': r'(?P<g>\d+)'}
  slots |= {'m': r'(?P<m>twice|\d+ times)'}
  slots |= {'f': f'(?P<f>{"|".join(FRACTIONS.values())})'}

  def compiled(table):
    return [
      (
        kind,
        re.compile(
          re.escape(text)
          .replace(r'\{', '{')
          .replace(r'\}', '}')
          .format(**slots)
        ),
      )
      for kind, texts in table.items()
      for text in texts
    ]

  return compiled(FACTS), compiled(QUERIES)


def _read(sentence: str, patterns: list, x: str | None) -> Fact:
  for kind, pattern in patterns:
    if match := pattern.fullmatch(sentence):
      got = match.groupdict()
      people = tuple(got[slot] for slot in 'ABC' if got.get(slot))
      n = g = None
      if m := got.get('m'):
        n = _factor(2 if m == 'twice' else int(m.split()[0]))
      elif f := got.get('f'):
        n = _factor(next(k for k, word in FRACTIONS.items() if word == f))
      elif got.get('n'):
        n = _number(int(got['n']))
      if got.get('g'):
        g = _number(int(got['g']))
      return Fact(kind, people, got.get('x') or x, n, g)
  raise ValueError(f'not a nano_arithmetic question: {sentence!r}')


def interpret(question: str) -> tuple[Node, list[Node]]:
  """What a question asks, and the numbers that it states, in order.

  Raises:
    ValueError: It is not a question of this task.
  """
  *sentences, last = re.split(r'(?<=[.?]) ', question)
  fact_patterns, query_patterns = _patterns()
  query = _read(last, query_patterns, None)
  facts = [_read(s, fact_patterns, query.x) for s in sentences]
  state = {}
  for fact in facts:
    _edit(state, fact)
  numbers = [n for f in (*facts, query) for n in (f.g, f.n) if n is not None]
  return _ask(state, query), numbers


# --- Writing -----------------------------------------------------------------


class _Draw:
  """Facts and a query of the wanted number of operations."""

  def __init__(self, rng: random.Random, level: int):
    self.rng = rng
    self.level = level
    self.largest = _MAX_NUMBER[level - 1]
    self.cap = _MAX_RESULT[level - 1]
    self.used: set[int] = set()
    self.state: dict = {}
    self.facts: list[Fact] = []
    self.fresh = [0, 1, 2, 3]  # people not yet mentioned
    rng.shuffle(self.fresh)
    live = self._relations_and_events()
    self.query = self._finish(live)
    self.root = _ask(self.state, self.query)
    if count_steps(self.root) != level:
      raise Infeasible('steps')
    if self.root.value in self.used or _cancels(self.root):
      raise Infeasible('trivial')
    self._distract()

  def _pick(self, low: int, high: int) -> Node:
    """A number that the question does not have yet."""
    for _ in range(8):
      value = low + int(self.rng.random() * (high - low + 1))
      if value <= high and value not in self.used:
        self.used.add(value)
        return _number(value)
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
    _edit(self.state, fact)
    for person in fact.people:
      node = self.state.get((person, fact.x))
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
    value = self.state[known, 0].value
    kind = ('more', 'fewer', 'times', 'part')[int(rng.random() * 4)]
    inverse = rng.random() < 0.3
    if kind in ('more', 'fewer'):
      grows = (kind == 'more') != inverse
      room = self.largest if grows else min(self.largest, value - 2)
      n = self._pick(2, room)
    elif (kind == 'times') != inverse:
      most = 9 if kind == 'times' else 4
      n = _factor(2 + int(rng.random() * (min(most, self.cap // value) - 1)))
      if n.value < 2 or n.value * value > self.cap:
        raise Infeasible('size')
    else:
      most = 9 if kind == 'times' else 4
      n = _factor(self._divisor(value, 2, most))
    people = (known, new) if inverse else (new, known)
    self._add(Fact(kind, people, 0, n))

  def _event(self, live: list[int], budget: int) -> None:
    rng = self.rng
    person = rng.choice(live)
    value = self.state[person, 0].value
    u = rng.random()
    if budget > 1 and u < 0.3:
      g, n = self._groups()
      gains = rng.random() < 0.6 or g.value * n.value >= value
      self._add(
        Fact('gain_groups' if gains else 'lose_groups', (person,), 0, n, g)
      )
    elif u < 0.5:
      self._add(Fact('gain', (person,), 0, self._pick(3, self.largest)))
    elif u < 0.65:
      n = self._pick(2, min(self.largest, value - 2))
      self._add(Fact('lose', (person,), 0, n))
    elif u < 0.85:
      n = self._pick(2, min(self.largest, value - 2))
      self._add(Fact('give', (person, self._other(person)), 0, n))
    else:
      n = _factor(self._divisor(value, 2, 4))
      if rng.random() < 0.5:
        self._add(Fact('lose_part', (person,), 0, n))
      else:
        people = person, self._other(person)
        self._add(Fact('give_part', people, 0, n))

  def _other(self, person: int) -> int:
    """Somebody else."""
    other = int(self.rng.random() * 4)
    if other == person:
      raise Infeasible('people')
    self._use(other)
    return other

  def _use(self, person: int) -> None:
    if person in self.fresh:
      self.fresh.remove(person)

  def _relations_and_events(self) -> list[int]:
    """Facts but for the query's own operations; who the query asks about."""
    rng = self.rng
    kinds = [k for k, (_, cost) in _ASKED.items() if cost <= self.level]
    self.kind = kinds[int(rng.random() * len(kinds))]
    asked, cost = _ASKED[self.kind]
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
    return count_steps(*(self.state[person, 0] for person in live))

  def _finish(self, live: list[int]) -> Fact:
    """The query, with a number of its own where it has one."""
    total = sum(self.state[person, 0].value for person in live)
    n = None
    if self.kind == 'gap':
      live.sort(key=lambda person: -self.state[person, 0].value)
      if len({self.state[person, 0].value for person in live}) < 2:
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
      if u < 0.35 and (person, 0) not in self.state and person in self.fresh:
        self._use(person)
        fact = Fact('have', (person,), 0, n)
      elif u < 0.55 and person in self.fresh:
        self._use(person)
        known = rng.choice(self.query.people)
        fact = Fact('more', (person, known), 0, n)
        self.facts.append(fact)  # last, so that what it refers to is known
        continue
      elif u < 0.75:
        fact = Fact(rng.choice(('have', 'gain')), (person,), 1, n)
      else:
        fact = Fact('aside', (person,), 0, n)
      self.facts.insert(int(rng.random() * (len(self.facts) + 1)), fact)

  def render(self) -> str:
    """The question, in random words and with random people and items."""
    rng = self.rng
    names, items = rng.sample(NAMES, 4), rng.sample(ITEMS, 2)
    plain = any(fact.x for fact in self.facts)  # a second kind of items
    sentences = []
    for kind, people, x, n, g in (*self.facts, self.query):
      texts = FACTS.get(kind) or QUERIES[kind]
      text = texts[int(rng.random() * len(texts))]
      while plain and '{x}' not in text and kind != 'aside':
        text = texts[int(rng.random() * len(texts))]
      slots = dict(zip('ABC', [names[p] for p in people], strict=False))
      value = n.value if n else 0
      if n and n.op:
        slots['m'] = 'twice' if value == 2 else f'{value} times'
        slots['f'] = FRACTIONS.get(value, '')
      sentences.append(
        text.format(x=items[x], n=value, g=g.value if g else 0, **slots)
      )
    return ' '.join(sentences)

  def numbers(self) -> list[int]:
    facts = (*self.facts, self.query)
    return [n.value for f in facts for n in (f.g, f.n) if n is not None]


def owner(question: str) -> str:
  """Whose question it is: a split, 'few_shot', or 'corpus'."""
  text = ' '.join(question.lower().split())
  bucket = hashlib.sha256(text.encode()).digest()[0] % _BUCKETS
  return _OWNERS[bucket] if bucket < len(_OWNERS) else 'corpus'


def draw(rng: random.Random, level: int, whose: str) -> tuple[str, Node, list]:
  """A question that belongs to `whose`, what it asks, and its numbers."""
  while True:
    try:
      drawn = _Draw(rng, level)
    except Infeasible:
      continue
    for _ in range(4 * _BUCKETS):
      question = drawn.render()
      if owner(question) == whose:
        return question, drawn.root, drawn.numbers()


# --- Solving -----------------------------------------------------------------

Step = tuple[str, int | Node, int | Node]  # op and operands; int: which step


def _parents(*roots: Node) -> dict[Node, int]:
  """How many operations use each node."""
  parents = dict.fromkeys(roots, 0)
  stack = list(parents)
  while stack:
    node = stack.pop()
    if node.b:
      for child in (node.a, node.b):
        if child not in parents:
          parents[child] = 0
          stack.append(child)
        parents[child] += 1
  return parents


def count_steps(*roots: Node) -> int:
  """Operations it takes to evaluate the expressions, shared ones once."""
  return sum(node.b is not None for node in _parents(*roots))


def _cancels(root: Node) -> bool:
  """Whether some quantity does not matter, as x in (x + 5) - (x + 3)."""

  def real(node: Node, shaken: Node, done: dict[Node, float]) -> float:
    if node not in done:
      value = float(node.value)
      if node.b:
        a, b = real(node.a, shaken, done), real(node.b, shaken, done)
        value = {'+': a + b, '-': a - b, '*': a * b, '/': a / b}[node.op]
      done[node] = value + 0.37 * (node is shaken)
    return done[node]

  return any(
    abs(real(root, shaken, {}) - root.value) < 1e-6
    for shaken, parents in _parents(root).items()
    if parents > 1
  )


def _rewrite(root: Node, rng: random.Random) -> Node:
  """An equal expression, otherwise associated, distributed or ordered."""
  parents = _parents(root)
  done: dict[Node, Node] = {}

  def chance(p: float) -> bool:
    return rng.random() < p

  def alone(node: Node, ops: str) -> bool:
    return node.op in ops and node.b and parents[node] < 2

  def terms(node: Node, sign: int, out: list) -> list:
    for child, s in (
      (node.a, sign),
      (node.b, sign if node.op == '+' else -sign),
    ):
      if alone(child, '+-') and chance(0.6):
        terms(child, s, out)
      else:
        out.append((s, visit(child)))
    return out

  def factors(node: Node, out: list) -> list:
    for child in (node.a, node.b):
      if alone(child, '*') and chance(0.6):
        factors(child, out)
      else:
        out.append(visit(child))
    return out

  def visit(node: Node) -> Node:
    if not node.b:
      return node
    if node not in done:
      done[node] = change(node)
    return done[node]

  def change(node: Node) -> Node:
    if node.op in '+-':
      parts = terms(node, 1, [])
      while len(parts) > 1:
        rng.shuffle(parts)
        (s, a), (t, b) = parts[-2:]
        if s < t:
          (s, a), (t, b) = (t, b), (s, a)
        if s == t or a.value >= b.value:
          parts[-2:] = [(s, _join('+' if s == t else '-', a, b))]
      return parts[0][1]
    a, b = node.a, node.b
    if node.op == '*':
      for one, other in ((a, b), (b, a)):
        if alone(one, '+-') and chance(0.25):
          other = visit(other)
          left, right = (_join('*', visit(c), other) for c in (one.a, one.b))
          return _join(one.op, left, right)
      parts = factors(node, [])
      while len(parts) > 1:
        rng.shuffle(parts)
        parts[-2:] = [_join('*', *parts[-2:])]
      return parts[0]
    if alone(a, '*') and chance(0.4):
      for one, other in ((a.a, a.b), (a.b, a.a)):
        if one.value % b.value == 0:
          return _join('*', _join('/', visit(one), b), visit(other))
    if alone(a, '+-') and a.a.value % b.value == 0 and chance(0.3):
      left, right = (_join('/', visit(c), b) for c in (a.a, a.b))
      return _join(a.op, left, right)
    return _join('/', visit(a), visit(b))

  return visit(root)


def _steps(root: Node, rng: random.Random | None) -> list[Step]:
  """The operations in an order that can be carried out; seeded or canonical."""
  steps: list[Step] = []
  done: dict[Node, int] = {}

  def visit(node: Node) -> int | Node:
    if not node.b:
      return node
    if node not in done:
      if rng and rng.random() < 0.5:
        b = visit(node.b)
        a = visit(node.a)
      else:
        a = visit(node.a)
        b = visit(node.b)
      if rng and node.op in '+*' and rng.random() < 0.5:
        a, b = b, a
      done[node] = len(steps)
      steps.append((node.op, a, b))
    return done[node]

  visit(root)
  return steps


def _equations(
  steps: Sequence[Step], slips: Mapping[int, int] | None = None
) -> list[list]:
  """[a, op, b, result] of each step; `slips` are wrong results, by step."""
  out: list[list] = []
  for op, *refs in steps:
    a, b = (r.value if isinstance(r, Node) else out[r][3] for r in refs)
    try:
      result = _apply(op, a, b)
    except Infeasible:  # after an error: as careless as its author
      result = b - a if op == '-' else a // max(b, 1)
    out.append([a, op, b, (slips or {}).get(len(out), result)])
  return out


def _text(equations: Sequence[Sequence], answer: int) -> str:
  steps = ''.join(f' {a}{op}{b}={result}.' for a, op, b, result in equations)
  return f'{steps} The answer is {answer}.'


def reference_solution(root: Node) -> str:
  """The canonical solution, which stands for the human-written one."""
  return _text(_equations(_steps(root, None)), root.value)


def random_solution(root: Node, rng: random.Random) -> str:
  """One of the many right ways to what is asked."""
  return _text(_equations(_steps(_rewrite(root, rng), rng)), root.value)


def sloppy_solution(
  root: Node, numbers: Sequence[int], rng: random.Random
) -> str:
  """A solution with one fault, as text from the web has; never a sound one.

  One of: a wrong result that propagates; a wrong number of the question, or a
  wrong operation; a step left out or misprinted on the way to the right
  answer (a false positive).
  """
  steps = _steps(_rewrite(root, rng), rng)
  equations = _equations(steps)
  fault, at = rng.random(), int(rng.random() * len(steps))
  if fault < 0.4:
    slips = {at: _misprint(equations[at][3], rng)}
    equations = _equations(steps, slips)
    return _text(equations, equations[-1][3])
  if fault < 0.7:
    steps[at] = _mistake(steps[at], numbers, rng)
    equations = _equations(steps)
    return _text(equations, equations[-1][3])
  left = equations[:at] + equations[at + 1 :]
  known = [*numbers, *(equation[3] for equation in left)]
  if left and rng.random() < 0.5 and equations[at][3] not in known:
    return _text(left, root.value)
  place = rng.choice((0, 2, 3))
  equations[at][place] = _misprint(equations[at][place], rng)
  return _text(equations, root.value)


def _mistake(step: Step, numbers: Sequence[int], rng: random.Random) -> Step:
  """The step with another number of the question, or another operation."""
  op, a, b = step
  if isinstance(b, Node) and rng.random() < 0.6:
    others = [n for n in numbers if n != b.value]
    if others:
      return op, a, _number(rng.choice(others))
  return {'+': '-', '-': '+', '*': '+', '/': '*'}[op], a, b


def _misprint(value: int, rng: random.Random) -> int:
  """Another number that looks alike."""
  wrong = value + rng.choice((-10, -2, -1, 1, 2, 10))
  return wrong if wrong > 0 else value + 1


# --- What the project uses ---------------------------------------------------


_drawn: dict[str, list[records.Problem]] = {}  # of each split, in order


def problem(split: str, index: int) -> records.Problem:
  """The problem at `index` of a split; levels cycle, so prefixes balance.

  No question comes twice: one that an earlier index has is drawn anew.
  """
  if not 0 <= index < SPLITS[split]:
    raise IndexError(f'{split} has {SPLITS[split]} problems, not {index}')
  drawn = _drawn.setdefault(split, [])
  seen = {p.question for p in drawn}
  while len(drawn) <= index:
    rng = random.Random(f'{SEED}/{split}/{len(drawn)}')
    level = LEVELS[len(drawn) % len(LEVELS)]
    question, root, _ = draw(rng, level, split)
    while question in seen:
      question, root, _ = draw(rng, level, split)
    seen.add(question)
    drawn.append(
      records.Problem(
        problem_id=f'nano_arithmetic/{split}/{len(drawn):04d}',
        split=split,
        question=question,
        prompt=PROMPT_FORMAT.format(question=question),
        solution=reference_solution(root),
        gold=str(root.value),
        level=level,
      )
    )
  return drawn[index]


def corpus_document(
  rng: random.Random, levels: Sequence[int] = LEVELS, noise: float = 0.0
) -> str:
  """A problem with a solution, to pretrain on; `STOP` is to follow it.

  `noise` is the probability of a faulty solution.
  """
  level = levels[int(rng.random() * len(levels))]
  question, root, numbers = draw(rng, level, 'corpus')
  start = PROMPT_FORMAT.format(question=question)
  if rng.random() < noise:
    return start + sloppy_solution(root, numbers, rng)
  return start + random_solution(root, rng)
