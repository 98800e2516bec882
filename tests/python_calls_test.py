"""What the config refuses, the Python calls refuse: one rule for both."""

import dataclasses
import functools
import math
import pickle

import numpy as np
import pytest

from wcse_jax import testing, verify
from wcse_jax.analysis import estimators, gains, intervals
from wcse_jax.analysis import seeds as seeds_lib
from wcse_jax.experiment import arguments, budget, plan
from wcse_jax.experiment.arguments import ArgumentError
from wcse_jax.experiment.config import SE, WC
from wcse_jax.experiment.sections import FinetuneSpec, SamplingSpec
from wcse_jax.finetuning import batches, loop, packing
from wcse_jax.sampling import Request, Sampler
from wcse_jax.verify import pool

HALF = 'one \ud83d'  # of a pair of surrogates
TABLE = packing.pack([([5], [6, 1])], 5, bos=2).columns
REQUEST = Request(problem_id='p', sample_index=0, prompt='1=', temperature=1.0)
SIZES = {'se': 27e9, 'wc': 9e9}


@functools.cache
def sampler():
  return Sampler(testing.tiny_model(), max_new_tokens=2, slots=2)


def make(**settings):
  return Sampler(testing.tiny_model(), **settings)


def sample(prompts=('1+1=',), **settings):
  return sampler().sample(prompts, **settings)


def stream(**changes):
  return list(sampler().stream([dataclasses.replace(REQUEST, **changes)]))


def finetune(rate=None, **changes):
  made = batches.make(TABLE, batch_size=1, steps=1, seed=0)
  spec = dataclasses.replace(FinetuneSpec(num_checkpoints=1), **changes)
  loop.finetune(testing.tiny_model(), made, spec, None, learning_rate=rate)


def grade(task='gsm8k', gold='1', text='The answer is 1.', **settings):
  return verify.grade(task, gold=gold, text=text, **settings)


def grade_many(golds=('1',), texts=('The answer is 1.',), **settings):
  return verify.grade_many('gsm8k', golds=golds, texts=texts, **settings)


