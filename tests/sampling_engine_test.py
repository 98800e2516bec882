"""The engine against the plain loop: one sample at a time, no cache."""

import dataclasses
import itertools
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from plain_loop import PREFIX, SETTINGS, draw, forward, make_requests, plain
import pytest

from wcse_jax import testing
from wcse_jax.models import gemma, sharding
from wcse_jax.sampling import choosing, engine


@pytest.mark.parametrize('changes', [
  {},
  {'num_kv_heads': 4, 'attention_types': ('global',) * 2},
  {'attention_types': ('local',) * 5 + ('global',), 'use_qk_norm': True},
])  # fmt: skip
def test_samples_are_those_of_the_plain_loop(changes):
  model = testing.tiny_model(**changes)
  requests = make_requests()
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  rows = draw(sampler, requests)
  assert len(rows) == len(requests)
  reasons = set()
  for request in requests:
    row = rows[request.problem_id, request.sample_index]
    text, count, reason, logprob = plain(model, request)
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


@pytest.mark.parametrize('temperature', [0.0, 1.0])
@pytest.mark.parametrize('options', [
  {'top_k': None}, {'top_k': 3}, {'top_k': None, 'top_p': 0.9},
])  # fmt: skip
def test_ids_that_the_tokenizer_lacks_are_never_sampled(temperature, options):
  """Of 1,260 rows 260 are pieces: Gemma 3 has such, and added tokens are."""
  model, settings = testing.tiny_model(num_embed=1260), SETTINGS | options
  requests = make_requests(problems=2, samples=2, temperature=temperature)
  rows = draw(engine.Sampler(model, slots=4, **settings), requests)
  for request in requests:
    row = rows[request.problem_id, request.sample_index]
    text, count, reason, logprob = plain(model, request, settings)
    assert (row.text, row.num_tokens, row.finish_reason) == (
      text,
      count,
      reason,
    )
    assert row.logprob == pytest.approx(logprob, rel=1e-4)


def test_bitwise_the_same_in_any_order_slot_and_company():
  model = testing.tiny_model()
  requests = make_requests()
  rows = draw(engine.Sampler(model, slots=4, **SETTINGS), requests)
  order = np.random.default_rng(0).permutation(len(requests))
  shuffled = [requests[i] for i in order]
  assert rows == draw(engine.Sampler(model, slots=4, **SETTINGS), shuffled)
  # k grows from 2 to 3: the first two stay; a resume draws the third alone
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  first = draw(sampler, [r for r in requests if r.sample_index < 2])
  rest = draw(sampler, [r for r in requests if r.sample_index == 2])
  assert first | rest == rows
  # Temperature is a row's own: greedy neighbours change nothing.
  greedy = make_requests(temperature=0.0)
  mixed = [r for pair in zip(requests, greedy, strict=True) for r in pair]
  assert set(rows.values()) <= set(sampler.stream(mixed, generator='wc'))


