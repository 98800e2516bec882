"""Procedural grade-school word problems, small enough for nano models.

A question is a list of facts in plain English, each an edit of a small world
(who has how many of what), and a query. What the query asks is an expression
over the question's numbers; the number of its operations is the level, 1..5.
One table of wordings both writes questions and reads them back, so that the
expression can be had from the question alone (`wording.interpret`).

Everything is a pure function of a seeded `random.Random`. Questions of the
splits, the few-shot examples and the pretraining corpus are disjoint by
construction: sha256 of the question says whose it is (`owner`).
"""

from collections.abc import Iterator, Sequence
import functools
import hashlib
import itertools
import random

from wcse_jax import data_files, records, tasks
from wcse_jax.tasks.nano import drawing, solutions, wording
from wcse_jax.tasks.nano.expression import Infeasible, Node

SEED = 0
# Drawn one after another, as far as they are asked for.
SPLITS = {'train': 8_000, 'validation': 2_000, 'test': 20_000}
LEVELS = (1, 2, 3, 4, 5)
STOP = '\n\n'  # ends a document
PROMPT_FORMAT = 'Problem: {question}\nSolution:'

_OWNERS = ('train', 'validation', 'test', 'few_shot')  # of buckets 0..3
_BUCKETS = 64  # all others are the corpus's

PREFIX = data_files.text(__file__)

TASK = tasks.TaskInfo(
  name='nano_arithmetic',
  prefix=PREFIX,
  prompt_format=PROMPT_FORMAT,
  stop_strings=(STOP,),
  exact_steps=True,
)


def owner(question: str) -> str:
  """Whose question it is: 'train', ..., 'few_shot' or 'corpus'.

  Case and spaces do not matter.

  >>> owner('How many  cups does ann have now?')
  'corpus'
  """
  text = ' '.join(question.lower().split())
  bucket = hashlib.sha256(text.encode()).digest()[0] % _BUCKETS
  return _OWNERS[bucket] if bucket < len(_OWNERS) else 'corpus'


def draw(
  rng: random.Random, level: int, whose: str
) -> tuple[str, Node, list[int]]:
  """Draws a question.

  Args:
    rng: Decides all.
    level: How many operations the question takes, 1 to 5.
    whose: The `owner` that it must have.

  Returns:
    The question, the expression that it asks for, the numbers that it states.
  """
  while True:
    try:
      drawn = drawing.Draw(rng, level)
    except Infeasible:
      continue
    written = wording.writings(drawn.facts, rng)
    for question in itertools.islice(written, 4 * _BUCKETS):
      if owner(question) == whose:
        numbers = [n.value for n in wording.numbers(drawn.facts)]
        return question, drawn.root, numbers


def problem(split: str, index: int) -> records.Problem:
  """The problem at `index` of a split.

  Levels cycle, so that the first problems of a split are balanced. No question
  comes twice: one that an earlier index has is drawn anew.

  >>> problem('train', 0).solution
  ' 9*4=36. The answer is 36.'

  Raises:
    IndexError: The split has fewer problems.
  """
  if not 0 <= index < SPLITS[split]:
    raise IndexError(f'{split} has {SPLITS[split]} problems, not {index}')
  drawn, following = _split(split)
  drawn += itertools.islice(following, max(0, index + 1 - len(drawn)))
  return drawn[index]


@functools.cache
def _split(
  split: str,
) -> tuple[list[records.Problem], Iterator[records.Problem]]:
  """The problems of a split that were drawn, and those that follow them."""
  return [], _problems(split)


def _problems(split: str) -> Iterator[records.Problem]:
  seen = set()
  for index in itertools.count():
    rng = random.Random(f'{SEED}/{split}/{index}')
    level = LEVELS[index % len(LEVELS)]
    question, root, _ = draw(rng, level, split)
    while question in seen:
      question, root, _ = draw(rng, level, split)
    seen.add(question)
    yield TASK.problem(
      f'{index:04d}',
      split,
      question=question,
      solution=solutions.reference_solution(root),
      gold=str(root.value),
      level=level,
    )


def corpus_document(
  rng: random.Random, levels: Sequence[int] = LEVELS, noise: float = 0.0
) -> str:
  """A problem with a solution, to pretrain on; `STOP` is to follow it.

  Args:
    rng: Decides all.
    levels: The levels to draw from; one that is there twice comes more often.
    noise: The probability of a faulty solution.
  """
  level = levels[int(rng.random() * len(levels))]
  question, root, numbers = draw(rng, level, 'corpus')
  start = PROMPT_FORMAT.format(question=question)
  if rng.random() < noise:
    return start + solutions.sloppy_solution(root, numbers, rng)
  return start + solutions.random_solution(root, rng)
