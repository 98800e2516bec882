"""A server as a teacher: what it is asked, its faults, its limits, its log."""

import dataclasses
import datetime
import json
import subprocess
import sys
import time

import fake_server
import pytest

from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.experiment.prices import Price
from wcse_jax.experiment.teachers import ExternalSpec
from wcse_jax.sampling import completions, endpoint, purchases
from wcse_jax.sampling.purchases import Cost, Limit, LimitError, Purchases
from wcse_jax.sampling.schedule import Request

PRICE = Price(
  model=fake_server.MODEL,
  date=datetime.date(2026, 1, 1),
  usd_per_million_output_tokens=1e6,
  usd_per_million_input_tokens=1e5,
)


@pytest.fixture
def server():
  with fake_server.Server() as server:
    yield server


def wanted(problems=3, samples=2):
  return [
    Request(
      problem_id=f'p{i}',
      sample_index=j,
      prompt=f'What is {i}?',
      temperature=0.5,
    )
    for i in range(problems)
    for j in range(samples)
  ]


@pytest.fixture
def buy(server, tmp_path, monkeypatch):
  """Returns a function that samples, in a process's first or later run."""
  monkeypatch.setattr(endpoint, '_pause', lambda *_: 0.01)
  monkeypatch.delenv('OPENAI_API_KEY', raising=False)
  path = tmp_path / 'pool' / purchases.NAME

  def buy(of=None, limit=None, price=None, **changes):
    asked = completions.Asked(
      url=server.url,
      model=fake_server.MODEL,
      chat=True,
      prefix='Solve. ',
      stop_strings=('\n\n',),
      max_new_tokens=30,
      top_k=None,
      top_p=0.9,
      samples=1,
      requests=2,
      timeout_s=1.0,
    )
    log = Purchases(path)
    log.begin(limit or Limit())
    made = endpoint.Endpoint(
      dataclasses.replace(asked, **changes), 'wc', log, price
    )
    buy.log = log
    return list(made.stream(of or wanted(), 'wc', log.answers))

  buy.path = path
  return buy


def keys(samples):
  return sorted(sample.key for sample in samples)


def test_every_sample_is_asked_for_and_comes(server, buy):
  samples = buy()
  assert keys(samples) == [r.key for r in wanted()]
  first = samples[0]
  assert first.text.startswith(' 1+1=2. The answer is')
  assert (first.num_tokens, first.num_prompt_tokens) == (10, 20)
  assert (first.generator, first.finish_reason) == ('wc', 'eos')
  assert len(server.asked) == 6
  assert server.asked[0] == {
    'model': 'small',
    'messages': [{'role': 'user', 'content': 'Solve. What is 0?'}],
    'max_tokens': 30,
    'temperature': 0.5,
    'top_p': 0.9,
    'stop': ['\n\n'],
  }
  assert buy.log.spent == Cost(60, 0.0) and buy.log.lost == 0


def test_pretrained_models_continue_a_text(server, buy):
  buy(chat=False, top_k=3, top_p=None)
  body = server.asked[0]
  assert body['prompt'] == 'Solve. What is 0?' and body['top_k'] == 3
  assert 'messages' not in body and 'top_p' not in body


def test_several_samples_of_a_problem_are_one_request(server, buy):
  samples = buy(wanted(2, 5), samples=3)
  assert keys(samples) == [r.key for r in wanted(2, 5)]
  assert sorted(body.get('n', 1) for body in server.asked) == [2, 2, 3, 3]


@pytest.mark.parametrize('came', [1, 2, 5])
def test_a_server_may_give_another_number(server, buy, came):
  """Fewer are asked for again; more were not wanted."""
  body = {'messages': [{'content': 'Solve. What is 0?'}]}
  server.faults = [fake_server.completion(body, came)]
  samples = buy(wanted(1, 3), samples=3)
  assert keys(samples) == [('p0', 0), ('p0', 1), ('p0', 2)]
  assert len(server.asked) == (1 if came >= 3 else 2)


@pytest.mark.parametrize('fault', [429, 500, 503, (429, '0'), (503, '0.01')])
def test_a_busy_server_is_asked_again_and_not_paid(server, buy, fault):
  server.faults = [fault] * 3
  assert len(buy()) == 6
  assert len(server.asked) == 9 and buy.log.spent.tokens == 60


@pytest.mark.parametrize('fault', ['stall', 'cut', 'cut without length'])
def test_an_answer_that_does_not_come_is_paid_and_not_received(
  server, buy, fault
):
  server.faults = [fault]
  assert len(buy(timeout_s=0.5)) == 6
  assert buy.log.lost == 1 and buy.log.spent.tokens == 60 + 30


