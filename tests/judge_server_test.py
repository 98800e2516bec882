"""A judge behind a server: what it is asked, what is kept, what it is."""

import dataclasses
import json
import re
import shutil

import fake_server
import golden_results as golden
import pytest
import small_run

from wcse_jax import store
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.experiment.plan import Base
from wcse_jax.experiment.teachers import EndpointSpec, ExternalSpec, LimitSpec
from wcse_jax.sampling import endpoint, purchases
from wcse_jax.stages import answers, bills, buy, judge, layout, purse
from wcse_jax.stages.machine import Machine

POOL = Pool('wc')


@pytest.fixture
def server(monkeypatch):
  monkeypatch.setattr(endpoint, '_pause', lambda *_: 0.01)
  monkeypatch.delenv('OPENAI_API_KEY', raising=False)
  with fake_server.Server() as server:
    yield server


@pytest.fixture
def opened(server, tmp_path):
  """Returns a function that opens a finished run with a judge at a server."""
  shutil.copytree(golden.WORKDIR, tmp_path / 'run')
  shutil.rmtree(tmp_path / 'run' / 'judge')

  def opened(writer=(0, 1), **changes):
    config = dataclasses.replace(
      golden.config(),
      **{
        'judge': 'other',
        'external': ExternalSpec(judge=server.url),
        **changes,
      },
    )
    return layout.Run(config, store.Store(tmp_path / 'run', writer))

  return opened


def judged(run, pool=POOL):
  judge.of_pools(run, Machine(run.config))
  return run.judgements(pool)


def wanted(run):
  """All samples: an arm keeps what is judged right."""
  return sum(len(run.samples(pool)) for pool in run.pools)


def test_a_server_judges_and_is_asked_once(server, opened):
  run = opened()
  said = judged(run)
  assert {v.verdict for v in said} == {'correct', 'wrong'}
  assert {v.answer for v in said} == {'Yes, it is.', 'No.'}
  assert len(server.asked) == wanted(run)
  body = server.asked[0]
  assert (body['model'], body['temperature']) == ('other', 0)
  assert body['max_tokens'] == 16 and not {'stop', 'top_k', 'n'} & body.keys()
  assert judged(opened()) == said and len(server.asked) == wanted(run), 'kept'
  stage = run.judge_stage(POOL)
  assert server.url not in json.dumps(stage.spec), 'it may move'
  log = purchases.Purchases(stage.path / purchases.NAME)
  assert len(log.answers) == len(said) and log.spent.tokens == 10 * len(said)


def test_a_model_that_continues_texts_stops_at_the_line(server, opened):
  judged(opened(endpoint=EndpointSpec(chat=False)))
  body = server.asked[0]
  assert body['prompt'].endswith('Is every step right?')
  assert body['stop'] == ['\n']


@pytest.mark.parametrize(
  'changes',
  [
    {'judge': 'small'},
    {'endpoint': EndpointSpec(judge_tokens=100)},
    {'endpoint': EndpointSpec(chat=False)},
  ],
)
def test_what_is_asked_of_it_is_part_of_what_it_said(opened, changes):
  judged(opened())
  with pytest.raises(store.StoreError, match='--redo=judge/se'):
    judged(opened(**changes))


def test_a_limit_counts_judgements_and_a_higher_one_goes_on(server, opened):
  with pytest.raises(purchases.LimitError, match=r'limit\.tokens = 60'):
    judged(opened(limit=LimitSpec(tokens=60)))
  paid = len(server.asked)
  assert 10 * paid <= 60 < 10 * paid + 16
  run = opened()
  said = [v for pool in run.pools for v in run.judgements(pool)]
  assert len(said) == paid, 'what was paid is committed'
  judged(run)
  assert len(server.asked) == wanted(run), 'and not asked for again'