@pytest.mark.slow
def test_other_slot_counts_and_meshes_differ_at_most_in_near_ties(tmp_path):
  """On 8 devices, in float32: each first difference has a gap under 1e-4."""
  done = subprocess.run(
    [sys.executable, '-c', _ON_MESHES, str(tmp_path / 'rows.json')],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parent,
    env=os.environ | {'XLA_FLAGS': '--xla_force_host_platform_device_count=8'},
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  runs = json.loads((tmp_path / 'rows.json').read_text())
  assert set(runs) == {
    *('4 1x1', '7 1x1', '8 8x1', '8 4x2', '8 2x4'),
    *('8 1x1 fewer at the end', '8 2x4 fewer at the end'),
  }
  model, requests = testing.tiny_model(), make_requests()
  ties = 0
  for name, texts in runs.items():
    for request, text, other in zip(
      requests, runs['4 1x1'], texts, strict=True
    ):
      if text != other:
        ties += 1
        gap = _gap(model, request, _common(text, other))
        assert gap < 1e-4, f'{name}, {request.problem_id}: not a near-tie'
  assert ties <= 2, f'{ties} near-ties in {6 * len(requests)} samples'


_ON_MESHES = """
import json, sys
import plain_loop as p
from wcse_jax import testing
from wcse_jax.models import sharding
from wcse_jax.sampling import engine
rows = {}
for slots, data, tensor, exact in [
  (4, 1, 1, True), (7, 1, 1, True), (8, 8, 1, True), (8, 4, 2, True),
  (8, 2, 4, True), (8, 1, 1, False), (8, 2, 4, False),
]:
  sampler = engine.Sampler(
    testing.tiny_model(), slots=slots, exact=exact,
    mesh=sharding.make_mesh(data, tensor), **p.SETTINGS,
  )
  found = p.draw(sampler, p.make_requests())
  rows[f'{slots} {data}x{tensor}{"" if exact else " fewer at the end"}'] = [
    found[r.problem_id, r.sample_index].text for r in p.make_requests()
  ]
json.dump(rows, open(sys.argv[1], 'w'))
"""


def _common(one, other):
  pairs = itertools.takewhile(lambda p: p[0] == p[1], zip(one, other))  # noqa: B905
  return ''.join(p[0] for p in pairs)


def _gap(model, request, before):
  """Returns how far the uniform was from choosing another token."""
  probs = _probabilities(model, request, before)
  order = np.argsort(-probs, kind='stable')[: SETTINGS['top_k']]
  cdf = np.cumsum(probs[order]) / probs[order].sum()
  key = choosing.sample_key(
    SETTINGS['seed'], 'wc', request.problem_id, request.sample_index
  )
  uniform = choosing.uniform(jnp.array([key]), jnp.array([len(before)]))
  return np.abs(cdf - float(uniform[0])).min()


def _probabilities(model, request, before=''):
  """Returns softmax(logits / temperature) after prompt and `before`."""
  ids = model.tokenizer.encode(SETTINGS['prefix'] + request.prompt + before)
  padded = np.zeros((1, 80), np.int32)
  padded[0, : 1 + len(ids)] = [model.tokenizer.bos, *ids]
  module = gemma.Gemma(model.config)
  hidden, _ = forward(module, model.params, padded)
  logits = gemma.logits(module, model.params, hidden[0, len(ids)])
  return np.asarray(jax.nn.softmax(logits / request.temperature))


@pytest.mark.parametrize(
  ('temperature', 'top_k', 'top_p'),
  [(1.0, None, None), (0.7, 3, None), (0.7, None, 0.8)],
)
def test_first_tokens_are_distributed_as_the_softmax(temperature, top_k, top_p):
  """And each is independent of the sample before it."""
  model, n = testing.tiny_model(), 4000
  settings = {**SETTINGS, 'top_k': top_k, 'top_p': top_p, 'stop_strings': []}
  sampler = engine.Sampler(model, slots=64, **{**settings, 'max_new_tokens': 1})
  requests = [
    dataclasses.replace(request, sample_index=i, temperature=temperature)
    for request in make_requests(1, 1)
    for i in range(n)
  ]
  rows = draw(sampler, requests)
  decoded = {  # of every token
    model.tokenizer.decode([i]): i for i in range(4, model.config.num_embed)
  }
  tokens = np.array(
    [decoded.get(rows['p0', i].text, -1) for i in range(n)]  # -1: not UTF-8
  )
  probs = _probabilities(model, requests[0]).astype(np.float64)
  order = np.argsort(-probs)
  if top_k:
    probs[order[top_k:]] = 0
  if top_p:
    probs[order[np.cumsum(probs[order]) - probs[order] >= top_p]] = 0
  probs /= probs.sum()
  kept = [i for i in np.flatnonzero(probs * n > 5) if 4 <= i < 132]
  seen = np.array([(tokens == i).sum() for i in kept])
  for token, count in zip(kept, seen, strict=True):
    spread = (n * probs[token] * (1 - probs[token])) ** 0.5
    assert abs(count - n * probs[token]) <= 4.5 * spread + 1e-6, token
  assert kept and (top_k != 3 or len(kept) <= 3)
  # Pairs of neighbours occur as often as the product of their shares.
  best = tokens == order[0]
  both = (best[1:] & best[:-1]).mean()
  assert abs(both - best.mean() ** 2) < 4 / n**0.5


def test_greedy_is_top_1():
  model = testing.tiny_model()
  greedy = draw(
    engine.Sampler(model, slots=4, **SETTINGS), make_requests(temperature=0.0)
  )
  top_1 = draw(
    engine.Sampler(model, slots=4, **{**SETTINGS, 'top_k': 1}), make_requests()
  )
  assert {k: r.text for k, r in greedy.items()} == {
    k: r.text for k, r in top_1.items()
  }


def test_sample_gives_n_of_each_prompt_in_order():
  sampler = engine.Sampler(
    testing.tiny_model(),
    **{**SETTINGS, 'max_prompt_tokens': None},
    slots=4,
  )
  few = sampler.sample(['Q: 1?\nA:', 'Q: 22?\nA:'], n=2)
  more = sampler.sample(['Q: 22?\nA:', 'Q: 1?\nA:', 'Q: 1?\nA:'], n=3)
  assert [len(samples) for samples in more] == [3, 3, 3]
  assert more[1][:2] == few[0] and more[0][:2] == few[1], 'k grows'
  assert more[1] == more[2], 'a prompt has its samples'
  assert [s.sample_index for s in more[0]] == [0, 1, 2]
  assert len({s.text for s in more[0]}) > 1
  assert sampler.sample([]) == []


def test_broken_weights_and_long_prompts_are_named():
  model = testing.tiny_model()
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  bad = jax.tree.map(lambda a: a * jnp.nan, model.params)
  with pytest.raises(engine.SamplingError, match='weights are broken'):
    list(sampler.stream(make_requests(), params=bad))
  long = engine.Request(
    problem_id='long', sample_index=0, prompt='9' * 99, temperature=0.0
  )
  with pytest.raises(engine.SamplingError, match='problem long has 99'):
    list(sampler.stream([long]))


def test_a_tokenizer_of_another_model_is_named():
  model = testing.tiny_model(num_embed=200)
  with pytest.raises(engine.SamplingError, match='tokenizer of another model'):
    engine.Sampler(model, **SETTINGS)


def test_a_stop_string_that_cannot_match_is_named():
  settings = {**SETTINGS, 'stop_strings': ['']}
  with pytest.raises(ValueError, match='can never match'):
    engine.Sampler(testing.tiny_model(), **settings)


def test_more_than_the_context_is_named():
  model = testing.tiny_model(context_length=50)
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  with pytest.raises(engine.SamplingError, match='more than the 50 of tiny'):
    list(sampler.stream(make_requests()))


def test_mesh_that_does_not_fit_is_named():
  with pytest.raises(ValueError, match=r'config\.mesh'):
    sharding.make_mesh(999, 2)