def test_retry_after_is_honoured():
  answer = lambda value: type('A', (), {'headers': {'retry-after': value}})()
  assert 7 <= endpoint._pause(answer('7'), 0) < 8
  then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
  date = then.strftime('%a, %d %b %Y %H:%M:%S GMT')
  assert 25 < endpoint._pause(answer(date), 0) < 34
  assert 1 <= endpoint._pause(answer('soon'), 0) < 1.3
  assert 60 <= endpoint._pause(None, 20) < 67
  for value in ('inf', '1e12'):
    assert endpoint._pause(answer(value), 0) < 4000
  for value in ('0', '-5', 'nan'):
    assert 0.1 <= endpoint._pause(answer(value), 0) < 1.3


def test_one_busy_answer_stops_all(server, buy, monkeypatch):
  monkeypatch.setattr(endpoint, '_pause', lambda *_: 0.5)
  server.faults = [429]
  begun = time.monotonic()
  buy()
  assert time.monotonic() - begun > 0.5


def test_a_server_that_stays_busy_ends_the_run_and_keeps_what_came(server, buy):
  server.faults = [None, None, *[503] * 100]
  with pytest.raises(endpoint.EndpointError, match='has not answered 8 times'):
    buy()
  server.faults = []
  del server.asked[:]
  assert len(buy()) == 6
  assert len(server.asked) == 4, 'two are in the log'


@pytest.mark.parametrize(
  ('fault', 'why'),
  [
    (400, 'refuses the request .status 400'),
    (404, 'refuses the request .status 404'),
    ({'choices': []}, "no completion: KeyError: 'usage'"),
    ({'choices': [], 'usage': {'prompt_tokens': 1, 'completion_tokens': 1}},
     'it has no choices'),
    ({'usage': None, 'choices': [{'message': {'content': 'x'}}]}, 'TypeError'),
    ([1], 'TypeError'),
  ],
)  # fmt: skip
def test_what_is_no_completion_is_named_and_kept(server, buy, fault, why):
  server.faults = [fault]
  with pytest.raises(endpoint.EndpointError, match=why):
    buy(wanted(1, 1))
  log = buy.path.read_text()
  if not isinstance(fault, int):
    assert json.dumps(fault)[1:-1].replace('"', '\\"') in log, 'it is paid'
  assert buy.log.lost == (not isinstance(fault, int))


def test_a_key_is_of_the_environment_and_is_written_nowhere(
  server, buy, monkeypatch
):
  server.key = 'secret-key'
  with pytest.raises(endpoint.EndpointError, match='wants a key: set WCSE_WC'):
    buy()
  monkeypatch.setenv('OPENAI_API_KEY', 'wrong')
  with pytest.raises(endpoint.EndpointError, match='refuses the key in'):
    endpoint.check(server.url, 'small', 'wc')
  monkeypatch.setenv('WCSE_WC_API_KEY', 'secret-key')
  endpoint.check(server.url, 'small', 'wc')
  assert len(buy()) == 6
  assert 'secret-key' not in buy.path.read_text()


def test_a_server_is_looked_at_before(server):
  endpoint.check(server.url, 'other', 'se')
  with pytest.raises(endpoint.EndpointError, match='it has small, other'):
    endpoint.check(server.url, 'large', 'se')
  with pytest.raises(endpoint.EndpointError, match='start the server'):
    endpoint.check('http://127.0.0.1:9/v1', 'small', 'se')
  for url in ('http://[::1/v1', 'http://localhost:abc/v1'):
    with pytest.raises(endpoint.EndpointError, match='give its address'):
      endpoint.check(url, 'small', 'se')


@pytest.mark.parametrize(
  'url',
  [
    *('http://a:b@host/v1', 'https://:b@host/v1', 'http://host/v1?key=x'),
    *('http:///v1', 'http://[::1/v1', 'http://localhost:abc/v1'),
  ],
)
def test_an_address_with_a_key_in_it_makes_no_config(url):
  changes = {'external': ExternalSpec(wc=url)}
  with pytest.raises(ConfigError, match='its key in the environment'):
    Config(**changes)


@pytest.mark.parametrize('secret', ['sk-S\n', ' sk-S\r\n'])
def test_a_key_from_a_file_is_stripped(server, buy, monkeypatch, secret):
  server.key = 'sk-S'
  monkeypatch.setenv('OPENAI_API_KEY', secret)
  assert len(buy()) == 6


