"""Templates: of RESULTS.md, and of pages; texts are escaped for each."""

import base64
from collections.abc import Callable, Iterable
import functools
import html
import json
import re

import jinja2
import markupsafe

from wcse_jax.report import (
  costs,
  data,
  experiments,
  gains,
  outcomes,
  run,
  students,
  texts,
)
from wcse_jax.report.table import Table
from wcse_jax.results import paper


def render(name: str, **values: object) -> str:
  """Returns a template of this package with its values."""
  escape = _of_markdown if name.endswith('.md') else html.escape
  return _templates(escape).get_template(name).render(values)


@functools.cache
def _templates(escape: Callable[[str], str]) -> jinja2.Environment:
  def finalize(value: object) -> markupsafe.Markup:
    if isinstance(value, markupsafe.Markup):
      return value
    return markupsafe.Markup(escape(str(value)))

  templates = jinja2.Environment(
    loader=jinja2.PackageLoader('wcse_jax', 'report'),
    autoescape=True,
    finalize=finalize,
    keep_trailing_newline=True,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  templates.filters |= {
    'as_json': lambda value: json.dumps(value, indent=2),
    'base64': lambda png: base64.b64encode(png).decode(),
    'fence': _fence,
    'markdown': markdown,
    'one_line': lambda text: markupsafe.Markup(' '.join(text.split())),
    'unbroken': _unbroken,
  }
  rooms = (
    *(costs, data, experiments, gains),
    *(outcomes, paper, run, students, texts),
  )
  templates.globals |= {room.__name__.split('.')[-1]: room for room in rooms}
  return templates


def _of_markdown(text: str) -> str:
  r"""Text that Markdown shows as it is, on one line, in a table, too.

  >>> _of_markdown('<b>|*a*\n[x](y) 1 [0, 2]')
  '&lt;b&gt;\\|\\*a\\* [x]\\(y) 1 [0, 2]'
  """
  line = ' '.join(html.escape(text, quote=False).splitlines())
  return re.sub(r'([\\`*|]|(?<=\])\()', r'\\\1', line)


def _fence(commands: Iterable[object]) -> str:
  """A fence of code that none of the commands ends."""
  runs = re.findall(r'`+', ' '.join(map(str, commands)))
  return markupsafe.Markup('`' * max([3, *(len(run) + 1 for run in runs)]))


def markdown(table: Table) -> markupsafe.Markup:
  r"""A table in Markdown.

  >>> print(markdown(Table(('a', 'b'), [('x|y', 1)])))
  | a | b |
  | --- | --- |
  | x\|y | 1 |
  """
  header, *rows = (
    [_of_markdown(str(cell)) for cell in row]
    for row in (table.header, *table.rows)
  )
  lines = (header, ['---'] * len(header), *rows)
  return markupsafe.Markup(
    '\n'.join(f'| {" | ".join(line)} |' for line in lines)
  )


def _unbroken(cell: object) -> markupsafe.Markup:
  """A number on one line; an interval may stand below its value."""
  text = html.escape(str(cell)).replace(' ', '&nbsp;')
  return markupsafe.Markup(text.replace('&nbsp;[', ' ['))
