"""What people say of solutions: a page to label them blind, and its reading.

`label.html` shows a seeded sample of solutions whose answer is right, in random
order, without saying whose they are. It saves `labels.json`, which belongs into
the workdir: the next report takes it as a source of the false positive rate,
and says how far the automatic sources agree with it.
"""

from collections.abc import Mapping, Sequence
import hashlib
import html
import json
import pathlib
from typing import Any

from wcse_jax.analysis import estimators as metrics
from wcse_jax.errors import Error
from wcse_jax.records import Problem, Sample

LABELS = ('right', 'wrong', 'unsure')  # 'unsure' counts as not looked at


class LabelError(Error):
  """A label file that cannot be used; names it and the remedy."""


def key(run: str, sample: Sample) -> str:
  """The name of a sample on the page, which does not tell its generator."""
  name = f'{sample.generator}/{sample.problem_id}/{sample.sample_index}'
  return hashlib.sha256(f'{run}/{name}'.encode()).hexdigest()[:16]


def chosen(
  run: str, samples: Mapping[str, Sequence[Sample]], each: int = 50
) -> list[Sample]:
  """Returns up to `each` samples of every generator, in random order."""
  few = [
    sample
    for rows in samples.values()
    for sample in sorted(rows, key=lambda s: key(run, s))[:each]
  ]
  return sorted(few, key=lambda s: key(run, s))


def page(
  run: str, samples: Sequence[Sample], problems: Mapping[str, Problem]
) -> str:
  """Returns the page: self-contained, keyboard 1, 2, 3, saves to a file."""
  cards = ''.join(
    f'<article id="{key(run, s)}"><h2>{i} of {len(samples)}</h2>'
    f'<p>{html.escape(problems[s.problem_id].question)}</p>'
    f'<pre>{html.escape(s.text.strip())}</pre>'
    + ''.join(
      f'<label><input type="radio" name="{key(run, s)}" value="{label}">'
      f' {label}</label>'
      for label in LABELS
    )
    + '</article>'
    for i, s in enumerate(samples, 1)
  )
  return _PAGE.replace('%RUN%', json.dumps(run)).replace('%CARDS%', cards)


def read(
  path: pathlib.Path, run: str, samples: Sequence[Sample]
) -> dict[tuple[str, str, int], bool]:
  """Reads what people said.

  Args:
    path: labels.json; where there is none, nobody said anything.
    run: Of this run: labels of another are refused.
    samples: All that could have been on the page.

  Returns:
    By (generator, problem_id, sample_index) whether the reasoning is right;
    without the unsure ones.

  Raises:
    LabelError: It is no label file, or one of another run.
  """
  if not path.exists():
    return {}
  try:
    found = json.loads(path.read_text())
    of_run, labels = found['run'], dict(found['labels'])
  except (OSError, ValueError, KeyError, TypeError) as e:
    raise LabelError(
      f'{path} is no label file ({type(e).__name__}): save it anew from'
      ' report/label.html, or delete it'
    ) from e
  if of_run != run:
    raise LabelError(
      f'{path} has labels of another run ({of_run}, this is {run}): its samples'
      ' are others. Move it away, and label this run in report/label.html'
    )
  by_key = {key(run, s): s for s in samples}
  for name, label in labels.items():
    if name not in by_key or label not in LABELS:
      raise LabelError(
        f'{path}: {name!r} is {label!r}: no such sample, or none of'
        f' {", ".join(LABELS)}; save it anew from report/label.html'
      )
  return {
    (s.generator, s.problem_id, s.sample_index): labels[name] == 'right'
    for name, s in by_key.items()
    if labels.get(name, 'unsure') != 'unsure'
  }


def agreement(
  labels: Mapping[Any, bool], source: Mapping[Any, bool], **options: Any
) -> dict[str, Any] | None:
  """How often a source says what people say, of what both looked at.

  Args:
    labels: By sample.
    source: By sample.
    **options: Of `metrics.bootstrap`.

  Returns:
    An estimate, with `n` and the four counts (people's word first), or None if
    they have no sample in common.
  """
  both = [name for name in labels if name in source]
  if not both:
    return None
  word = {True: 'right', False: 'wrong'}
  counts = {f'{a}_{b}': 0 for a in word.values() for b in word.values()}
  for name in both:
    counts[f'{word[labels[name]]}_{word[source[name]]}'] += 1
  same = [float(labels[name] == source[name]) for name in both]
  estimate = metrics.bootstrap(same, is_share=True, **options)
  return {**estimate.to_dict(), 'n': len(both), **counts}


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Is the reasoning right?</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto;
  padding: 1rem 1rem 6rem; color: #222; background: #fff }
article { border-top: 1px solid #bbb; padding: .5rem 0 1rem }
article.done { opacity: .55 }
h2 { font-size: .9rem; font-weight: normal; color: #666; margin: .5rem 0 }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .75rem }
label { margin-right: 1.5rem } input { accent-color: #222 }
footer { position: fixed; inset: auto 0 0 0; background: #fff;
  border-top: 1px solid #bbb; padding: .75rem 1rem; text-align: center }
</style>
<h1>Is the reasoning right?</h1>
<p>All these solutions end with the right answer. Mark one <b>wrong</b> if
a step of it is wrong, does not follow, or is missing. Keys: 1 right, 2 wrong,
3 unsure. When done, save, and put the file <code>labels.json</code> into the
run's folder; the next report reads it.</p>
%CARDS%
<footer><span id="count"></span> <button id="save">Save labels.json</button>
</footer>
<script>
const run = %RUN%, store = 'labels ' + run;
const labels = JSON.parse(localStorage.getItem(store) || '{}');
const cards = [...document.querySelectorAll('article')];
function show() {
  for (const card of cards) {
    const label = labels[card.id];
    card.classList.toggle('done', !!label);
    if (label) card.querySelector(`[value=${label}]`).checked = true;
  }
  document.getElementById('count').textContent =
    Object.keys(labels).length + ' of ' + cards.length + ' labelled';
}
function mark(card, label) {
  labels[card.id] = label;
  localStorage.setItem(store, JSON.stringify(labels));
  show();
}
document.addEventListener('change', (event) =>
  mark(event.target.closest('article'), event.target.value));
document.addEventListener('keydown', (event) => {
  const label = {1: 'right', 2: 'wrong', 3: 'unsure'}[event.key];
  const next = cards.find((card) => !labels[card.id]);
  if (!label || !next) return;
  mark(next, label);
  const after = cards.find((card) => !labels[card.id]);
  if (after) after.scrollIntoView({block: 'start'});
});
document.getElementById('save').addEventListener('click', () => {
  const text = JSON.stringify({run, labels}, null, 2);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
  link.download = 'labels.json';
  link.click();
});
show();
</script>
</html>
"""
