"""Whether a solution's reasoning holds, decided exactly.

For `nano_arithmetic`, whose questions can be read back into the expression
that they ask for. Chains of equations are taken; anything else is unsound.
"""

from collections.abc import Iterator, Sequence
import fractions
import functools
import itertools
import random
import re

from wcse_jax.tasks.nano import wording
from wcse_jax.tasks.nano.expression import Node

_NUMBER = r'\d{1,18}(?:\.\d{1,18})?'
_STEP = re.compile(
  rf'\s*({_NUMBER}(?:\s*[-+*/]\s*{_NUMBER})+)\s*=\s*({_NUMBER})\.'
)
_END = re.compile(rf'\s*The answer is ({_NUMBER})\.?\s*')
_ANY = 2**61  # numbers that stand for those of the question are below
_MAX_READINGS = 4096  # of a solution


def check(question: str, solution: str, gold: str | None = None) -> bool:
  """Whether every step of a solution holds and leads to what is asked.

  >>> ask = 'Ann has 4 cups. Ben has twice as many as Ann. Ben loses 4 cups.'
  >>> ask += ' How many cups are left for Ben?'
  >>> check(ask, ' 4*2=8. 8-4=4. The answer is 4.')
  True
  >>> check(ask, ' 8-4=4. The answer is 4.')
  False

  It holds if every equation is true, every operand is a number of the question
  or the result of an earlier step, the answer is the last result, and that
  result *means* what the question asks: as a function of the question's
  numbers it is identical to the asked expression. So a distractor, or a wrong
  operation, that happens to give the right number is found out. Identity is
  tested in exact rational arithmetic with the question's numbers replaced by
  random ones below 2**61 (it errs with probability below 1e-16); factors
  ('twice', '3 times', 'half') stand for themselves. Where an operand could
  be more than one thing, one consistent reading is enough; 4,096 are followed,
  which only a solution that goes in circles can exceed. Steps that are
  true but lead nowhere are allowed.

  Args:
    question: A question of `nano_arithmetic`.
    solution: ' 3*5=15. 15+12=27. The answer is 27.'
    gold: The right answer, compared too if given.

  Raises:
    ValueError: The question is not one of `nano_arithmetic`.
  """
  chain = _parse(solution)
  if chain is None:
    return False
  equations, answer = chain
  if not equations or answer != equations[-1][2]:
    return False
  if gold is not None and answer != fractions.Fraction(gold):
    return False
  if any(_result(*equation[:2]) != equation[2] for equation in equations):
    return False
  known, asked = _meanings(question)
  readings = {(known, None)}  # what results may mean; the last one
  for equation in equations:
    step = itertools.chain.from_iterable(
      _readings(known, *equation) for known, _ in readings
    )
    readings = set(itertools.islice(step, _MAX_READINGS))
  return any(last == asked for _, last in readings)


def _readings(
  known: frozenset,
  operands: Sequence[fractions.Fraction],
  operators: str,
  result: fractions.Fraction,
) -> Iterator[tuple[frozenset, fractions.Fraction]]:
  """What is known after an equation, and what it means; for each reading."""
  could_be = [[m for value, m in known if value == x] for x in operands]
  for meant in itertools.product(*could_be):
    meaning = _result(meant, operators)
    if meaning is not None:
      yield known | {(result, meaning)}, meaning


def _parse(solution: str) -> tuple[list[tuple], fractions.Fraction] | None:
  """[(operands, operators, result), ...] and the answer; None if not so."""
  equations, at = [], 0
  while match := _STEP.match(solution, at):
    *chain, result = match.groups()
    operands = re.findall(_NUMBER, chain[0])
    equations.append(
      (
        tuple(map(fractions.Fraction, operands)),
        ''.join(re.findall(r'[-+*/]', chain[0])),
        fractions.Fraction(result),
      )
    )
    at = match.end()
  end = _END.fullmatch(solution, at)
  return (equations, fractions.Fraction(end[1])) if end else None


def _result(
  operands: Sequence[fractions.Fraction], operators: str
) -> fractions.Fraction | None:
  """a+b*c..., products first; None where it divides by zero."""
  terms = [operands[0]]
  for operator, x in zip(operators, operands[1:], strict=True):
    if operator in '+-':
      terms.append(x if operator == '+' else -x)
    elif operator == '*':
      terms[-1] *= x
    elif x:
      terms[-1] /= x
    else:
      return None
  return sum(terms, fractions.Fraction(0))


@functools.lru_cache(maxsize=4096)
def _meanings(question: str) -> tuple[frozenset, fractions.Fraction]:
  """(value, stand-in) of each of the question's numbers, and what it asks."""
  root, numbers = wording.interpret(question)
  rng = random.Random(question)
  stand_in = {
    n: fractions.Fraction(n.value if n.op else rng.randrange(1, _ANY))
    for n in numbers
  }

  def visit(node: Node) -> fractions.Fraction:
    if node not in stand_in:
      both = visit(node.a), visit(node.b)
      result = _result(both, node.op)
      if result is None:
        raise ZeroDivisionError(f'a quantity that is asked is zero: {question}')
      stand_in[node] = result
    return stand_in[node]

  asked = visit(root)
  return frozenset((n.value, stand_in[n]) for n in numbers), asked
