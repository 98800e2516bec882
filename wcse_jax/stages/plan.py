"""The stage `plan`: budgets in samples per problem, for each arm."""

from wcse_jax import store
from wcse_jax.stages.layout import Run


def make(run: Run) -> None:
  """Writes plan.json, and prints what each arm gets."""
  plan, path = run.plan, run.data.workdir / 'plan' / 'plan.json'
  store.write_json(path, plan.to_dict(len(run.train)))
  for arm in run.config.arms:
    counts = ', '.join(
      f'{mix.budget} {" + ".join(map(str, allotment.samples.values()))}'
      for mix, allotment in plan.allotments.items()
      if mix.arm == arm and allotment.samples
    )
    print(f'plan: {arm}: {counts or "no sampling"}')
  for note in plan.notes:
    print(f'plan: {note}')
