"""Several experiments on one page, and in Markdown: `paper`'s, or any."""

import base64
from collections.abc import Iterator, Mapping, Sequence
import dataclasses

from wcse_jax.report import costs, markup, page, wording
from wcse_jax.report.figures import Picture
from wcse_jax.results import paper
from wcse_jax.results.schema import Results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """A comparison, in words.

  Attributes:
    arms: 'WC compute-matched against SE', with 'UNMATCHED' where they do not
      cost the same.
    measure: What is compared, and at which budget.
    absolute: The difference, with its interval.
    relative: The relative difference, with its interval.
    detectable: The smallest difference that could have been detected.
    paper: What the paper says; '-' where it says nothing.
    verdict: 'agrees', 'opposite', or 'undecided'; where the paper says nothing
      'higher', 'lower', or 'undecided'.
    experiments: Where it was found: experiments may share their data.
  """

  arms: str
  measure: str
  absolute: str
  relative: str
  detectable: str
  paper: str
  verdict: str
  experiments: tuple[str, ...] = ()


_HEADER = (
  *('experiment', 'arms', 'measure, budget', 'verdict', 'difference'),
  *('relative', 'smallest detectable', 'the paper: MATH / GSM8K'),
)
_CAPTIONS = {
  True: 'Students: the share of test problems that they solve.',
  False: 'Data: coverage, unique correct solutions, false positives.',
}
_READ_THIS = (
  'A verdict compares directions: "agrees" where the interval of the difference'
  ' lies on the side that the paper reports, "opposite" where it lies on the'
  ' other, "undecided" where it includes zero. Where the paper says nothing,'
  ' the verdict is whether the first arm is higher or lower. S is how many'
  ' samples per problem the budget pays for from SE. Intervals are not'
  ' corrected for the number of comparisons.'
)


def rows(results: Mapping[str, Results], *, students: bool) -> list[Row]:
  """Comparisons of all experiments; what is the same in several, once.

  Args:
    results: By experiment, as `schema.jsonable` gives them.
    students: Those of students, or of the data.
  """
  found: dict[Row, list[str]] = {}
  for name, of in results.items():
    for row in _rows(of, students):
      found.setdefault(row, []).append(name)
  return [
    dataclasses.replace(row, experiments=tuple(names))
    for row, names in found.items()
  ]


def _rows(results: Results, students: bool) -> Iterator[Row]:
  claims = {
    (c.metric, f'{c.arm}-{c.budget}', f'{c.against}-{c.budget}'): c
    for c in paper.claims(results)
  }
  words = {1: 'higher', 0: 'undecided', -1: 'lower'}
  names = _budgets(results)
  for found in results.get('comparisons') or ():
    metric, direction = found['metric'], wording.direction(found)
    if 'maj_at' in metric or ('pass_at' in metric) != students:
      continue
    claim = claims.get((metric, found['a'], found['b']))
    yield Row(
      arms=wording.against(results, found)
      .removesuffix(', at matched cost')
      .removesuffix(' in cost'),
      measure=wording.measure(found, names).removeprefix('student '),
      absolute=wording.effect(found),
      relative=wording.interval(found['relative'], unit='%', sign=True),
      detectable=wording.detectable(found),
      paper=claim.text if claim else wording.NONE,
      verdict=paper.verdict(claim, direction) if claim else words[direction],
    )


def _budgets(results: Results) -> dict[str, str]:
  """'S = 10' for each budget: one may be high here, and low there."""
  spec = dict((results['run'].get('config') or {}).get('budget') or {})
  numbers = {str(n): n for n in spec.pop('more', ())} | spec
  return {name: f'S = {n}' for name, n in numbers.items()}


_SETTINGS = (
  *('experiment', 'student', 'data', 'S', 'seeds', 'examples', 'coverage %'),
  *('diversity', 'FPR %', 'pass@1 %', 'maj@k %'),
)


def settings(results: Mapping[str, Results]) -> list[tuple[str, ...]]:
  """Every student with its data, under the titles of _SETTINGS."""
  return _once({name: list(_settings(of)) for name, of in results.items()})


