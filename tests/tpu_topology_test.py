import pytest

from wcse_jax.tpu import topology


@pytest.mark.parametrize(
  ('name', 'links'),
  [
    ('v5e:1x1', 0),
    ('v5e:2x4', 2),  # a chip in the corner
    ('v5e:8x16', 3),  # rows of 16 are rings
    ('v5e:16x16', 4),
    ('v5p:2x2x1', 2),
    ('v5p:2x4x4', 3),
    ('v5p:4x4x4', 6),  # a cube is a torus
  ],
)
def test_the_chip_with_the_fewest_links_counts(name, links):
  made = topology.Topology(name=name, devices=[None])
  assert made.ici_bytes_per_s == links * made.chip.link_bytes_per_s


def test_links_add_up_to_what_the_documentation_gives_both_ways():
  gb_per_s = {'v5e': 400, 'v5p': 1200, 'v6e': 800, 'tpu7x': 1200}
  for kind, both_ways in gb_per_s.items():
    chip = topology.CHIPS[kind]
    links = 4 if 'x1x' not in chip.slices[0] else 6
    assert 2 * links * chip.link_bytes_per_s == both_ways * 1e9


def test_a_core_that_shares_nothing_is_a_device():
  made = topology.Topology(name='tpu7x:2x2x1', devices=[None] * 8)
  assert made.num_chips == 4
  assert made.devices_per_chip == 2


def test_the_nearest_slice_is_larger_and_of_the_same_kind_first():
  enough = lambda chip, count: count * chip.hbm_bytes > 100 * 2**30
  found = list(topology.nearest('v5e:2x2', enough))
  assert found[0] == 'v5e:2x4'
  assert set(found[1:]) == {
    'v4:2x2x1', 'v5p:2x2x1', 'v6e:2x2', 'tpu7x:1x1x1'
  }  # fmt: skip
  assert 'v5e' not in ' '.join(topology.nearest('v5e:16x16', enough))


@pytest.mark.parametrize('name', ['v5e', 'v7x:2x2', 'v5e:3x3', 'v5p:2x4', ''])
def test_what_is_no_slice_is_named_with_what_is(name):
  with pytest.raises(topology.PlanError, match=f'{name or "topology"}.*\n?'):
    topology.parse(name)
