"""Templates: of RESULTS.md, and of pages, on which texts are escaped."""

import base64
import functools
import html
import json

import jinja2
from jinja2 import nodes
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
  return _templates().get_template(name).render(values)


@functools.cache
def _templates() -> jinja2.Environment:
  templates = jinja2.Environment(
    loader=jinja2.PackageLoader('wcse_jax', 'report'),
    autoescape=lambda name: str(name).endswith('.html'),
    finalize=_escape,
    keep_trailing_newline=True,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  templates.filters |= {
    'as_json': lambda value: json.dumps(value, indent=2),
    'base64': lambda png: base64.b64encode(png).decode(),
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


@jinja2.pass_eval_context
def _escape(context: nodes.EvalContext, value: object) -> object:
  if not context.autoescape or isinstance(value, markupsafe.Markup):
    return value
  return markupsafe.Markup(html.escape(str(value)))


def markdown(table: Table) -> str:
  r"""A table in Markdown.

  >>> print(markdown(Table(('a', 'b'), [('x|y', 1)])))
  | a | b |
  | --- | --- |
  | x\|y | 1 |
  """
  escaped = [
    [str(cell).replace('|', '\\|') for cell in row] for row in table.rows
  ]
  return '\n'.join(
    f'| {" | ".join(line)} |'
    for line in (table.header, ['---'] * len(table.header), *escaped)
  )


def _unbroken(cell: object) -> markupsafe.Markup:
  """A number on one line; an interval may stand below its value."""
  text = html.escape(str(cell)).replace(' ', '&nbsp;')
  return markupsafe.Markup(text.replace('&nbsp;[', ' ['))
