"""The judge: what it is asked, what counts as yes and no."""

import dataclasses

import pytest

from wcse_jax.records import Problem, Sample
from wcse_jax.sampling import judge

PROBLEM = Problem(
  problem_id='p',
  split='train',
  question='What is 2 + 3?',
  prompt='',
  solution='',
  gold='5',
  level=1,
)


def _sample(index, text):
  return Sample(
    generator='wc',
    problem_id='p',
    sample_index=index,
    text=text,
    num_tokens=3,
    num_prompt_tokens=3,
    finish_reason='stop',
    logprob=-1.0,
  )


class Scripted:
  """A sampler that says what it is told to, in another order."""

  def __init__(self, says):
    self.says, self.requests = says, []

  def stream(self, requests, generator):
    assert generator == 'judge'
    self.requests = requests
    for request in reversed(requests):
      said = _sample(request.sample_index, self.says[request.sample_index])
      yield said


@pytest.mark.parametrize(
  ('said', 'verdict'),
  [
    (' Yes', 'correct'),
    ('No.', 'wrong'),
    (' no', 'wrong'),
    ('**Yes**, every step is.', 'correct'),
    ('3 * 4 is not 11. So my answer is: No.', 'wrong'),
    ('Yes, but the last step: no', 'unknown'),
    (' Yesterday', 'unknown'),
    ('', 'unknown'),
    (' 5', 'unknown'),
  ],
)
def test_only_yes_and_no_count(said, verdict):
  asked, sample = Scripted([said]), _sample(0, 'x')
  ((_, grade),) = judge.judge(asked, [sample], {'p': PROBLEM})
  assert (grade.verdict, grade.answer) == (verdict, said.strip())


def test_the_last_word_of_an_answer_that_is_cut_off_is_not_its_last():
  sample = _sample(0, 'x')

  class Cut(Scripted):
    def stream(self, requests, generator):
      for said in super().stream(requests, generator):
        yield dataclasses.replace(said, finish_reason='length')

  for said, verdict in (
    ('I see no', 'unknown'),
    ('Yes, as I see no', 'correct'),
  ):
    ((_, grade),) = judge.judge(Cut([said]), [sample], {'p': PROBLEM})
    assert grade.verdict == verdict


def test_each_judgement_is_of_its_sample():
  samples = [_sample(0, ' 2 + 3 = 5.\nThe answer is 5.'), _sample(1, ' 5')]
  scripted = Scripted([' No', ' Yes'])
  made = {
    sample.sample_index: grade.verdict
    for sample, grade in judge.judge(scripted, samples, {'p': PROBLEM})
  }
  assert made == {0: 'wrong', 1: 'correct'}
  assert scripted.requests[0].prompt == (
    'Problem: What is 2 + 3?\nSolution: 2 + 3 = 5. The answer is 5.\n'
    'Is every step right?'
  )
  assert scripted.requests[0].temperature == 0


def test_a_real_model_can_be_asked():
  asked = judge.sampler('nano_wc', slots=8)
  ((sample, grade),) = judge.judge(asked, [_sample(0, ' 5')], {'p': PROBLEM})
  assert sample == _sample(0, ' 5')
  assert grade.verdict in ('correct', 'wrong', 'unknown')
