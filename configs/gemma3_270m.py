"""Real Gemma: the pretrained Gemma 3 270M on word problems that it can solve.

It answers the problems of `nano_one_step` behind eight examples. It is the
smallest of its family, and its weights have four bits: GSM8K is beyond it, and
of these problems it solves a third (docs/GEMMA_270M.md has what it solves of
which tasks, behind which prompts). Products are in bfloat16 on a processor that
multiplies such numbers, else in float32: a run that goes on on another machine
is told to give --config.sampling.dtype and --config.finetune.dtype.

Scales, chosen by `--config=configs/gemma3_270m.py:SCALE`:

  demo          Samples of 64 problems, 4 each: coverage, and tokens per second.
  self_improve  It is finetuned (adapters of rank 8) on those of its own samples
                that are right and, to compare, on people's solutions. It
                answers 1,000 test problems before, behind the examples, and
                after, without them.
  gsm8k         As demo, on 16 problems of GSM8K, behind the standard 8-shot
                chain-of-thought prompt (Wei et al. 2022, arXiv 2201.11903).

Command:   make demo-gemma, or
           launch/setup.sh gemma-270m
           python launch/main.py --config=configs/gemma3_270m.py
Time:      demo: 2 minutes on two CPU cores, with --replicas=auto (88 tokens/s
           each). self_improve: 110 minutes on two that did much else meanwhile.
Result:    coverage@1 19% [11, 30], coverage@4 50% [38, 64], of the right ones
           13% [5, 26] by a wrong step. self_improve: 25.2% of 1,000 test
           problems before, 28.8% finetuned on 2 samples each of 400 problems,
           40.2% on 8 (+15.0 points [+11.8, +18.2]), 54.0% on those of people.
"""

import dataclasses

import ml_collections

from wcse_jax.experiment import config
from wcse_jax.runtime import processor

_FLOAT = processor.float_type()
_DEMO = config.Config(
  name='gemma3_270m',
  scale='demo',
  wc='',  # none
  se='gemma3_270m',
  student='',  # none
  arms=(config.SE,),
  task=config.TaskSpec(
    name='nano_one_step', num_train=64, num_validation=0, num_test=0
  ),
  budget=config.BudgetSpec(low=1, high=4),
  sampling=config.SamplingSpec(
    max_new_tokens=32, slots=64, shard_rows=64, dtype=_FLOAT, exact=False
  ),
)
SCALES = {
  'demo': _DEMO,
  'self_improve': dataclasses.replace(
    _DEMO,
    scale='self_improve',
    student='gemma3_270m',
    arms=(config.SE, config.REFERENCE),
    task=config.TaskSpec(
      name='nano_one_step', num_train=400, num_validation=100, num_test=1_000
    ),
    budget=config.BudgetSpec(low=2, high=8),
    finetune=config.FinetuneSpec(
      batch_size=8,
      steps_low=20,
      steps_high=80,
      learning_rates=(5e-4,),
      row_tokens=256,
      num_checkpoints=2,
      lora_rank=8,
      dtype=_FLOAT,
    ),
    evaluate=config.EvaluateSpec(
      num_samples=1, num_sampled=1, ks=(1,), few_shot_base=True
    ),
  ),
  'gsm8k': dataclasses.replace(
    _DEMO,
    scale='gsm8k',
    task=config.TaskSpec(
      name='gsm8k', num_train=16, num_validation=0, num_test=0
    ),
    sampling=config.SamplingSpec(
      max_new_tokens=256,
      slots=32,
      shard_rows=16,
      dtype=_FLOAT,
      exact=False,
    ),
  ),
}


def get_config(scale: str = 'demo') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
