r"""Whether two tidied answers are the same mathematical object.

Unlike kinds are unlike, with the exceptions of mathematical custom: `x = 3` is
3, `x > 3` is (3, \infty), a column vector is a tuple.
"""

import fractions
import re

from wcse_jax.answers import expressions, final_answers, notation
from wcse_jax.answers.expressions import Node, Undecided
from wcse_jax.answers.prose import Unreadable
from wcse_jax.answers.reading import (
  Alternatives,
  Based,
  Choice,
  Equation,
  Grouped,
  Items,
  Named,
  Value,
  read,
)
from wcse_jax.answers.words import Words

_INTEGER = re.compile(r'-?[0-9]{1,40}')
_GROUPED = re.compile(
  r'[-+]?[0-9]{1,3}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)[.0-9]*'
)


# A vector may be written as a tuple, and a union as a list of its intervals.
_LIKE_KINDS = ({'row', '()'}, {'column', '()'}, {'list', 'union'})


def same(
  gold: final_answers.Tidy, answer: final_answers.Tidy, question: str = ''
) -> bool:
  """Whether two answers are the same.

  Args:
    gold: The right answer.
    answer: Another.
    question: Tells whether digits are of another base; '' is unknown.

  Raises:
    Undecided: One cannot be read, or they cannot be compared within bounds.
  """
  a = read(gold.core, gold.is_text)
  try:
    b = read(answer.core, answer.is_text)
  except Undecided:
    if isinstance(a, Words):
      return a.match(answer.core)
    raise
  if isinstance(a, Words) and not isinstance(b, Words):
    return a.match(answer.core)
  if isinstance(b, Words) and not isinstance(a, Words):
    return b.match(gold.core)
  if isinstance(a, Node) and isinstance(b, Based) and b.base != 10:
    return gold.core == b.digits and _asks_for_base(question, b.base)
  return _same(a, b)


def _asks_for_base(question: str, base: int) -> bool:
  """Whether a question may ask for digits in a base, be it in words."""
  bases = re.findall(r'base[\s$_{-]*([0-9]+)', question)
  return str(base) in bases if bases else 'base' in question


def same_words(gold: final_answers.Tidy, answer: str) -> bool | None:
  r"""Whether an answer that cannot be read says the same as a gold of words.

  None if the gold answer is no words.
  """
  try:
    words = read(gold.core, gold.is_text)
  except Undecided:
    return None
  plain = re.sub(r'\\(?:text\w*|mbox|mathrm)\s*|[{}$]', '', answer)
  return words.match(plain) if isinstance(words, Words) else None


def canonical(answer: final_answers.Tidy) -> str:
  """A form that equal rational numbers share, for counting votes."""
  if _INTEGER.fullmatch(answer.core):
    return str(int(answer.core))
  core = final_answers.squeezed(answer.core)
  if not answer.is_text and len(core) < 100:
    try:
      value = expressions.rational(notation.parse(_ungrouped(answer.core)))
    except Undecided:
      value = None
    if value is not None:
      return str(value)
  return core


def _ungrouped(number: str) -> str:
  return re.sub('[, ]', '', number) if _GROUPED.fullmatch(number) else number


def _same(a: Value, b: Value) -> bool:
  match a, b:
    case Node(), Node():
      return expressions.same(a, b)
    case Alternatives(), _:
      return _same(_alternative(a), b)
    case _, Alternatives():
      return _same(a, _alternative(b))
    case Grouped(number), Grouped(other):
      return _same(number, other)
    case Grouped(number), _:
      return _same(number, b)
    case _, Grouped(number, listed):
      return _same(a, listed if _is_list(a) else number)
    case Choice(values), _:
      return any(_same(value, b) for value in values)
    case _, Choice():
      return _same_choice(a, b)
    case Named(), _:
      return _same_named(a, b)
    case _, Named():
      return _same_named(b, a, named_first=False)
    case Equation(), Equation():
      return expressions.proportional(_difference(a), _difference(b))
    case Based(), Based():
      return a == b
    case Node(), Equation(left, right):
      return _same_constant(a, left, right) or _same_constant(a, right, left)
    case Based(), Node():
      # The question asks for this base, so digits alone are of it.
      return _is_decimal(a.digits, b)
    case Node(), Based(digits, 10):
      return _is_decimal(digits, a)
    case Words(), Words():
      if a.bare and b.bare and a.keys != b.keys:
        raise Undecided('letters')
      return a.keys == b.keys
    case Items(), Items():
      return _same_items(a, b)
    case (Items() as items, Node() as node) | (
      Node() as node,
      Items() as items,
    ):
      return _same_item(items, node)
  return False


def _same_item(items: Items, node: Node) -> bool:
  """Whether a list of one thing, or a ratio, is the same as an expression."""
  if items.kind in ('list', 'union') and len(items.items) == 1:
    return _same(items.items[0], node)
  if items.kind == ':' and len(items.items) == 2 and node.op == '/':
    ratio = Node('/', tuple(i for i in items.items if isinstance(i, Node)))
    return expressions.same(ratio, node)
  return False


