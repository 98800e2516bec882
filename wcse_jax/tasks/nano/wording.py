"""The wordings of facts and queries, which are written and read back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import functools
import random
import re

from wcse_jax import data_files
from wcse_jax.tasks.nano.expression import Node
from wcse_jax.tasks.nano.facts import Fact, ask, edit

_TABLES = data_files.tables(__file__)
NAMES, ITEMS = _TABLES['names'], _TABLES['items']
FACTS, QUERIES = _TABLES['facts'], _TABLES['queries']  # kind -> wordings
FRACTIONS = {2: 'half', 3: 'a third', 4: 'a quarter'}


def writings(facts: Sequence[Fact], rng: random.Random) -> Iterator[str]:
  """Yields facts, and a query at their end, in random words, for ever.

  The same facts may come out with any people, items and wordings.
  """
  plain = any(fact.x for fact in facts)  # a second kind of items
  parts = []
  for kind, people, x, n, g in facts:
    texts = FACTS.get(kind) or QUERIES[kind]
    slots = {'g': g and g.value, 'n': n and n.value}
    if n and n.op:
      slots['m'] = 'twice' if n.value == 2 else f'{n.value} times'
      slots['f'] = FRACTIONS.get(n.value, '')
    right = [not plain or '{x}' in t or kind == 'aside' for t in texts]
    parts.append(
      (texts, right, tuple(zip('ABC', people, strict=False)), x, slots)
    )
  while True:
    names, items = rng.sample(NAMES, 4), rng.sample(ITEMS, 2)
    sentences = []
    for texts, right, people, x, slots in parts:
      at = int(rng.random() * len(texts))
      while not right[at]:
        at = int(rng.random() * len(texts))
      slots['x'] = items[x]
      for letter, person in people:
        slots[letter] = names[person]
      sentences.append(texts[at].format_map(slots))
    yield ' '.join(sentences)


def numbers(facts: Iterable[Fact]) -> list[Node]:
  """The numbers and factors that facts state, in order."""
  return [n for fact in facts for n in (fact.g, fact.n) if n is not None]


def interpret(question: str) -> tuple[Node, list[Node]]:
  """What a question asks, and the numbers and factors that it states, in order.

  >>> root, stated = interpret(
  ...   'Ann has 9 cups. Ben has 3 times as many as Ann. How many cups does Ben'
  ...   ' have now?'
  ... )
  >>> root.value, [number.value for number in stated]
  (27, [9, 3])

  Raises:
    ValueError: It is not a question of this task.
  """
  *sentences, last = re.split(r'(?<=[.?]) ', question)
  query = _read(last, _patterns(False), None)
  facts = [_read(s, _patterns(True), query.x) for s in sentences]
  world = {}
  for fact in facts:
    edit(world, fact)
  return ask(world, query), numbers([*facts, query])


_SLOT = re.compile(r'\\{(\w)\\}')  # an escaped {A}
_Patterns = list[tuple[str, re.Pattern[str]]]


@functools.cache
def _patterns(of_facts: bool) -> _Patterns:
  people = '|'.join(NAMES)
  slots = {letter: f'(?P<{letter}>{people})' for letter in 'ABC'} | {
    'x': f'(?P<x>{"|".join(ITEMS)})',
    'n': r'(?P<n>\d+)',
    'g': r'(?P<g>\d+)',
    'm': r'(?P<m>twice|\d+ times)',
    'f': f'(?P<f>{"|".join(FRACTIONS.values())})',
  }
  return [
    (kind, re.compile(_SLOT.sub(lambda m: slots[m[1]], re.escape(text))))
    for kind, texts in (FACTS if of_facts else QUERIES).items()
    for text in texts
  ]


def _read(sentence: str, patterns: _Patterns, x: str | None) -> Fact:
  for kind, pattern in patterns:
    if match := pattern.fullmatch(sentence):
      slots = match.groupdict()
      people = tuple(slots[slot] for slot in 'ABC' if slot in slots)
      g = Node('', int(slots['g'])) if 'g' in slots else None
      return Fact(kind, people, slots.get('x', x), _stated(slots), g)
  raise ValueError(f'not a nano_arithmetic question: {sentence!r}')


def _stated(slots: Mapping[str, str]) -> Node | None:
  """The number or factor of a sentence."""
  if times := slots.get('m'):
    return Node('k', 2 if times == 'twice' else int(times.split()[0]))
  if part := slots.get('f'):
    return Node('k', next(k for k, word in FRACTIONS.items() if word == part))
  return Node('', int(slots['n'])) if 'n' in slots else None
