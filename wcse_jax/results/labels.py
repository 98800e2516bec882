"""What people say of solutions: a page to label them blind, and its reading.

`label.html` shows a seeded sample of solutions whose answer is right, in random
order, without saying whose they are. It saves `labels.json`, which belongs into
the workdir: the next report takes it as a source of the false positive rate,
and says how far the automatic sources agree with it.
"""

from collections.abc import Mapping, Sequence
import hashlib
import html
import importlib.resources
import json
import pathlib
from typing import Any

import msgspec
import numpy as np

from wcse_jax.errors import Error
from wcse_jax.records import Problem, Sample
from wcse_jax.results.data import Data
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.types import Agreement

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
  """Returns samples of every generator, in random order.

  Args:
    run: The name of the run, which seeds the order.
    samples: The samples of right answer, by generator.
    each: How many samples of a generator are shown, at most.
  """
  few = [
    sample
    for rows in samples.values()
    for sample in sorted(rows, key=lambda s: key(run, s))[:each]
  ]
  return sorted(few, key=lambda s: key(run, s))


def page(
  run: str, samples: Sequence[Sample], problems: Mapping[str, Problem]
) -> str:
  """Returns the page, which needs no network and saves to a file.

  Args:
    run: The name of the run that the samples belong to.
    samples: The solutions, in the order of the page.
    problems: The problems that they answer, by id.
  """
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
  text = importlib.resources.files(__package__).joinpath('label.html')
  page = text.read_text('utf-8')
  return page.replace('%RUN%', json.dumps(run)).replace('%CARDS%', cards)


def read(
  path: pathlib.Path, run: str, samples: Sequence[Sample]
) -> dict[tuple[str, str, int], bool]:
  """Reads what people said.

  Args:
    path: The file that the page saved; it need not exist.
    run: The name of this run; labels of another are refused.
    samples: All samples that could have been on the page.

  Returns:
    Whether the reasoning is right, by (generator, problem_id, sample_index);
    without the samples that people are unsure of.

  Raises:
    LabelError: It is no label file, or one of another run.
  """
  if not path.exists():
    return {}
  try:
    found = json.loads(path.read_text())
    of_run, labels = found['run'], dict(found['labels'])
  except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
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


def agreements(data: Data) -> dict[str, Agreement]:
  """How often each automatic source says what people say.

  Args:
    data: The data of the arms.

  Returns:
    By source; without those that have no sample in common with people.
  """
  people = _said(data, 'people')
  return {
    source: agreement(people, said, data.intervals)
    for source in ('steps', 'judge')
    for said in [_said(data, source)]
    if people.keys() & said.keys()
  }


def _said(data: Data, source: str) -> dict[Any, bool]:
  return {
    (pool, *key): sound
    for pool, drawn in data.pools.items()
    for key, sound in drawn.sound[source].items()
  }


def agreement(
  labels: Mapping[Any, bool], source: Mapping[Any, bool], intervals: Intervals
) -> Agreement:
  """How often a source says what people say, of what both looked at.

  Args:
    labels: What people say, by sample.
    source: What the source says, by sample; some samples are in both.
    intervals: How the interval is computed.
  """
  both = [(labels[name], source[name]) for name in labels if name in source]
  same = intervals.share(np.array([float(a == b) for a, b in both]))
  return Agreement(
    **msgspec.structs.asdict(same),
    n=len(both),
    right_right=both.count((True, True)),
    right_wrong=both.count((True, False)),
    wrong_right=both.count((False, True)),
    wrong_wrong=both.count((False, False)),
  )
