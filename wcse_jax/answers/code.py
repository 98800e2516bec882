"""What MBPP and HumanEval ask of a solution: code that passes its tests."""

import json
import re
from typing import NamedTuple

from wcse_jax import records
from wcse_jax.answers import sandbox

_FENCED = re.compile(r'```[^\n`]*\n(.*?)(?:```|\Z)', re.DOTALL)

_VERDICTS: dict[bool | None, records.Decision] = {
  True: 'correct',
  False: 'wrong',
  None: 'unknown',
}


class Gold(NamedTuple):
  """What decides; as JSON it is a problem's `gold`.

  Attributes:
    header: What the program starts with, and the tests' own names: HumanEval's
      prompt, imports. The program's code follows it.
    names: What the tests take from the program.
    tests: Code that raises if the program is wrong.
  """

  header: str
  names: list[str]
  tests: str

  def dumps(self) -> str:
    return json.dumps(self._asdict())

  @classmethod
  def loads(cls, text: str) -> 'Gold':
    """The gold that a text holds; `dumps` made it.

    Raises:
      ValueError: It is none, as it is for a KeyError or a TypeError.
    """
    content = json.loads(text)
    return cls(*(content[field] for field in cls._fields))


def extract(text: str, end: int) -> str:
  r"""The code of a solution; '' if there is none.

  Indentation stays, as a solution may continue a function.

  >>> text = 'x = 1\n[DONE] It is: x = 2'
  >>> extract(text, text.index('[DONE]'))
  'x = 1'

  Args:
    text: The solution.
    end: Where it ends, by its stop strings. If a fenced block starts before
      that, it is the code instead, to its own end.
  """
  fenced = _FENCED.search(text)
  code = fenced[1] if fenced and fenced.start() < end else text[:end]
  lines = code.replace('\r\n', '\n').rstrip().split('\n')
  while lines and not lines[0].strip():
    del lines[0]
  return '\n'.join(lines)


def grade(gold: str, text: str, end: int) -> tuple[records.Decision, str, str]:
  """Whether the code passes the tests.

  Args:
    gold: `Gold.dumps()`.
    text: The solution.
    end: As in `extract`.

  Returns:
    The verdict; the code; the rule: 'no_code', or of `sandbox.Outcome`.

  Raises:
    SandboxError: No program can be run safely here.
  """
  code = extract(text, end)
  try:
    header, names, tests = Gold.loads(gold)
  except (ValueError, KeyError, TypeError):
    return 'unknown', code, 'gold'
  if not code:
    return 'wrong', '', 'no_code'
  program = f'{header}{code}\n'
  outcome = sandbox.run(program, sandbox.Tests(header, names, tests))
  return _VERDICTS[outcome.passed], code, outcome.rule
