r"""Whether two tidied answers are the same mathematical object.

Unlike kinds are unlike, with the exceptions of mathematical custom: `x = 3` is
3, `x > 3` is (3, \infty), a column vector is a tuple.
"""

import re

from wcse_jax.answers import expressions, final_answers, notation
from wcse_jax.answers.expressions import Node, Undecided
from wcse_jax.answers.reading import (
  Based,
  Choice,
  Equation,
  Items,
  Named,
  Value,
  read,
)
from wcse_jax.answers.words import Words

_INTEGER = re.compile(r'-?[0-9]{1,40}')


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
    return 'base' in question and gold.core == b.digits
  return _same(a, b)


def canonical(answer: final_answers.Tidy) -> str:
  """A form that equal rational numbers share, for counting votes."""
  if _INTEGER.fullmatch(answer.core):
    return str(int(answer.core))
  core = final_answers.squeezed(answer.core)
  if not answer.is_text and len(core) < 100:
    try:
      value = expressions.rational(notation.parse(answer.core))
    except Undecided:
      value = None
    if value is not None:
      return str(value)
  return core


def _same(a: Value, b: Value) -> bool:
  match a, b:
    case Node(), Node():
      return expressions.same(a, b)
    case Choice(values), _:
      return any(_same(value, b) for value in values)
    case _, Choice((*values, last)):
      return _same(a, last) or any(
        _same(a, v) for v in values if _consistent(v, last)
      )
    case Named(), _:
      return _same_named(a, b)
    case _, Named():
      return _same_named(b, a)
    case Equation(), Equation():
      return expressions.proportional(_difference(a), _difference(b))
    case Based(), Based():
      return a == b
    case Based(), Node():
      # The question asks for this base, so digits alone are of it.
      return str(expressions.rational(b)) == a.digits
    case Node(), Based(digits, 10):
      return str(expressions.rational(a)) == digits
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


def _consistent(value: Value, last: Value) -> bool:
  """Whether `value = last` is true, or nearly: an answer must not hedge."""
  if not (isinstance(value, Node) and isinstance(last, Node)):
    return False
  return expressions.near(value, last)


def _same_named(named: Named, other: Value) -> bool:
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
  return _same(named.value, other)


def _difference(equation: Equation) -> Node:
  return Node('+', (equation.left, Node('-', (equation.right,))))


def _same_items(a: Items, b: Items) -> bool:
  if a.kind != b.kind or len(a.items) != len(b.items):
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
