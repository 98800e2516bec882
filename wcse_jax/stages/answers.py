"""Evaluating a model: greedy pass@1, maj@k and coverage@k.

The engine and the verifier are those that make the training data. A student
is asked without few-shot examples, as it was finetuned.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wcse_jax.records import GREEDY as GREEDY
from wcse_jax.records import Answers, Grade, Problem, Sample, Verdict
from wcse_jax.sampling.schedule import Request
from wcse_jax.verify import pool

METRICS = '_metrics.json'  # what is said of a student, beside its samples


def requests(
  problems: Iterable[Problem], indices: Iterable[int], temperature: float
) -> list[Request]:
  """Returns a request for each problem and sample index; GREEDY is greedy."""
  return [
    Request(
      problem_id=problem.problem_id,
      sample_index=index,
      prompt=problem.prompt,
      temperature=0.0 if index == GREEDY else temperature,
    )
    for problem in problems
    for index in indices
  ]


def grade(
  task: str,
  samples: Sequence[Sample],
  problems: Mapping[str, Problem],
  graders: pool.Pool,
) -> Iterator[tuple[Sample, Grade]]:
  """Yields each sample with its grade, in order."""
  asked = (problems[sample.problem_id] for sample in samples)
  items = (
    pool.Item(task, problem.gold, sample.text, problem.question)
    for sample, problem in zip(samples, asked, strict=True)
  )
  yield from zip(samples, graders.grade(items), strict=True)


def verdicts(graded: Iterable[tuple[Sample, Grade]]) -> Iterator[Verdict]:
  """Yields the verdict on each sample: its grade, and whose it is."""
  for sample, given in graded:
    yield Verdict(
      generator=sample.generator,
      problem_id=sample.problem_id,
      sample_index=sample.sample_index,
      **given._asdict(),
    )


def collect(
  task: str,
  samples: Sequence[Sample],
  problems: Sequence[Problem],
  graders: pool.Pool,
) -> list[Answers]:
  """Grades what a model sampled and returns it by problem, in their order."""
  by_id = {problem.problem_id: problem for problem in problems}
  graded = {
    sample.key: given for sample, given in grade(task, samples, by_id, graders)
  }
  sampled = collections.Counter(
    problem_id for problem_id, index in graded if index != GREEDY
  )
  of = {
    p.problem_id: [
      graded[p.problem_id, i] for i in range(sampled[p.problem_id])
    ]
    for p in problems
  }
  return [
    Answers(
      problem_id=p.problem_id,
      level=p.level,
      greedy=graded[p.problem_id, GREEDY].verdict,
      verdicts=[grade.verdict for grade in of[p.problem_id]],
      answers=[grade.answer for grade in of[p.problem_id]],
      greedy_sound=graded[p.problem_id, GREEDY].sound,
    )
    for p in problems
  ]


def accuracy(answers: Sequence[Answers]) -> float:
  """Greedy pass@1."""
  return sum(a.greedy == 'correct' for a in answers) / len(answers)
