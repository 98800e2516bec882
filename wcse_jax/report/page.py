"""The report as one HTML page that asks nothing of the network."""

import base64
from collections.abc import Iterator, Mapping, Sequence
import html
import importlib.resources
import itertools
import json
import string
from typing import Any

from wcse_jax.report import paper, wording
from wcse_jax.report.figures import Picture
from wcse_jax.report.schema import Results

_DEFINITIONS = {
  'coverage@k': (
    'Mean over problems of 1 - C(M-c, k) / C(M, k): the chance that k of a'
    " problem's M samples, c of them correct, hold a correct one."
  ),
  'diversity@k': (
    'Mean over problems of the expected number of unique correct solutions'
    ' among k samples drawn without replacement.'
  ),
  'False positive rate (FPR)': (
    'Share of the samples with a correct final answer whose reasoning is wrong.'
  ),
  'pass@1, maj@k, student coverage@k': (
    'On test problems: greedy answers; the majority answer of k samples; any'
    ' of k samples correct.'
  ),
  'Cost': (
    'The rule 2PW: 2 FLOPs per parameter (nominal size P) and generated token,'
    ' W being one mean solution length for both models. Measured tokens,'
    ' and their FLOPs at the exact P, stand beside it: the rule ignores'
    ' prompts, truncation and unequal lengths.'
  ),
  'Matched': (
    'Same cost as SE at that budget, by the rule, or in dollars where an arm'
    ' is matched by price. What is not is labelled unmatched.'
  ),
  'Absolute and relative gain': (
    'a - b, in points (1 point = 0.01) or in solutions; and a / b - 1.'
  ),
  'Smallest detectable effect': (
    'The absolute gain that this number of problems would have shown as'
    ' different from zero four times in five.'
  ),
  'Unknown': (
    'Samples whose answer could not be decided (timeout, crash, unparsable'
    ' gold). They count as not correct; the upper bound counts them as'
    ' correct.'
  ),
}


def render(results: Results, pictures: Sequence[Picture]) -> str:
  """The page. `results` as `schema.jsonable` gives it."""
  run = results['run']
  folder = importlib.resources.files(__package__)
  title = f'{run["name"]} ({run["scale"]}): {run["task"]}'
  sections = (
    _outcome(results, title),
    _paper(results),
    _figures(pictures),
    _gains(results),
    _data(results),
    _problems(results),
    _student_tables(results),
    _costs(results),
    _samples(results),
    _definitions(results),
    _run(results),
  )
  template = string.Template(folder.joinpath('page.html').read_text('utf-8'))
  return template.substitute(
    title=_text(title),
    css=folder.joinpath('page.css').read_text('utf-8'),
    body='\n'.join(section for section in sections if section),
  )


def _outcome(results: Results, title: str) -> str:
  run = results['run']
  problems = ', '.join(
    f'{count} {split}'
    for split, count in (results.get('problems') or {}).items()
    if count
  )
  facts = ' · '.join(
    str(fact)
    for fact in (f'{problems} problems', run.get('device'), run.get('started'))
    if fact
  )
  sentences = ''.join(_p(outcome) for outcome in wording.outcomes(results))
  return f"""<header>
<h1>{_text(title)}</h1>
<p class="soft">{_text(facts)}</p>
<div class="outcome"><strong>{_text(wording.headline(results))}</strong>
{sentences}</div>
<p class="soft">Brackets are {_confidence(results)}% confidence intervals over
problems. They are not corrected for the number of comparisons on this
page.</p>
</header>"""


