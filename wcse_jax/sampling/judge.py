"""A language model as judge: is a solution's reasoning right?

The judge answers Yes or No to a prompt with the question and the solution; its
answer is what it finds likeliest, its confidence the probability of that. It
serves where steps cannot be checked exactly (the paper had Gemini Pro judge 500
samples) and where there are no labels. Any other answer is none, and counted as
such.
"""

from collections.abc import Iterable, Iterator, Mapping
import math
from typing import NamedTuple

from wcse_jax.records import Decision, Problem, Sample
from wcse_jax.sampling import engine, schedule

PREFIX = """\
Check whether every step of a solution is right. Answer Yes or No.

Problem: Tom has 3 boxes with 4 pens each. He loses 2 pens. How many are left?
Solution: 3 * 4 = 12. 12 - 2 = 10. The answer is 10.
Is every step right? Yes

Problem: A book costs 6 dollars. How much do 5 books and a pen of 1 dollar cost?
Solution: 6 + 5 = 11. 11 * 1 = 11. 30 + 1 = 31. The answer is 31.
Is every step right? No

Problem: Ann is 12. Her brother is half as old. How old will he be in 4 years?
Solution: 12 / 2 = 6. 6 + 4 = 10. The answer is 10.
Is every step right? Yes

Problem: A train goes 60 miles in an hour. How far does it go in 3 hours?
Solution: 60 / 3 = 20. 20 * 9 = 180. The answer is 180.
Is every step right? No

"""
PROMPT = 'Problem: {question}\nSolution:{solution}\nIs every step right?'
_SAYS: Mapping[str, Decision] = {'yes': 'correct', 'no': 'wrong'}


class Judgement(NamedTuple):
  """What the judge says of a sample.

  Attributes:
    sample: The sample judged.
    verdict: 'correct' if the judge says yes, 'wrong' if no, else 'unknown'.
    answer: What the judge said.
    probability: The probability of that answer.
  """

  sample: Sample
  verdict: Decision
  answer: str
  probability: float


def sampler(model, **options) -> engine.Sampler:
  """Returns the sampler that `judge` asks: a model behind the judge's prompt.

  Args:
    model: A `checkpoint.Model`, or the name of one that comes with weights.
    **options: Options of `sampling.Sampler`, such as slots, mesh and dtype.

  Example:
    >>> from wcse_jax import testing
    >>> sampler(testing.tiny_model()).model.name
    'tiny'
  """
  return engine.Sampler(
    model, prefix=PREFIX, stop_strings=('\n',), max_new_tokens=4, **options
  )


def judge(
  asked: engine.Sampler,
  samples: Iterable[Sample],
  problems: Mapping[str, Problem],
) -> Iterator[Judgement]:
  """Yields a judgement on each sample, in the order in which they are made.

  Args:
    asked: A sampler that `sampler` made.
    samples: The samples to judge.
    problems: Their problems, by problem id.

  Example:
    A tiny model of random weights says neither yes nor no:

    >>> from wcse_jax import testing
    >>> problem = Problem(
    ...   problem_id='p', split='test', question='What is 1+1?', prompt='',
    ...   solution='', gold='2', level=0,
    ... )
    >>> sample = Sample(
    ...   generator='wc', problem_id='p', sample_index=0, text='1+1=2.',
    ...   num_tokens=6, num_prompt_tokens=9, finish_reason='eos', logprob=-1.0,
    ... )
    >>> asked = sampler(testing.tiny_model(), slots=2)
    >>> (said,) = judge(asked, [sample], {problem.problem_id: problem})
    >>> said.sample == sample, said.verdict, 0 < said.probability < 1
    (True, 'unknown', True)
  """
  rows = {(s.problem_id, s.sample_index): s for s in samples}
  requests = [
    schedule.Request(
      problem_id=problem_id,
      sample_index=index,
      prompt=PROMPT.format(
        question=problems[problem_id].question,
        solution=' ' + ' '.join(sample.text.split()),
      ),
      temperature=0.0,
    )
    for (problem_id, index), sample in rows.items()
  ]
  for said in asked.stream(requests, generator='judge'):
    word = said.text.strip().rstrip('.,!').lower()
    yield Judgement(
      rows[said.problem_id, said.sample_index],
      _SAYS.get(word, 'unknown'),
      said.text.strip(),
      math.exp(said.logprob),
    )
