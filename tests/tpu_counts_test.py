# ruff: noqa: E501 (HLO has long lines)
import importlib.util
import os

from hlo_texts import module
import pytest

from wcse_jax.tpu import counts

LOOP = module(
  """
  %p = (s32[]{:S(6)}, f32[1000]{0}) parameter(0)
  %before = f32[1000]{0:S(1)} get-tuple-element(%p), index=1
  %out = f32[500]{0} negate(%before)
  ROOT %while.1 = (s32[]{:S(6)}, f32[1000]{0}) while(%p), condition=%goes_on, body=%step
  """,
  """
  %goes_on (p.1: (s32[], f32[1000])) -> pred[] {
    %p.1 = (s32[]{:S(6)}, f32[1000]{0}) parameter(0)
    %i.1 = s32[]{:S(6)} get-tuple-element(%p.1), index=0
    %n = s32[]{:S(6)} constant(LENGTH)
    ROOT %less = pred[]{:S(6)} CONDITION
  }
  """,
  """
  %step (p.2: (s32[], f32[1000])) -> (s32[], f32[1000]) {
    %p.2 = (s32[]{:S(6)}, f32[1000]{0}) parameter(0)
    %x = f32[1000]{0} get-tuple-element(%p.2), index=1
    %y = f32[1000]{0} negate(%x)
    %i.2 = s32[]{:S(6)} get-tuple-element(%p.2), index=0
    ROOT %t = (s32[]{:S(6)}, f32[1000]{0}) tuple(%i.2, %y)
  }
  """,
)


def test_loops_count_as_often_as_they_run():
  known = LOOP.replace('LENGTH', '12').replace(
    'CONDITION', 'compare(%i.1, %n), direction=LT'
  )
  assert counts.count(known).traffic == {'out': 2000, 'y': 12 * 8000}
  assert counts.count(known, unknown_trips=8).hbm_bytes == 2000 + 12 * 8000
  unknown = LOOP.replace('LENGTH', '12').replace('CONDITION', 'and(%i.1, %n)')
  assert counts.count(unknown).traffic == {'out': 2000, 'y': 8000}
  assert counts.count(unknown, unknown_trips=8).hbm_bytes == 2000 + 8 * 8000


def test_a_loop_may_go_in_larger_steps():
  known = LOOP.replace('LENGTH', '12').replace(
    'CONDITION', 'compare(%i.1, %n), direction=LT'
  )
  by_five = known.replace(
    'tuple(%i.2, %y)',
    'tuple(%i.4, %y)',
  ).replace(
    '  ROOT %t =',
    '  %five = s32[] constant(5)\n'
    '  %i.3 = s32[] add(%i.2, %five)\n'
    '  %i.4 = s32[] copy(%i.3)\n'
    '  ROOT %t =',
  )
  traffic = counts.count(by_five).traffic
  assert traffic['y'] == 3 * 8000  # 0, 5, 10


@pytest.mark.parametrize(
  ('opcode', 'groups', 'kind', 'received'),
  [
    ('all-gather', '[2,8]<=[16]', 'all-gather', 7 * 4000),
    ('all-gather-start', '{{0,1,2,3},{4,5,6,7}}', 'all-gather', 3 * 4000),
    ('all-reduce', '[4,4]<=[4,4]T(1,0)', 'all-reduce', 2 * 3 / 4 * 4000),
    ('reduce-scatter', '[1,4]<=[4]', 'reduce-scatter', 3 / 4 * 4000),
    ('all-to-all', '[1,4]<=[4]', 'all-to-all', 3 / 4 * 4000),
    ('all-reduce', '[16,1]<=[16]', 'all-reduce', 0),  # nobody else
    (
      'all-reduce',
      "mesh['data'=2,'tensor'=4] {'tensor'}",
      'all-reduce',
      2 * 3 / 4 * 4000,
    ),
    ('all-gather', "mesh['a'=2,'b'=4] {'a','b'}", 'all-gather', 7 * 4000),
    ('all-gather', "mesh['a'=8] {'a':(2)4}", 'all-gather', 3 * 4000),
    ('all-reduce', "mesh['data'=1,'b'=4] {'data'}", 'all-reduce', 0),
  ],
)
def test_what_a_collective_brings(opcode, groups, kind, received):
  text = module(f"""
    %p = f32[1000]{{0}} parameter(0)
    ROOT %c = f32[1000]{{0}} {opcode}(%p), channel_id=1, replica_groups={groups}, to_apply=%add
  """)
  brought = counts.count(text).received
  assert brought.pop(kind) == received
  assert not any(brought.values())


def test_devices_that_are_written_in_an_unknown_way_are_not_one():
  text = module("""
    %p = f32[1000]{0} parameter(0)
    ROOT %c = f32[1000]{0} all-reduce(%p), channel_id=1, replica_groups=all, to_apply=%add
  """)
  with pytest.raises(ValueError, match='replica_groups=all.*: how many'):
    counts.count(text).received  # noqa: B018


def test_a_permutation_brings_all_of_its_operand():
  text = module("""
    %p = f32[1000]{0} parameter(0)
    ROOT %c = (f32[1000]{0}, f32[1000]{0}) collective-permute-start(%p), channel_id=1, source_target_pairs={{0,1},{1,0}}
  """)
  assert counts.count(text).received['collective-permute'] == 4000