@pytest.mark.parametrize('secret', ['sk-\u00e9', 'sk-\nS', 'sk-\x00S'])
def test_what_is_no_key_is_not_shown(server, buy, monkeypatch, secret):
  monkeypatch.setattr(endpoint.os, 'environ', {'OPENAI_API_KEY': secret})
  with pytest.raises(endpoint.EndpointError) as error:
    endpoint.key('wc')
  assert str(error.value).startswith('OPENAI_API_KEY holds no key')
  assert 'sk-' not in str(error.value)


def test_half_a_character_is_kept_and_costs_nothing_more(server, buy):
  body = fake_server.completion({'messages': [{'content': ''}]})
  body['choices'][0]['message']['content'] = 'The answer is \ud83d 5.'
  server.faults = [body]
  (sample,) = buy(wanted(1, 1))
  assert sample.text == 'The answer is ? 5.'
  assert (buy.log.lost, buy(wanted(1, 1))) == (0, [sample])
  assert len(server.asked) == 1


def test_a_message_without_content_is_an_empty_solution(server, buy):
  body = fake_server.completion({'messages': [{'content': ''}]})
  del body['choices'][0]['message']['content']
  server.faults = [body]
  (sample,) = buy(wanted(1, 1))
  assert sample.text == ''


def test_an_answer_that_trickles_is_too_late(server, buy):
  server.faults = ['trickle']
  assert len(buy(wanted(1, 1), timeout_s=0.5)) == 1
  assert buy.log.lost == 1 and 'ReadTimeout' in buy.path.read_text()


def test_more_tokens_than_were_reserved_end_a_limited_run(server, buy):
  body = fake_server.completion({'messages': [{'content': ''}]})
  body['usage']['completion_tokens'] = 3000
  server.faults = [body, body]
  with pytest.raises(endpoint.EndpointError, match='a limit of it cannot be'):
    buy(wanted(1, 1), Limit(tokens=10_000))
  assert buy.log.spent.tokens == 3000
  assert len(buy(wanted(1, 1))) == 1, 'it is kept'
  assert len(server.asked) == 1


def test_others_answers_are_patience(server, buy, monkeypatch):
  """One answer between many refusals: a server that is busy is not gone."""
  server.faults = [429, 429, 429, None] * 20
  assert len(buy(wanted(20, 1), requests=4)) == 20


def test_an_answer_after_its_run_was_given_up_counts_once(tmp_path):
  log = Purchases(tmp_path / 'log')
  log.begin(Limit())
  order = log.reserve([('p', 0)], Cost(30), 1)
  Purchases(tmp_path / 'log').begin(Limit())  # another run, too early
  log.receive(order, {'a': 1}, Cost(20))
  again = Purchases(tmp_path / 'log')
  assert (again.spent, again.lost) == (Cost(20), 0)
  assert len(again.answers) == 1


def test_a_full_disk_leaves_no_half_line(tmp_path):
  code = """
import pathlib, resource, signal, sys
from wcse_jax.sampling.purchases import *
log = Purchases(pathlib.Path(sys.argv[1]))
log.begin(Limit())
order = log.reserve([('p', 0)], Cost(30), 1)
size = pathlib.Path(sys.argv[1]).stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limit[1]))
try:
  log.receive(order, {'x': 'y' * 3000}, Cost(20))
except PurchaseError as e:
  print(e)
"""
  done = subprocess.run(
    [sys.executable, '-c', code, tmp_path / 'log'],
    capture_output=True,
    text=True,
    check=True,
  )
  assert 'cannot be written (File too large)' in done.stdout
  again = Purchases(tmp_path / 'log')
  again.begin(Limit())
  assert again.lost == 1


@pytest.mark.parametrize('requests', [1, 4])
@pytest.mark.parametrize('tokens', [1, 29, 30, 45, 100, 180])
def test_a_limit_of_tokens_is_never_passed(server, buy, tokens, requests):
  """A request of at most 30 takes 10."""
  with pytest.raises(LimitError, match=f'limit.tokens = {tokens} is reached'):
    buy(wanted(20, 1), Limit(tokens=tokens), requests=requests)
  paid = 10 * len(server.asked)
  assert paid == buy.log.spent.tokens <= tokens
  assert paid + 30 > tokens, 'no request was left out that could be paid'
  assert keys(buy(wanted(20, 1))) == sorted(r.key for r in wanted(20, 1))
  assert len(server.asked) == 20, 'none is asked for again'


