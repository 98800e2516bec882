"""What a session spends, and what is left when it ends early."""

import dataclasses

import jax
from plain_loop import PREFIX, SETTINGS, draw, make_requests, plain
import pytest

from wcse_jax import testing
from wcse_jax.sampling import engine, programs


def test_at_most_6_programs_and_none_compiles_twice():
  model = testing.tiny_model()
  sampler = engine.Sampler(model, slots=4, **{**SETTINGS, 'top_k': 39})
  compiled = []

  def listen(event, seconds, **_):
    if event == '/jax/core/compile/backend_compile_duration':
      compiled.append(seconds)

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    list(sampler.stream(make_requests(5, 3)))
    assert 1 <= len(compiled) <= 6, 'programs'
    compiled.clear()
    list(sampler.stream(make_requests(1, 1)))
    list(sampler.stream(make_requests(7, 2)))
    other = testing.tiny_model(seed=1).params
    compiled.clear()
    list(sampler.stream(make_requests(3, 3), params=other))
    assert not compiled, 'a program compiled again'
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_sample_ends_at_every_end_of_its_model():
  """Its text is without the token that ended it."""
  model, settings = testing.tiny_model(), SETTINGS | {'stop_strings': []}
  requests = make_requests()
  long = draw(engine.Sampler(model, slots=4, **settings), requests)
  ends = tuple(range(4 + ord('A'), 4 + ord('K')))
  ending = dataclasses.replace(model, ends=ends)
  rows = draw(engine.Sampler(ending, slots=4, **settings), requests)
  for key, row in rows.items():
    text = long[key].text.encode('utf-8', 'replace')
    at = next((i for i, c in enumerate(text) if 4 + c in ends), len(text))
    assert row.text == text[:at].decode('utf-8', 'replace')
    ended = at < len(text) or long[key].finish_reason == 'eos'
    assert row.finish_reason == ('eos' if ended else 'length')
  assert {row.finish_reason for row in rows.values()} == {'eos', 'length'}


def test_at_the_end_fewer_slots_decode_if_bits_may_differ():
  """A half, a quarter, an eighth; and all of them in the next session."""
  spent, drawn = {}, {}
  for exact in (True, False):
    sampler = engine.Sampler(
      testing.tiny_model(), slots=16, exact=exact, **SETTINGS
    )
    drawn[exact] = draw(sampler, make_requests(7, 5))
    spent[exact] = dataclasses.replace(sampler.ledger)
    again = draw(sampler, make_requests(7, 5))
    assert [row.num_tokens for row in again.values()] == [
      row.num_tokens for row in drawn[exact].values()
    ]
  few, all_ = spent[False], spent[True]
  assert (few.samples, few.tokens) == (all_.samples, all_.tokens)
  assert few.steps == all_.steps and few.refill_idle == all_.refill_idle
  assert few.tail_idle < 0.7 * all_.tail_idle
  for key, row in drawn[True].items():
    assert drawn[False][key].logprob == pytest.approx(row.logprob, rel=1e-4)


def test_the_ledger_accounts_for_every_slot_step():
  sampler = engine.Sampler(testing.tiny_model(), slots=4, **SETTINGS)
  rows = draw(sampler, make_requests())
  spent = sampler.ledger
  assert spent.samples == len(rows)
  assert spent.tokens == sum(r.num_tokens for r in rows.values())
  assert spent.tokens + spent.refill_idle + spent.tail_idle == 4 * spent.steps
  assert spent.truncated_tokens == sum(
    r.num_tokens for r in rows.values() if r.finish_reason == 'length'
  )
  prompts = {r.prompt for r in make_requests()}
  assert spent.prefill_tokens == 1 + len(PREFIX) + sum(map(len, prompts))
  tile = -(1 + len(PREFIX)) % 16
  assert spent.prefill_padding == tile + 8 * 16 - sum(map(len, prompts))
  assert 0 < spent.slots_busy < 1 and spent.device_seconds == spent.seconds
  again = dataclasses.replace(spent)
  draw(sampler, make_requests(1, 2))
  assert sampler.ledger.plus(again, -1).samples == 2


def test_cost_grows_linearly():
  """Twice the problems take twice the steps, within 2%."""
  sampler = engine.Sampler(testing.tiny_model(), slots=4, **SETTINGS)
  steps = []
  for problems in (80, 160):
    before = sampler.ledger.steps
    list(
      sampler.stream(
        [
          dataclasses.replace(r, problem_id=f'{r.problem_id}/{i}')
          for i in range(problems // 5)
          for r in make_requests(5, 3)
        ]
      )
    )
    steps.append(sampler.ledger.steps - before)
  assert steps[1] / steps[0] == pytest.approx(2, rel=0.02)


def test_an_interrupted_stream_leaves_a_sampler_that_works():
  model = testing.tiny_model()
  sampler = engine.Sampler(model, slots=4, **SETTINGS)
  stream = sampler.stream(make_requests(), generator='wc')
  next(stream)
  stream.close()
  fresh = engine.Sampler(model, slots=4, **SETTINGS)
  assert draw(sampler, make_requests()) == draw(fresh, make_requests())


def test_other_weights_give_other_samples():
  sampler = engine.Sampler(testing.tiny_model(), slots=4, **SETTINGS)
  one = draw(sampler, make_requests())
  other = testing.tiny_model(seed=1)
  request = make_requests()[0]
  (row,) = sampler.stream([request], generator='wc', params=other.params)
  assert row.text == plain(other, request)[0]
  assert row != one[request.problem_id, request.sample_index]


def test_out_of_memory_is_named(monkeypatch):
  sampler = engine.Sampler(testing.tiny_model(), slots=4, **SETTINGS)

  def fail(*_):
    raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory')

  monkeypatch.setattr(programs.Programs, 'empty', fail)
  with pytest.raises(engine.SamplingError, match=r'lower sampling\.slots'):
    list(sampler.stream(make_requests()))