def _settings(results: Results) -> Iterator[tuple[str, ...]]:
  names, arms = _budgets(results), results.get('arms') or {}
  model = (results.get('models') or {}).get('student', {}).get('name', '')
  for student in (results.get('students') or {}).values():
    arm, budget = student['arm'], student['budget'] or ''
    data = arms.get(arm, {}).get(budget, {})
    yield (
      model,
      wording.arm_label(results, arm),
      names.get(budget, budget).removeprefix('S = ') or wording.NONE,
      str(student.get('seeds') or 1) if budget else wording.NONE,
      f'{student["examples"]:,}' if budget else wording.NONE,
      wording.interval(wording.last(data.get('coverage'))),
      wording.interval(wording.last(data.get('diversity')), wording.decimal),
      wording.interval(data.get('fpr')),
      wording.interval(student['pass_at_1']),
      wording.interval(wording.last(student['maj_at_k'])),
    )


def headline(results: Mapping[str, Results]) -> str:
  """How many of the paper's findings came out as they did there."""
  verdicts = [
    row.verdict
    for students in (True, False)
    for row in rows(results, students=students)
    if row.paper != wording.NONE
  ]
  if not verdicts:
    return 'None of these experiments compares what the paper compares.'
  counted = ', '.join(
    f'{verdicts.count(word)} {said}'
    for word, said in (
      ('agrees', 'came out as there'),
      ('opposite', 'the other way'),
      ('undecided', 'undecided'),
    )
  )
  return f'{len(verdicts)} comparisons are in the paper, too: {counted}.'


def render(
  results: Mapping[str, Results], pictures: Mapping[str, Sequence[Picture]]
) -> str:
  """The page of all experiments.

  Args:
    results: By experiment, as `schema.jsonable` gives them.
    pictures: Of each experiment; of '' those of all.
  """
  levels = ' or '.join(dict.fromkeys(map(page.confidence, results.values())))
  expected = ''.join(
    f"""<div><dt><a href="#e{i}">{markup.escape(name)}</a>
{markup.escape(_where(of))}</dt>
<dd>{_expected(of)}
{''.join(markup.paragraph(line) for line in sentences(of))}</dd></div>"""
    for i, (name, of) in enumerate(results.items())
  )
  tables = ''.join(
    markup.table(
      _HEADER,
      [
        (', '.join(row.experiments), *_cells(row))
        for row in rows(results, students=students)
      ],
      text=(1, 2, 3, 7),
      caption=caption,
    )
    for students, caption in _CAPTIONS.items()
  )
  each = '\n'.join(
    f"""<details class="experiment"><summary>{markup.escape(name)}:
{markup.escape(wording.headline(of))}</summary>
<div id="e{i}">{_expected(of)}
{page.outcome(of)}
{page.sections(of, pictures.get(name, ()))}
{page.run_again(of)}</div></details>"""
    for i, (name, of) in enumerate(results.items())
  )
  count = f'{len(results)} experiment{"s" * (len(results) != 1)}'
  return markup.document(
    f'wcse_jax: {count}',
    f"""<header>
<h1>{count}: {markup.escape(', '.join(results))}</h1>
<div class="outcome"><strong>{markup.escape(headline(results))}</strong>
{markup.paragraph(_READ_THIS)}</div>
<p class="soft">Brackets are {levels}% confidence intervals.</p>
</header>
{_overview(pictures.get('', ()))}
<h2>What the paper expected, and what came out</h2>
<dl class="expected">{expected}</dl>
<div class="all">{_all_students(results)}<h2>All comparisons</h2>
{tables or '<p>There are none: each experiment has one arm.</p>'}
{
      markup.paragraph(
        f'maj@k is in the tables of each experiment. {paper.SOURCE}', soft=True
      )
    }
{_winners(results)}</div>
<h2>Each experiment</h2>
{each}
{page.definitions(levels)}""",
  )


