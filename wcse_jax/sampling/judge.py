"""A language model as judge: is a solution's reasoning right?

The judge answers Yes or No to a prompt with the question and the solution; its
answer is what it finds likeliest. It serves where steps cannot be checked
exactly (the paper had Gemini Pro judge 500 samples) and where there are no
labels. An answer decides by its first word or, unless it is cut off, its last.
Any other is none, and counted as such.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
import re
from typing import Protocol

from wcse_jax.records import Decision, Grade, Problem, Sample
from wcse_jax.sampling import engine, schedule

PREFIX = resources.files(__package__).joinpath('judge.txt').read_text()
PROMPT = 'Problem: {question}\nSolution:{solution}\nIs every step right?'
_SAYS: Mapping[str, Decision] = {'yes': 'correct', 'no': 'wrong'}


class Asked(Protocol):
  """What answers the judge's prompts: a sampler, or a server."""

  def stream(
    self, requests: Sequence[schedule.Request], generator: str
  ) -> Iterator[Sample]:
    """Yields an answer to each request, in any order."""
    ...


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
  asked: Asked,
  samples: Iterable[Sample],
  problems: Mapping[str, Problem],
) -> Iterator[tuple[Sample, Grade]]:
  """Yields each sample with the judge's grade, in the order in which they come.

  The verdict is 'correct' if the judge says yes, 'wrong' if no, else 'unknown';
  the answer is what it said.

  Args:
    asked: A sampler that `sampler` made, or a server.
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
    >>> ((judged, said),) = judge(asked, [sample], {'p': problem})
    >>> judged == sample, said.verdict, said.rule
    (True, 'unknown', 'judge')
  """
  rows = {s.key: s for s in samples}
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
    grade = Grade(_verdict(said), said.text.strip(), rule='judge')
    yield rows[said.key], grade


def _verdict(said: Sample) -> Decision:
  words = re.findall(r'\w+', said.text.lower())
  telling = {*words[:1]}
  if said.finish_reason != 'length':
    telling |= {*words[-1:]}
  found = telling & _SAYS.keys()
  return _SAYS[found.pop()] if len(found) == 1 else 'unknown'
