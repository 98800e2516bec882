"""results.json: what a run found, as the report reads and writes it.

`Results` is the whole file, field by field: `decode` reads it, `encode` writes
it. A number that does not exist is null in the file and None here. Rates and
relative gains are fractions: 0.05 is 5%, or 5 points. Of several experiments
(`report.write_all`) the file has {schema_version, experiments {name: Results}}.
"""

from collections.abc import Mapping
import json
import pathlib
from typing import Any

import msgspec

from wcse_jax.analysis.overlap import Overlap
from wcse_jax.errors import Error
from wcse_jax.experiment.counts import Counted
from wcse_jax.results.types.comparisons import (
  BreakEven,
  Comparison,
  Winners,
)
from wcse_jax.results.types.comparisons import Ranked as Ranked
from wcse_jax.results.types.comparisons import Ranking as Ranking
from wcse_jax.results.types.data import Cell, SampleToRead, Source
from wcse_jax.results.types.estimate import Estimate as Estimate
from wcse_jax.results.types.pools import Agreement, Ledger, Roofline
from wcse_jax.results.types.run import Model, Price, Run
from wcse_jax.results.types.run import Partial as Partial
from wcse_jax.results.types.students import Student

VERSION = 2
_OF_BEFORE = {'wc_samples': 'other_samples', 'se_samples': 'anchor_samples'}
_TOO_LARGE = 1e100  # what nobody counts


class SchemaError(Error):
  """A file that is no results.json of this version; says what is wrong."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
  """All that a run found.

  Attributes:
    schema_version: The version of the file's fields, VERSION.
    run: What was run.
    prices: Prices of the models whose price is known, by role.
    models: The models, by role.
    counted: What arms matched by compute get, by what P counts.
    problems: How many problems each split has.
    overlap: How far test problems are in part among the training problems, by
      test.
    no_gold: The problems of each split that have no gold that can be read.
    fpr_source: By whose word a sample is a false positive; None if nobody
      looked.
    arms: The data: `arms[arm][budget]`, budgets in increasing order.
    students: The students, by '<arm>-<budget>', or 'base'.
    comparisons: Pairs of arms, and students against what they were.
    ranking: The order of the arms that a budget pays for, of three or more.
    winners: Who wins by which cost.
    break_even: Up to which rate of false positives an arm is cheaper.
    paper: Further notes to show, by what they are about.
    samples_to_read: A few solutions of each kind.
    ledger: What each pool took, by pool.
    rooflines: Its rates beside a plan's, by pool; absent where nobody planned.
    agreement: How far each automatic source agrees with people.
  """

  schema_version: int
  run: Run
  prices: dict[str, Price] = {}
  models: dict[str, Model]
  counted: tuple[Counted, ...] = ()
  problems: dict[str, int]
  overlap: dict[str, Overlap] = {}
  no_gold: dict[str, tuple[str, ...]] = {}
  fpr_source: Source | None = None
  arms: dict[str, dict[str, Cell]]
  students: dict[str, Student]
  comparisons: tuple[Comparison, ...]
  ranking: tuple[Ranking, ...] | msgspec.UnsetType = msgspec.UNSET
  winners: tuple[Winners, ...] = ()
  break_even: tuple[BreakEven, ...] = ()
  paper: dict[str, str] = {}
  samples_to_read: tuple[SampleToRead, ...]
  ledger: dict[str, Ledger]
  rooflines: dict[str, Roofline] | msgspec.UnsetType = msgspec.UNSET
  agreement: dict[str, Agreement] = {}

  @property
  def anchor(self) -> str:
    """The name of what samples as much as budgets say."""
    return self.run.anchor

  @property
  def others(self) -> list[str]:
    """The names of all else that samples."""
    beside = self.anchor, 'student', 'judge'
    return [role for role in self.models if role not in beside]

  @property
  def budgets(self) -> list[str]:
    """Every budget of the arms, lowest first."""
    drawn = dict.fromkeys(budget for _, budget, _ in self.cells)
    ordered = dict.fromkeys(self.run.budgets) | drawn
    return [budget for budget in ordered if budget in drawn]

  @property
  def cells(self) -> list[tuple[str, str, Cell]]:
    """Every (arm, budget, cell)."""
    return [
      (arm, budget, cell)
      for arm, budgets in self.arms.items()
      for budget, cell in budgets.items()
    ]

  def comparison(self, metric: str, a: str, b: str) -> Comparison | None:
    """The comparison of `a` with `b`, if the run has it."""
    for found in self.comparisons:
      if (found.metric, found.a, found.b) == (metric, a, b):
        return found
    return None


def encode(results: Results | Mapping[str, Results]) -> str:
  """The text of results.json, of one experiment or of several by name."""
  whole: Any = results
  if isinstance(results, Mapping):
    whole = {'schema_version': VERSION, 'experiments': results}
  numpy = lambda scalar: scalar.item()
  plain = msgspec.to_builtins(whole, str_keys=True, enc_hook=numpy)
  return json.dumps(plain, indent=2, allow_nan=False) + '\n'


def decode(text: str | bytes) -> dict[str, Results]:
  """Reads a results.json.

  Args:
    text: As `encode` gave it.

  Returns:
    Results by experiment's name; those of one experiment by the run's.

  Raises:
    SchemaError: It is of another version, or has not the fields it should.

  >>> decode('{"schema_version": 1}')
  Traceback (most recent call last):
  wcse_jax.results.types.SchemaError: its schema_version is 1, not 2
  """
  try:
    whole = msgspec.json.decode(text, type=dict)
    _check_numbers(whole)
    version = whole['schema_version']
    if version != VERSION:
      raise SchemaError(f'its schema_version is {version}, not {VERSION}')
    whole = _renamed(whole)
    several = msgspec.convert(whole, type=_File, str_keys=True)
    if several.experiments is not None:
      return several.experiments
    results = msgspec.convert(whole, type=Results, str_keys=True)
  except KeyError as e:
    raise SchemaError(f'it is no results.json: it has no {e}') from e
  except (msgspec.MsgspecError, RecursionError, ValueError) as e:
    raise SchemaError(f'it is no results.json: {e}') from e
  return {results.run.name: results}


def read(path: pathlib.Path) -> dict[str, Results]:
  """Reads the results.json of a workdir, as `decode` does.

  Raises:
    SchemaError: It is missing, cannot be read, or is none of this version;
      names the file and the remedy.
  """
  try:
    return decode(path.read_bytes())
  except OSError as e:
    why = f'{path} is missing or cannot be read ({e.strerror})'
  except SchemaError as e:
    why = f'{path}: {e}'
  raise SchemaError(
    f'{why}; run the stage report there first (--stages=report), or give'
    ' another workdir'
  )


def _renamed(value: Any) -> Any:
  """Returns what a file holds, with the names that fields have today."""
  if isinstance(value, Mapping):
    return {_OF_BEFORE.get(k, k): _renamed(of) for k, of in value.items()}
  return [*map(_renamed, value)] if isinstance(value, list) else value


def _check_numbers(value: Any, path: str = '$') -> None:
  """Raises ValueError for a number that cannot be computed with."""
  if isinstance(value, Mapping):
    for key, child in value.items():
      _check_numbers(child, f'{path}.{key}')
  elif isinstance(value, list):
    for index, child in enumerate(value):
      _check_numbers(child, f'{path}[{index}]')
  elif isinstance(value, int | float) and not abs(value) < _TOO_LARGE:
    raise ValueError(f'too large a number - at `{path}`')


class _File(msgspec.Struct, frozen=True, kw_only=True):
  experiments: dict[str, Results] | None = None
