r"""Mathematics beside a box: `2\boxed{7}` and `\sqrt{\boxed{7}}` do not say 7.

A box is often within a formula: `x = \boxed{7}`, `N \equiv \boxed{7} \pmod{9}`,
`\boxed{45}^\circ`. What relates its value to others, or is its unit, leaves it
as it is; what computes with it makes it another.
"""

from wcse_jax import data_files
from wcse_jax.answers import equations

_PATTERNS = data_files.patterns(__file__)
_MARKS = ('\\[', '\\(', '\\begin{'), ('\\]', '\\)', '\\end{')
_CLOSING = {'(': ')', '{': '}', '[': ']'}
_REACH = 80  # characters on each side that are read
_DEEPEST = 4  # groups around a box that are looked out of


def changed(text: str, start: int, end: int) -> bool:
  r"""Whether the mathematics beside a part of a text makes its value another.

  Args:
    text: The text.
    start: Where the part starts.
    end: Where it ends.

  >>> def is_changed(text):
  ...   return changed(text, text.index('7'), text.index('7') + 1)
  >>> [is_changed(t) for t in ('$2 \\cdot 7$', '$-7$', '$7^2$', '\\sqrt{7}')]
  [True, True, True, True]
  >>> [is_changed(t) for t in ('$x = 7$', '- 7', '7^\\circ', '$7 \\pmod 9$')]
  [False, False, False, False]
  """
  before, after = (
    _PATTERNS['size'].sub('', side)
    for side in (text[max(0, start - _REACH) : start], text[end:][:_REACH])
  )
  in_math = _in_math(text[:start])
  for _ in range(_DEEPEST):
    if in_math:
      before = _PATTERNS['space_before'].sub('', before)
      space = _PATTERNS['space_after'].match(after)
      after = after[space.end() :] if space else after
    kinds = ('', '_in_math') if in_math else ('',)
    if any(
      _PATTERNS[f'before{kind}'].search(before)
      or _PATTERNS[f'after{kind}'].match(after)
      for kind in kinds
    ):
      return True
    opens = _PATTERNS['opens'].search(before)
    if not opens or not after.startswith(_CLOSING[opens[0]]):
      return False
    before, after = before[:-1], after[1:]
  return False


def is_named(text: str, start: int, end: int, content: str) -> bool:
  r"""Whether a part of a text is named in a true equation: `22 = 11 \cdot 2`.

  Args:
    text: The text.
    start: Where the part starts.
    end: Where it ends.
    content: What it says.

  >>> is_named('$22=11\\cdot2$', 11, 12, '2')
  True
  >>> is_named('$x=2\\cdot7$', 9, 10, '7')
  False
  """
  before = _PATTERNS['apart'].split(text[max(0, start - _REACH) : start])[-1]
  after = _PATTERNS['apart'].split(text[end : end + _REACH])[0]
  last_sides = (before + content + after).split('=')[-2:]
  return equations.check('='.join(last_sides)) is True


def _in_math(before: str) -> bool:
  """Whether a text ends within a formula."""
  signs = before.count('$') - before.count('\\$') - before.count('$$')
  opened, closed = (max(map(before.rfind, marks)) for marks in _MARKS)
  return signs % 2 == 1 or opened > closed
