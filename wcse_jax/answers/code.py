"""What MBPP and HumanEval ask of a solution: code that passes its tests."""

from collections.abc import Callable, Sequence
import re

from wcse_jax.answers import fences, sandbox
from wcse_jax.records import Decision, Grade

# Where a text ends, of the text and the names that it is to define.
End = Callable[[str, Sequence[str]], int]

# What a line defines that begins with it.
_NAMES = re.compile(
  r'^(?:(?:async +)?def|class) +(\w+)'
  r'|^(\w[\w ,]*)(?::[^\n=]*)?=(?!=)'
  r'|^(?:from +[\w.]+ +)?import\b([^\n#]*)',
  re.MULTILINE,
)

_WORD = re.compile(r'[^\W\d]\w*')
# What a block may define for one after it: a function, a class, an import, a
# constant; with its decorators and the lines that go on with it.
_PART = re.compile(
  r'^(?:@[^\n]*\n){0,9}'
  r'(?:(?:(?:async +)?def|class|import|from)\b|[A-Z_0-9]+ *=)[^\n]*'
  r'(?:\n(?:[ \t)\]}][^\n]*|(?=\n)))*',
  re.MULTILINE,
)

_VERDICTS: dict[bool | None, Decision] = {
  True: 'correct',
  False: 'wrong',
  None: 'unknown',
}


def extract(text: str, end: End, tests: sandbox.Tests) -> str:
  r"""The code of a solution; '' if there is none.

  Of fenced blocks it is the last that defines what the tests need, with what it
  uses of those before it, or all of them, if it takes all; else what stands
  before the first, as where there is but a last fence. Indentation stays, as a
  solution may continue a function.

  >>> tests = sandbox.Tests('', ['f'], 'assert f(2) == 4')
  >>> before_done = lambda text, names: text.index('[DONE]')
  >>> extract('f = abs\n[DONE] It is: f = sum', before_done, tests)
  'f = abs'
  >>> text = '```\nf = abs\n```\nNo:\n```\nf = sum\n```\nUse:\n```\nf(2)\n```\n'
  >>> extract(text + '[DONE]', before_done, tests)
  'f = sum'

  Args:
    text: The solution.
    end: Where it ends. If a fenced block starts before that, it goes to its own
      end.
    tests: What it is to pass.
  """
  text = text.replace('\r\n', '\n')
  found = fences.read(text, end(text, tests.names))
  blocks = [block for block in found.blocks if block.strip()]
  for i in range(len(blocks))[::-1]:
    if _fits(blocks[i], tests):
      return _trimmed(_with_helpers(blocks[i], blocks[:i]), tests)
  candidates = '\n'.join(blocks), found.before
  fitting = [code for code in candidates if _fits(code, tests)]
  return _trimmed((fitting or blocks[-1:] or [found.before])[0], tests)


def _fits(code: str, tests: sandbox.Tests) -> bool:
  """Whether code defines what the tests need, or continues what does."""
  names = set(tests.names)
  if names <= defined(code):
    return bool(code.strip())
  return names <= defined(tests.header) and is_indented(code)


def _with_helpers(code: str, earlier: Sequence[str]) -> str:
  """Code after what it uses, and does not define, of the blocks before it.

  That is functions, classes, imports and constants, and what they use.
  """
  if is_indented(code):
    return code
  parts = [m[0] for block in earlier for m in _PART.finditer(block)]
  where = {name: i for i, part in enumerate(parts) for name in defined(part)}
  own = defined(code)
  used: set[int] = set()
  text = code
  while names := where.keys() & (set(_WORD.findall(text)) - own):
    new = {where.pop(name) for name in names} - used
    used |= new
    text = '\n'.join(parts[i] for i in new)
  return '\n'.join([*(parts[i] for i in sorted(used)), code])


def defined(code: str) -> set[str]:
  """The names that lines of code define: what they say is not looked at.

  >>> [sorted(defined(x)) for x in ('def f(x): 1 +', 'f, g = 1, 2', 'f(2)')]
  [['f'], ['f', 'g'], []]
  """
  return {
    name
    for names in _NAMES.finditer(code)
    for name in _WORD.findall(names[names.lastindex or 0])
  }


def is_indented(text: str) -> bool:
  """Whether the first line of a text, blank ones aside, is indented."""
  lines = text.splitlines()
  return next((x[0] in ' \t' for x in lines if x.strip()), False)


def _trimmed(code: str, tests: sandbox.Tests) -> str:
  """Code without blank lines around it, or a space before its first word."""
  lines = code.rstrip().split('\n')
  while lines and not lines[0].strip():
    del lines[0]
  if lines and lines[0].lstrip().startswith('def '):
    first = lines[0].lstrip()
    if not defined(first).isdisjoint(tests.names):
      lines[0] = first
  return '\n'.join(lines)


def grade(gold: str, text: str, end: End) -> Grade:
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
  try:
    tests = sandbox.Tests.loads(gold)
  except (ValueError, KeyError, TypeError):
    code = extract(text, end, sandbox.Tests('', [], ''))
    return Grade('unknown', code, 'gold')
  code = extract(text, end, tests)
  if not code:
    return Grade('wrong', '', 'no_code')
  outcome = sandbox.run(f'{tests.header}{code}\n', tests)
  return Grade(_VERDICTS[outcome.passed], code, outcome.rule)
