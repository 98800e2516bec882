"""The report as one HTML page that asks nothing of the network."""

from collections.abc import Mapping, Sequence
import itertools
import json

from wcse_jax.report import (
  costs,
  data,
  experiments,
  gains,
  html,
  numbers,
  outcomes,
  students,
  texts,
)
from wcse_jax.report.figures import Picture
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Results


def render(results: Results, pictures: Sequence[Picture]) -> str:
  """The page of one experiment, with its figures."""
  run = results.run
  title = f'{run.name} ({run.scale}): {run.task}'
  return html.document(
    title,
    f"""<header>
<h1>{html.escape(title)}</h1>
{_outcome(results)}
<p class="soft">Brackets are {_confidence(results)}% confidence intervals. They
are not corrected for the number of comparisons on this page.</p>
</header>
{_sections(results, pictures)}
{_definitions(_confidence(results))}
{_run_again(results)}""",
  )


def render_all(
  results: Mapping[str, Results], pictures: Mapping[str, Sequence[Picture]]
) -> str:
  """The page of several experiments.

  Args:
    results: The results of each experiment, by name.
    pictures: The figures of each experiment; at '' those of all.
  """
  levels = ' or '.join(dict.fromkeys(map(_confidence, results.values())))
  expected = ''.join(
    f"""<div><dt><a href="#e{i}">{html.escape(name)}</a>
{html.escape(experiments.setting(of))}</dt>
<dd>{_expected(of)}
{''.join(map(html.paragraph, experiments.sentences(of)))}</dd></div>"""
    for i, (name, of) in enumerate(results.items())
  )
  each = '\n'.join(
    f"""<details class="experiment"><summary>{html.escape(name)}:
{html.escape(outcomes.headline(of))}</summary>
<div id="e{i}">{_expected(of)}
{_outcome(of)}
{_sections(of, pictures.get(name, ()))}
{_run_again(of)}</div></details>"""
    for i, (name, of) in enumerate(results.items())
  )
  count = f'{len(results)} experiment{"s" * (len(results) != 1)}'
  compared = html.tables(experiments.comparisons(results))
  source = f'maj@k is in the tables of each experiment. {paper.source()}'
  return html.document(
    f'wcse_jax: {count}',
    f"""<header>
<h1>{count}: {html.escape(', '.join(results))}</h1>
<div class="outcome"><strong>{
      html.escape(experiments.headline(results))
    }</strong>
{html.paragraph(texts.of('experiments.read_this'))}</div>
<p class="soft">Brackets are {levels}% confidence intervals.</p>
</header>
{''.join(html.figure(p, ' class="wide"') for p in pictures.get('', ()))}
<h2>What the paper expected, and what came out</h2>
<dl class="expected">{expected}</dl>
<div class="all">{
      _section('Every student, and its data', [experiments.students(results)])
    }<h2>All comparisons</h2>
{compared or '<p>There are none: each experiment has one arm.</p>'}
{html.paragraph(source, soft=True)}
{_section('Does the winner flip?', [experiments.winners(results)])}</div>
<h2>Each experiment</h2>
{each}
{_definitions(levels)}""",
  )


def _definitions(levels: str) -> str:
  """How each number is defined; `levels` of confidence, in percent."""
  return ' '.join(
    html.template(
      'definitions.html', levels=levels, anchor=texts.anchor()
    ).split()
  )


def _expected(results: Results) -> str:
  said = experiments.expected(results)
  return html.paragraph(said, soft=True) if said else ''


def _outcome(results: Results) -> str:
  """What came out, in words, and on what it was run."""
  problems = ', '.join(
    f'{count} {split}' for split, count in results.problems.items() if count
  )
  facts = f'{problems} problems', results.run.device, results.run.started
  sentences = (*outcomes.main(results), *outcomes.of_others(results))
  return f"""<p class="soft">{html.escape(' · '.join(filter(None, facts)))}</p>
<div class="outcome"><strong>{html.escape(outcomes.headline(results))}</strong>
{''.join(map(html.paragraph, sentences))}</div>"""


def _sections(results: Results, pictures: Sequence[Picture]) -> str:
  """Figures and tables."""
  made = (
    _paper(results),
    _figures(pictures),
    _section('Gains', gains.tables(results)),
    _section('The data', data.tables(results)),
    _problems(results),
    _section('The students', students.tables(results)),
    _costs(results),
    _samples(results),
  )
  return '\n'.join(filter(None, made))


def _section(title: str, tables: Sequence[Table]) -> str:
  """Tables under a title; '' if none has a row."""
  shown = html.tables(tables)
  return shown and f'<h2>{title}</h2>{shown}'


def _paper(results: Results) -> str:
  tables = html.tables(gains.beside_the_paper(results))
  extra = ''.join(itertools.starmap(html.defined, results.paper.items()))
  if not tables and not extra:
    return ''
  return (
    f'<h2>Beside the paper</h2>{tables}'
    + (f'<dl>{extra}</dl>' if extra else '')
    + html.paragraph(paper.note(results), soft=True)
  )


def _figures(pictures: Sequence[Picture]) -> str:
  figures = ''.join(map(html.figure, pictures))
  return figures and (
    f'<h2>Figures</h2><div class="figures">{figures}</div><p class="soft">Bars'
    ' are intervals. The tables below hold the same numbers.</p>'
  )


def _problems(results: Results) -> str:
  shown = html.table(data.overlap(results))
  missing = ', '.join(itertools.chain(*results.no_gold.values()))
  if missing:
    said = f'Without a gold answer that can be read: {missing}.'
    shown += html.paragraph(said)
  return shown and f'<h2>Overlap of training and test</h2>{shown}'


def _costs(results: Results) -> str:
  by_matching = html.table(costs.gains_by_matching(results))
  return '<h2>Cost and ledger</h2>' + (
    html.tables(
      (
        costs.spent(results),
        costs.prices(results),
        costs.per_true_sample(results),
        costs.break_even(results),
        costs.does_it_flip(results),
      )
    )
    + (by_matching and html.details('Gains by each matching', by_matching))
    + html.tables(costs.ledger(results))
  )


def _samples(results: Results) -> str:
  cards = ''.join(
    f"""<article class="sample"><h3>{html.escape(sample.kind)}, by
{html.escape(sample.generator)}</h3>
<p>{html.escape(sample.problem)}</p><pre>{html.escape(sample.text.strip())}</pre>
<p class="soft">answer {html.escape(sample.answer or 'none')}, gold
{html.escape(sample.gold)}</p></article>"""
    for sample in results.samples_to_read
  )
  return cards and f'<h2>Samples to read</h2>{cards}'


def _run_again(results: Results) -> str:
  """Command, revision, config, versions."""
  run = results.run
  versions = Table(('package', 'version'), [*run.versions.items()], text=(1,))
  seconds = [
    (stage, numbers.decimal(value, places=1))
    for stage, value in run.seconds.items()
  ]
  config = html.escape(json.dumps(run.config, indent=2))
  return f"""<h2>Run it again</h2>
<pre>{html.escape(run.command)}</pre>
<p class="soft">Code revision: {html.escape(run.git or 'unknown')}</p>
{html.details('Config', f'<pre>{config}</pre>')}
{html.details('Versions', html.table(versions))}
{
    html.details(
      'Time of each stage', html.table(Table(('stage', 'seconds'), seconds))
    )
  }"""


def _confidence(results: Results) -> str:
  """'95'."""
  return f'{100 * results.run.confidence:g}'
