"""The grader of a task, and grading one solution or many with it."""

from collections.abc import Callable, Sequence

from wcse_jax import tasks
from wcse_jax.experiment import arguments
from wcse_jax.experiment.sections import VerifySpec
from wcse_jax.records import Grade

# The tasks that have a `quick`: what it tells needs no process.
_QUICK = (
  'nano_arithmetic',
  'nano_one_step',
  'gsm8k',
  'math',
  'functional_math',
)

Grader = Callable[[str, str, str], Grade]  # of (gold, text, question)


def find(task: str) -> Grader:
  """The grader of a task.

  >>> find('gsm8k')('18', 'The answer is 19.', 'How many?').verdict
  'wrong'

  Args:
    task: One of `wcse_jax.tasks.TASKS`, or the module of an own task.

  Raises:
    ValueError: There is neither.
  """
  return tasks.load(task, 'grade')


def grade(
  task: str, *, gold: str, text: str, question: str = '', timeout_s: float = 5.0
) -> Grade:
  """Grades one solution.

  At once if that is safe, else in a process that is kept for the next time.

  >>> grade('gsm8k', gold='18', text='9 + 9 = 19. The answer is 18.')
  Grade(verdict='correct', answer='18', rule='numeric', sound=False)

  Args:
    task: One of `wcse_jax.tasks.TASKS`, or the module of an own task.
    gold: The right answer.
    text: The solution.
    question: The question, for graders that check the reasoning.
    timeout_s: Seconds that it may take before it is 'unknown'.

  Raises:
    ArgumentError: What is to be a text is none, or `timeout_s` makes no sense.
    ValueError: No grader is known for the task.
    VerifyError: The process does not start.
  """
  from wcse_jax.verify import pool  # a worker does without

  arguments.check_as(str, gold=gold, text=text, question=question)
  arguments.check(VerifySpec, timeout_s=timeout_s)
  if task in _QUICK:
    verdict = tasks.load(task, 'quick')(gold, text, question)
    if verdict is not None:
      return verdict
  return pool.grade_one(pool.Item(task, gold, text, question), timeout_s)


def grade_many(
  task: str,
  *,
  golds: Sequence[str],
  texts: Sequence[str],
  questions: Sequence[str] | None = None,
  workers: int = 2,
  timeout_s: float = 5.0,
) -> list[Grade]:
  """Grades many solutions in processes; grades come in the texts' order.

  >>> texts = ['The answer is 18.', 'The answer is 19.']
  >>> [g.verdict for g in grade_many('gsm8k', golds=['18', '18'], texts=texts)]
  ['correct', 'wrong']

  Args:
    task: One of `wcse_jax.tasks.TASKS`, or the module of an own task.
    golds: The right answers, one for each text.
    texts: The solutions.
    questions: The questions, one for each text, for graders that check the
      reasoning.
    workers: Number of processes.
    timeout_s: Seconds that one solution may take before it is 'unknown'.

  Raises:
    ArgumentError: The texts are one text, the lengths differ, or `workers` or
      `timeout_s` make no sense.
    ValueError: No grader is known for the task.
    VerifyError: A process does not start.
  """
  from wcse_jax.verify import pool  # a worker does without

  texts = arguments.texts(texts=texts)
  golds = arguments.texts(golds=golds)
  asked = [''] * len(texts) if questions is None else questions
  asked = arguments.texts(questions=asked)
  for name, others in (('golds', golds), ('questions', asked)):
    if len(others) != len(texts):
      raise arguments.ArgumentError(
        f'len({name})', len(others), f'give one for each of {len(texts)} texts'
      )
  find(task)
  columns = zip(golds, texts, asked, strict=True)
  with pool.Pool(workers, timeout_s) as workers_pool:
    return list(workers_pool.grade(pool.Item(task, *row) for row in columns))
