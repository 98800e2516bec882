"""What an untouched model is asked, behind which examples."""

import collections
import importlib
import os
import pathlib

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'
NANO = 'nano_arithmetic', 'nano_one_step'


@pytest.fixture
def easy_tasks(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import easy_tasks

  return easy_tasks


def test_equations_are_the_annotated_ones(easy_tasks):
  answer = (
    'Half of 48 is <<48/2=24>>24. In all 48+24 = <<48+24=72>>72.\n#### 72'
  )
  said = easy_tasks._equations(answer)
  assert said == ' 48/2=24. 48+24=72. The answer is 72.'


@pytest.mark.skipif('WCSE_DATA_DIR' not in os.environ, reason='no GSM8K, MATH')
def test_no_question_is_among_the_examples(easy_tasks):
  exams = list(easy_tasks.exams(5))
  of = collections.Counter(exam.task.name for exam in exams)
  assert of == dict.fromkeys(('gsm8k', 'math', *NANO), 2)
  for exam in exams:
    assert len(exam.asked) == 5
    assert exam.prefix.endswith('\n\n')
    for question, gold in exam.asked:
      assert gold and question not in exam.prefix
  assert len({exam.prefix for exam in exams}) == 6  # those of nano are shared


def test_right_answers_are_counted(easy_tasks, monkeypatch):
  exam = easy_tasks.Exam(
    easy_tasks.one_step.TASK, 'all', 'none', '', [('1?', '7'), ('2?', '8')], 9
  )

  class Sampler:
    def __init__(self, model, *, prefix, stop_strings, **_):
      assert (model, prefix, stop_strings) == ('a', '', ('\n\n',))

    def sample(self, prompts, temperature):
      assert prompts == ['Problem: 1?\nSolution:', 'Problem: 2?\nSolution:']
      assert temperature == 0
      text = collections.namedtuple('Text', 'text')
      return [[text(' 3+4=7. The answer is 7.')]] * 2

  engine = importlib.import_module('wcse_jax.sampling.engine')
  monkeypatch.setattr(engine, 'Sampler', Sampler)
  grade = lambda name, *, gold, text, question: collections.namedtuple(
    'Grade', 'verdict'
  )('correct' if f'is {gold}.' in text else 'wrong')
  monkeypatch.setattr(easy_tasks.verify, 'grade', grade)
  assert easy_tasks.solved('a', exam) == [True, False]
