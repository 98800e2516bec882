"""Work that replicas share: each has its own part, and a lost one's is done.

Nobody hands work out. Which part is whose follows from the replica's number;
what is done is told by what was committed; who has taken what over, and how
often that was, stands in the replicas' files. Should two take the same item
over, as neither could see the other in time, both do it, and the first to
commit has done it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from wcse_jax.runtime.replicas import Replicas


def of[T](
  team: Replicas, items: Sequence[T], is_done: Callable[[T], bool]
) -> Iterator[list[T]]:
  """Yields what this replica is to do, until all items are done by whomever.

  First come those of its own part; later, one at a time, those that a lost
  replica has left. What is yielded must be done before the next is asked for.

  Args:
    team: The replicas.
    items: All items, in the order in which they are dealt out and in which
      they are to be done; `str` names each.
    is_done: Tells whether an item is done, whoever has done it.

  Raises:
    ReplicaError: Another replica is alive with other settings.
  """
  me, count = team.spec.index, team.spec.count
  if count == 1:
    yield list(items)
    return
  owners = {str(item): number % count for number, item in enumerate(items)}
  left, told = list(items), False
  while left := [item for item in left if not is_done(item)]:
    taken = team.taken()
    holders = {
      name: _holder(taken, name, owners[name]) for name in map(str, left)
    }
    mine = [item for item in left if holders[str(item)][0] == me]
    if mine:
      yield mine
      continue
    lost = {r for r in range(count) if team.is_lost(r)}
    orphans = [item for item in left if holders[str(item)][0] in lost]
    if orphans:  # two that are idle had better not take the same one
      name = str(orphans[me % len(orphans)])
      holder, times = holders[name]
      print(f'{name}: taken over from replica {holder}, which is lost')
      team.take(name, times + 1)
      continue
    if not told:
      print(f'waiting for other replicas: {", ".join(map(str, left))}')
      told = True
    team.pause()


def _holder(
  taken: Mapping[int, Mapping[str, int]], name: str, owner: int
) -> tuple[int, int]:
  """Returns who does an item, and how often it was taken over."""
  claims = [(-items[name], r) for r, items in taken.items() if name in items]
  times, holder = min(claims, default=(0, owner))
  return holder, -times
