"""For MkDocs: the table of a config's fields, where a page says `MARK`."""

from typing import Any

from wcse_jax.experiment import config, fields

MARK = '<!-- every field -->'


def on_page_markdown(markdown: str, **_: Any) -> str:
  """Returns a page with the table in the place of the mark."""
  return markdown.replace(MARK, table()) if MARK in markdown else markdown


def table() -> str:
  """Returns every field, with its default and its meaning, as Markdown."""
  cell = lambda text: text.replace('|', '\\|').replace('<', '&lt;')
  rows = [
    f'| `{field.path}` | {field.kind} | `{field.text or "''"}` |'
    f' {cell(field.meaning)} |'
    for field in fields.of(config.Config)
  ]
  return '\n'.join(
    ['| field | type | default | what it is |', '|-|-|-|-|', *rows]
  )
