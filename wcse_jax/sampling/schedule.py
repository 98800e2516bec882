"""Who samples next, and what the slots did with their time."""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
import itertools

from wcse_jax.records import Keyed

COMPILED = 32768  # tokens: programs for another prefix take seconds to compile


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request(Keyed):
  """One sample to draw.

  Its key is part of the random numbers' name.

  Attributes:
    problem_id: The problem that the sample is to answer.
    sample_index: 0, 1, ...: its place in the pool of this problem.
    prompt: Text that follows the prefix.
    temperature: What logits are divided by; 0 takes the likeliest token.
  """

  problem_id: str
  sample_index: int
  prompt: str
  temperature: float


@dataclasses.dataclass
class Ledger:
  """What was spent on sampling.

  In each step each slot decodes a token or is idle: it waits for the end of its
  block, or there is no more work. Idle slots compute, too.

  Attributes:
    samples: Samples that finished.
    tokens: Tokens decoded, those of samples that an interrupt cut off included.
    truncated_tokens: Tokens of samples that ended at `max_new_tokens`.
    prefill_tokens: Tokens of prefix and questions.
    prefill_padding: Empty places computed beside them, for shapes are fixed.
    waiting_tokens: Those of `tokens` decoded while samples waited for a slot.
    refill_idle: Slot-steps idle while samples waited for a slot.
    tail_idle: Slot-steps idle when none waited any more.
    steps: Decode steps, each of all slots.
    seconds: Time from the first program to the last, compilation included.
    device_seconds: The same, times the number of devices.
  """

  samples: int = 0
  tokens: int = 0
  truncated_tokens: int = 0
  prefill_tokens: int = 0
  prefill_padding: int = 0
  waiting_tokens: int = 0
  refill_idle: int = 0
  tail_idle: int = 0
  steps: int = 0
  seconds: float = 0.0
  device_seconds: float = 0.0

  @property
  def slots_busy(self) -> float | None:
    """Share of slot-steps that gave a token, while samples waited for a slot.

    None if none ever waited.
    """
    return slots_busy(self.waiting_tokens, self.refill_idle)

  def plus(self, other: 'Ledger', sign: int = 1) -> 'Ledger':
    """Returns the sum; with sign -1 the difference.

    Example:
      >>> Ledger(tokens=5, steps=3).plus(Ledger(tokens=2, steps=1), -1).tokens
      3
    """
    ours, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
    return Ledger(*(a + sign * b for a, b in zip(ours, theirs, strict=True)))


def slots_busy(waiting_tokens: float, refill_idle: float) -> float | None:
  """Returns the share of slot-steps that gave a token; None of none.

  Args:
    waiting_tokens: Tokens decoded while samples waited for a slot.
    refill_idle: Slot-steps idle meanwhile.

  Example:
    >>> slots_busy(30, 10), slots_busy(0, 0)
    (0.75, None)
  """
  total = waiting_tokens + refill_idle
  return waiting_tokens / total if total else None


def enough_slots(slots: int, busy: int, data: int = 1) -> int:
  """Returns how many slots the busy ones need: all, 1/2, 1/4 or 1/8 of them.

  Args:
    slots: How many there are.
    busy: How many of them are busy.
    data: Number of devices that share them, each as many.

  Example:
    >>> [enough_slots(64, busy) for busy in (64, 33, 32, 9, 8, 1)]
    [64, 64, 32, 16, 8, 8]
    >>> enough_slots(64, 1, data=16)
    16
  """
  sizes = (slots >> halved for halved in (3, 2, 1))
  enough = (size for size in sizes if size >= busy and size % data == 0)
  return next(enough, slots)