def _paper(results: Results) -> str:
  groups: dict[str, list] = {}
  for claim in paper.CLAIMS:
    found = wording.find(results, claim.metric, claim.arm, claim.budget)
    if not found:
      continue
    sign = wording.direction(found)
    reading = 'cannot tell'
    if sign:
      reading = 'same direction' if sign == claim.expected else 'opposite'
    groups.setdefault(_against(results, found), []).append(
      (
        _measure(found),
        wording.interval(found['relative'], unit='%', sign=True)
        if claim.relative
        else wording.effect(found),
        reading,
        claim.math,
        claim.gsm8k,
      )
    )
  tables = ''.join(
    _table(
      ('', 'this run', 'direction', 'paper, MATH', 'paper, GSM8K'),
      rows,
      text=(2,),
      caption=caption,
    )
    for caption, rows in groups.items()
  )
  extra = ''.join(
    _defined(what, said) for what, said in (results.get('paper') or {}).items()
  )
  if not tables and not extra:
    return ''
  return (
    f'<h2>Beside the paper</h2>{tables}'
    + (f'<dl>{extra}</dl>' if extra else '')
    + _p(paper.NOTE, soft=True)
  )


def _figures(pictures: Sequence[Picture]) -> str:
  figures = ''.join(
    f"""<figure><h3>{_text(picture.title)}</h3>
<img alt="{_text(f'{picture.title}. {picture.caption}')}"
 src="data:image/png;base64,{base64.b64encode(picture.png).decode()}">
<figcaption>{_text(picture.caption)}</figcaption></figure>"""
    for picture in pictures
  )
  if not figures:
    return ''
  return (
    f'<h2>Figures</h2><div class="figures">{figures}</div><p class="soft">Bars'
    ' are intervals. The tables below hold the same numbers.</p>'
  )


def _gains(results: Results) -> str:
  words = {1: 'higher', 0: 'cannot tell', -1: 'lower'}
  groups: dict[str, list] = {}
  for comparison in results.get('comparisons') or ():
    groups.setdefault(_against(results, comparison), []).append(
      (
        _measure(comparison),
        wording.effect(comparison),
        wording.interval(comparison['relative'], unit='%', sign=True),
        wording.detectable(comparison),
        words[wording.direction(comparison)],
      )
    )
  if not groups:
    return ''
  head = ('absolute gain', 'relative gain', 'smallest detectable', 'reading')
  return '<h2>Gains</h2>' + ''.join(
    _table(('', *head), rows, text=(4,), caption=caption)
    for caption, rows in groups.items()
  )


def _data(results: Results) -> str:
  sampled = [item for item in wording.cells(results) if item[2].get('coverage')]
  if not sampled:
    return ''
  ks = sorted({int(k) for *_, cell in sampled for k in cell['coverage']})
  quality = _table(
    (
      *('arm', 'budget', 'samples per problem', 'correct samples', 'coverage'),
      *('diversity', 'FPR', 'unknown', 'coverage at most', 'examples'),
    ),
    [
      (
        wording.arm_label(results, arm),
        budget,
        _count(cell['samples_per_problem']),
        wording.interval(cell.get('accuracy'), unit='%'),
        wording.interval(wording.last(cell['coverage']), unit='%'),
        wording.interval(wording.last(cell.get('diversity')), wording.decimal),
        wording.interval(cell.get('fpr'), unit='%'),
        _count(cell.get('unknown')),
        _percent(wording.last(cell.get('coverage_upper'))),
        _count(cell.get('examples')),
      )
      for arm, budget, cell in sampled
    ],
    text=(1,),
    caption='Coverage and diversity at all samples per problem of the arm.',
  )
  return (
    '<h2>The data</h2>'
    + quality
    + _false_positives(results, sampled)
    + _by_k(results, sampled, 'coverage', ks)
    + _by_k(results, sampled, 'diversity', ks)
    + _by_level(
      'Coverage by level',
      {
        wording.side(results, arm, budget): _pick(
          cell.get('by_level'), 'coverage'
        )
        for arm, budget, cell in sampled
      },
    )
  )


_SOURCES = {
  'steps': 'step checker',
  'judge': 'language model',
  'people': 'people',
}


