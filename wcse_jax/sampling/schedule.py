"""Who samples next, and what the slots did with their time."""

from collections.abc import Mapping, Sequence
import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """One sample to draw.

  Attributes:
    problem_id: Of the problem.
    sample_index: Which of its samples.
    prompt: What follows the prefix.
    temperature: 0 is greedy.
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
    samples: Finished.
    tokens: Decoded, those of samples that an interrupt cut off included.
    truncated_tokens: Of samples that ended at `max_new_tokens`.
    prefill_tokens: Of prefix and questions.
    prefill_padding: Computed beside them, for shapes are fixed.
    waiting_tokens: Of `tokens`, those while samples waited for a slot.
    refill_idle: Slot-steps idle while samples waited for a slot.
    tail_idle: Slot-steps idle when none waited any more.
    steps: Decode steps of all slots.
    seconds: From the first program to the last, compilation included.
    device_seconds: The same, times devices.
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
    total = self.waiting_tokens + self.refill_idle
    return self.waiting_tokens / total if total else None

  def plus(self, other: 'Ledger', sign: int = 1) -> 'Ledger':
    """Returns the sum; with sign -1 the difference."""
    ours, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
    return Ledger(*(a + sign * b for a, b in zip(ours, theirs, strict=True)))


def groups(
  requests: Sequence[Request],
  num_tokens: Mapping[str, int],
  expected: Mapping[str, float],
) -> list[list[int]]:
  """Orders work so that slots stay full to the end: longest expected first.

  Args:
    requests: What to draw.
    num_tokens: Of each prompt.
    expected: Mean tokens of a problem's samples, where some are known. For
      other problems longer questions are expected to have longer solutions.

  Returns:
    Indices of requests, those of one prompt together.
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
