"""Signs of life of replicas: what their files hold, and what is said of it."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any, NotRequired, TypedDict

import msgspec

from wcse_jax.errors import Error


class State(TypedDict):
  """What a replica's file holds, and may hold beside it."""

  host: str
  pid: int
  run: NotRequired[str]
  alive: float
  announced: list[str]
  taken: NotRequired[dict[str, int]]  # items taken over, and how often
  cores: NotRequired[list[int]]
  ended: NotRequired[bool]


class ReplicaError(Error):
  """A replica is missing; names it, and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
  """Which replica this is.

  Attributes:
    index: The replica's number, from 0; replica 0 prepares, verifies, curates
      and reports.
    count: How many replicas there are.
    timeout_s: After how many seconds without a sign of life a replica is
      missing.
    coordinator: Where the processes of one JAX meet, if the replicas are that:
      'host:port' of replica 0, or 'auto' where JAX finds it, as on a TPU slice.

  >>> Spec(index=1, count=3).share('abcdefg')
  ['b', 'e']
  """

  index: int = 0
  count: int = 1
  timeout_s: float = 120.0
  coordinator: str = ''

  def __post_init__(self):
    if not 0 <= self.index < self.count:
      raise ReplicaError(
        f'replica {self.index} of {self.count}: give --replica from 0 to'
        f' {max(self.count, 1) - 1}, or a larger --replicas'
      )

  def share(self, items: Sequence[Any]) -> list[Any]:
    """Returns this replica's share of the items, every `count`-th one."""
    return list(items[self.index :: self.count])


def read(path: pathlib.Path) -> dict[str, Any] | None:
  """Returns what a replica's file holds; None if it gives no sign of life."""
  try:
    state = json.loads(path.read_bytes())
    msgspec.convert(state, State)
    return {'run': '', **state}
  except (OSError, ValueError, RecursionError):
    return None  # not there, or no state


def cores() -> list[int]:
  """Returns the processors that this process may use."""
  if hasattr(os, 'sched_getaffinity'):  # not on a Mac
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))


def differing(mine: Mapping[str, str], state: Any) -> list[str]:
  """Returns how the settings of another differ from these, a line for each."""
  theirs = (state or {}).get('settings')
  if not isinstance(theirs, dict):  # none yet, or of an older version
    return []

  def named(name: str) -> str:
    is_flag = name == 'replicas' or name.startswith('config.')
    return f'--{name}' if is_flag else f'version of {name}'

  return [
    f'  {named(name)}: {theirs[name]}, here {mine[name]}'
    for name in sorted(mine.keys() & theirs.keys())
    if mine[name] != theirs[name]
  ]


def who(spec: Spec, index: int, state: Any) -> str:
  """Returns a replica's number and, where it gave a sign, its process."""
  at = f' (pid {state["pid"]} on {state["host"]})' if state else ''
  return f'replica {index} of {spec.count}{at}'


def other(
  spec: Spec, index: int, state: Any, differences: Sequence[str]
) -> ReplicaError:
  """Returns the error of one that is alive with other settings."""
  head = f'{who(spec, index, state)} runs with other settings:'
  return ReplicaError(
    '\n'.join([head, *differences])
    + '\nGive all of them the same command, --replica apart, and install the'
    ' same versions; what was committed is kept.'
  )


def restarted(spec: Spec, index: int, state: Any, what: str) -> ReplicaError:
  """Returns the error of one that has forgotten what it was to announce."""
  return ReplicaError(
    f'{who(spec, index, state)} was started again, before it had finished:'
    f' {what}.\nStart this one again as well: what was committed is kept.'
  )


def missing(spec: Spec, index: int, state: Any, what: str) -> ReplicaError:
  """Returns the error of one that is silent, though it is waited for."""
  elsewhere = '' if state else ', or its --workdir is not this folder'
  return ReplicaError(
    f'{who(spec, index, state)} gave no sign of life for'
    f' {spec.timeout_s:.0f} s, and has not finished: {what}{elsewhere}.'
    f'\nStart it again with --replica={index} --replicas={spec.count},'
    ' then this one: what was committed is kept.'
  )


def check_cores(
  spec: Spec, host: str, replicas: Collection[Mapping[str, Any]]
) -> None:
  """Makes sure that a machine has a core for each of its replicas.

  Args:
    spec: This replica.
    host: The machine's name.
    replicas: The states of those that are on it.

  Raises:
    ReplicaError: It has fewer.
  """
  number = len({core for state in replicas for core in state.get('cores', ())})
  if 0 < number < len(replicas):
    raise ReplicaError(
      f'--replicas={spec.count}: {len(replicas)} of them are on {host}, which'
      f' has {number} core{"s" * (number > 1)} for them.\nStart no more there'
      ' than it has cores, or all of them with --replicas=auto; what was'
      ' committed is kept.'
    )
