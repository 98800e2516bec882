"""The report as one HTML page that asks nothing of the network."""

import base64
from collections.abc import Mapping, Sequence
import itertools
import json
from typing import Any

from wcse_jax.report import costs, markup, wording
from wcse_jax.report.figures import Picture
from wcse_jax.results import paper
from wcse_jax.results.schema import Results

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
    ' W being one mean solution length for both models. It ignores prompts,'
    ' truncation and unequal lengths; so beside it stands what was measured, at'
    ' the exact P: decoding, the share of it that ended at the limit, prefill'
    " of prompts, idle slots; then device time, the verifier's time, finetuning"
    ' of one student (6P per token), and dollars where there is a price.'
  ),
  'Truly correct': (
    'A sample of right answer and right reasoning: cost over (correct samples x'
    ' (1 - FPR)). The break-even FPR is that at which a truly correct sample'
    ' costs as much as one of SE; above it SE is the cheaper source.'
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
  title = f'{run["name"]} ({run["scale"]}): {run["task"]}'
  return markup.document(
    title,
    f"""<header>
<h1>{markup.escape(title)}</h1>
{outcome(results)}
<p class="soft">Brackets are {confidence(results)}% confidence intervals. They
are not corrected for the number of comparisons on this page.</p>
</header>
{sections(results, pictures)}
{definitions(confidence(results))}
{run_again(results)}""",
  )


def outcome(results: Results) -> str:
  """What came out, in words, and on what it was run."""
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
  sentences = ''.join(
    markup.paragraph(sentence)
    for sentence in (
      *wording.outcomes(results),
      *wording.other_outcomes(results),
    )
  )
  return f"""<p class="soft">{markup.escape(facts)}</p>
<div class="outcome"><strong>{markup.escape(wording.headline(results))}</strong>
{sentences}</div>"""


def sections(results: Results, pictures: Sequence[Picture]) -> str:
  """Figures and tables."""
  made = (
    _paper(results),
    _figures(pictures),
    _gains(results),
    _data(results),
    _problems(results),
    _student_tables(results),
    costs.section(results),
    _samples(results),
  )
  return '\n'.join(section for section in made if section)


def _paper(results: Results) -> str:
  groups: dict[str, list] = {}
  for claim in paper.claims(results):
    found = wording.find(
      results, claim.metric, claim.arm, claim.budget, claim.against
    )
    if not found:
      continue
    groups.setdefault(wording.against(results, found), []).append(
      (
        wording.measure(found),
        wording.interval(found['relative'], unit='%', sign=True)
        if claim.relative
        else wording.effect(found),
        paper.verdict(claim, wording.direction(found)),
        claim.math or wording.NONE,
        claim.gsm8k or wording.NONE,
      )
    )
  tables = ''.join(
    markup.table(
      ('', 'this run', 'verdict', 'paper, MATH', 'paper, GSM8K'),
      rows,
      text=(2,),
      caption=caption,
    )
    for caption, rows in groups.items()
  )
  extra = ''.join(
    markup.defined(what, said)
    for what, said in (results.get('paper') or {}).items()
  )
  if not tables and not extra:
    return ''
  return (
    f'<h2>Beside the paper</h2>{tables}'
    + (f'<dl>{extra}</dl>' if extra else '')
    + markup.paragraph(paper.note(results), soft=True)
  )


def _figures(pictures: Sequence[Picture]) -> str:
  figures = ''.join(
    f"""<figure><h3>{markup.escape(picture.title)}</h3>
<img alt="{markup.escape(f'{picture.title}. {picture.caption}')}"
 src="data:image/png;base64,{base64.b64encode(picture.png).decode()}">
<figcaption>{markup.escape(picture.caption)}</figcaption></figure>"""
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
    groups.setdefault(wording.against(results, comparison), []).append(
      (
        wording.measure(comparison),
        wording.effect(comparison),
        wording.interval(comparison['relative'], unit='%', sign=True),
        wording.detectable(comparison),
        words[wording.direction(comparison)],
        wording.by_seed(comparison),
      )
    )
  if not groups:
    return ''
  head = ('absolute gain', 'relative gain', 'smallest detectable', 'reading')
  if not any(row[-1] for rows in groups.values() for row in rows):
    groups = {name: [row[:-1] for row in rows] for name, rows in groups.items()}
  else:
    head += ('each seed',)
  return '<h2>Gains</h2>' + ''.join(
    markup.table(('', *head), rows, text=(4, 5), caption=caption)
    for caption, rows in groups.items()
  )


def _data(results: Results) -> str:
  sampled = [item for item in wording.cells(results) if item[2].get('coverage')]
  if not sampled:
    return ''
  ks = sorted({int(k) for *_, cell in sampled for k in cell['coverage']})
  checker = wording.checker(results)
  quality = markup.table(
    (
      *('arm', 'budget', 'samples per problem', 'correct samples', 'coverage'),
      *('diversity', 'FPR', 'unknown', 'coverage at most', 'examples'),
    ),
    [
      (
        wording.arm_label(results, arm),
        budget,
        markup.count(cell['samples_per_problem']),
        wording.interval(cell.get('accuracy'), unit='%'),
        wording.interval(wording.last(cell['coverage']), unit='%'),
        wording.interval(wording.last(cell.get('diversity')), wording.decimal),
        wording.interval(cell.get('fpr'), unit='%'),
        markup.count(cell.get('unknown')),
        markup.percent(wording.last(cell.get('coverage_upper'))),
        markup.count(cell.get('examples')),
      )
      for arm, budget, cell in sampled
    ],
    text=(1,),
    caption='Coverage and diversity at all samples per problem of the arm.'
    + (f' False positives are by {checker}.' if checker else ''),
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
  table = markup.table(
    ('test', 'problems', 'overlapping', 'more than half', 'whole', 'worst'),
    [
      (
        test,
        of['test'],
        of['test_overlapping'],
        of['test_more_than_half'],
        of['test_whole'],
        ', '.join(
          f'{o["test_id"]}, {markup.percent(o["share"])} in {o["train_id"]}'
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
    table += markup.paragraph(
      f'Without a gold answer that can be read: {named}.'
    )
  return table and f'<h2>Overlap of training and test</h2>{table}'


def _false_positives(results: Results, sampled: Sequence) -> str:
  """By source, where there is more than the step checker, and agreement."""
  used = [
    source
    for source in _SOURCES
    if any(source in (cell.get('fpr_by') or {}) for *_, cell in sampled)
  ]
  rates = markup.table(
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
  agrees = markup.table(
    (
      *('source', 'labelled', 'agrees with people, %', 'both: right'),
      *('both: wrong', 'people: wrong, it: right', 'people: right, it: wrong'),
    ),
    [
      (
        _SOURCES[source],
        markup.count(row['n']),
        wording.interval(row),
        *(
          markup.count(row[name])
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
  return markup.table(
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
  accuracy = markup.table(
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
  seeds = markup.table(
    ('trained on', 'pass@1 of each seed, %', 'best step'),
    [
      (
        wording.side(results, student['arm'], student['budget']),
        *(
          ', '.join(show(of.get(name)) for of in student['by_seed'])
          for name, show in (
            ('pass_at_1', wording.percent),
            ('best_step', markup.count),
          )
        ),
      )
      for student in students.values()
      if len(student.get('by_seed') or ()) > 1
    ],
    text=(1, 2),
    caption='Each finetuning seed by itself.',
  )
  training = markup.table(
    ('trained on', 'examples', 'steps', 'best step', 'validation accuracy'),
    [
      (
        wording.side(results, student['arm'], student['budget']),
        markup.count(student['examples']),
        markup.count(student['steps']),
        markup.count(student['best_step']),
        markup.percent(dict(student['validation']).get(student['best_step'])),
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
  return '<h2>The students</h2>' + accuracy + seeds + training + levels


def _samples(results: Results) -> str:
  cards = ''.join(
    f"""<article class="sample"><h3>{markup.escape(sample['kind'])}, by
{markup.escape(sample['generator'])}</h3>
<p>{markup.escape(sample['problem'])}</p><pre>{markup.escape(sample['text'].strip())}</pre>
<p class="soft">answer {markup.escape(sample['answer'] or 'none')}, gold
{markup.escape(sample['gold'])}</p></article>"""
    for sample in results.get('samples_to_read') or ()
  )
  return f'<h2>Samples to read</h2>{cards}' if cards else ''


def definitions(levels: str) -> str:
  """How each number is defined; `levels` of confidence, in percent."""
  items = ''.join(
    markup.defined(what, meaning) for what, meaning in _DEFINITIONS.items()
  )
  intervals = markup.defined(
    'Intervals',
    f'{levels}% confidence intervals over problems, paired between arms, by the'
    " bootstrap with Student's t in its tails, accelerated (BCa). With several"
    ' finetuning seeds, those of students are over seeds and problems: the'
    ' variance between seeds counts, with the degrees of freedom of'
    ' Satterthwaite. Those of gains of FPR join the score intervals of both'
    ' rates (MOVER), as few samples are unsound. "Cannot tell" means that the'
    ' interval includes zero.',
  )
  return f'<h2>How each number is defined</h2><dl>{items}{intervals}</dl>'


def run_again(results: Results) -> str:
  """Command, revision, config, versions."""
  run = results['run']
  versions = markup.table(
    ('package', 'version'), list((run.get('versions') or {}).items()), text=(1,)
  )
  seconds = markup.table(
    ('stage', 'seconds'),
    [
      (stage, wording.decimal(value, places=1))
      for stage, value in (run.get('seconds') or {}).items()
    ],
  )
  config = json.dumps(run.get('config') or {}, indent=2)
  return f"""<h2>Run it again</h2>
<pre>{markup.escape(run.get('command'))}</pre>
<p class="soft">Code revision: {markup.escape(run.get('git') or 'unknown')}</p>
<details><summary>Config</summary><pre>{markup.escape(config)}</pre></details>
<details><summary>Versions</summary>{versions}</details>
<details><summary>Time of each stage</summary>{seconds}</details>"""


def _by_level(caption: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
  levels = sorted(
    {int(level) for by_level in rows.values() for level in by_level}
  )
  if len(levels) < 2:
    return ''
  return markup.table(
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


def confidence(results: Results) -> str:
  """'95'."""
  config = results['run'].get('config') or {}
  return f'{100 * (config.get("report") or {}).get("confidence", 0.95):g}'
