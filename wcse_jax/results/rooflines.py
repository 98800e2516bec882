"""What a pool's sampling reached, beside what was planned for its TPU."""

from collections.abc import Mapping
from typing import Any

from wcse_jax.experiment.arms import Pool
from wcse_jax.results.types import Ledger, Roofline


def of_pools(
  plan: Mapping[str, Any], ledgers: Mapping[Pool, Ledger]
) -> dict[str, Roofline]:
  """Returns the rates of the pools that were planned, and sampled here.

  Args:
    plan: What `tpu.experiment.plan` returned; {} of nothing.
    ledgers: What each pool took.
  """
  return {
    str(pool): of_pool(plan, str(pool), row)
    for pool, row in ledgers.items()
    if row.spent and str(pool) in plan.get('generators', {})
  }


def of_pool(plan: Mapping[str, Any], pool: str, row: Ledger) -> Roofline:
  """Returns the rates of a chip.

  Args:
    plan: What `tpu.experiment.plan` returned.
    pool: The pool, as plans name it.
    row: What it took, of which something was spent here.
  """
  planned, spent = plan['generators'][pool], row.spent or {}
  slots, tensor = plan['slots'][pool], planned['tensor']
  per_chip, bandwidth = planned['devices_per_chip'], planned['hbm_bytes_per_s']
  step = plan['programs'][f'{pool}/decode']['hbm_bytes_per_step']
  rate = spent['tokens'] * per_chip / max(spent['device_seconds'], 1e-9)
  # Of a process that holds several copies of the model, slots are of all.
  copies = spent['device_seconds'] / max(spent['seconds'], 1e-9) / tensor
  same = row.slots == str(round(slots * copies))
  return Roofline(
    topology=plan['topology'],
    planned_tokens_per_s=planned['tokens_per_s_per_chip'],
    tokens_per_s=rate,
    planned_hbm_share=planned['tokens_per_s_per_chip']
    * (tensor / per_chip)
    * step
    / (slots * bandwidth),
    hbm_share=spent['steps'] * step / (spent['seconds'] * bandwidth)
    if same
    else None,
  )
