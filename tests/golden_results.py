"""The results of a real small run, and the same with other numbers."""

import math
import pathlib

import msgspec

from wcse_jax.experiment import config as config_lib
from wcse_jax.results import types

WORKDIR = pathlib.Path(__file__).parent / 'golden_workdir'
SCRIPT = '<script>alert("Ann & Bob")</script>'
replace = msgspec.structs.replace


def read():
  """What the run found."""
  path = WORKDIR / 'report' / 'results.json'
  (results,) = types.decode(path.read_bytes()).values()
  return results


RESULTS = read()
# What `committed.results` is told of the run.
ABOUT = {
  name: getattr(RESULTS.run, name)
  for name in ('command', 'started', 'seconds', 'versions', 'git', 'device')
}


def same(found, wanted):
  """Tells whether JSON is the same, numbers up to what processors round."""
  if isinstance(wanted, float) and isinstance(found, int | float):
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)
  if isinstance(wanted, dict) and isinstance(found, dict):
    return found.keys() == wanted.keys() and all(
      same(found[name], value) for name, value in wanted.items()
    )
  if isinstance(wanted, list) and isinstance(found, list):
    return len(found) == len(wanted) and all(map(same, found, wanted))
  return type(found) is type(wanted) and found == wanted


def config():
  """The run's config."""
  return config_lib.restore(RESULTS.run.config)


def estimate(value, half):
  return types.Estimate(value=value, low=value - half, high=value + half)


def run(results=RESULTS, **changes):
  """The results of another run."""
  return replace(results, run=replace(results.run, **changes))


def cell(results, arm, budget, **changes):
  """The results with another cell."""
  budgets = results.arms[arm]
  budgets = budgets | {budget: replace(budgets[budget], **changes)}
  return replace(results, arms=results.arms | {arm: budgets})


def compared(results, metric, a, b, **changes):
  """The results with another comparison."""
  found = results.comparison(metric, a, b)
  return replace(
    results,
    comparisons=tuple(
      replace(of, **changes) if of is found else of
      for of in results.comparisons
    ),
  )


def gain(value, half=0.034, results=RESULTS, name='wc_distill'):
  """The results of an experiment whose WC-trained students gain so much.

  Its budgets are the paper's.
  """
  config = results.run.config | {'budget': {'low': 1, 'high': 10, 'more': []}}
  results = run(results, name=name, config=config)
  for budget, number in (('low', 1), ('high', 10)):
    results = cell(results, 'se', budget, samples_per_problem=number)
    results = compared(
      *(results, 'pass_at_1', f'wc_compute_matched-{budget}', f'se-{budget}'),
      absolute=estimate(value, half),
      relative=estimate(value / 0.4, half / 0.4),
      mde=1.43 * half,
    )
  return results


def experiments(**gains):
  """Experiments by name."""
  return {name: gain(value, name=name) for name, value in gains.items()}


def alone():
  """As the demo of one real model has them: no students, one arm."""
  results = replace(
    RESULTS,
    arms={'se': {'high': RESULTS.arms['se']['high']}},
    models={'se': RESULTS.models['se']},
    ledger={'se': RESULTS.ledger['se']},
    problems={'train': 8},
    **{name: {} for name in ('students', 'overlap', 'paper', 'prices')},
    **dict.fromkeys(('comparisons', 'ranking', 'winners', 'break_even'), ()),
    samples_to_read=(),
  )
  return cell(run(results, name='demo'), 'se', 'high', label='gemma', fpr=None)
