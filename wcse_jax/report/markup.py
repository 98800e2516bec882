"""Pieces of a page: tables, definitions, paragraphs, and the frame."""

from collections.abc import Iterator, Sequence
import html
import importlib.resources
import string

from wcse_jax.report import wording


def document(title: str, body: str) -> str:
  """The whole page; asks nothing of the network."""
  folder = importlib.resources.files(__package__)
  template = string.Template(folder.joinpath('page.html').read_text('utf-8'))
  return template.substitute(
    title=escape(title),
    css=folder.joinpath('page.css').read_text('utf-8'),
    body=body,
  )


def count(value: float | None) -> str:
  """'1,234', or '-'."""
  return wording.NONE if value is None else f'{value:,.0f}'


def percent(value: float | None) -> str:
  """A fraction: '44.3%', or '-'."""
  return wording.NONE if value is None else f'{wording.percent(value)}%'


def table(
  header: Sequence[str],
  rows: Sequence[Sequence[object]],
  *,
  text: Sequence[int] = (),
  caption: str = '',
) -> str:
  """A table that scrolls sideways on its own; '' without rows.

  Args:
    header: Titles of the columns; the first column names the rows.
    rows: Cells, escaped here.
    text: Columns set flush left; the others are numbers.
    caption: Stands above.
  """
  if not rows:
    return ''

  def cells(row: Sequence[object], tag: str) -> Iterator[str]:
    for i, cell in enumerate(row):
      kind = ' class="text"' if i in text else ''
      name, scope, shown = tag, '', escape(cell)
      if tag == 'td' and not i:
        name, scope = 'th', ' scope="row"'
      elif tag == 'td' and not kind:
        # An interval may stand below its value; nothing else is broken.
        shown = shown.replace(' ', '&nbsp;').replace('&nbsp;[', ' [')
      yield f'<{name}{kind}{scope}>{shown}</{name}>'

  lines = [
    f'<tr>{"".join(cells(header, "th"))}</tr></thead><tbody>',
    *(f'<tr>{"".join(cells(row, "td"))}</tr>' for row in rows),
  ]
  label = escape(caption or header[0] or 'table')
  return (
    (f'<p class="caption">{escape(caption)}</p>' if caption else '')
    + f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
    f'<table><thead>{"".join(lines)}</tbody></table></div>\n'
  )


def defined(what: str, meaning: str) -> str:
  """An entry of a `<dl>`."""
  return f'<div><dt>{escape(what)}</dt><dd>{escape(meaning)}</dd></div>'


def paragraph(text: str, *, soft: bool = False) -> str:
  """A paragraph, escaped here."""
  return f'<p{" class=soft" if soft else ""}>{escape(text)}</p>'


def escape(value: object) -> str:
  """Escaped: nothing that a model wrote can act on the page."""
  return html.escape('' if value is None else str(value))
