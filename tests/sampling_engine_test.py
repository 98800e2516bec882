"""The engine against the plain loop: one sample at a time, no cache."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax import testing
from wcse_jax.models import gemma, sharding
from wcse_jax.sampling import choosing, engine, programs, stopping

PREFIX = 'Q: 1+1?\nA: 2\n\nQ: 2+1?\nA: 3\n\n'  # longer than the window
SETTINGS = {
  'prefix': PREFIX,
  'stop_strings': ['\n', 'ab', *'cdefghijklmnopqrs'],
  'max_new_tokens': 12,
  'max_prompt_tokens': 16,
  'top_k': 40,
  'seed': 7,
}


def _requests(problems=5, samples=3, temperature=1.0):
  return [
    engine.Request(
      problem_id=f'p{p}',
      sample_index=i,
      prompt=f'Q: {"9" * p}+{p}?\nA:',
      temperature=temperature,
    )
    for p in range(problems)
    for i in range(samples)
  ]


@functools.partial(jax.jit, static_argnums=0)
def _forward(module, params, tokens):
  return module.apply({'params': params}, tokens)


def _plain(model, request, settings=SETTINGS):
  """Returns (text, tokens, reason, logprob) by the definition."""
  tokenizer, apply = model.tokenizer, gemma.Gemma(model.config).apply
  prompt = tokenizer.encode(settings['prefix'] + request.prompt)
  tokens = [tokenizer.bos, *prompt]
  key = choosing.sample_key(
    settings['seed'],
    'wc',
    request.problem_id,
    request.sample_index,
  )
  sampled, logprob = [], 0.0
  while True:
    padded = np.zeros((1, 80), np.int32)  # what comes later is not seen
    padded[0, : len(tokens + sampled)] = tokens + sampled
    hidden, _ = _forward(gemma.Gemma(model.config), model.params, padded)
    last = hidden[:, len(tokens + sampled) - 1]
    logits = apply({'params': model.params}, last, method='logits')
    token, lp = choosing.choose(
      logits,
      choosing.uniform(jnp.array([key]), jnp.array([len(sampled)])),
      jnp.array([request.temperature]),
      top_k=settings['top_k'],
      top_p=settings.get('top_p'),
    )
    sampled.append(int(token[0]))
    logprob += float(lp[0])
    text = tokenizer.decode(sampled)
    cut = stopping.cut(text, settings['stop_strings'])
    if sampled[-1] == tokenizer.eos:
      return cut, len(sampled), 'eos', logprob
    if cut != text:
      return cut, len(sampled), 'stop', logprob
    if len(sampled) == settings['max_new_tokens']:
      return cut, len(sampled), 'length', logprob


def _rows(sampler, requests):
  return {
    (s.problem_id, s.sample_index): s
    for s in sampler.stream(requests, generator='wc')
  }


@pytest.mark.parametrize('changes', [
  {},
  {'num_kv_heads': 4, 'attention_types': ('global',) * 2},
  {'attention_types': ('local',) * 5 + ('global',), 'use_qk_norm': True},
])  # fmt: skip
def test_samples_are_those_of_the_plain_loop(changes):
  model = testing.tiny_model(**changes)
  requests = _requests()
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  rows = _rows(sampler, requests)
  assert len(rows) == len(requests)
  reasons = set()
  for request in requests:
    row = rows[request.problem_id, request.sample_index]
    text, count, reason, logprob = _plain(model, request)
    assert (row.text, row.num_tokens, row.finish_reason) == (
      text,
      count,
      reason,
    )
    assert row.logprob == pytest.approx(logprob, rel=1e-4)
    assert row.num_prompt_tokens == 1 + len(PREFIX) + len(request.prompt)
    reasons.add(reason)
  assert 'stop' in reasons and 'length' in reasons, 'the test must see both'
  assert sampler.ledger.samples == len(requests)
  assert sampler.ledger.tokens == sum(r.num_tokens for r in rows.values())


def test_bitwise_the_same_in_any_order_slot_and_company():
  model = testing.tiny_model()
  requests = _requests()
  rows = _rows(engine.Sampler(model, slots=4, **SETTINGS), requests)
  order = np.random.default_rng(0).permutation(len(requests))
  shuffled = [requests[i] for i in order]
  assert rows == _rows(engine.Sampler(model, slots=4, **SETTINGS), shuffled)
  # k grows from 2 to 3: the first two stay; a resume draws the third alone
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  first = _rows(sampler, [r for r in requests if r.sample_index < 2])
  rest = _rows(sampler, [r for r in requests if r.sample_index == 2])
  assert first | rest == rows
  # Temperature is a row's own: greedy neighbours change nothing.
  greedy = _requests(temperature=0.0)
  mixed = [r for pair in zip(requests, greedy, strict=True) for r in pair]
  assert set(rows.values()) <= set(sampler.stream(mixed, generator='wc'))


def test_other_slot_counts_differ_at_most_in_near_ties():
  model = testing.tiny_model()
  requests = _requests()
  rows = _rows(engine.Sampler(model, slots=4, **SETTINGS), requests)
  other = _rows(engine.Sampler(model, slots=7, **SETTINGS), requests)
  assert {k: r.text for k, r in rows.items()} == {
    k: r.text for k, r in other.items()
  }


def test_greedy_is_top_1():
  model = testing.tiny_model()
  greedy = _rows(
    engine.Sampler(model, slots=4, **SETTINGS), _requests(temperature=0.0)
  )
  top_1 = _rows(
    engine.Sampler(model, slots=4, **{**SETTINGS, 'top_k': 1}), _requests()
  )
  assert {k: r.text for k, r in greedy.items()} == {
    k: r.text for k, r in top_1.items()
  }


def test_nothing_compiles_twice():
  model = testing.tiny_model()
  sampler = engine.Sampler(model, slots=4, **{**SETTINGS, 'top_k': 39})
  before = programs.Programs.decode._cache_size()
  list(sampler.stream(_requests(1, 1)))
  list(sampler.stream(_requests(5, 3)))
  other = testing.tiny_model(seed=1)
  list(sampler.stream(_requests(3, 3), params=other.params))
  assert programs.Programs.decode._cache_size() == before + 1


def test_other_weights_give_other_samples():
  sampler = engine.Sampler(testing.tiny_model(), slots=4, **SETTINGS)
  one = _rows(sampler, _requests())
  other = testing.tiny_model(seed=1)
  request = _requests()[0]
  (row,) = sampler.stream([request], generator='wc', params=other.params)
  assert row.text == _plain(other, request)[0]
  assert row != one[request.problem_id, request.sample_index]


def test_broken_weights_and_long_prompts_are_named():
  model = testing.tiny_model()
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  bad = jax.tree.map(lambda a: a * jnp.nan, model.params)
  with pytest.raises(engine.SamplingError, match='weights are broken'):
    list(sampler.stream(_requests(), params=bad))
  long = engine.Request(
    problem_id='long', sample_index=0, prompt='9' * 99, temperature=0.0
  )
  with pytest.raises(engine.SamplingError, match='problem long has 99'):
    list(sampler.stream([long]))


def test_mesh_that_does_not_fit_is_named():
  with pytest.raises(ValueError, match=r'config\.mesh'):
    sharding.make_mesh(999, 2)
