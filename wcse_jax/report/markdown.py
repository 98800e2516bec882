"""Several experiments in Markdown: sentences, then tables."""

from collections.abc import Mapping

from wcse_jax.report import experiments, texts
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Results


def render(results: Mapping[str, Results]) -> str:
  """The text of RESULTS.md, of experiments by name."""
  parts = [
    '# Results',
    experiments.headline(results),
    texts.of('experiments.read_this'),
  ]
  for name, of in results.items():
    parts.append(f'**{name}** {experiments.setting(of)}.')
    lines = [experiments.expected(of), *experiments.sentences(of)]
    parts.append('\n'.join(f'- {line}' for line in lines if line))
  spent, winners = experiments.spent(results), experiments.winners(results)
  for title, note, shown in (
    ('Every student, and its data', '', experiments.students(results)),
    *((of.caption, '', of) for of in experiments.comparisons(results)),
    ('Does the winner flip?', winners.caption, winners),
    ('What each arm costs', spent.caption, spent),
  ):
    if shown.rows:
      parts += filter(None, (f'## {title}', note, table(shown)))
  commands = '\n\n'.join(
    f'# {names}\n{command}'
    for names, command in experiments.commands(results).rows
  )
  parts += ['## Commands', f'```bash\n{commands}\n```', paper.source()]
  return '\n\n'.join(parts) + '\n'


def table(table: Table) -> str:
  r"""A table in Markdown.

  >>> print(table(Table(('a', 'b'), [('x|y', 1)])))
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
