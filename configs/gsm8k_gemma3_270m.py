"""Real Gemma, real data: Gemma 3 270M samples solutions of GSM8K, 8-shot.

The pretrained model answers GSM8K training problems behind the standard 8-shot
chain-of-thought prompt (Wei et al. 2022, arXiv 2201.11903), at temperature 0.7
and top-k 3; the report gives coverage@k with intervals, and tokens per second.
Gemma 3 270M is the only generator, and no student is finetuned.

At the scale `self_improve` it is finetuned (adapters of rank 8) on those of its
own solutions that are right and, to compare, on people's, and answers test
problems before and after.

Command:   make demo-gemma, or
           launch/setup.sh gemma-270m
           python launch/main.py --config=configs/gsm8k_gemma3_270m.py
Time:      2 minutes on two CPU cores (35 tokens/s).
Result:    none of 64 samples right (coverage@4 0%, at most 21%): the model is
           small, and its weights have four bits.
Finetuned: the same with --config=configs/gsm8k_gemma3_270m.py:self_improve
Time:      42 minutes on two CPU cores that were busy with other things, too:
           sampling 6 (106 tokens/s), finetuning 7, evaluating 28.
Result:    9 right of 640 samples, of 6 of 40 problems; of 60 test problems it
           solves 1.7% [0.0, 10.0] before, 5.0% [1.7, 14.4] after 2 own
           solutions (low), 1.7% [0.0, 9.3] after 9 (high), 3.3% [0.0, 11.7]
           and 0.0% [0.0, 6.0] after 40 of people's: undecided throughout. If
           not one solution is right, it stops at curate: raise budget.low or
           task.num_train.
All of GSM8K, instead of 16 problems:   --config.task.num_train=None
"""

import dataclasses

import ml_collections

from wcse_jax.experiment import config

_DEMO = config.Config(
  name='gsm8k_gemma3_270m',
  scale='demo',
  wc='',  # none
  se='gemma3_270m',
  student='',  # none
  arms=(config.SE,),
  task=config.TaskSpec(
    name='gsm8k', num_train=16, num_validation=0, num_test=0
  ),
  budget=config.BudgetSpec(low=1, high=4),
  sampling=config.SamplingSpec(max_new_tokens=256, slots=32, shard_rows=16),
)
SCALES = {
  'demo': _DEMO,
  'self_improve': dataclasses.replace(
    _DEMO,
    scale='self_improve',
    student='gemma3_270m',
    arms=(config.SE, config.REFERENCE),
    task=config.TaskSpec(
      name='gsm8k', num_train=40, num_validation=8, num_test=60
    ),
    budget=config.BudgetSpec(low=8, high=16),
    sampling=config.SamplingSpec(max_new_tokens=192, slots=64, shard_rows=64),
    finetune=config.FinetuneSpec(
      batch_size=4,
      steps_low=4,
      steps_high=8,
      row_tokens=512,
      num_checkpoints=1,
      lora_rank=8,
      layout=config.LayoutSpec(remat='dots'),
    ),
    evaluate=config.EvaluateSpec(num_samples=1, ks=(1,)),
  ),
}


def get_config(scale: str = 'demo') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
