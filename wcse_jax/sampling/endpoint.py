"""Samples of a server that speaks the OpenAI protocol.

vLLM, SGLang, llama.cpp's server and vendors do. A server that is busy is asked
again after as long as it says, or ever later. All that is asked and answered is
in a log (`purchases`): a run that goes on takes from there what was paid.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent import futures
import contextlib
import datetime
import email.utils
import os
import random
import threading
import time
from typing import Any

import httpx

from wcse_jax.errors import Error
from wcse_jax.experiment.prices import Price
from wcse_jax.records import Sample
from wcse_jax.sampling import completions, purchases, reserves
from wcse_jax.sampling.completions import Asked
from wcse_jax.sampling.purchases import Purchases
from wcse_jax.sampling.schedule import Request

_TRIES = 8
_LONGEST_S = 60.0  # between two tries, where the server does not say
_PATIENCE_S = 3600.0  # the same, where it does
_LEAST_S = 0.1  # and in any case
_MOST_STOPS = 4  # stop strings of a request, by the protocol
_SHOWN = 300  # characters of what a server says
_BUSY = 408, 429  # and what begins with 5
_BILLED = {502, 504}  # of a gateway, behind which it may have been answered


_UNSENT = (
  httpx.ConnectError,
  httpx.ConnectTimeout,
  httpx.PoolTimeout,
  httpx.LocalProtocolError,
  httpx.UnsupportedProtocol,
)


class EndpointError(Error):
  """A server that cannot be used so; says what it answered, and the remedy."""


def key(role: str) -> str:
  """Returns the key of a role's server, from the environment alone.

  Raises:
    EndpointError: It cannot be one; it is not shown.
  """
  names = f'WCSE_{role.upper()}_API_KEY', 'OPENAI_API_KEY'
  for name in names:
    if found := os.environ.get(name, '').strip():
      if not (found.isascii() and found.isprintable()):
        raise EndpointError(f'{name} holds no key', 'give its letters alone')
      return found
  return ''


def check(url: str, model: str, role: str, timeout_s: float = 20.0) -> None:
  """Makes sure that a server is there, takes the key, and has the model.

  Args:
    url: As in `Asked`.
    model: As there.
    role: Whose server it is; its key is `key(role)`.
    timeout_s: Seconds that the answer may take.

  Raises:
    EndpointError: It is not, does not or has not.
  """
  try:
    with _client(url, key(role), timeout_s) as client:
      answer = client.get('models')
  except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as e:
    raise EndpointError(
      f'config.external.{role} = {url!r}: {type(e).__name__}: {e}',
      'start the server, or give its address, which mostly ends in /v1',
    ) from e
  _refuse(answer, role)
  with contextlib.suppress(ValueError, LookupError, TypeError):
    known = [one['id'] for one in answer.json()['data']]
    if answer.status_code == 200 and known and model not in known:
      raise EndpointError(
        f'config.{role} = {model!r}: {url} has no such model',
        f'it has {", ".join(map(str, known))[:_SHOWN]}',
      )


def _client(url: str, secret: str, timeout_s: float) -> httpx.Client:
  return httpx.Client(
    base_url=url.rstrip('/') + '/',
    headers={'Authorization': f'Bearer {secret}'} if secret else {},
    timeout=timeout_s,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
    follow_redirects=False,  # a key is for this server alone
  )


def _refuse(answer: httpx.Response, role: str) -> None:
  """Raises EndpointError for a key that is refused."""
  if answer.status_code in (401, 403):
    name = f'WCSE_{role.upper()}_API_KEY'
    what = 'refuses the key in' if key(role) else 'wants a key: set'
    raise EndpointError(
      f'{answer.url.host} {what} {name}, or OPENAI_API_KEY'
      f' (status {answer.status_code})',
      'what came before is kept',
    )


class Endpoint:
  """A server as a sampler of one pool."""

  def __init__(
    self, asked: Asked, role: str, log: Purchases, price: Price | None = None
  ):
    """Prepares to ask; nothing is sent.

    Args:
      asked: What to ask.
      role: Whose server it is; its key is `key(role)`.
      log: Where purchases are noted.
      price: What tokens cost; None is not known, or nothing.
    """
    self._asked, self._role, self._log, self._price = asked, role, log, price
    self._ended = threading.Event()
    self._not_before = 0.0  # of the clock: the server is busy until then
    self._answered = 0  # requests
    self._hidden = 0  # tokens of prompts, of the server's own

  def stream(
    self,
    wanted: Sequence[Request],
    generator: str,
    answers: Sequence[purchases.Answer] = (),
  ) -> Generator[Sample]:
    """Yields samples as they come: first those that were paid before.

    Args:
      wanted: What to sample.
      generator: The name of the pool.
      answers: What logs have of the pool.

    Raises:
      EndpointError: The server refuses, or does not answer.
      LimitError: A limit is reached.
      PurchaseError: The log cannot be written.
    """
    asked, left = self._asked, {request.key: request for request in wanted}
    self._hidden = reserves.hidden(answers, self._price)
    for answer in answers:
      with contextlib.suppress(ValueError):  # it was told then
        for sample in completions.read(
          answer.body, answer.keys, asked, generator
        ):
          if left.pop(sample.key, None):
            yield sample
    with (
      _client(asked.url, key(self._role), asked.timeout_s) as client,
      futures.ThreadPoolExecutor(asked.requests) as workers,
    ):
      try:
        while left:  # a server may give fewer than it is asked for
          groups = self._groups(list(left.values()))
          for sample in self._bought(client, workers, groups, generator):
            left.pop(sample.key)
            yield sample
      finally:  # what is in flight is waited for, and logged
        self._ended.set()

  def _bought(
    self,
    client: httpx.Client,
    workers: futures.Executor,
    groups: list[list[Request]],
    generator: str,
  ) -> Iterator[Sample]:
    """Yields the samples of groups; of an error only when all has come."""
    running: dict[futures.Future[list[Sample]], list[Request]] = {}
    error: Error | None = None
    full = False  # a limit, of what is in flight: it may take less than that
    while running or (groups and not error):
      while (
        groups and not (error or full) and len(running) < self._asked.requests
      ):
        group = groups.pop()
        running[workers.submit(self._buy, client, group, generator)] = group
      done, _ = futures.wait(running, return_when=futures.FIRST_COMPLETED)
      answers = sorted(done, key=lambda one: one.exception() is not None)
      came = False
      for one in answers:  # what came before what did not
        group = running.pop(one)
        try:
          yield from one.result()
          came, full = True, False
        except purchases.LimitError as e:
          groups.append(group)
          full = not came
          error = error or (None if running or came else e)
        except Error as e:
          error = error or e
          self._ended.set()  # who waits for a busy server waits no more
    if error:
      raise error

  def _groups(self, requests: Sequence[Request]) -> list[list[Request]]:
    """Requests of one problem together, the first at the end."""
    groups: list[list[Request]] = []
    for request in requests:
      if (
        groups
        and len(groups[-1]) < self._asked.samples
        and groups[-1][0].prompt == request.prompt
        and groups[-1][0].temperature == request.temperature
      ):
        groups[-1].append(request)
      else:
        groups.append([request])
    return groups[::-1]

  def _buy(
    self, client: httpx.Client, group: Sequence[Request], generator: str
  ) -> list[Sample]:
    """Asks until there is an answer; returns its samples."""
    keys = [request.key for request in group]
    tried, answered = 0, self._answered
    while tried < _TRIES:
      self._wait(self._not_before - time.monotonic())
      most = reserves.most(self._asked, group, self._price, self._hidden)
      order = self._log.reserve(keys, most, self._asked.timeout_s)
      pause = _pause(None, tried)
      try:
        answer = self._post(client, group)
      except _UNSENT as e:
        why, paid = f'{type(e).__name__}: {e}', False
      except httpx.HTTPError as e:  # it was sent: no answer came, or a part
        why, paid = f'{type(e).__name__}: {e}', True
      else:
        cut = answer.status_code == 200 and completions.is_cut(answer.text)
        if answer.status_code == 200 and not cut:
          return self._received(order, answer, generator)
        why = 'it is cut off' if cut else self._failed(order, answer)
        paid = cut or answer.status_code in _BILLED
        pause = _pause(answer, tried)
        if answer.status_code == 429:  # it is too much for all
          self._not_before = time.monotonic() + pause
      self._log.fail(order, why, paid=paid)
      # A server that answers others is not gone.
      tried = tried + 1 if answered == self._answered else 0
      answered = self._answered
      self._wait(pause)
    raise EndpointError(
      f'{self._asked.url} has not answered {_TRIES} times: {why[:_SHOWN]}',
      'what came is kept. Run the same command again when it does',
    )

  def _post(
    self, client: httpx.Client, group: Sequence[Request]
  ) -> httpx.Response:
    """Sends a request; its whole answer comes in time, or not at all."""
    until = time.monotonic() + self._asked.timeout_s
    with client.stream('POST', self._path, json=self._body(group)) as answer:
      content = bytearray()
      for chunk in answer.iter_bytes():
        content += chunk
        if time.monotonic() > until:
          raise httpx.ReadTimeout(f'longer than {self._asked.timeout_s:g} s')
    after = answer.headers.get('retry-after')
    return httpx.Response(
      answer.status_code,
      headers={'retry-after': after} if after else {},
      content=bytes(content),
      request=answer.request,
    )

  def _wait(self, seconds: float) -> None:
    if self._ended.wait(max(0.0, seconds)):
      raise EndpointError('stopped')

  @property
  def _path(self) -> str:
    return 'chat/completions' if self._asked.chat else 'completions'

  def _body(self, group: Sequence[Request]) -> dict[str, Any]:
    """What a request holds, by the protocol."""
    asked, first = self._asked, group[0]
    prompt = asked.prefix + first.prompt
    body: dict[str, Any] = {
      'model': asked.model,
      'max_tokens': asked.max_new_tokens,
      'temperature': first.temperature,
    }
    if asked.chat:
      body['messages'] = [{'role': 'user', 'content': prompt}]
    else:
      body['prompt'] = prompt
    if asked.stop_strings:
      body['stop'] = list(asked.stop_strings[:_MOST_STOPS])
    if asked.top_p is not None:
      body['top_p'] = asked.top_p
    if asked.top_k is not None:
      body['top_k'] = asked.top_k
    if len(group) > 1:
      body['n'] = len(group)
    return body

  def _received(
    self, order: purchases.Order, answer: httpx.Response, generator: str
  ) -> list[Sample]:
    """Notes an answer; returns its samples."""
    try:
      body = answer.json()
      samples = completions.read(body, order.keys, self._asked, generator)
      usage = body['usage']
    except ValueError as e:
      self._log.fail(order, str(e), paid=True, body=answer.text)
      raise EndpointError(
        f'{self._asked.url} answered what is no completion: {e}',
        f'the answer is in {purchases.NAME} of the pool. Name a server that'
        ' speaks the OpenAI protocol and counts tokens in `usage`, or another'
        ' config.endpoint.chat',
      ) from e
    tokens, prompt_tokens = usage['completion_tokens'], usage['prompt_tokens']
    self._answered += 1
    came = purchases.Answer(order.keys, body, order.most)
    hidden = reserves.hidden([came], self._price)
    self._hidden = max(self._hidden, hidden)  # before another takes its place
    paid = reserves.cost(tokens, prompt_tokens, self._price)
    self._log.receive(order, body, paid)
    if self._log.limited and tokens > order.most.tokens:
      judges = self._role == 'judge'
      field = 'endpoint.judge_tokens' if judges else 'sampling.max_new_tokens'
      raise EndpointError(
        f'{self._asked.url} took {tokens:,} tokens of at most'
        f' {order.most.tokens:,}: a limit of it cannot be kept',
        f'the answer is kept. Raise config.{field} to what it takes, or leave'
        ' config.limit out',
      )
    return samples

  def _failed(self, order: purchases.Order, answer: httpx.Response) -> str:
    """Returns why a busy server did not answer; raises if it is not busy."""
    said = answer.text[:_SHOWN]
    why = f'status {answer.status_code}: {said}'
    if answer.status_code >= 500 or answer.status_code in _BUSY:
      return why
    self._log.fail(order, why, paid=False)
    _refuse(answer, self._role)
    raise EndpointError(
      f'{answer.url} refuses the request ({why})',
      f'see config.{self._role}, config.endpoint and config.sampling: vendors'
      ' know no top_k (--config.sampling.top_k=None)',
    )


def _pause(answer: httpx.Response | None, tried: int) -> float:
  """Returns how many seconds to wait: as the server says, or ever longer."""
  said = answer.headers.get('retry-after', '') if answer else ''
  seconds = min(_LONGEST_S, 2.0**tried)
  with contextlib.suppress(ValueError, TypeError):
    until = email.utils.parsedate_to_datetime(said)
    now = datetime.datetime.now(datetime.UTC)
    seconds = (until - now).total_seconds()
  with contextlib.suppress(ValueError):
    seconds = float(said)
  if not 0 <= seconds <= _PATIENCE_S:  # 'inf', too
    seconds = _PATIENCE_S if seconds > 0 else 0.0
  return (seconds + _LEAST_S) * random.uniform(1.0, 1.1)  # not all at once
