"""Solutions of questions: the canonical one, right ones, faulty ones."""

from collections.abc import Mapping, Sequence
import random

from wcse_jax.tasks.nano.expression import Infeasible, Node, apply
from wcse_jax.tasks.nano.rewriting import rewrite

Step = tuple[str, int | Node, int | Node]  # op and operands; int: which step


def reference_solution(root: Node) -> str:
  """The canonical solution, which stands for the human-written one.

  >>> from wcse_jax.tasks.nano import wording
  >>> root, _ = wording.interpret(
  ...   'Ann has 4 bags of 7 cups. Ann loses 5 of them. How many cups does Ann'
  ...   ' have now?'
  ... )
  >>> reference_solution(root)
  ' 4*7=28. 28-5=23. The answer is 23.'

  Args:
    root: The expression that the question asks for.
  """
  return _text(_equations(_steps(root, None)), root.value)


def random_solution(root: Node, rng: random.Random) -> str:
  """One of the many right ways to what is asked."""
  return _text(_equations(_steps(rewrite(root, rng), rng)), root.value)


def sloppy_solution(
  root: Node, numbers: Sequence[int], rng: random.Random
) -> str:
  """A solution with one fault, as text from the web has; never a sound one.

  One of: a wrong result that propagates; a wrong number of the question, or a
  wrong operation; a step left out or misprinted on the way to the right
  answer (a false positive).
  """
  steps = _steps(rewrite(root, rng), rng)
  equations = _equations(steps)
  fault, at = rng.random(), int(rng.random() * len(steps))
  if fault < 0.4:
    equations = _equations(steps, {at: _misprint(equations[at][3], rng)})
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
      result = apply(op, a, b)
    except Infeasible:  # after an error: as careless as its author
      result = b - a if op == '-' else a // max(b, 1)
    out.append([a, op, b, (slips or {}).get(len(out), result)])
  return out


def _text(equations: Sequence[Sequence], answer: int) -> str:
  steps = ''.join(f' {a}{op}{b}={result}.' for a, op, b, result in equations)
  return f'{steps} The answer is {answer}.'


def _mistake(step: Step, numbers: Sequence[int], rng: random.Random) -> Step:
  """The step with another number of the question, or another operation."""
  op, a, b = step
  if isinstance(b, Node) and rng.random() < 0.6:
    others = [n for n in numbers if n != b.value]
    if others:
      return op, a, Node('', rng.choice(others))
  return {'+': '-', '-': '+', '*': '+', '/': '*'}[op], a, b


def _misprint(value: int, rng: random.Random) -> int:
  """Another number that looks alike."""
  wrong = value + rng.choice((-10, -2, -1, 1, 2, 10))
  return wrong if wrong > 0 else value + 1
