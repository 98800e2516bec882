"""What is told of pools as a whole."""

import msgspec

from wcse_jax.results.types.estimate import Estimate, Number


class Ledger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
  """What a pool took, planned against spent.

  Planned samples, tokens and the duplicates are of what arms take; all else is
  of the whole pool, which may hold more.

  Attributes:
    planned_samples: Samples that arms take.
    planned_tokens: Tokens of these.
    duplicates_rate: The share of these that repeat another.
    most_samples: Samples that arms would take at most; absent where they take
      all that their budgets pay for.
    samples: Samples of the pool.
    tokens: Tokens of these.
    prompt_tokens: Tokens of their prompts.
    truncated: Samples that ended at the limit.
    verify_seconds: Seconds of all verifiers; None if not known.
    tokens_per_s: Tokens per second; None of samples from a file.
    seconds: Seconds of sampling; None of samples from a file.
    device: The device that sampled, or the file.
    slots: Slots of the sampler; '' of samples from a file.
    slots_busy: The share of slots that decoded while samples waited.
    spent: As `sampling.Ledger` counts; None of samples from a file.
  """

  planned_samples: int
  planned_tokens: int
  duplicates_rate: Number
  most_samples: int | msgspec.UnsetType = msgspec.UNSET
  samples: int
  tokens: int
  prompt_tokens: int
  truncated: int
  verify_seconds: Number | None
  tokens_per_s: Number | None
  seconds: Number | None
  device: str
  slots: str = ''
  slots_busy: Number | msgspec.UnsetType | None = msgspec.UNSET
  spent: dict[str, Number] | None


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
  """How fast a pool was sampled, beside the least time that a plan found.

  Attributes:
    topology: The slice that was planned.
    planned_tokens_per_s: Tokens per second of a chip, as planned.
    tokens_per_s: Those that there were.
    planned_hbm_share: Bytes that decoding moves, of those that a chip could
      move meanwhile, as planned: the rest is time for other work.
    hbm_share: The same as it was; None where slots are not those planned.
  """

  topology: str
  planned_tokens_per_s: Number
  tokens_per_s: Number
  planned_hbm_share: Number
  hbm_share: Number | None


class Agreement(Estimate, frozen=True, kw_only=True):
  """How often an automatic source says what people say, of what both saw.

  Attributes:
    n: Samples that both looked at.
    right_right: Both say that the reasoning is right.
    right_wrong: People say that it is right, the source that it is wrong.
    wrong_right: People say that it is wrong, the source that it is right.
    wrong_wrong: Both say that it is wrong.
  """

  n: int
  right_right: int
  right_wrong: int
  wrong_right: int
  wrong_wrong: int
