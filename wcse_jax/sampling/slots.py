"""The slots that samples decode in, and what comes into them."""

from typing import Any

import flax.struct
import jax
import numpy as np

from wcse_jax.models.attention import Level

REFILLS = 32  # slots filled at a time
ACTIVE, EOS, STOP, LENGTH, FREE = range(5)  # State.reason_B


class State(flax.struct.PyTreeNode):
  """The slots.

  Attributes:
    cache: Keys and values, [B, K, Q + R, H]; their positions, [B, Q + R].
    token_B: The token to process next.
    position_B: Position of that token.
    key_Bx2: Random key of the sample.
    temperature_B: Temperature of the sample.
    automaton_B: State of the stop strings' automaton.
    generated_B: Number of tokens sampled.
    logprob_B: Their log-probability, in nats.
    reason_B: ACTIVE, FREE, or why the sample ended.
    tokens_BxR: The tokens sampled.
  """

  cache: Level
  token_B: jax.Array
  position_B: jax.Array
  key_Bx2: jax.Array
  temperature_B: jax.Array
  automaton_B: jax.Array
  generated_B: jax.Array
  logprob_B: jax.Array
  reason_B: jax.Array
  tokens_BxR: jax.Array


class Refill(flax.struct.PyTreeNode):
  """What comes into which slots.

  Attributes:
    slot_M: Number of each slot; one out of range is none.
    row_M: Row of its question among those computed at a time.
    token_M: The question's last token, left to the first decode step.
    position_M: Position of that token.
    key_Mx2: Random key of the sample.
    temperature_M: Temperature of the sample.
  """

  slot_M: Any
  row_M: Any
  token_M: Any
  position_M: Any
  key_Mx2: Any
  temperature_M: Any

  @classmethod
  def none(cls, slots: int) -> 'Refill':
    """Returns arrays of the host, to be filled, that say no slot of so many."""
    zeros = np.zeros(REFILLS, np.int32)
    return cls(
      slot_M=zeros + slots,
      row_M=zeros.copy(),
      token_M=zeros.copy(),
      position_M=zeros.copy(),
      key_Mx2=np.zeros((REFILLS, 2), np.uint32),
      temperature_M=np.zeros(REFILLS, np.float32),
    )
