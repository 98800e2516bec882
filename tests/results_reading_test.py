"""Solutions to be read."""

import collections
import dataclasses

import made_data as made

from wcse_jax.results import reading


def test_each_kind_is_shown_by_the_chosen_source():
  said = [[None if i >= 20 else i >= 5] for i in range(40)]
  pools = {
    made.WC: made.sampled('wc', said),
    made.SE: made.sampled('se', said),
  }
  labels = {('se', 'p/0', 0): False, ('wc', 'p/0', 0): True}
  data = made.read(pools, ('se', 'wc_number_matched'), 1, 1, labels=labels)
  kinds = lambda source: collections.Counter(
    (of.kind, of.generator)
    for of in reading.chosen(dataclasses.replace(data, source=source))
  )
  assert kinds('people')['false positive', 'se'] == 1
  assert ('false positive', 'wc') not in kinds('people')
  assert set(kinds('steps').values()) == {3}
  assert len(kinds('steps')) == 6
  first = next(reading.chosen(data))
  assert (first.problem, first.gold, first.answer) == ('?', '1', '1')