def groups(
  requests: Sequence[Request],
  num_tokens: Mapping[str, int],
  expected: Mapping[str, float],
) -> list[list[int]]:
  """Orders work so that slots stay full to the end: longest expected first.

  Args:
    requests: What to draw.
    num_tokens: Length of each prompt, by its text.
    expected: Mean length of a problem's samples, by problem id, where some are
      known. Of other problems those with longer prompts are expected to have
      longer solutions.

  Returns:
    Indices of requests, those of one prompt together.

  Example:
    >>> requests = [
    ...   Request(problem_id=p, sample_index=i, prompt=p, temperature=1.0)
    ...   for p in ('short', 'long') for i in range(2)
    ... ]
    >>> groups(requests, {'short': 5, 'long': 9}, {})
    [[2, 3], [0, 1]]
    >>> groups(requests, {'short': 5, 'long': 9}, {'short': 80.0, 'long': 70.0})
    [[0, 1], [2, 3]]
  """
  of_prompt: dict[str, list[int]] = {}
  for index, request in enumerate(requests):
    of_prompt.setdefault(request.prompt, []).append(index)
  known = [
    (expected[requests[i[0]].problem_id], num_tokens[prompt])
    for prompt, i in of_prompt.items()
    if requests[i[0]].problem_id in expected
  ]
  ratio = sum(e for e, _ in known) / sum(n for _, n in known) if known else 1

  def length(item: tuple[str, list[int]]) -> float:
    prompt, indices = item
    problem = requests[indices[0]].problem_id
    return expected.get(problem, ratio * num_tokens[prompt])

  return [i for _, i in sorted(of_prompt.items(), key=length, reverse=True)]


def take[T](
  waiting: Mapping[int, collections.deque[T]],
  columns: int,
  rows: int,
) -> list[T]:
  """Takes what is computed at a time: of some columns, then of fewer.

  Args:
    waiting: What is not computed yet, by the columns that it needs.
    columns: Those that are computed.
    rows: How many at most.

  Example:
    >>> waiting = {n: collections.deque([n] * 3) for n in (16, 32, 64)}
    >>> take(waiting, 32, 5), take(waiting, 64, 5)
    ([32, 32, 32, 16, 16], [64, 64, 64, 16])
  """
  taken = []
  for size in sorted((n for n in waiting if n <= columns), reverse=True):
    fit = min(len(waiting[size]), rows - len(taken))
    taken += [waiting[size].popleft() for _ in range(fit)]
  return taken


def prefixes(
  prompts: Mapping[str, Sequence[int]], worth: int
) -> list[tuple[list[int], list[str]]]:
  """Finds what prompts begin with that is worth computing once.

  Prompts with a prefix of their own are sampled in a turn of their own, with
  programs and a tail of their own, which is worth so many tokens.

  Args:
    prompts: Token ids of each prompt, by its text.
    worth: Number of tokens that a prefix has to save, all prompts but one
      counted.

  Returns:
    Prefixes, each with the texts of its prompts; at least one token of each
    prompt is behind its prefix. All other prompts are behind an empty one.

  Example:
    >>> texts = 'Add. 1', 'Add. 2', 'Add. 3', 'Halve. 4', 'Halve. 6', '5'
    >>> prompts = {text: text.encode() for text in texts}
    >>> for common, behind in prefixes(prompts, worth=6):
    ...   print(bytes(common), behind)
    b'Add. ' ['Add. 1', 'Add. 2', 'Add. 3']
    b'Halve. ' ['Halve. 4', 'Halve. 6']
    b'' ['5']
  """
  found, rest = _inside(
    sorted(prompts, key=lambda p: tuple(prompts[p])), prompts, worth, 0
  )
  if rest:
    found.append(([], rest))
  return found


def _inside(texts, prompts, worth, have):
  """Finds prefixes worth more than the tokens had; returns others' texts."""
  first, last = prompts[texts[0]], prompts[texts[-1]]
  found, rest = [], list(texts)
  longest = max(len(prompts[text]) for text in texts)
  if (longest - have) * (len(texts) - 1) < worth:
    return [], rest
  if first != last:
    same = _common(first, last)
    saved = same if (same - have) * (len(texts) - 1) >= worth else have
    branch = lambda text: prompts[text][same : same + 1]
    parts = [
      _inside(list(some), prompts, worth, saved)
      for _, some in itertools.groupby(texts, branch)
    ]
    found = [prefix for inner, _ in parts for prefix in inner]
    rest = [text for _, others in parts for text in others]
  if rest:
    first, last = prompts[rest[0]], prompts[rest[-1]]
    same = _common(first[:-1], last[:-1])  # one token stays behind it
    if (same - have) * (len(rest) - 1) >= worth:
      return [*found, (list(first[:same]), rest)], []
  return found, rest


def _common(one: Sequence[int], other: Sequence[int]) -> int:
  pairs = zip(one, other, strict=False)
  alike = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
  return sum(1 for _ in alike)
