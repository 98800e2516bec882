"""What prompts begin with is found, computed once, and changes no sample."""

import dataclasses
import itertools

import pytest

from wcse_jax import testing
from wcse_jax.sampling import engine, schedule, shapes

_ONE = 'Q: 1+1?\nA: 2\n\nQ: 2+1?\nA: 3\n\n'
_OTHER = 'Add: 5+4, 9. 6+3, 9.'
_SETTINGS = {'max_new_tokens': 8, 'slots': 4, 'seed': 3}


def _sampler(**changes):
  return engine.Sampler(testing.tiny_model(), **{**_SETTINGS, **changes})


def _prompts(shared, number=6):
  return [f'{shared}{"7" * (i % 3)}+{i}=' for i in range(number)]


def _greedy(sampler, prompts):
  """Returns each prompt's samples and the tokens of prompts computed."""
  before = dataclasses.replace(sampler.ledger)
  rows = sampler.sample(prompts, n=2, temperature=0)
  return rows, sampler.ledger.plus(before, -1).prefill_tokens


def _alike(rows, others):
  chain = itertools.chain.from_iterable
  for row, other in zip(chain(rows), chain(others), strict=True):
    assert (row.text, row.num_tokens) == (other.text, other.num_tokens)
    assert row.num_prompt_tokens == other.num_prompt_tokens
    assert row.logprob == pytest.approx(other.logprob, rel=1e-4)


@pytest.fixture
def worth(monkeypatch):
  """A prefix is worth a tail, which tiny programs compile in."""
  monkeypatch.setattr(schedule, 'COMPILED', 0)


@pytest.mark.usefixtures('worth')
def test_a_prefix_left_in_the_prompts_gives_the_same_samples():
  given = _sampler(prefix=_ONE, exact=False)
  rows, computed = _greedy(given, _prompts(''))
  found, few = _greedy(_sampler(exact=False), _prompts(_ONE))
  _, many = _greedy(_sampler(), _prompts(_ONE))
  _alike(rows, found)
  assert few == computed
  assert many == few + (6 - 1) * len(_ONE)


@pytest.mark.usefixtures('worth')
def test_two_few_shot_prompts_in_one_call_are_computed_once_each():
  prompts = [
    text
    for pair in zip(_prompts(_ONE), _prompts(_OTHER), strict=True)
    for text in pair
  ]
  found, few = _greedy(_sampler(exact=False), prompts)
  rows, many = _greedy(_sampler(), prompts)
  _alike(rows, found)
  # BOS is computed with each of the two, instead of once.
  assert many - few == 5 * (len(_ONE) + len(_OTHER)) - 1


def test_what_is_not_worth_it_stays_in_the_prompts():
  _, computed = _greedy(_sampler(exact=False), _prompts(_ONE))
  assert computed == 1 + sum(map(len, _prompts(_ONE)))


@pytest.mark.usefixtures('worth')
def test_exact_samples_do_not_depend_on_what_else_is_in_the_call():
  """Prompts of all lengths, some of them in a call of their own."""
  longest = max(map(len, _prompts(_ONE)))
  prompts = [*_prompts(_ONE), *_prompts(''), *_prompts(_OTHER)]
  sampler = _sampler(max_prompt_tokens=longest)
  together = sampler.sample(prompts, n=2)
  for some in (slice(0, 3), slice(5, 8), slice(3, 18, 4)):
    assert sampler.sample(prompts[some], n=2) == together[some]
  fresh = _sampler(max_prompt_tokens=longest)
  assert fresh.sample(prompts[::-1], n=2) == together[::-1]


def test_prompts_are_padded_to_lengths_of_their_own():
  sampler = _sampler(exact=False)
  short, long = ['9' * i for i in range(1, 9)], ['8' * 60]
  sampler.sample([*short, *long])
  places = 16 + 8 * 16 + 8 * 64
  tokens = 1 + sum(map(len, short + long))
  assert sampler.ledger.prefill_tokens == tokens
  assert sampler.ledger.prefill_padding == places - tokens


def test_rows_that_are_left_are_filled_with_shorter_prompts():
  """If not exact; and no prompt is computed twice."""
  prompts = ['9' * i for i in (60, 30, 10) for _ in range(5)]
  prompts = [f'{i}{prompt}' for i, prompt in enumerate(prompts)]
  few, many = _sampler(exact=False), _sampler()
  _alike(_greedy(few, prompts)[0], _greedy(many, prompts)[0])
  assert few.ledger.prefill_tokens == many.ledger.prefill_tokens
  less = many.ledger.prefill_padding - few.ledger.prefill_padding
  assert less == 8 * (64 - 32), 'in 64 columns, then in 32'


def test_a_prefix_longer_than_the_window_is_named():
  model = testing.tiny_model(context_length=50)
  with pytest.raises(engine.SamplingError) as e:
    engine.Sampler(model, prefix='9' * 60, max_new_tokens=8)
  assert 'prefix has 61 tokens' in str(e.value)
  assert 'give fewer examples' in str(e.value)


@pytest.mark.parametrize('worth_', [1, 4, 12, 100])
def test_every_prompt_is_behind_one_prefix_with_a_token_left(worth_):
  texts = ['aaaa1', 'aaaa2', 'aaaa23', 'aaaab', 'aaaabb', 'b', 'bcd', 'bce']
  prompts = {text: text.encode() for text in texts}
  found = schedule.prefixes(prompts, worth_)
  assert sorted(text for _, behind in found for text in behind) == texts
  for common, behind in found:
    for text in behind:
      assert text.encode().startswith(bytes(common))
      assert len(text) > len(common)
    assert not common or len(common) * (len(behind) - 1) >= worth_


def test_prompts_of_the_same_tokens_are_no_branches():
  prompts = {'one': [5, 6, 7], 'other': [5, 6, 7]}
  assert schedule.prefixes(prompts, 1) == [([5, 6], ['one', 'other'])]


def test_columns_follow_from_the_length_alone():
  for most in (64, 80, 256):
    for tokens in range(1, most + 1):
      columns = shapes.question_columns(tokens, most)
      assert tokens <= columns <= most
      assert columns in (16, most) or columns < 2 * shapes.whole_tiles(tokens)
