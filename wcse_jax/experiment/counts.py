"""What P of the paper's rule may count, and the samples that follow from it.

Of a dense model all counts are much the same. A token of a mixture of experts
is multiplied by a few of them, and tables that are looked up by no product at
all. While decoding, time goes by what a step reads from memory, and the rows of
a step, each sent to experts of its own, together read nearly all of them.
"""

from collections.abc import Mapping, Sequence
import dataclasses

from wcse_jax.experiment import arguments, plan
from wcse_jax.experiment.arms import Arm
from wcse_jax.experiment.config import ANCHOR, ConfigError
from wcse_jax.experiment.rules import Rule, at_least
from wcse_jax.experiment.sections import PARAMS

READ = 'read'  # what a decode step reads: no P of the rule


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counted:
  """An arm's samples per problem at a budget, by what P counts.

  Attributes:
    arm: The arm, as it is written.
    budget: The budget's name.
    samples: By count, one of `PARAMS` or READ; None where the budget pays for
      no sample. Absent where the size of a model is not known so.
  """

  arm: str
  budget: str
  samples: dict[str, int | None]

  @property
  def changes(self) -> bool:
    """Whether it matters what P counts."""
    return len({self.samples[of] for of in PARAMS if of in self.samples}) > 1


def read_params(
  active: float, idle: float, routed: float, rows: float
) -> float:
  """Returns how many parameters a decode step reads from memory.

  Each row is sent to a share of the experts, and the step reads each that any
  row is sent to: all are read but for `idle * (1 - routed) ** (rows - 1)`. That
  holds where each expert is chosen as often, and is the most there can be.

  Args:
    active: Parameters that one token is multiplied by, its experts' included.
    idle: Parameters of the experts that one token is not sent to.
    routed: The share of the experts that a token is sent to, 1 without any.
    rows: Rows of the step, at least one.

  Raises:
    ArgumentError: A number makes no sense.

  Example:
    Of 128 experts 8 are chosen; behind 64 rows hardly any are left.

    >>> [round(read_params(4e9, 21e9, 8 / 128, rows) / 1e9) for rows in (1, 64)]
    [4, 25]
  """
  arguments.check_as(float, at_least(0), active=active, idle=idle)
  share = Rule('a share', lambda x: 0 < x <= 1, 'give more than 0, at most 1')
  arguments.check_as(float, share, routed=routed)
  arguments.check_as(float, at_least(1), rows=rows)
  return active + idle * (1 - (1 - routed) ** (rows - 1))


def rows(
  arms: Sequence[Arm],
  budgets: Mapping[str, int],
  params: Mapping[str, Mapping[str, float]],
  costs: plan.Costs | None = None,
  anchor: str = ANCHOR,
) -> list[Counted]:
  """Returns what arms that are matched by compute get, by what P counts.

  Args:
    arms: The arms; those that are matched otherwise alone have no row.
    budgets: The anchor's samples per problem by budget.
    params: P by count and generator, as far as known.
    costs: As `plan.make` takes them, if these match some of an arm's samples.
    anchor: The name of what samples as much as budgets say.

  Example:
    >>> from wcse_jax.experiment.config import WC
    >>> sizes = {'nominal': {'wc': 26, 'se': 31}, 'active': {'wc': 4, 'se': 31}}
    >>> (row,) = rows([WC], {'low': 2}, sizes)
    >>> row.samples, row.changes
    ({'nominal': 2, 'active': 15}, True)
  """
  found = []
  for arm in arms:
    if not arm.matched_by('compute'):
      continue
    for budget, number in budgets.items():
      samples = {
        count: _samples(arm, number, of, costs, anchor)
        for count, of in params.items()
        if {*arm.generators, anchor} <= of.keys()
      }
      found.append(Counted(arm=str(arm), budget=budget, samples=samples))
  return found


def _samples(
  arm: Arm,
  number: int,
  params: Mapping[str, float],
  costs: plan.Costs | None,
  anchor: str,
) -> int | None:
  try:
    return plan.samples_per_problem(arm, number, params, costs, anchor)
  except ConfigError:  # it pays for less than one
    return None
