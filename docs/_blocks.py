"""For mkdocstrings: examples and indented blocks of docstrings are set as code.

Markdown takes prompts for quotations. It asks for four spaces where the house
style has two.
"""

import re
from typing import Any

import griffe

_SECTION = re.compile(r'^\w[\w ]*:$')


class Blocks(griffe.Extension):
  """Fences and indents them; sections (Args: ...) are griffe's own."""

  def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
    if not obj.docstring:
      return
    text = re.sub(r'^Example:$', 'Examples:', obj.docstring.value, flags=re.M)
    paragraphs = text.split('\n\n')
    for i, paragraph in enumerate(paragraphs):
      lines = paragraph.split('\n')
      if paragraph.startswith('>>> '):
        paragraphs[i] = f'```python\n{paragraph}\n```'
      elif all(line.startswith('  ') for line in lines) and not any(
        _SECTION.match(line) for line in paragraphs[i - 1].split('\n')
      ):
        paragraphs[i] = '\n'.join(f'  {line}' for line in lines)
    obj.docstring.value = '\n\n'.join(paragraphs)
