"""For mkdocstrings: blocks that a docstring indents by two are set as they are.

Markdown asks for four spaces, the house style has two.
"""

import re
from typing import Any

import griffe

_SECTION = re.compile(r'^\w[\w ]*:$')


class Blocks(griffe.Extension):
  """Indents such blocks further; sections (Args: ...) are griffe's own."""

  def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
    if not obj.docstring:
      return
    paragraphs = obj.docstring.value.split('\n\n')
    for i, paragraph in enumerate(paragraphs):
      lines = paragraph.split('\n')
      if all(line.startswith('  ') for line in lines) and not any(
        _SECTION.match(line) for line in paragraphs[i - 1].split('\n')
      ):
        paragraphs[i] = '\n'.join(f'  {line}' for line in lines)
    obj.docstring.value = '\n\n'.join(paragraphs)