def test_a_collective_beside_several_products_counts_once():
  fused = """
    %NAME (s: f32[1000], d: f32[4000], x: f32[8]) -> (f32[8], f32[1000], f32[4000], f32[4000]) {
      %s.NAME = f32[1000]{0} parameter(0)
      %d.NAME = f32[4000]{0} parameter(1)
      %x.NAME = f32[8]{0} parameter(2)
      %y.NAME = f32[8]{0} negate(%x.NAME)
      %g.NAME = f32[4000]{0} all-gather(%s.NAME), channel_id=7, replica_groups=[1,4]<=[4], dimensions={0}
      ROOT %t.NAME = (f32[8]{0}, f32[1000]{0}, f32[4000]{0}, f32[4000]{0}) tuple(%y.NAME, %s.NAME, %d.NAME, %g.NAME)
    }
  """
  text = module(
    """
    %s = f32[1000]{0} parameter(0)
    %d = f32[4000]{0} parameter(1)
    %x = f32[8]{0} parameter(2)
    %f1 = (f32[8]{0}, f32[1000]{0}, f32[4000]{0}, f32[4000]{0}) fusion(%s, %d, %x), kind=kOutput, calls=%first
    %x2 = f32[8]{0} get-tuple-element(%f1), index=0
    %s2 = f32[1000]{0} get-tuple-element(%f1), index=1
    %d2 = f32[4000]{0} get-tuple-element(%f1), index=2
    ROOT %f2 = (f32[8]{0}, f32[1000]{0}, f32[4000]{0}, f32[4000]{0}) fusion(%s2, %d2, %x2), kind=kOutput, calls=%second
    """,
    fused.replace('NAME', 'first'),
    fused.replace('NAME', 'second'),
  )
  made = counts.count(text)
  assert made.received['all-gather'] == 3 * 4000
  assert sum(made.traffic.values()) == 2 * (32 + 32) + 4000 + 16_000


def test_a_reduction_of_which_a_part_is_kept_is_a_reduce_scatter():
  text = module(
    """
    %p = f32[1000]{0} parameter(0)
    ROOT %f = f32[250]{0} fusion(%p), kind=kCustom, calls=%all-reduce-scatter.1
    """,
    """
    %all-reduce-scatter.1 (q: f32[1000]) -> f32[250] {
      %q = f32[1000]{0} parameter(0)
      %sum = f32[1000]{0} all-reduce(%q), channel_id=1, replica_groups=[1,4]<=[4], to_apply=%add
      %i = s32[] constant(0)
      ROOT %part = f32[250]{0} dynamic-slice(%sum, %i), dynamic_slice_sizes={250}
    }
    """,
  )
  made = counts.count(text)
  assert made.received['reduce-scatter'] == 3 / 4 * 4000
  assert made.received['all-reduce'] == 0
  assert made.hbm_bytes == 4000 + 1000


@pytest.mark.skipif(
  not importlib.util.find_spec('libtpu'),
  reason='libtpu is not installed: launch/setup.sh tpu',
)
def test_a_decode_loop_compiled_for_a_tpu_moves_its_weights_once_a_step():
  os.environ['JAX_PLATFORMS'] = 'cpu'
  import jax
  import jax.numpy as jnp
  import numpy as np

  from wcse_jax.tpu import topology

  v5e = topology.describe('v5e:1x1')
  mesh = jax.sharding.Mesh(np.array(v5e.devices), ('x',))
  where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  table, width, layers, rows, past = 64_000, 2048, 4, 32, 256

  @jax.jit
  def decode(table_VxD, w_LxDxD, keys_BxSxD, token_B):
    def step(carry):
      i, token_B = carry
      x_BxD = table_VxD[token_B]
      for w_DxD in w_LxDxD:
        x_BxD = jnp.tanh(x_BxD @ w_DxD)
      scores_BxS = jnp.einsum('BD,BSD->BS', x_BxD, keys_BxSxD)
      x_BxD = jnp.einsum('BS,BSD->BD', jnp.exp(scores_BxS), keys_BxSxD)
      return i + 1, jnp.argmax(x_BxD, axis=-1).astype(jnp.int32)

    goes_on = lambda carry: (carry[0] < 8) & jnp.any(carry[1] > 0)
    return jax.lax.while_loop(goes_on, step, (0, token_B))

  shapes = (
    jax.ShapeDtypeStruct((table, width), jnp.bfloat16, sharding=where),
    [jax.ShapeDtypeStruct((width, width), jnp.bfloat16, sharding=where)]
    * layers,
    jax.ShapeDtypeStruct((rows, past, width), jnp.bfloat16, sharding=where),
    jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=where),
  )
  compiled = decode.lower(*shapes).compile()
  text = compiled.as_text()
  once = counts.count(text)
  per_step = counts.count(text, 2).hbm_bytes - once.hbm_bytes
  weights = layers * width * width * 2
  looked_up = rows * width * 2
  keys = rows * past * width * 2  # read once, for both products
  assert per_step == pytest.approx(weights + looked_up + keys, rel=0.02), (
    'compare counts.count(text).traffic with the text'
  )
  compilers_own = compiled.cost_analysis()
  assert compilers_own['bytes accessed'] > 1.3 * per_step, (
    'then there is no need to count here'
  )
  assert once.flops == rows * weights + 2 * keys
  assert once.flops == pytest.approx(compilers_own['flops'], rel=0.02)
