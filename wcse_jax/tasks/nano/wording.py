"""The wordings of facts and queries, which are written and read back."""

from collections.abc import Iterable, Mapping, Sequence
import functools
import random
import re

from wcse_jax.tasks.nano.expression import Node
from wcse_jax.tasks.nano.facts import Fact, ask, edit

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


def write(facts: Sequence[Fact], rng: random.Random) -> str:
  """Facts, and a query at their end, in random words.

  The same facts may come out with any people, items and wordings.
  """
  names, items = rng.sample(NAMES, 4), rng.sample(ITEMS, 2)
  plain = any(fact.x for fact in facts)  # a second kind of items
  sentences = []
  for kind, people, x, n, g in facts:
    texts = FACTS.get(kind) or QUERIES[kind]
    text = texts[int(rng.random() * len(texts))]
    while plain and '{x}' not in text and kind != 'aside':
      text = texts[int(rng.random() * len(texts))]
    slots = dict(zip('ABC', [names[p] for p in people], strict=False))
    slots |= {'x': items[x], 'g': g and g.value, 'n': n and n.value}
    if n and n.op:
      slots['m'] = 'twice' if n.value == 2 else f'{n.value} times'
      slots['f'] = FRACTIONS.get(n.value, '')
    sentences.append(text.format(**slots))
  return ' '.join(sentences)


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