def _problems(results: Results) -> str:
  """Test problems that were trained on in part, and those without gold."""
  found = results.get('overlap') or {}
  table = _table(
    ('test', 'problems', 'overlapping', 'more than half', 'whole', 'worst'),
    [
      (
        test,
        of['test'],
        of['test_overlapping'],
        of['test_more_than_half'],
        of['test_whole'],
        ', '.join(
          f'{o["test_id"]}, {_percent(o["share"])} in {o["train_id"]}'
          for o in of['worst'][:1]
        ),
      )
      for test, of in found.items()
      if of['train'] and of['test']
    ],
    text=(5,),
    caption='Test problems that share a run of'
    f' {"/".join({str(of["n"]) for of in found.values()})} words with a'
    ' training problem',
  )
  missing = itertools.chain(*(results.get('no_gold') or {}).values())
  if named := ', '.join(missing):
    table += _p(f'Without a gold answer that can be read: {named}.')
  return table and f'<h2>Overlap of training and test</h2>{table}'


def _false_positives(results: Results, sampled: Sequence) -> str:
  """By source, where there is more than the step checker, and agreement."""
  used = [
    source
    for source in _SOURCES
    if any(source in (cell.get('fpr_by') or {}) for *_, cell in sampled)
  ]
  rates = _table(
    ('arm', *(_SOURCES[source] for source in used)),
    [
      (
        wording.side(results, arm, budget),
        *(
          wording.interval((cell.get('fpr_by') or {}).get(source))
          for source in used
        ),
      )
      for arm, budget, cell in sampled
    ],
    caption='False positive rate by who looked at the reasoning, %',
  )
  agreement = results.get('agreement') or {}
  agrees = _table(
    (
      *('source', 'labelled', 'agrees with people, %', 'both: right'),
      *('both: wrong', 'people: wrong, it: right', 'people: right, it: wrong'),
    ),
    [
      (
        _SOURCES[source],
        _count(row['n']),
        wording.interval(row),
        *(
          _count(row[name])
          for name in (
            *('right_right', 'wrong_wrong', 'wrong_right', 'right_wrong'),
          )
        ),
      )
      for source, row in agreement.items()
    ],
    caption='How far the automatic sources agree with people.',
  )
  shown = rates if set(used) - {'steps'} else ''
  return shown + (agrees if agreement else '')


def _by_k(
  results: Results, sampled: Sequence, metric: str, ks: Sequence[int]
) -> str:
  show = wording.percent if metric == 'coverage' else wording.decimal
  return _table(
    ('arm', *(f'k = {k}' for k in ks)),
    [
      (
        wording.side(results, arm, budget),
        *(
          wording.interval((cell.get(metric) or {}).get(str(k)), show)
          for k in ks
        ),
      )
      for arm, budget, cell in sampled
    ],
    caption='coverage@k, %'
    if metric == 'coverage'
    else 'diversity@k, unique correct solutions',
  )


def _student_tables(results: Results) -> str:
  students = results.get('students') or {}
  if not students:
    return ''
  columns = [
    (f'{name}@{k}', field, str(k))
    for name, field in (('maj', 'maj_at_k'), ('coverage', 'coverage_at_k'))
    for k in sorted(
      {int(k) for student in students.values() for k in student[field]}
    )
  ]
  accuracy = _table(
    ('trained on', 'pass@1', *(title for title, _, _ in columns)),
    [
      (
        wording.side(results, student['arm'], student['budget']),
        wording.interval(student['pass_at_1']),
        *(wording.interval(student[field].get(k)) for _, field, k in columns),
      )
      for student in students.values()
    ],
    caption='Test problems solved, %',
  )
  training = _table(
    ('trained on', 'examples', 'steps', 'best step', 'validation accuracy'),
    [
      (
        wording.side(results, student['arm'], student['budget']),
        _count(student['examples']),
        _count(student['steps']),
        _count(student['best_step']),
        _percent(dict(student['validation']).get(student['best_step'])),
      )
      for name, student in students.items()
      if name != 'base'
    ],
    caption=(
      'Finetuning. The kept checkpoint is the one with the best validation'
      ' accuracy.'
    ),
  )
  levels = _by_level(
    'pass@1 by level',
    {
      wording.side(results, student['arm'], student['budget']): _pick(
        student.get('by_level'), 'pass_at_1'
      )
      for student in students.values()
    },
  )
  return '<h2>The students</h2>' + accuracy + training + levels


