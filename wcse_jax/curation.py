"""Which verified samples become training examples.

An arm is a nested subset of a pool, chosen after sampling: the samples with
`sample_index < num_samples`, so the low budget is part of the high one. As in
the paper, a sample is kept if its final answer is right; nothing checks its
steps. Where there are no labels, it is kept if its answer is that of most of
the arm's samples of the problem, or whatever it says. Identical solutions of a
problem are all kept, as the paper's filter does: a student sees a solution as
often as its generator wrote it.
"""

import collections
from collections.abc import Iterable, Sequence

from wcse_jax.budget import ARMS
from wcse_jax.records import Example, Problem, Sample, Verdict


class CurationError(RuntimeError):
  """A mix that cannot be made. Its text names the arm and the remedy."""


def select(
  arm: str,
  num_samples: int,
  samples: Iterable[Sample],
  verdicts: Iterable[Verdict],
  problems: Iterable[Problem],
  *,
  budget: str = '',
  keep: str = 'correct',
) -> list[Example]:
  """The examples of an arm, by problem as given, then by sample index.

  Args:
    arm: A name of `budget.ARMS`.
    num_samples: Samples per problem; not used by human-written solutions.
    samples: Pools; those of other generators and problems are ignored.
    verdicts: Their verdicts, in any order.
    problems: The problems to train on.
    budget: Name of the budget, for messages.
    keep: One of `config.KEEP`.

  Returns:
    The samples kept, text unchanged; or each problem's own solution.

  Raises:
    CurationError: No example is left, or a sample or its verdict is missing.
  """
  where = f'{arm} at budget {budget}' if budget else arm
  generator = ARMS[arm].generator
  if generator is None:
    examples = [
      _example(problem, 'reference', 0, problem.solution)
      for problem in problems
      if problem.solution
    ]
  else:
    texts = {_key(s): s.text for s in samples if s.generator == generator}
    decisions = {_key(v): v for v in verdicts if v.generator == generator}
    examples = []
    for problem in problems:
      for index in range(num_samples):
        key = problem.problem_id, index
        if key not in texts or key not in decisions:
          stage = 'sample' if key not in texts else 'verify'
          raise CurationError(
            f'{where}: {stage}/{generator} has no row for problem {key[0]},'
            f' sample {index}. Run the stage {stage} again: it adds what is'
            ' missing.'
          )
      keys = [(problem.problem_id, index) for index in range(num_samples)]
      examples += [
        _example(problem, generator, key[1], texts[key])
        for key, kept in zip(
          keys, _kept([decisions[key] for key in keys], keep), strict=True
        )
        if kept
      ]
  if not examples:
    raise CurationError(
      f'{where}: nothing to train on, no sample is kept by curate.keep ='
      f' {keep!r}. Raise the budget or'
      ' task.num_train, take a stronger generator, or leave this arm out.'
      if generator
      else f'{where}: the task has no human-written solutions. Leave this arm'
      ' out.'
    )
  return examples


def _kept(verdicts: Sequence[Verdict], keep: str) -> list[bool]:
  """Which samples of a problem are kept."""
  if keep == 'all':
    return [True] * len(verdicts)
  if keep == 'majority':
    votes = collections.Counter(v.answer for v in verdicts if v.answer)
    # Of answers with as many votes, the one given first.
    winner = votes.most_common(1)[0][0] if votes else None
    return [v.answer == winner for v in verdicts]
  return [v.verdict == 'correct' for v in verdicts]


def _key(row: Sample | Verdict) -> tuple[str, int]:
  return row.problem_id, row.sample_index


def _example(
  problem: Problem, source: str, index: int, completion: str
) -> Example:
  return Example(
    problem_id=problem.problem_id,
    source=source,
    sample_index=index,
    prompt=problem.prompt,
    completion=completion,
  )