@pytest.mark.slow
def test_a_judge_that_a_limit_stops_says_what_goes_on(server, tmp_path):
  """It said to run the same command again, which stopped in the same way."""
  fields = {
    **{'wc': 'small', 'se': 'other', 'judge': 'other', 'student': ''},
    **{f'external.{of}': server.url for of in ('wc', 'se', 'judge')},
    'arms': "('se', 'wc_number_matched')",
    'curate.keep': 'judge',
    'sampling.max_new_tokens': 40,
    'sampling.top_k': 'None',
  }
  # Of 60 samples and their judgements, 10 tokens each.
  limited = {**fields, 'limit.tokens': 800}
  done = small_run.run(tmp_path / 'run', **limited)
  said = ' '.join(done.stdout.split())
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert (
    'PARTIAL: a limit (limit.tokens = 800) stopped the judge of this run: all'
    ' 60 samples are there, and are not all judged. All below is without'
    ' students. To go on, give about --config.limit.tokens=1300.'
  ) in said
  assert ' tokens of other and small; ten times' in said
  limited['limit.tokens'] = 1300
  done = small_run.run(tmp_path / 'run', **limited)
  assert done.returncode == 0 and len(server.asked) == 120


@pytest.mark.parametrize('tokens', [10, 60])
def test_what_the_judge_has_left_counts(server, opened, tokens):
  run = opened(limit=LimitSpec(tokens=tokens))
  with pytest.raises(purchases.LimitError):
    judged(run)
  asked, all_ = len(server.asked), wanted(run)
  bill = bills.of_judge(run, purse.logs(run.data.workdir))
  assert bill.samples == all_ - asked
  each = 10 if asked else 16
  needed = all_ * each + 16
  assert needed <= bills.enough(run)['tokens'] <= 1.1 * needed
  assert (bill.likely is None) == (not asked)


def test_students_are_judged_in_their_place_by_any_host(server, opened):
  """In a draft, what was paid would go with it."""
  run = opened(writer=(1, 2))
  vars(run)['task'] = dataclasses.replace(run.task, exact_steps=False)
  judge.of_students(run, Machine(run.config), [Base()])
  stage = run.judge_stage(Base())
  assert stage.is_complete() and (stage.path / '_purchases-1.jsonl').exists()
  assert len(server.asked) == len(run.judgements(Base())) > 0


def test_its_key_is_its_own(server, opened, monkeypatch):
  server.key = 'secret'
  with pytest.raises(endpoint.EndpointError, match='set WCSE_JUDGE_API_KEY'):
    judged(opened())
  monkeypatch.setenv('WCSE_JUDGE_API_KEY', 'secret')
  assert judged(opened())


def test_it_is_looked_at_before_anything_is_sampled(server, opened):
  run = opened(judge='large')
  missing = {POOL: answers.requests(run.train, [0], 0.7)}
  buy.check(run, missing, False)
  buy.check(run, {POOL: []}, True)
  with pytest.raises(endpoint.EndpointError, match=r"config\.judge = 'large'"):
    buy.check(run, missing, True)


def test_the_plan_tells_of_it_and_of_its_dollars(opened, tmp_path):
  (line,) = bills.foretold(opened())
  number = wanted(opened())
  assert line.startswith(
    f'judge: other is asked about {number} solutions at most, for at most'
    f' {16 * number:,} tokens'
  )
  prices = tmp_path / 'prices.json'
  price = {
    'usd_per_million_output_tokens': 1000,
    'usd_per_million_input_tokens': 100,
    'date': '2026-01-01',
  }
  models = 'other', 'nano_wc', 'nano_se'
  prices.write_text(json.dumps([{'model': of, **price} for of in models]))
  (line,) = bills.foretold(opened(prices=str(prices)))
  dollars = float(re.search(r' and \$([\d.]+) \(price of 2026', line)[1])
  # Of prompts, too, which have a hundred tokens at least.
  assert dollars > number * (16 * 1000 + 100 * 100) / 1e6


@pytest.mark.parametrize('given', ['answers.jsonl', 'http://host/v1?key=x'])
def test_a_judge_is_a_model_at_an_address(given):
  with pytest.raises(ConfigError, match=r'(?s)external\.judge.*its key in'):
    Config(judge='other', external=ExternalSpec(judge=given))
  with pytest.raises(ConfigError, match=r'config\.judge'):
    Config(external=ExternalSpec(judge='http://host/v1'))