def _costs(results: Results) -> str:
  cells = [item for item in wording.cells(results) if item[2]['generator']]
  spent = _table(
    (
      *('arm', 'budget', 'cost', 'samples', 'by the rule 2PW'),
      *('measured', 'tokens', 'prompt tokens', 'seconds'),
    ),
    [
      (
        wording.arm_label(results, arm),
        budget,
        'matched' if cell['matched'] else 'UNMATCHED',
        _count(cell['samples']),
        wording.si(cell['cost_flops'], 'FLOP'),
        wording.si(measured.get('flops'), 'FLOP'),
        _count(measured.get('tokens')),
        _count(measured.get('prompt_tokens')),
        wording.decimal(measured.get('seconds'), places=1),
      )
      for arm, budget, cell in cells
      for measured in (cell.get('measured') or {},)
    ],
    text=(1, 2),
    caption='What each arm costs. Arms are subsets of the pools below.',
  )
  ledger = _table(
    (
      *('pool', 'samples planned', 'samples', 'tokens', 'prompt tokens'),
      *('seconds', 'tokens/s', 'duplicates'),
    ),
    [
      (
        generator,
        _count(row.get('planned_samples')),
        _count(row.get('samples')),
        _count(row.get('tokens')),
        _count(row.get('prompt_tokens')),
        wording.decimal(row.get('seconds'), places=1),
        wording.decimal(row.get('tokens_per_s'), places=1),
        _percent(row.get('duplicates_rate')),
      )
      for generator, row in (results.get('ledger') or {}).items()
    ],
    caption='The ledger: planned against spent.',
  )
  spent_on = {
    'tokens': 'decoded tokens',
    'truncated_tokens': 'of them truncated',
    'refill_idle': 'idle before refill',
    'tail_idle': 'idle at the end',
    'prefill_tokens': 'prefilled tokens',
    'prefill_padding': 'prefill padding',
    'device_seconds': 'device seconds',
  }
  slots = _table(
    ('pool', *spent_on.values(), 'slots busy'),
    [
      (
        generator,
        *(_count(round(row['spent'].get(name, 0))) for name in spent_on),
        _percent(row.get('slots_busy')),
      )
      for generator, row in (results.get('ledger') or {}).items()
      if row.get('spent')
    ],
    caption='What the slots did: decoding counts slots times steps, prefill'
    ' tokens. Busy is the share of them that decoded while samples waited.',
  )
  models = _table(
    ('model', 'name', 'nominal P', 'exact', 'non-embedding'),
    [
      (
        role,
        model['name'],
        *(
          _count(model.get(key))
          for key in ('nominal_params', 'exact_params', 'non_embedding_params')
        ),
      )
      for role, model in (results.get('models') or {}).items()
    ],
    text=(1,),
    caption='Parameters. The rule 2PW takes the nominal ones.',
  )
  tables = spent + ledger + slots + models
  return '<h2>Cost and ledger</h2>' + tables if tables else ''


def _samples(results: Results) -> str:
  cards = ''.join(
    f"""<article class="sample"><h3>{_text(sample['kind'])}, by
{_text(sample['generator'])}</h3>
<p>{_text(sample['problem'])}</p><pre>{_text(sample['text'].strip())}</pre>
<p class="soft">answer {_text(sample['answer'] or 'none')}, gold
{_text(sample['gold'])}</p></article>"""
    for sample in results.get('samples_to_read') or ()
  )
  return f'<h2>Samples to read</h2>{cards}' if cards else ''


