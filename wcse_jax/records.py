"""What flows between the stages: problems, samples, verdicts, examples.

The dimension letters used in array names throughout the package:

  B  rows of a batch, or slots of the sampler
  T  tokens of the sequence being processed
  S  tokens being attended to
  D  width of the model             F  width of the feed-forward layer
  N  query heads                    K  key/value heads
  G  query heads per key/value head (N = K * G)
  H  width of a head                V  vocabulary
"""

from collections.abc import Sequence
import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

FinishReason = Literal['eos', 'stop', 'length']
Decision = Literal['correct', 'wrong', 'unknown']


GREEDY = -1  # the sample index of a greedy solution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
  r"""One problem of a task.

  Attributes:
    problem_id: Unique within the task, over all splits.
    split: 'train', 'validation' or 'test'.
    question: The question alone, as the dataset has it.
    prompt: The text that follows the task's few-shot prefix, up to where the
      solution starts, e.g. 'Problem: ...\nSolution:'.
    solution: The human-written (reference) solution, as a model should write
      it after `prompt`, leading space included.
    gold: The right final answer.
    level: Difficulty, 1 is easiest; 0 where the dataset has none.

  >>> problem = Problem(
  ...   problem_id='gsm8k-test-0', split='test', question='What is 2 + 3?',
  ...   prompt='Q: What is 2 + 3?\nA:', solution=' 2 + 3 = 5',
  ...   gold='5', level=0,
  ... )
  >>> problem.prompt + problem.solution
  'Q: What is 2 + 3?\nA: 2 + 3 = 5'
  """

  problem_id: str
  split: str
  question: str
  prompt: str
  solution: str
  gold: str
  level: int


class Keyed:
  """What belongs to one sample of a pool, or asks for one.

  Records that are have these fields, each where its columns have them.

  Attributes:
    problem_id: The problem that the sample answers.
    sample_index: 0, 1, ...: its place in the pool of this problem.
  """

  if TYPE_CHECKING:
    problem_id: str
    sample_index: int

  @property
  def key(self) -> tuple[str, int]:
    """What tells it from all else in the pool."""
    return self.problem_id, self.sample_index


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(Keyed):
  """One sampled solution.

  Attributes:
    generator: The name of the pool that it belongs to, e.g. 'wc'.
    problem_id: The problem that it answers.
    sample_index: 0, 1, ...: its place in the pool of this problem.
    text: The solution, cut before the stop string.
    num_tokens: How many tokens were sampled, the stopping ones included (they
      were paid).
    num_prompt_tokens: How many tokens are before these, prefix included.
    finish_reason: 'eos', 'stop' (a stop string) or 'length'.
    logprob: Sum over the sampled tokens of log p(token), in nats, under the
      model itself (temperature 1, no truncation).
  """

  generator: str
  problem_id: str
  sample_index: int
  text: str
  num_tokens: int
  num_prompt_tokens: int
  finish_reason: FinishReason
  logprob: float


class Grade(NamedTuple):
  """What a grader says of one solution.

  Attributes:
    verdict: 'unknown' means that it could not be decided.
    answer: The final answer as extracted; '' if there is none.
    rule: The rule that decided, e.g. 'numeric' or 'timeout'.
    sound: Whether every step of the reasoning holds; None if not checked.
  """

  verdict: Decision
  answer: str
  rule: str
  sound: bool | None = None

  @classmethod
  def of(cls, returned: object) -> 'Grade':
    """Returns what a grader returned.

    Raises:
      TypeError: It is no grade.

    Example:
      >>> Grade.of(('correct', '5', 'numeric')).sound is None
      True
      >>> Grade.of('correct')
      Traceback (most recent call last):
      TypeError: it returned 'correct', no wcse_jax.records.Grade
    """
    if isinstance(returned, tuple) and 3 <= len(returned) <= 4:
      grade = cls(*returned)
      if (
        grade.verdict in get_args(Decision)
        and isinstance(grade.answer, str)
        and isinstance(grade.rule, str)
        and (grade.sound is None or isinstance(grade.sound, bool))
      ):
        return grade
    raise TypeError(f'it returned {returned!r:.80}, no wcse_jax.records.Grade')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict(Keyed):
  """What the verifier says of one sample.

  Attributes:
    generator: As in the sample.
    problem_id: As there.
    sample_index: As there.
    verdict: 'correct', 'wrong', or 'unknown', if it could not be decided.
    answer: The final answer as extracted; '' if there is none.
    rule: The rule that decided, e.g. 'numeric' or 'timeout'.
    sound: Whether every step of the reasoning holds; None if not checked.
  """

  generator: str
  problem_id: str
  sample_index: int
  verdict: Decision
  answer: str
  rule: str
  sound: bool | None

  @property
  def grade(self) -> Grade:
    """The same without the sample's name."""
    return Grade(self.verdict, self.answer, self.rule, self.sound)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
  """One finetuning example.

  Attributes:
    problem_id: The problem that it is of.
    source: The pool that it is from, e.g. 'wc', or 'reference'.
    sample_index: Its place in that pool.
    prompt: What the student reads.
    completion: What it learns to write: the loss is on this alone.
  """

  problem_id: str
  source: str
  sample_index: int
  prompt: str
  completion: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
  """What a model answered to one problem.

  Attributes:
    problem_id: The problem.
    level: The problem's difficulty.
    greedy: The verdict on the greedy solution.
    verdicts: The verdicts on the samples, by sample index; none if the problem
      is not among those that are sampled.
    answers: The samples' final answers, by sample index.
    greedy_sound: Whether the reasoning of the greedy solution is right; None if
      nobody looked.
  """

  problem_id: str
  level: int
  greedy: Decision
  verdicts: Sequence[Decision]
  answers: Sequence[str]
  greedy_sound: bool | None = None


def cut(text: str, stop_strings: Sequence[str]) -> str:
  r"""Returns a text up to the first stop string in it.

  Args:
    text: A solution.
    stop_strings: Strings that end it.

  Example:
    >>> cut('12+5=17.\n\nProblem: ...', ['Problem', '\n\n'])
    '12+5=17.'
  """
  ends = [text.find(s) for s in stop_strings]
  return text[: min((e for e in ends if e >= 0), default=len(text))]
