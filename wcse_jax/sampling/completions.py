"""Completions of the OpenAI protocol: what is asked for, and what comes."""

from collections.abc import Sequence
import dataclasses
import itertools
import json
import math
from typing import Any

from wcse_jax.records import FinishReason, Sample, cut


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
  """What is asked of a server, the problem aside.

  Attributes:
    url: Of the API, e.g. 'http://localhost:8000/v1'.
    model: What the server calls it.
    chat: Whether prompts are messages of a user, or texts to be continued.
    prefix: What goes before each prompt.
    stop_strings: Where a solution ends.
    max_new_tokens: Tokens of a solution at most.
    top_k: None is not sent: vendors do not know it.
    top_p: None is not sent.
    samples: Samples of a problem that one request asks for.
    requests: Requests at a time.
    timeout_s: Seconds that an answer may take.
  """

  url: str
  model: str
  chat: bool
  prefix: str
  stop_strings: tuple[str, ...]
  max_new_tokens: int
  top_k: int | None
  top_p: float | None
  samples: int
  requests: int
  timeout_s: float


def read(
  body: Any, keys: Sequence[tuple[str, int]], asked: Asked, generator: str
) -> list[Sample]:
  """Returns the samples of an answer: as many as it has of those asked for.

  Args:
    body: The answer, as JSON has it.
    keys: Problem and sample index of each that was asked for.
    asked: What was asked.
    generator: The name of the pool.

  Raises:
    ValueError: It is no completion, or does not say how many tokens it took.
  """
  try:
    texts = [
      (_text(choice, asked.chat), choice.get('finish_reason'))
      for choice in body['choices']
    ]
    usage = body['usage']
    prompt_tokens, total = usage['prompt_tokens'], usage['completion_tokens']
    fine = bool(texts) and all(
      isinstance(n, int) and n >= 0 for n in (prompt_tokens, total)
    )
  except (AttributeError, LookupError, TypeError) as e:
    raise ValueError(f'{type(e).__name__}: {e}') from e
  if not fine:
    raise ValueError('it has no choices, or no numbers in `usage`')
  shares = _shares(total, [len(text) for text, _ in texts])
  prompts = _shares(prompt_tokens, [1] * len(texts))  # it is paid once
  return [
    _sample(key, text, reason, tokens, generator, asked)
    for key, (text, reason), *tokens in zip(
      keys, texts, shares, prompts, strict=False
    )
  ]


def is_cut(answer: str) -> bool:
  """Tells whether an answer ends too early, where nothing tells its length.

  >>> is_cut('{"choices": ['), is_cut('{"choices": []}'), is_cut('<html>')
  (True, False, False)
  """
  if answer.lstrip().startswith('{'):
    try:
      json.loads(answer)
    except ValueError:
      return True
  return False


def _text(choice: Any, chat: bool) -> str:
  text = choice['message'].get('content') if chat else choice['text']
  if not isinstance(text, str | None):
    raise TypeError(f'the text is {text!r:.40}')
  return (text or '').encode(errors='replace').decode()  # half a character


def _sample(
  key: tuple[str, int],
  text: str,
  reason: str | None,
  tokens: Sequence[int],
  generator: str,
  asked: Asked,
) -> Sample:
  kept = cut(text, asked.stop_strings)
  finish: FinishReason = 'eos' if kept == text else 'stop'
  if reason == 'length' and kept == text:
    finish = 'length'
  return Sample(
    generator=generator,
    problem_id=key[0],
    sample_index=key[1],
    text=kept,
    num_tokens=tokens[0],
    num_prompt_tokens=tokens[1],
    finish_reason=finish,
    logprob=math.nan,
  )


def _shares(total: int, sizes: Sequence[int]) -> list[int]:
  """Returns tokens for each choice: servers count them together.

  >>> _shares(10, [30, 10, 0]), _shares(7, [5])
  ([8, 2, 0], [7])
  """
  ends = [0]
  for i in range(len(sizes)):
    ends.append(round(total * sum(sizes[: i + 1]) / (sum(sizes) or 1)))
  ends[-1] = total
  return [end - start for start, end in itertools.pairwise(ends)]
