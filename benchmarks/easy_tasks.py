"""What share of easy problems an untouched model solves, by task and prompt.

  python benchmarks/easy_tasks.py    # the table; needs WCSE_DATA_DIR
  python benchmarks/easy_tasks.py --only=nano_one_step --problems=300

Problems are of the train splits, solutions greedy. By its table, which is in
docs/GEMMA_270M.md, the task and the prompt of configs/gemma3_270m.py were
chosen, before anything was finetuned.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
import itertools
import random
import re
from typing import Any, NamedTuple

from scipy import stats

from wcse_jax import tasks, verify
from wcse_jax.runtime import processor, threads
from wcse_jax.tasks import gsm8k, math
from wcse_jax.tasks.datasets import Source
from wcse_jax.tasks.nano import one_step
from wcse_jax.tasks.nano import problems as nano

_Row = Mapping[str, Any]  # of an official file


class Exam(NamedTuple):
  """A task behind a prompt.

  Attributes:
    task: The task that grades.
    of: Which of its problems are asked.
    prompt: What the examples are.
    prefix: The examples.
    asked: Questions, with their right answers.
    max_new_tokens: Most tokens of a solution.
  """

  task: tasks.TaskInfo
  of: str
  prompt: str
  prefix: str
  asked: Sequence[tuple[str, str]]
  max_new_tokens: int


def exams(number: int) -> Iterator[Exam]:
  """Yields four tasks, each behind two prompts.

  Args:
    number: How many problems of each task are asked.
  """
  rows = _rows('gsm8k', lambda row: 1 <= row['answer'].count('<<') <= 2)
  asked = [(r['question'], gsm8k.gold(r['answer'])) for r in rows[8:]][:number]
  equations = _examples(
    gsm8k.TASK, [(r['question'], _equations(r['answer'])) for r in rows[:8]]
  )
  of = 'at most two annotated steps'
  yield Exam(gsm8k.TASK, of, 'its own 8', gsm8k.TASK.prefix, asked, 128)
  yield Exam(gsm8k.TASK, of, '8 of equations alone', equations, asked, 64)

  rows = _rows('math', lambda row: row['level'] == 'Level 1')
  asked = [
    (r['problem'], math.gold(r['solution'], r['problem'])) for r in rows[8:]
  ][:number]
  shown = [
    (r['problem'], math.reference_solution(r['solution'], r['problem']))
    for r in rows[:8]
  ]
  own = _examples(math.TASK, shown)
  yield Exam(math.TASK, 'level 1', 'its own 4', math.TASK.prefix, asked, 160)
  yield Exam(math.TASK, 'level 1', '8 of level 1', own, asked, 160)

  yield from nano_exams(number)


def nano_exams(number: int) -> Iterator[Exam]:
  """Yields the two tasks that need no files, each behind two prompts."""
  for task, of, module in (
    (nano.TASK, 'all levels', 'wcse_jax.tasks.nano.task'),
    (one_step.TASK, 'all', one_step.__name__),
  ):
    problems = tasks.load(module, 'problems')()['train']
    drawn = list(itertools.islice(problems, number))
    asked = [(problem.question, problem.gold) for problem in drawn]
    for prompt, prefix in (
      ('4 of one to four steps', nano.PREFIX),
      ('8 of one step', one_step.TASK.prefix),
    ):
      yield Exam(task, of, prompt, prefix, asked, 64)


def _rows(task: str, wanted: Callable[[_Row], bool]) -> Sequence[_Row]:
  """The rows of an official train file that are wanted, shuffled."""
  source = Source(task)
  rows: Sequence[_Row] = (
    math.read(source.folder(), 'train')
    if task == 'math'
    else source.rows('train.jsonl')
  )
  found = [row for row in rows if wanted(row)]
  random.Random(0).shuffle(found)
  return found


def _equations(answer: str) -> str:
  """The annotated equations of a GSM8K answer, and the answer."""
  steps = ''.join(f' {step}.' for step in re.findall('<<([^>]*)>>', answer))
  return f'{steps} The answer is {gsm8k.gold(answer)}.'


def _examples(task: tasks.TaskInfo, shown: Sequence[tuple[str, str]]) -> str:
  return ''.join(
    f'{task.prompt_format.format(question=question)}{solution}\n\n'
    for question, solution in shown
  )


def solved(model: str, exam: Exam, dtype: str = '') -> list[bool]:
  """Returns which problems of an exam a model solves.

  Args:
    model: A preset that comes with weights, or a folder.
    exam: The exam.
    dtype: What it computes in, as `Sampler` has it; '': as runs do here.
  """
  from wcse_jax.sampling.engine import Sampler

  sampler = Sampler(
    model,
    prefix=exam.prefix,
    stop_strings=exam.task.stop_strings,
    max_new_tokens=exam.max_new_tokens,
    slots=32,
    dtype=dtype or processor.float_type(),
    exact=not dtype,
  )
  prompts = [exam.task.prompt_format.format(question=q) for q, _ in exam.asked]
  answered = sampler.sample(prompts, temperature=0)
  right = []
  for (question, gold), (sample,) in zip(exam.asked, answered, strict=True):
    given = verify.grade(
      exam.task.name, gold=gold, text=sample.text, question=question
    )
    right.append(given.verdict == 'correct')
  return right


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints a row for each task and prompt."""
  parser = argparse.ArgumentParser(description=main.__doc__)
  parser.add_argument('--model', default='gemma3_270m')
  parser.add_argument('--problems', type=int, default=200)
  parser.add_argument('--only', default='', help='one task')
  flags = parser.parse_args(arguments)
  threads.limit(1)
  print('| task | problems | examples | solved | of |\n|---|---|---|---|---|')
  for exam in exams(flags.problems):
    if flags.only in ('', exam.task.name):
      right, of = sum(solved(flags.model, exam)), len(exam.asked)
      low, high = stats.binomtest(right, of).proportion_ci(method='wilson')
      share = f'{right / of:.1%} [{low:.1%}, {high:.1%}]'
      cells = exam.task.name, exam.of, exam.prompt, share, str(of)
      print('|', ' | '.join(cells), '|', flush=True)


if __name__ == '__main__':
  main()
