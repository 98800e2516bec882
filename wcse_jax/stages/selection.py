"""Which verified samples become training examples.

An arm is a nested subset of a pool, chosen after sampling: its first samples,
so the low budget is part of the high one. As in
the paper, a sample is kept if its final answer is right; nothing checks its
steps. Where there are no labels, it is kept if its answer is that of most of
the arm's samples of the problem, or whatever it says. Identical solutions of a
problem are all kept, as the paper's filter does: a student sees a solution as
often as its generator wrote it.
"""

import collections
from collections.abc import Iterable, Mapping, Sequence
import itertools
import random

from wcse_jax.analysis.enough import ALL, Enough
from wcse_jax.errors import Error
from wcse_jax.experiment import arms
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.records import Example, Problem, Sample, Verdict


class SelectionError(Error):
  """A mix that cannot be made. Its text names the arm and the remedy."""


class NoExamples(SelectionError):
  """A mix that has nothing to train on."""


def select(
  mix: Mix,
  drawn: Mapping[Pool, Sequence[int]],
  samples: Iterable[Sample],
  verdicts: Iterable[Verdict],
  problems: Sequence[Problem],
  *,
  keep: str = 'correct',
  seed: int = 0,
  enough: Enough = ALL,
) -> list[Example]:
  """Returns the examples of a mix, by problem as given, then pool and index.

  Where rows end it, problems are in the order in which they were sampled.

  Args:
    mix: The arm, and the budget.
    drawn: The indices of its samples of each problem, by pool; empty for
      human-written solutions.
    samples: Samples of its pools; those of others are ignored.
    verdicts: Their verdicts, in any order.
    problems: The problems to train on.
    keep: One of `arms.KEEP`.
    seed: Decides which are kept at random.
    enough: When no more samples are drawn.

  Returns:
    The samples kept, text unchanged; or each problem's own solution.

  Raises:
    NoExamples: No example is left.
    SelectionError: A sample or its verdict is missing.
  """
  where = f'{mix.arm} at budget {mix.budget}'
  texts = {_key(s): s.text for s in samples}
  decisions = {_key(v): v for v in verdicts}
  examples: list[Example] = []
  counted: dict[str, int | None] = {}
  if drawn and enough:
    ((pool, indices),) = drawn.items()  # such arms draw from one
    right = {
      (problem, index): of.verdict == 'correct'
      for (name, problem, index), of in decisions.items()
      if name == str(pool)
    }
    by_id = {problem.problem_id: problem for problem in problems}
    counted = dict(enough.counted([*by_id], len(indices), right))
    problems = [by_id[name] for name in counted]
  asked = [
    [
      (str(pool), problem.problem_id, index)
      for pool, indices in drawn.items()
      for index in indices[: counted.get(problem.problem_id)]
    ]
    for problem in problems
  ]
  every = list(itertools.chain(*asked))
  for key in every:
    if key not in texts or key not in decisions:
      stage = 'sample' if key not in texts else 'verify'
      raise SelectionError(
        f'{where}: {stage}/{key[0]} has no row for problem {key[1]},'
        f' sample {key[2]}. Run the stage {stage} again: it adds what is'
        ' missing.'
      )
  kept = [_kept([decisions[key] for key in keys], keep) for keys in asked]
  if keep == 'random':
    number = sum(itertools.chain(*kept))
    chosen = {*random.Random(f'{seed}/{mix}').sample(every, number)}
    kept = [[key in chosen for key in keys] for keys in asked]
  for problem, keys, of in zip(problems, asked, kept, strict=True):
    found = [(*key, texts[key]) for key in itertools.compress(keys, of)]
    if not drawn and problem.solution:
      found = [(arms.REFERENCE, problem.problem_id, 0, problem.solution)]
    examples += [
      Example(
        problem_id=problem_id,
        source=source,
        sample_index=index,
        prompt=problem.prompt,
        completion=text,
      )
      for source, problem_id, index, text in found[: mix.arm.max_kept]
    ]
  if not examples:
    raise NoExamples(
      f'{where}: nothing to train on, no sample is kept by curate.keep ='
      f' {keep!r}. Raise the budget or'
      ' task.num_train, take a stronger generator, or leave this arm out.'
      if drawn
      else f'{where}: the task has no human-written solutions. Leave this arm'
      ' out.'
    )
  return examples[: enough.rows] if drawn else examples


def _kept(verdicts: Sequence[Verdict], keep: str) -> list[bool]:
  """Which samples of a problem are kept; of 'random', those that are right."""
  if keep == 'all':
    return [True] * len(verdicts)
  if keep == 'majority':
    votes = collections.Counter(v.answer for v in verdicts if v.answer)
    # Of answers with as many votes, the one given first.
    winner = votes.most_common(1)[0][0] if votes else None
    return [v.answer == winner for v in verdicts]
  return [v.verdict == 'correct' for v in verdicts]


def _key(row: Sample | Verdict) -> tuple[str, str, int]:
  return row.generator, row.problem_id, row.sample_index
