"""Pieces of a page: tables, figures, paragraphs, and the frame."""

import base64
from collections.abc import Iterable, Iterator, Sequence
import html
import importlib.resources
import string

from wcse_jax.report.figures import Picture
from wcse_jax.report.table import Table


def document(title: str, body: str) -> str:
  """The whole page; asks nothing of the network."""
  return template(
    'page.html',
    title=escape(title),
    css=template('page.css'),
    body=body,
  )


def template(name: str, **values: str) -> str:
  """A file of this package, its $names replaced."""
  file = importlib.resources.files(__package__).joinpath(name)
  text = file.read_text('utf-8')
  return string.Template(text).substitute(values) if values else text


def tables(several: Iterable[Table]) -> str:
  """Tables one below another."""
  return ''.join(map(table, several))


def table(table: Table) -> str:
  """A table that scrolls sideways on its own; '' without rows."""
  if not table.rows:
    return ''
  caption = escape(table.caption)
  label = caption or escape(table.header[0] or 'table')
  head = ''.join(_cells(table, table.header, 'th'))
  lines = [
    f'<tr>{"".join(_cells(table, row, "td"))}</tr>' for row in table.rows
  ]
  return (
    (f'<p class="caption">{caption}</p>' if caption else '')
    + f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
    f'<table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}'
    '</tbody></table></div>\n'
  )


def _cells(table: Table, row: Sequence[object], tag: str) -> Iterator[str]:
  for i, cell in enumerate(row):
    kind = ' class="text"' if i in table.text else ''
    name, scope, shown = tag, '', escape(cell)
    if tag == 'td' and not i:
      name, scope = 'th', ' scope="row"'
    elif tag == 'td' and not kind:
      # An interval may stand below its value; nothing else is broken.
      shown = shown.replace(' ', '&nbsp;').replace('&nbsp;[', ' [')
    yield f'<{name}{kind}{scope}>{shown}</{name}>'


def figure(picture: Picture, attributes: str = '') -> str:
  """A figure with its title and caption."""
  data = base64.b64encode(picture.png).decode()
  title, caption = escape(picture.title), escape(picture.caption)
  return f"""<figure{attributes}><h3>{title}</h3>
<img alt="{title}. {caption}"
 src="data:image/png;base64,{data}">
<figcaption>{caption}</figcaption></figure>"""


def details(summary: str, body: str) -> str:
  """What is shown when it is asked for."""
  return f'<details><summary>{summary}</summary>{body}</details>'


def defined(what: str, meaning: str) -> str:
  """An entry of a `<dl>`."""
  return f'<div><dt>{escape(what)}</dt><dd>{escape(meaning)}</dd></div>'


def paragraph(text: str, *, soft: bool = False) -> str:
  """A paragraph, escaped here."""
  return f'<p{" class=soft" if soft else ""}>{escape(text)}</p>'


def escape(value: object) -> str:
  """Escaped: nothing that a model wrote can act on the page."""
  return html.escape(str(value))
