"""The judge: what it is asked, what counts as yes and no."""

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
    (' Yesterday', 'unknown'),
    ('', 'unknown'),
    (' 5', 'unknown'),
  ],
)
def test_only_yes_and_no_count(said, verdict):
  (made,) = judge.judge(Scripted([said]), [_sample(0, 'x')], {'p': PROBLEM})
  assert (made.verdict, made.answer) == (verdict, said.strip())
  assert made.probability == pytest.approx(0.3679, abs=1e-4)


def test_each_judgement_is_of_its_sample():
  samples = [_sample(0, ' 2 + 3 = 5.\nThe answer is 5.'), _sample(1, ' 5')]
  scripted = Scripted([' No', ' Yes'])
  made = {
    m.sample.sample_index: m.verdict
    for m in judge.judge(scripted, samples, {'p': PROBLEM})
  }
  assert made == {0: 'wrong', 1: 'correct'}
  assert scripted.requests[0].prompt == (
    'Problem: What is 2 + 3?\nSolution: 2 + 3 = 5. The answer is 5.\n'
    'Is every step right?'
  )
  assert scripted.requests[0].temperature == 0


def test_a_real_model_can_be_asked():
  asked = judge.sampler('nano_wc', slots=8)
  (made,) = judge.judge(asked, [_sample(0, ' 5')], {'p': PROBLEM})
  assert made.verdict in ('correct', 'wrong', 'unknown')
  assert 0 < made.probability <= 1
