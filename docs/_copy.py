"""For MkDocs: a copy button takes commands, without prompts and output.

The theme copies an element's `data-copy` where it has one, and shows no button
where an element is `no-copy`.
"""

import doctest
import html
import re
from typing import Any

_BLOCK = re.compile(
  r'<div class="language-(?P<language>\w+) highlight">'
  r'(?P<title><span class="filename">.*?</span>)?'
  r'<pre>(?P<code>.*?)</pre>',
  re.DOTALL,
)


def on_page_content(content: str, **_: Any) -> str:
  """Returns a page whose blocks say what of them is copied."""
  return _BLOCK.sub(_marked, content)


def _marked(block: re.Match[str]) -> str:
  text = html.unescape(re.sub(r'<[^>]+>', '', block['code']))
  if block['language'] == 'text' and not block['title']:  # output, no file
    return block[0].replace(' highlight"', ' highlight no-copy"', 1)
  if '>>> ' in text:
    examples = doctest.DocTestParser().get_examples(text)
    text = ''.join(example.source for example in examples)
  elif text.startswith('! '):  # a command that must fail
    text = text.removeprefix('! ')
  else:
    return block[0]
  copied = html.escape(text).replace('\n', '&#10;')
  return block[0].replace('<pre>', f'<pre data-copy="{copied}">', 1)
