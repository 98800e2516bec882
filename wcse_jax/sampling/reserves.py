"""What a request to a server costs, and what it may cost at most."""

from collections.abc import Iterable, Sequence

from wcse_jax.experiment.prices import Price
from wcse_jax.sampling.completions import Asked
from wcse_jax.sampling.purchases import Answer, Cost
from wcse_jax.sampling.schedule import Request

_OF_CHAT = 64  # tokens of a turn's own marks, at most


def most(
  asked: Asked, group: Sequence[Request], price: Price | None, hidden: int = 0
) -> Cost:
  """Returns what a request may cost at most: a token has a byte at least.

  Args:
    asked: What is asked of a server.
    group: The samples of one problem that the request asks for.
    price: What tokens cost; None is not known, or nothing.
    hidden: Prompt tokens of the server's own; see `hidden`.
  """
  prompt = asked.prefix + group[0].prompt
  tokens = asked.max_new_tokens * len(group)
  return cost(tokens, len(prompt.encode()) + _OF_CHAT + hidden, price)


def cost(tokens: int, prompt_tokens: int, price: Price | None) -> Cost:
  """Returns what tokens cost.

  Args:
    tokens: Those that are sampled.
    prompt_tokens: Those of prompts, which cost nothing if they have no price.
    price: What tokens cost; None is not known, or nothing.
  """
  if not price:
    return Cost(tokens)
  if price.usd_per_million_input_tokens is None:
    prompt_tokens = 0
  return Cost(tokens, price.usd(tokens, prompt_tokens))


def hidden(answers: Iterable[Answer], price: Price | None) -> int:
  """Returns how many prompt tokens a server may add to what it is sent.

  Those are the most of a prompt that took more than was reserved for it; 0 if
  none did.

  Args:
    answers: What it answered.
    price: What tokens cost; None is not known, or nothing.
  """
  return max(
    (
      prompt
      for _, body, reserved in answers
      for prompt in [body['usage']['prompt_tokens']]
      if cost(reserved.tokens, prompt, price).usd > reserved.usd
    ),
    default=0,
  )