def _is_list(value: Value) -> bool:
  return isinstance(value, Items) and value.kind == 'list'


def _is_decimal(digits: str, node: Node) -> bool:
  """Whether digits are those of a number, read to base ten."""
  if not re.fullmatch(r'-?[0-9]+(?:\.[0-9]+)?', digits):
    return False
  return fractions.Fraction(digits) == expressions.rational(node)


def _same_constant(constant: Node, unknown: Node, value: Node) -> bool:
  """Whether `unknown = value` says that what is asked for is a constant.

  `a + b = 12` does, of 12; `x - 5 = 0` is an equation to be solved.
  """
  if not expressions.names(unknown) or expressions.names(value):
    return False
  return expressions.rational(value) != 0 and expressions.same(constant, value)


def _alternative(several: Alternatives) -> Value:
  """The value of `a or b` if both are one, else what is listed."""
  first, *others = several.values
  try:
    if all(_same(first, x) or _same(x, first) for x in others):
      return first
  except Undecided:
    pass
  return several.listed


def _same_choice(gold: Value, choice: Choice) -> bool:
  """Whether a value is the last side of an answer, or one truly equal to it.

  Raises:
    Unreadable: It is, but a side before it is not equal, be it rounded.
  """
  if not any(_same(gold, value) for value in _consistent(choice)):
    return False
  if len(_consistent(choice, rounded=True)) < len(choice.values):
    raise Unreadable('a false equation')
  return True


def _consistent(choice: Choice, rounded: bool = False) -> list[Value]:
  """The sides that an answer gives: the last, and what it truly equals.

  Args:
    choice: The sides.
    rounded: Whether it may always equal them rounded, as it shows.
  """
  sides = [choice.values[-1]]
  for value, places, exact in zip(
    choice.values[-2::-1],
    choice.places[::-1],
    choice.exact[::-1],
    strict=True,
  ):
    if not (
      _links(value, sides[-1], None if exact else places)
      or (rounded and places is not None and _links(value, sides[-1], places))
    ):
      break
    sides.append(value)
  return sides


def _links(value: Value, other: Value, places: int | None) -> bool:
  r"""Whether `value = other` holds, or `value \approx other` as rounded."""
  if not (isinstance(value, Node) and isinstance(other, Node)):
    return False
  if places is None:
    return expressions.same(value, other)
  return expressions.rounds(value, other, places)


def _same_named(named: Named, other: Value, named_first: bool = True) -> bool:
  node = named.value if isinstance(named.value, Node) else None
  if isinstance(other, Named):
    constant = node is not None and not expressions.names(node)
    alike = named.name == other.name or not constant
    return alike and _same(named.value, other.value)
  if isinstance(other, Equation):
    if node is None:
      return False
    mine = _difference(Equation(notation.parse(named.name), node))
    return expressions.proportional(mine, _difference(other))
  if named_first:
    return _same(named.value, other)
  return _same(other, named.value)


def _difference(equation: Equation) -> Node:
  return Node('+', (equation.left, Node('-', (equation.right,))))


def _same_items(a: Items, b: Items) -> bool:
  if len(a.items) != len(b.items):
    return False
  if 'named' in (a.kind, b.kind):
    return _same_named_items(a, b)
  kinds = {a.kind, b.kind}
  if len(kinds) > 1 and kinds not in _LIKE_KINDS:
    return False
  if a.kind not in ('list', 'union'):
    return _all_same(a.items, b.items)
  left = list(b.items)
  undecided = None
  for item in a.items:
    for i, other in enumerate(left):
      try:
        found = _same(item, other)
      except Undecided as error:
        undecided, found = error, False
      if found:
        del left[i]
        break
    else:
      if undecided:
        raise undecided
      return False
  return True


def _same_named_items(a: Items, b: Items) -> bool:
  """Whether values are the same of which one side, or both, have names."""
  if a.kind == b.kind:
    names, others = (
      {i.name for i in items.items if isinstance(i, Named)} for items in (a, b)
    )
    return names == others and _all_same(_by_name(a), _by_name(b))
  if b.kind == 'list':  # in the order in which the gold answer names them
    return _all_same(_values(a), b.items)
  if a.kind == 'list':
    return _same_items(a, Items('list', _values(b)))
  if {a.kind, b.kind} <= {'named', '()', 'row', 'column'}:
    return _all_same(_by_name(a), _by_name(b))
  return False


def _values(items: Items) -> tuple[Value, ...]:
  return tuple(i.value if isinstance(i, Named) else i for i in items.items)


def _by_name(items: Items) -> tuple[Value, ...]:
  if items.kind != 'named':
    return items.items
  return _values(items._replace(items=tuple(sorted(items.items))))


def _all_same(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
  """Whether all pairs are the same; one that is not decides."""
  undecided = None
  for x, y in zip(a, b, strict=True):
    try:
      if not _same(x, y):
        return False
    except Undecided as error:
      undecided = error
  if undecided:
    raise undecided
  return True