def test_a_limit_of_dollars_counts_prompts_by_their_bytes(server, buy):
  with pytest.raises(LimitError, match=r'limit\.usd = 60 is reached'):
    buy(limit=Limit(usd=60), price=PRICE, requests=1)
  # Each took 10 + 20 / 10 dollars; 30 + (17 + 64) / 10 were reserved.
  assert buy.log.spent == Cost(20, 24.0)
  assert len(buy(limit=Limit(usd=120), price=PRICE, requests=1)) == 6
  assert buy.log.spent == Cost(60, 72.0)


@pytest.mark.parametrize('requests', [1, 3])
def test_a_prompt_of_the_servers_own_is_reserved_once_it_is_known(
  server, buy, requests
):
  """A limit of dollars was passed, by each request, and nothing said so."""
  body = fake_server.completion({'messages': [{'content': ''}]})
  body['usage']['prompt_tokens'] = 1000  # 81 are reserved
  body['usage']['completion_tokens'] = 30
  server.faults, limit = [body] * 60, Limit(usd=1000)
  for _ in range(2):  # a run that goes on knows it, too
    with pytest.raises(LimitError, match=r'limit\.usd = 1000 is reached'):
      buy(wanted(20, 1), limit, PRICE, requests=requests)
    assert 1000 - 230 < buy.log.spent.usd <= 1000
  few = Limit(usd=1000 + 39)  # enough of what is sent
  with pytest.raises(LimitError):
    buy(wanted(20, 1), few, PRICE, requests=requests)
  assert buy.log.spent.usd <= 1000


def test_a_limit_of_hours_counts_all_runs(server, buy):
  server.delay_s = 0.3
  with pytest.raises(LimitError, match=r'limit\.hours = 0\.0005'):
    buy(wanted(20, 1), Limit(seconds=1.8), requests=1)
  assert 2 <= len(server.asked) <= 4
  with pytest.raises(LimitError):
    buy(wanted(20, 1), Limit(seconds=1.8), requests=1)
  assert len(server.asked) <= 4


def test_what_other_pools_cost_counts(tmp_path):
  first = Purchases(tmp_path / 'a')
  first.begin(Limit())
  first.receive(first.reserve([('p', 0)], Cost(30), 1), {}, Cost(20))
  first.reserve([('p', 1)], Cost(30), 1)  # in flight when it was killed
  spent = Purchases(tmp_path / 'a').total
  assert spent.cost == Cost(50)
  second = Purchases(tmp_path / 'b')
  second.begin(Limit(tokens=100), [spent])
  second.reserve([('q', 0)], Cost(50), 1)
  with pytest.raises(LimitError, match='100 are spent or in flight'):
    second.reserve([('q', 1)], Cost(1), 1)


def test_what_was_sent_when_it_was_killed_is_paid_and_not_received(tmp_path):
  log = Purchases(tmp_path / 'log')
  log.begin(Limit())
  log.receive(log.reserve([('p', 0)], Cost(30), 1), {'a': 1}, Cost(20))
  log.reserve([('p', 1), ('p', 2)], Cost(60), 1)
  again = Purchases(tmp_path / 'log')
  again.begin(Limit())
  assert again.answers == [((('p', 0),), {'a': 1}, Cost(30))]
  assert (again.lost, again.spent) == (2, Cost(80))
  third = Purchases(tmp_path / 'log')
  third.begin(Limit())
  assert (third.lost, third.spent) == (2, Cost(80)), 'and counts once'


def test_a_line_of_which_half_was_written_is_no_damage(tmp_path):
  log = Purchases(tmp_path / 'log')
  log.begin(Limit())
  log.reserve([('p', 0)], Cost(30), 1)
  whole = (tmp_path / 'log').read_bytes()
  (tmp_path / 'log').write_bytes(whole + b'{"got": 0, "bo')
  again = Purchases(tmp_path / 'log')
  assert (tmp_path / 'log').read_bytes() != whole, 'another host may write it'
  again.begin(Limit())
  assert again.lost == 1
  lines = (tmp_path / 'log').read_bytes()
  assert lines.startswith(whole + b'{"began"')


@pytest.mark.parametrize(
  'line', ['{', '[]', '{"time": 1, "got": 7}', '{"got": 0, "time": "x"}']
)
def test_a_damaged_line_is_named(tmp_path, line):
  (tmp_path / 'log').write_text('{"began": 1.0, "time": 1.0}\n' + line + '\n')
  with pytest.raises(purchases.PurchaseError, match='log:2 is damaged'):
    Purchases(tmp_path / 'log')


def test_nothing_is_sent_that_cannot_be_noted(server, buy):
  buy.path.parent.mkdir(parents=True)
  buy.path.mkdir()
  with pytest.raises((purchases.PurchaseError, IsADirectoryError)):
    buy()
  assert not server.asked
