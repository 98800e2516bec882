"""Other ways to compute the same: expressions, rewritten at random."""

import random

from wcse_jax.tasks.nano.expression import Node, join, parents


def rewrite(root: Node, rng: random.Random) -> Node:
  """An equal expression, otherwise associated, distributed or ordered."""
  uses = parents(root)
  done: dict[Node, Node] = {}

  def chance(p: float) -> bool:
    return rng.random() < p

  def alone(node: Node, ops: str) -> bool:
    return node.op in ops and node.b and uses[node] < 2

  def terms(node: Node, sign: int, ops: str, out: list) -> list:
    """(sign, operand) of a chain of operations; of products all signs are 1."""
    other = -sign if node.op == '-' else sign
    for child, s in ((node.a, sign), (node.b, other)):
      if alone(child, ops) and chance(0.6):
        terms(child, s, ops, out)
      else:
        out.append((s, visit(child)))
    return out

  def visit(node: Node) -> Node:
    if not node.b:
      return node
    if node not in done:
      done[node] = change(node)
    return done[node]

  def change(node: Node) -> Node:
    a, b = node.a, node.b
    if node.op == '*':
      for one, other in ((a, b), (b, a)):
        if alone(one, '+-') and chance(0.25):
          other = visit(other)
          left, right = (join('*', visit(c), other) for c in (one.a, one.b))
          return join(one.op, left, right)
    if node.op != '/':
      parts = terms(node, 1, '*' if node.op == '*' else '+-', [])
      while len(parts) > 1:
        rng.shuffle(parts)
        (s, x), (t, y) = sorted(parts[-2:], key=lambda part: -part[0])
        if s == t or x.value >= y.value:
          op = '*' if node.op == '*' else '+' if s == t else '-'
          parts[-2:] = [(s, join(op, x, y))]
      return parts[0][1]
    if alone(a, '*') and chance(0.4):
      for one, other in ((a.a, a.b), (a.b, a.a)):
        if one.value % b.value == 0:
          return join('*', join('/', visit(one), b), visit(other))
    if alone(a, '+-') and a.a.value % b.value == 0 and chance(0.3):
      left, right = (join('/', visit(c), b) for c in (a.a, a.b))
      return join(a.op, left, right)
    return join('/', visit(a), visit(b))

  return visit(root)
