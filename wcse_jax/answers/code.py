"""What MBPP and HumanEval ask of a solution: code that passes its tests."""

import re

from wcse_jax.answers import sandbox
from wcse_jax.records import Decision, Grade

_FENCED = re.compile(r'```[^\n`]*\n(.*?)(?:```|\Z)', re.DOTALL)

_VERDICTS: dict[bool | None, Decision] = {
  True: 'correct',
  False: 'wrong',
  None: 'unknown',
}


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


def grade(gold: str, text: str, end: int) -> Grade:
  """Whether the code passes the tests.

  Args:
    gold: `sandbox.Tests.dumps()`.
    text: The solution.
    end: As in `extract`.

  Returns:
    The answer is the code; the rule 'no_code', or of `sandbox.Outcome`.

  Raises:
    SandboxError: No program can be run safely here.
  """
  code = extract(text, end)
  try:
    tests = sandbox.Tests.loads(gold)
  except (ValueError, KeyError, TypeError):
    return Grade('unknown', code, 'gold')
  if not code:
    return Grade('wrong', '', 'no_code')
  outcome = sandbox.run(f'{tests.header}{code}\n', tests)
  return Grade(_VERDICTS[outcome.passed], code, outcome.rule)
