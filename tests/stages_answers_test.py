"""What a student is asked, and what it answered."""

import contextlib
import dataclasses

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import REFERENCE
from wcse_jax.experiment.plan import Base, Mix, Student
from wcse_jax.records import Grade, Sample
from wcse_jax.stages import answers, evaluate
from wcse_jax.stages.layout import Run
from wcse_jax.tasks.nano import problems

TEST = [problems.problem('test', i) for i in range(4)]
VALIDATION = [problems.problem('validation', i) for i in range(2)]


def make_run(tmp_path, **spec):
  config = config_lib.Config(
    task=config_lib.TaskSpec(num_test=4),
    evaluate=config_lib.EvaluateSpec(num_samples=2, ks=(1, 2), **spec),
  )
  run = Run(config, store.Store(tmp_path))
  splits = {'validation': VALIDATION, 'test': TEST, 'gsm8k': TEST}
  vars(run)['problems'] = splits
  return run


def asked(run, split):
  return [
    (request.problem_id, request.sample_index, request.temperature)
    for request in evaluate._wanted(run, split)
  ]


def sample(problem_id, index, text='7', tokens=1):
  return Sample(
    generator='base',
    problem_id=problem_id,
    sample_index=index,
    text=text,
    num_tokens=tokens,
    num_prompt_tokens=1,
    finish_reason='eos',
    logprob=0.0,
  )


def test_all_are_asked_greedily_and_some_sampled(tmp_path):
  run = make_run(tmp_path, num_sampled=3)
  greedy = [(p.problem_id, -1, 0.0) for p in TEST]
  sampled = [(p.problem_id, i, 0.7) for p in TEST for i in range(2)]
  assert asked(run, 'test') == greedy + sampled[:6]
  assert asked(make_run(tmp_path), 'test') == greedy + sampled
  assert asked(run, 'gsm8k') == greedy + sampled  # it has num_transfer
  assert asked(run, 'validation') == [
    (p.problem_id, -1, 0.0) for p in VALIDATION
  ]


def test_what_is_asked_is_collected_by_problem(tmp_path):
  class Graders:
    def grade(self, items):
      for item in items:
        verdict = 'correct' if item.text == item.gold else 'wrong'
        yield Grade(verdict, item.text, 'exact')

  run = make_run(tmp_path, num_sampled=3)
  samples = [
    sample(problem_id, index, '7' if index == 1 else TEST[0].gold)
    for problem_id, index, _ in asked(run, 'test')
  ]
  found = answers.collect('nano_arithmetic', samples[::-1], TEST, Graders())
  assert [a.problem_id for a in found] == [p.problem_id for p in TEST]
  assert [len(a.verdicts) for a in found] == [2, 2, 2, 0]
  assert found[0].greedy == 'correct'
  assert found[0].verdicts == ['correct', 'wrong']
  assert found[0].answers == [TEST[0].gold, '7']


def test_how_long_solutions_are_is_told_by_those_before(tmp_path):
  """The longest go first, so that few slots are idle at the end."""
  run = make_run(tmp_path)
  exam = evaluate._Exam(run, None, None)
  student = Student(Mix(REFERENCE, 'high'))
  validation, test = (
    run.evaluate_stage(student, split) for split in ('validation', 'test')
  )
  assert exam._lengths(validation, 'validation') == {}
  assert exam._lengths(test, 'test') == {}
  for stage, rows in (
    (validation, [sample('a', -1, tokens=3), sample('b', -1, tokens=5)]),
    (run.evaluate_stage(Base(), 'test'), [sample('c', -1, tokens=7)]),
    (test, [sample('c', 0, tokens=8), sample('d', -1, tokens=1)]),
  ):
    stage.write_part(store.to_table(rows, store.SAMPLES), store.SAMPLES)
  assert exam._lengths(validation, 'validation') == {'a': 3, 'b': 5}
  assert exam._lengths(test, 'test') == {'c': 7.5, 'd': 1}


def test_the_base_may_be_asked_behind_examples(tmp_path):
  """A pretrained model would not know what is asked; a finetuned one does."""
  student, asked = Student(Mix(REFERENCE, 'high')), []

  class Machine:
    def sampler(self, role, task, prompts, prefix=''):
      asked.append((task.name, prefix))
      return self

    def model(self, role):
      return None

    def stream(self, requests, **_):
      return iter(())

  class Graders:
    def grade(self, items):
      return iter(())

  for few_shot in (False, True):
    run = make_run(tmp_path, few_shot_base=few_shot)
    exam = evaluate._Exam(run, Machine(), Graders())
    for whose in (Base(), student):
      stage = run.evaluate_stage(whose, 'test')
      with contextlib.suppress(KeyError):  # nobody answers
        exam.answers(stage, str(whose), 'test', dict)
  assert [prefix for _, prefix in asked] == ['', problems.PREFIX, '']
  bare, prompted = (
    make_run(tmp_path, few_shot_base=few_shot) for few_shot in (False, True)
  )
  spec = bare.evaluate_stage(Base(), 'test').spec
  assert prompted.evaluate_stage(Base(), 'test').spec == {
    **spec,
    'prefix': problems.PREFIX,
  }
  same = [run.evaluate_stage(student, 'test') for run in (bare, prompted)]
  assert same[0].fingerprint == same[1].fingerprint


def test_how_many_are_sampled_is_part_of_what_a_test_is(tmp_path):
  """But not of one that all are, as every one was before."""
  whole, part = make_run(tmp_path), make_run(tmp_path, num_sampled=3)
  stages = [run.evaluate_stage(Base(), 'test') for run in (whole, part)]
  assert stages[1].spec == {**stages[0].spec, 'num_sampled': 3}
  for split in ('validation', 'gsm8k'):
    one, two = (
      dataclasses.replace(
        run,
        config=dataclasses.replace(
          run.config,
          evaluate=dataclasses.replace(
            run.config.evaluate, transfer=('gsm8k',)
          ),
        ),
      ).evaluate_stage(Base(), split)
      for run in (whole, part)
    )
    assert one.fingerprint == two.fingerprint
  saved = [config_lib.saved(run.config)['evaluate'] for run in (whole, part)]
  assert [of.get('num_sampled', 'absent') for of in saved] == ['absent', 3]
  for run in (whole, part):
    assert config_lib.restore(config_lib.saved(run.config)) == run.config
