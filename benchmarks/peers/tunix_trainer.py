"""The PEFT trainer of google-tunix, on all weights, with padded batches.

All are as long as the longest example: another length would compile anew.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import optax
from tunix.sft import peft_trainer, utils
import tunix_model
import turns


def make(case: turns.Training) -> turns.Made:
  """See `turns`."""
  model = tunix_model.gemma2(case)
  logits = tunix_model.logits(model, case.examples[0][: case.prompt_tokens[0]])
  trainer = peft_trainer.PeftTrainer(
    model,
    optax.chain(
      optax.clip_by_global_norm(case.clip_norm),
      optax.adamw(case.learning_rate),
    ),
    peft_trainer.TrainingConfig(eval_every_n_steps=1_000_000),
  ).with_gen_model_input_fn(_model_input)
  trainer.is_managed_externally = True  # it is called again
  losses = []
  trainer.metrics_logger.log = lambda prefix, name, value, *_: (
    losses.append(float(value)) if name == 'loss' else None
  )

  def train(seed: int) -> list[float]:
    losses.clear()
    trainer.train(_padded(case, seed))
    return losses

  return train, logits


def _model_input(x: peft_trainer.TrainingInput) -> dict[str, Any]:
  """As in tunix's examples."""
  there = x.input_tokens != 0
  return {
    'input_tokens': x.input_tokens,
    'input_mask': x.input_mask,
    'positions': utils.build_positions_from_mask(there),
    'attention_mask': utils.make_causal_attn_mask(there),
  }


def _padded(
  case: turns.Training, seed: int
) -> Iterator[peft_trainer.TrainingInput]:
  longest = max(map(len, case.examples))
  for batch in case.batches(seed):
    tokens = np.zeros((len(batch), longest), np.int32)
    counts = np.zeros((len(batch), longest), bool)
    for row, i in enumerate(batch):
      length = len(case.examples[i])
      tokens[row, :length] = case.examples[i]
      counts[row, case.prompt_tokens[i] : length] = True
    yield peft_trainer.TrainingInput(input_tokens=tokens, input_mask=counts)


turns.serve(make, turns.Training)