def _definitions(results: Results) -> str:
  items = ''.join(
    _defined(what, meaning) for what, meaning in _DEFINITIONS.items()
  )
  intervals = _defined(
    'Intervals',
    f'{_confidence(results)}% bootstrap intervals over problems, paired between'
    ' arms. "Cannot tell" means that the interval includes zero.',
  )
  return f'<h2>How each number is defined</h2><dl>{items}{intervals}</dl>'


def _run(results: Results) -> str:
  run = results['run']
  versions = _table(
    ('package', 'version'), list((run.get('versions') or {}).items()), text=(1,)
  )
  seconds = _table(
    ('stage', 'seconds'),
    [
      (stage, wording.decimal(value, places=1))
      for stage, value in (run.get('seconds') or {}).items()
    ],
  )
  config = json.dumps(run.get('config') or {}, indent=2)
  return f"""<h2>Run it again</h2>
<pre>{_text(run.get('command'))}</pre>
<p class="soft">Code revision: {_text(run.get('git') or 'unknown')}</p>
<details><summary>Config</summary><pre>{_text(config)}</pre></details>
<details><summary>Versions</summary>{versions}</details>
<details><summary>Time of each stage</summary>{seconds}</details>"""


def _by_level(caption: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
  levels = sorted(
    {int(level) for by_level in rows.values() for level in by_level}
  )
  if len(levels) < 2:
    return ''
  return _table(
    ('', *(f'level {level}' for level in levels)),
    [
      (label, *(wording.interval(row.get(str(level))) for level in levels))
      for label, row in rows.items()
      if row
    ],
    caption=f'{caption}, %',
  )


def _pick(by_level: Mapping[str, Any] | None, metric: str) -> dict[str, Any]:
  return {level: row.get(metric) for level, row in (by_level or {}).items()}


def _against(results: Results, comparison: Mapping[str, Any]) -> str:
  """'WC compute-matched against SE, at matched cost'."""
  a, b = (
    wording.arm_label(results, comparison[side].rpartition('-')[0] or 'base')
    for side in ('a', 'b')
  )
  cost = 'at matched cost' if comparison['matched'] else 'UNMATCHED in cost'
  return f'{a} against {b}, {cost}'


def _measure(comparison: Mapping[str, Any]) -> str:
  """'student pass@1, low', by the budgets of both sides."""
  metric = comparison['metric']
  name = wording.metric_name(metric)
  if metric.startswith(('pass', 'maj')):
    name = f'student {name}'
  sides = (comparison[side].rpartition('-')[2] for side in ('a', 'b'))
  return f'{name}, {" against ".join(dict.fromkeys(sides))}'


def _confidence(results: Results) -> str:
  config = results['run'].get('config') or {}
  return f'{100 * (config.get("report") or {}).get("confidence", 0.95):g}'


def _count(value: float | None) -> str:
  return wording.NONE if value is None else f'{value:,.0f}'


def _percent(value: float | None) -> str:
  return wording.NONE if value is None else f'{wording.percent(value)}%'


def _table(
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
      name, scope, shown = tag, '', _text(cell)
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
  label = _text(caption or header[0] or 'table')
  return (
    (f'<p class="caption">{_text(caption)}</p>' if caption else '')
    + f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'
    f'<table><thead>{"".join(lines)}</tbody></table></div>\n'
  )


def _defined(what: str, meaning: str) -> str:
  return f'<div><dt>{_text(what)}</dt><dd>{_text(meaning)}</dd></div>'


def _p(text: str, *, soft: bool = False) -> str:
  return f'<p{" class=soft" if soft else ""}>{_text(text)}</p>'


def _text(value: object) -> str:
  """Escaped: nothing that a model wrote can act on the page."""
  return html.escape('' if value is None else str(value))
