"""Expressions over the numbers of a question, in whole quantities."""

import dataclasses
from typing import Any


class Infeasible(ValueError):
  """A quantity would be negative, fractional or too large."""


@dataclasses.dataclass(eq=False, slots=True)
class Node:
  """An expression: `a op b`, or a number where there is no `b`.

  Attributes:
    op: '+', '-', '*' or '/'; '' for a number that the question states; 'k' for
      a factor that it states ('3 times', 'half'), which is not a quantity.
    value: A non-negative integer.
    a: The left operand, a `Node`, or None.
    b: The right operand, a `Node`, or None.
  """

  op: str
  value: int
  a: Any = None
  b: Any = None


def apply(op: str, a: int, b: int) -> int:
  """The result of `a op b`.

  Raises:
    Infeasible: It is negative or fractional.
  """
  if op == '+':
    return a + b
  if op == '*':
    return a * b
  if op == '-' and a >= b:
    return a - b
  if op == '/' and b and a % b == 0:
    return a // b
  raise Infeasible(f'{a}{op}{b}')


def join(op: str, a: Node, b: Node) -> Node:
  """The expression `a op b`; raises `Infeasible` as `apply` does."""
  return Node(op, apply(op, a.value, b.value), a, b)


def parents(*roots: Node) -> dict[Node, int]:
  """How many operations of the expressions use each of their nodes."""
  counts = dict.fromkeys(roots, 0)
  stack = list(counts)
  while stack:
    node = stack.pop()
    if node.b:
      for child in (node.a, node.b):
        if child not in counts:
          counts[child] = 0
          stack.append(child)
        counts[child] += 1
  return counts


def count_steps(*roots: Node) -> int:
  """Operations it takes to evaluate the expressions, shared ones once."""
  return sum(node.b is not None for node in parents(*roots))


def cancels(root: Node) -> bool:
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
    for shaken, count in parents(root).items()
    if count > 1
  )
