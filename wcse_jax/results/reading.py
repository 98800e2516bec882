"""A few solutions of each kind, to be read by people."""

from collections.abc import Iterator

from wcse_jax.results.data import Data
from wcse_jax.results.types import SampleToRead


def chosen(data: Data, each: int = 3) -> Iterator[SampleToRead]:
  """Yields about `each` solutions of each kind and pool, spread over problems.

  False positives are by the data's source.
  """
  for name, pool in data.pools.items():
    found: dict[str, list] = {}
    sound = pool.sound.get(data.source or '', {})
    for problem, pairs in zip(pool.problems, pool.by_problem, strict=True):
      for sample, verdict in pairs:
        kind = verdict.verdict
        key = sample.key
        if kind == 'correct' and sound.get(key) is False:
          kind = 'false positive'
        found.setdefault(kind, []).append((problem, sample, verdict))
    for kind, rows in sorted(found.items()):
      for problem, sample, verdict in rows[:: max(1, len(rows) // each)][:each]:
        yield SampleToRead(
          kind=kind,
          generator=str(name),
          problem=problem.question,
          text=sample.text,
          gold=problem.gold,
          answer=verdict.answer,
        )
