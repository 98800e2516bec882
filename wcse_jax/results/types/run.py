"""What was run: the command, its models, their prices, its problems."""

import datetime
from typing import Any

import msgspec

from wcse_jax.results.types.estimate import Number


class Partial(msgspec.Struct, frozen=True, kw_only=True):
  """What a limit has left of a run, whose results are of its first problems.

  Attributes:
    problems: The problems of the experiment; those that every pool has all
      samples of, up to the first that lacks one, are `Results.problems`.
    samples: Samples that are there, by pool.
    planned: Samples of the experiment, by pool; where sampling ends with enough
      right ones, as many as are expected.
    enough: The limits that are too low, with what about would do, e.g.
      {'tokens': 2100}.
  """

  problems: int
  samples: dict[str, int]
  planned: dict[str, int]
  enough: dict[str, Number]


class Run(msgspec.Struct, frozen=True, kw_only=True):
  """What was run.

  Attributes:
    name: The experiment's name.
    scale: 'nano', 'gemma2', ...
    task: The task's name.
    config: The resolved config, as plain values.
    command: The command line as typed.
    started: The time at which the report's run began.
    device: The device that sampled, or, if that is not known, that reported.
    seconds: Seconds that each stage took.
    versions: Versions of what decides results, by package.
    git: The revision of the code; '' if it is not known.
    partial: What a limit has left of it; absent of a whole run.
  """

  name: str
  scale: str
  task: str
  config: dict[str, Any] = {}
  command: str = ''
  started: str = ''
  device: str = ''
  seconds: dict[str, Number] = {}
  versions: dict[str, str] = {}
  git: str = ''
  partial: Partial | msgspec.UnsetType = msgspec.UNSET

  @property
  def confidence(self) -> float:
    """The confidence of all intervals, e.g. 0.95."""
    return self.config.get('report', {}).get('confidence', 0.95)

  @property
  def keep(self) -> str:
    """Which samples become examples: one of `arms.KEEP`."""
    return self.config.get('curate', {}).get('keep', 'correct')

  @property
  def anchor(self) -> str:
    """The name of what samples as much as budgets say."""
    return self.config.get('budget', {}).get('anchor', 'se')

  @property
  def counts(self) -> str:
    """What P of the rule counts: one of `sections.PARAMS`."""
    return self.config.get('budget', {}).get('params', 'nominal')

  @property
  def slots(self) -> int | None:
    """Samples that decode at a time, in each process."""
    return self.config.get('sampling', {}).get('slots')

  @property
  def budgets(self) -> dict[str, int]:
    """Samples per problem that each budget pays for from the anchor."""
    spec = self.config.get('budget', {})
    named = {name: spec[name] for name in ('low', 'high') if name in spec}
    if named.get('low') == named.get('high'):
      named.pop('low', None)
    named |= {str(n): n for n in spec.get('more', ())}
    return dict(sorted(named.items(), key=lambda item: item[1]))


class Price(msgspec.Struct, frozen=True, kw_only=True):
  """What a model's tokens cost, and who says so."""

  date: datetime.date
  usd_per_million_output_tokens: Number
  usd_per_million_input_tokens: Number | None
  source: str


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
  """A model; without sizes if its samples come from a file.

  Attributes:
    name: The model's name.
    nominal_params: Parameters as the model is named (9e9).
    exact_params: All parameters, as counted.
    non_embedding_params: Parameters without the embedding.
    active_params: Parameters that a token is multiplied by.
    looked_up_params: Parameters that are looked up by token instead.
  """

  name: str
  nominal_params: Number | None = None
  exact_params: Number | None = None
  non_embedding_params: Number | None = None
  active_params: Number | None = None
  looked_up_params: Number | None = None

  @property
  def used_params(self) -> Number | None:
    """What a token takes 2 FLOPs of each: the active ones, or what is known."""
    return self.active_params or self.exact_params