def markdown(results: Mapping[str, Results]) -> str:
  """The same in Markdown: sentences, then the table of all comparisons."""
  parts = ['# Results', headline(results), _READ_THIS]
  for name, of in results.items():
    expected = paper.EXPECTED.get(of['run']['name'])
    parts.append(f'**{name}** {_where(of)}.')
    parts.append(
      '\n'.join(
        f'- {line}'
        for line in (
          *([f'Expected: {expected}'] if expected else []),
          *sentences(of),
        )
      )
    )
  if lines := settings(results):
    parts += [
      '## Every student, and its data',
      _markdown_table(_SETTINGS, lines),
    ]
  for students, caption in _CAPTIONS.items():
    lines = [
      (', '.join(row.experiments), *_cells(row))
      for row in rows(results, students=students)
    ]
    if lines:
      parts += [f'## {caption}', _markdown_table(_HEADER, lines)]
  if lines := _winner_lines(results):
    parts += [
      '## Does the winner flip?',
      costs.NOTE,
      _markdown_table(_WINNERS, lines),
    ]
  costly = _once({name: costs.spent(of) for name, of in results.items()})
  if costly:
    parts += [
      '## What each arm costs',
      "By the paper's rule and as measured; finetuning is that of one student.",
      _markdown_table(('experiment', *costs.SPENT), costly),
    ]
  commands = _once(
    {
      name: [(of['run'].get('command') or '# not known',)]
      for name, of in results.items()
    }
  )
  lines = '\n\n'.join(f'# {names}\n{command}' for names, command in commands)
  parts += ['## Commands', f'```bash\n{lines}\n```']
  parts.append(paper.SOURCE)
  return '\n\n'.join(parts) + '\n'


def _all_students(results: Mapping[str, Results]) -> str:
  table = markup.table(
    _SETTINGS,
    settings(results),
    text=(1, 2),
    caption='Coverage, diversity and false positives are of the data that a'
    ' student learned from; S is what its budget pays for from SE.',
  )
  return f'<h2>Every student, and its data</h2>{table}' if table else ''


_WINNERS = (
  *('experiment', 'measure, budget', *costs.MATCHINGS.values()),
  'does it flip?',
)


def _winner_lines(results: Mapping[str, Results]) -> list[tuple[str, ...]]:
  """Who wins by which matching."""
  return _once(
    {
      name: [
        (
          f'{metric}, {_budgets(of).get(budget, budget)}',
          *by,
          'yes' if flips else 'no',
        )
        for metric, budget, by, flips in costs.winners(of)
      ]
      for name, of in results.items()
    }
  )


def _once(
  lines: Mapping[str, Sequence[tuple[str, ...]]],
) -> list[tuple[str, ...]]:
  """Lines behind their experiments; what is the same in several, once."""
  found: dict[tuple[str, ...], list[str]] = {}
  for name, of in lines.items():
    for line in of:
      found.setdefault(line, []).append(name)
  return [(', '.join(names), *line) for line, names in found.items()]


def _winners(results: Mapping[str, Results]) -> str:
  lines = _winner_lines(results)
  if not lines:
    return ''
  return '<h2>Does the winner flip?</h2>' + markup.table(
    _WINNERS,
    lines,
    text=tuple(range(1, len(_WINNERS))),
    caption=costs.NOTE,
  )


def sentences(results: Results) -> list[str]:
  """What came out, of the students and of their data."""
  return [
    *wording.outcomes(results),
    *wording.data_outcomes(results),
    *wording.other_outcomes(results),
  ]


def _cells(row: Row) -> tuple[str, ...]:
  return (
    *(row.arms, row.measure, row.verdict, row.absolute, row.relative),
    *(row.detectable, row.paper),
  )


def _where(results: Results) -> str:
  """'(nano_arithmetic, nano, 3 seeds)'."""
  run, students = results['run'], (results.get('students') or {}).values()
  seeds = max((s.get('seeds') or 1 for s in students), default=0)
  counted = f', {seeds} seed{"s" * (seeds > 1)}' if seeds else ''
  return f'({run["task"]}, {run["scale"]}{counted})'


def _expected(results: Results) -> str:
  said = paper.EXPECTED.get(results['run']['name'])
  return markup.paragraph(f'Expected: {said}', soft=True) if said else ''


def _overview(pictures: Sequence[Picture]) -> str:
  return ''.join(
    f"""<figure class="wide"><h3>{markup.escape(picture.title)}</h3>
<img alt="{markup.escape(f'{picture.title}. {picture.caption}')}"
 src="data:image/png;base64,{base64.b64encode(picture.png).decode()}">
<figcaption>{markup.escape(picture.caption)}</figcaption></figure>"""
    for picture in pictures
  )


def _markdown_table(
  header: Sequence[str], lines: Sequence[Sequence[str]]
) -> str:
  escaped = [[cell.replace('|', '\\|') for cell in line] for line in lines]
  return '\n'.join(
    f'| {" | ".join(line)} |'
    for line in (header, ['---'] * len(header), *escaped)
  )