WRONG = {
  name: call
  for call in (
    lambda: make(stop_strings='\n\n'),
    lambda: make(stop_strings=[b'a']),
    lambda: make(stop_strings=7),
    lambda: make(top_k=0),
    lambda: make(top_k=2.0),
    lambda: make(top_k=True),
    lambda: make(top_p=0),
    lambda: make(top_p=1.5),
    lambda: make(top_p=math.nan),
    lambda: make(slots=0),
    lambda: make(slots=None),
    lambda: make(max_new_tokens=0),
    lambda: make(max_prompt_tokens=0),
    lambda: make(prefix=HALF),
    lambda: make(turns='gemma3'),
    lambda: make(prefix=None),
    lambda: make(stop_strings=[HALF]),
    lambda: make(dtype='int32'),
    lambda: make(seed=-1),
    lambda: make(seed=0.5),
    lambda: sample('a prompt'),
    lambda: sample(b'a prompt'),
    lambda: sample(7),
    lambda: sample([7]),
    lambda: sample({'a prompt': 1}),
    lambda: sample([HALF]),
    lambda: sample(n=-1),
    lambda: sample(n=0),
    lambda: sample(n=1.5),
    lambda: sample(n=10**9),
    lambda: sample(temperature=math.nan),
    lambda: sample(temperature=math.inf),
    lambda: sample(temperature=-1),
    lambda: sample(temperature=1e-40),
    lambda: sample(temperature='hot'),
    lambda: sample(temperature=None),
    lambda: sample(generator=HALF),
    lambda: stream(temperature=math.nan),
    lambda: stream(sample_index=0.5),
    lambda: stream(prompt=HALF),
    lambda: stream(problem_id=HALF),
    lambda: finetune(0.0),
    lambda: finetune(-1e-4),
    lambda: finetune(math.nan),
    lambda: finetune(1e9),
    lambda: finetune('1e-4'),
    lambda: finetune(learning_rates=()),
    lambda: finetune(num_checkpoints=0),
    lambda: finetune(optimizer='sgd'),
    lambda: batches.make(TABLE, batch_size=0, steps=1, seed=0),
    lambda: batches.make(TABLE, batch_size=1, steps=0, seed=0),
    lambda: packing.pack([], 0, bos=2),
    lambda: packing.best_fit([9], 7),
    lambda: loop.checkpoint_steps(0, 1),
    lambda: loop.checkpoint_steps(3, 0),
    lambda: grade(timeout_s=0),
    lambda: grade(timeout_s=math.nan),
    lambda: grade(timeout_s=1e9),
    lambda: grade(gold=1),
    lambda: grade(text=None),
    lambda: grade(text=HALF),
    lambda: grade(task='no_such_task'),
    lambda: grade(task='../x'),
    lambda: grade(task=None),
    lambda: grade_many(texts='The answer is 1.'),
    lambda: grade_many(golds='1'),
    lambda: grade_many(golds=['1', '2']),
    lambda: grade_many(questions=[]),
    lambda: grade_many(workers=0),
    lambda: grade_many(workers=10**9),
    lambda: grade_many(timeout_s=-1),
    lambda: pool.Pool(2, 1e9),
    lambda: pool.Pool(1.5),
    lambda: plan.make([SE], {'low': 2.5}, SIZES, SIZES),
    lambda: plan.make([SE], {'low': 1}, {'se': math.nan}, SIZES),
    lambda: plan.samples_per_problem(WC, 10, {'se': 27e9, 'wc': 0}),
    lambda: budget.flops_per_token(-1),
    lambda: budget.sampling_flops(-1, 1, 1, 1),
    lambda: budget.sampling_flops(1, math.nan, 1, 1),
    lambda: estimators.coverage_at_k(4, [1], 5),
    lambda: estimators.coverage_at_k(4, [1], 0),
    lambda: estimators.coverage_at_k(4, [1], 1.5),
    lambda: estimators.coverage_at_k(4, [1.5], 1),
    lambda: estimators.coverage_at_k(4, [math.nan], 1),
    lambda: estimators.diversity_at_k([[1]], 2, 3),
    lambda: estimators.diversity_at_k([[]], 2, 0),
    lambda: estimators.maj_at_k([['1']], [[True]], 2),
    lambda: estimators.maj_at_k([['1']], [[True]], 0.5),
    lambda: estimators.correct_flags(['corect']),
    lambda: intervals.bootstrap([], seed=0),
    lambda: intervals.bootstrap([1.0], seed=0, confidence=1.0),
    lambda: intervals.bootstrap([1.0], seed=0, num_resamples=0),
    lambda: intervals.ratio_bootstrap([], [], seed=0),
    lambda: seeds_lib.two_level([[]]),
    lambda: seeds_lib.two_level([[1, 2], [3, 4]], confidence=95),
    lambda: gains.rate_gain(([1], [2]), ([1], [2]), confidence=95),
    lambda: arguments.check(SamplingSpec, temperature=10**400),
  )
  for name in [str(call.__code__.co_firstlineno)]
}


@pytest.mark.parametrize('call', WRONG.values(), ids=WRONG)
def test_an_argument_that_makes_no_sense_is_refused(call):
  with pytest.raises(ValueError, match='.') as caught:
    call()
  text = str(caught.value)
  assert text and len(text) < 1500
  assert not isinstance(caught.value, UnicodeError), 'names no remedy'


def test_what_is_refused_is_named_with_the_remedy_of_the_config():
  for call, said in (
    (lambda: make(top_k=0), 'top_k = 0\ngive at least 1, or None to turn it'),
    (lambda: sample(n=-1), 'n = -1\ngive at least 1'),
    (lambda: sample('1+1='), "give a list of texts, e.g. ['1+1=']"),
    (lambda: finetune(0.0), 'learning_rate = 0.0\ngive more than 0'),
    (lambda: grade(timeout_s=0), 'timeout_s = 0\ngive more than 0 seconds'),
  ):
    with pytest.raises(ArgumentError) as caught:
      call()
    assert said in str(caught.value)
  again = pickle.loads(pickle.dumps(caught.value))
  assert (str(again), again.remedy) == (str(caught.value), caught.value.remedy)


def test_right_neighbours_are_taken():
  assert len(sample(['1+1=', '2+2='], n=np.int64(2))[1]) == 2
  assert sample(prompt for prompt in ['1+1='])[0][0].num_tokens == 2
  assert sample([], n=1) == []
  assert stream(sample_index=-1)  # as runs call the greedy one
  assert sample(temperature=np.float32(0.5)) and sample(temperature=0)
  assert make(top_k=np.int64(3), top_p=1, slots=1, stop_strings=('a', '\n'))
  assert verify.grade_many('gsm8k', golds=[], texts=[]) == []
  assert plan.samples_per_problem(WC, np.int64(10), SIZES) == 30
  assert estimators.coverage_at_k(4, [1.0], np.int64(4)).tolist() == [1.0]
