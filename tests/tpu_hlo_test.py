# ruff: noqa: E501 (HLO has long lines)
import importlib.util
import os
import textwrap

import pytest

from wcse_jax.tpu import hlo

MIB = 2**20


ADD = """
  %add (a.0: f32[], b.0: f32[]) -> f32[] {
    %a.0 = f32[] parameter(0)
    %b.0 = f32[] parameter(1)
    ROOT %sum.0 = f32[] add(%a.0, %b.0)
  }
"""


def module(entry: str, *computations: str) -> str:
  parts = [textwrap.dedent(part).strip('\n') for part in (ADD, *computations)]
  body = textwrap.indent(textwrap.dedent(entry).strip('\n'), '  ')
  head = 'HloModule jit_f, is_scheduled=true\n\n'
  return head + '\n\n'.join(
    [*parts, f'ENTRY %main.1 () -> f32[] {{\n{body}\n}}']
  )


def test_operands_and_results_in_hbm_count_and_vmem_does_not():
  text = module("""
    %w = bf16[1024,1024]{1,0:T(8,128)(2,1)} parameter(0)
    %x = bf16[256,1024]{1,0:T(8,128)(2,1)S(1)} parameter(1)
    %y = bf16[256,1024]{1,0:T(8,128)(2,1)S(1)} convolution(%x, %w), dim_labels=bf_io->bf
    %t = (bf16[256,1024]{1,0}, bf16[1024,1024]{1,0}) tuple(%y, %w)
    ROOT %z = bf16[256,1024]{1,0:T(8,128)(2,1)} copy(%y)
  """)
  assert hlo.parse(text).traffic == {'y': 2 * MIB, 'z': MIB / 2}


def test_a_prefetch_counts_once():
  text = module("""
    %w = bf16[1024,1024]{1,0:T(8,128)(2,1)} parameter(0)
    %copy-start.1 = (bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)}, bf16[1024,1024]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%w)
    %slice-start.1 = ((bf16[1024,1024]{1,0:T(8,128)(2,1)}), bf16[512,1024]{1,0:T(8,128)(2,1)S(1)}, s32[]{:S(2)}) slice-start(%w), slice={[0:512], [0:1024]}
    %slice-done.1 = bf16[512,1024]{1,0:T(8,128)(2,1)S(1)} slice-done(%slice-start.1)
    %both = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} custom-call(%slice-done.1, %slice-done.1), custom_call_target="ConcatBitcast"
    %copy-done.1 = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} copy-done(%copy-start.1)
    ROOT %z = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} add(%copy-done.1, %both)
  """)
  assert hlo.parse(text).traffic == {
    'copy-start.1': 2 * MIB,
    'slice-start.1': MIB,
  }


@pytest.mark.parametrize(
  ('array', 'size'),
  [
    ('bf16[4,1100,256]{2,1,0:T(8,128)(2,1)}', 4 * 1104 * 256 * 2),  # padded
    ('bf16[4,1100,256]{2,0,1:T(4,128)(2,1)}', 4 * 1100 * 256 * 2),
    ('f32[64,3]{0,1:T(4,128)}', 128 * 4 * 4),
    ('pred[10]{0}', 10),
    ('s32[]{:T(128)}', 4),
    ('s4[7,2]{1,0}', 7),
    ('f8e4m3fn[5]{0}', 5),
  ],
)
def test_arrays_take_what_their_tiles_take(array, size):
  text = module(f"""
    %p = {array} parameter(0)
    ROOT %r = f32[]{{:S(6)}} reduce(%p), to_apply=%add
  """)
  assert hlo.parse(text).hbm_bytes == size


def test_an_update_in_place_counts_its_slice_and_a_lookup_its_rows():
  text = module(
    """
    %cache = bf16[64,512,256]{2,1,0} parameter(0)
    %new = bf16[64,1,256]{2,1,0:S(1)} parameter(1)
    %table = bf16[256000,1024]{1,0} parameter(2)
    %i = s32[64]{0:S(1)} parameter(3)
    %rows = bf16[64,1024]{1,0:S(1)} fusion(%table, %i), kind=kLoop, calls=%lookup
    %w = bf16[64,512,256]{2,1,0} fusion(%cache, /*index=1*/%new, %i), kind=kLoop, calls=%write
    %top = bf16[64,512,256]{2,1,0} dynamic-update-slice(%w, %new, %i, %i, %i)
    ROOT %piece = bf16[1,512,256]{2,1,0:S(1)} dynamic-slice(%top, %i, %i, %i), dynamic_slice_sizes={1,512,256}
    """,
    """
    %lookup (a: bf16[256000,1024], b: s32[64]) -> bf16[64,1024] {
      %a = bf16[256000,1024]{1,0} parameter(0)
      %b = s32[64]{0:S(1)} parameter(1)
      ROOT %g = bf16[64,1024]{1,0:S(1)} gather(%a, %b), offset_dims={1}
    }
    """,
    """
    %write (c: bf16[64,512,256], n: bf16[64,1,256], j: s32[64]) -> bf16[64,512,256] {
      %c = bf16[64,512,256]{2,1,0} parameter(0)
      %n = bf16[64,1,256]{2,1,0:S(1)} parameter(1)
      %j = s32[64]{0:S(1)} parameter(2)
      %same = bf16[64,512,256]{2,1,0} bitcast(%c)
      %d = bf16[64,512,256]{2,1,0} dynamic-update-slice(%same, %n, %j, %j, %j)
      ROOT %r = bf16[64,512,256]{2,1,0} bitcast(%d)
    }
    """,
  )
  assert hlo.parse(text).traffic == {
    'rows': 64 * 1024 * 2,
    'w': 64 * 256 * 2,
    'top': 64 * 256 * 2,
    'piece': 512 * 256 * 2,
  }


def test_a_fusion_that_also_reads_the_whole_counts_the_whole():
  text = module(
    """
    %cache = f32[64,512]{1,0} parameter(0)
    %i = s32[]{:S(6)} parameter(1)
    ROOT %f = (f32[64,512]{1,0}, f32[64,1]{1,0}) fusion(%cache, %i), kind=kLoop, calls=%both
    """,
    """
    %both (c: f32[64,512], i: s32[]) -> (f32[64,512], f32[64,1]) {
      %c = f32[64,512]{1,0} parameter(0)
      %i.1 = s32[]{:S(6)} parameter(1)
      %s = f32[64,1]{1,0} dynamic-slice(%c, %i.1, %i.1), dynamic_slice_sizes={64,1}
      %n = f32[64,512]{1,0} negate(%c)
      ROOT %t = (f32[64,512]{1,0}, f32[64,1]{1,0}) tuple(%n, %s)
    }
    """,
  )
  assert hlo.parse(text).hbm_bytes == 4 * (2 * 64 * 512 + 64)


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
  assert hlo.parse(known).traffic == {'out': 2000, 'y': 12 * 8000}
  assert hlo.parse(known, unknown_trips=8).hbm_bytes == 2000 + 12 * 8000
  unknown = LOOP.replace('LENGTH', '12').replace('CONDITION', 'and(%i.1, %n)')
  assert hlo.parse(unknown).traffic == {'out': 2000, 'y': 8000}
  assert hlo.parse(unknown, unknown_trips=8).hbm_bytes == 2000 + 8 * 8000


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
  traffic = hlo.parse(by_five).traffic
  assert traffic['y'] == 3 * 8000  # 0, 5, 10


def test_what_is_not_hlo_is_named():
  with pytest.raises(ValueError, match='no HLO module'):
    hlo.parse('module @jit_f { func.func public @main() }')


def products(*lines: str) -> str:
  """A module whose fusion has a product: `left`, `right`, the product."""
  left, right, product = lines
  return module(
    """
    %a = f32[8]{0} parameter(0)
    ROOT %f = f32[8]{0} fusion(%a), kind=kOutput, calls=%inside
    """,
    f"""
    %inside (a.1: f32[8]) -> f32[8] {{
      %a.1 = f32[8]{{0}} parameter(0)
      %left = {left} broadcast(%a.1), dimensions={{0}}
      %right = {right} broadcast(%a.1), dimensions={{0}}
      %product = {product}
      ROOT %r = f32[8]{{0}} slice(%product), slice={{[0:8]}}
    }}
    """,
  )


@pytest.mark.parametrize(
  ('left', 'right', 'product', 'flops'),
  [
    (
      'bf16[4,256,32]{2,1,0}',
      'bf16[4,32,64]{2,1,0}',
      'f32[4,256,64]{2,1,0} dot(%left, %right), lhs_batch_dims={0},'
      ' lhs_contracting_dims={2}, rhs_batch_dims={0}, rhs_contracting_dims={1}',
      2 * 4 * 256 * 64 * 32,
    ),
    (
      'bf16[256,32]{1,0}',
      'bf16[32,64]{1,0}',
      'f32[256,64]{1,0} convolution(%left, %right), dim_labels=bf_io->bf',
      2 * 256 * 64 * 32,
    ),
    (  # rows and kv heads are a batch: each sees its own keys alone
      'bf16[160,16,2,128]{3,2,1,0}',
      'bf16[160,16,8,128]{3,2,1,0}',
      'f32[160,16,2,8]{3,2,1,0} convolution(%left, %right),'
      ' window={size=160x16 stride=159x15 lhs_dilate=160x16},'
      ' dim_labels=01bf_01oi->01bf',
      2 * 160 * 16 * 2 * 8 * 128,
    ),
    (  # a real window: its taps beside the array are not computed
      'f32[1,5,1]{2,1,0}',
      'f32[3,1,1]{2,1,0}',
      'f32[1,5,1]{2,1,0} convolution(%left, %right), window={size=3 pad=1_1},'
      ' dim_labels=b0f_0io->b0f',
      2 * (5 * 3 - 2),
    ),
  ],
)
def test_products_inside_fusions_count(left, right, product, flops):
  assert hlo.parse(products(left, right, product)).flops == flops


def test_products_count_as_often_as_their_loop_runs():
  text = module(
    """
    %p = (s32[], f32[4,4]{1,0}) parameter(0)
    ROOT %w = (s32[], f32[4,4]{1,0}) while(%p), condition=%go, body=%step
    """,
    """
    %go (p.1: (s32[], f32[4,4])) -> pred[] {
      %p.1 = (s32[], f32[4,4]{1,0}) parameter(0)
      %i.1 = s32[] get-tuple-element(%p.1), index=0
      %n = s32[] constant(12)
      ROOT %less = pred[] compare(%i.1, %n), direction=LT
    }
    """,
    """
    %step (p.2: (s32[], f32[4,4])) -> (s32[], f32[4,4]) {
      %p.2 = (s32[], f32[4,4]{1,0}) parameter(0)
      %i.2 = s32[] get-tuple-element(%p.2), index=0
      %x = f32[4,4]{1,0} get-tuple-element(%p.2), index=1
      %y = f32[4,4]{1,0} dot(%x, %x), lhs_contracting_dims={1}, rhs_contracting_dims={0}
      ROOT %t = (s32[], f32[4,4]{1,0}) tuple(%i.2, %y)
    }
    """,
  )
  assert hlo.parse(text).flops == 12 * 2 * 4 * 4 * 4


@pytest.mark.parametrize(
  ('opcode', 'groups', 'kind', 'received'),
  [
    ('all-gather', '[2,8]<=[16]', 'all-gather', 7 * 4000),
    ('all-gather-start', '{{0,1,2,3},{4,5,6,7}}', 'all-gather', 3 * 4000),
    ('all-reduce', '[4,4]<=[4,4]T(1,0)', 'all-reduce', 2 * 3 / 4 * 4000),
    ('reduce-scatter', '[1,4]<=[4]', 'reduce-scatter', 3 / 4 * 4000),
    ('all-to-all', '[1,4]<=[4]', 'all-to-all', 3 / 4 * 4000),
    ('all-reduce', '[16,1]<=[16]', 'all-reduce', 0),  # nobody else
  ],
)
def test_what_a_collective_brings(opcode, groups, kind, received):
  text = module(f"""
    %p = f32[1000]{{0}} parameter(0)
    ROOT %c = f32[1000]{{0}} {opcode}(%p), channel_id=1, replica_groups={groups}, to_apply=%add
  """)
  brought = hlo.parse(text).received
  assert brought.pop(kind) == received
  assert not any(brought.values())


def test_a_permutation_brings_all_of_its_operand():
  text = module("""
    %p = f32[1000]{0} parameter(0)
    ROOT %c = (f32[1000]{0}, f32[1000]{0}) collective-permute-start(%p), channel_id=1, source_target_pairs={{0,1},{1,0}}
  """)
  assert hlo.parse(text).received['collective-permute'] == 4000


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
  made = hlo.parse(text)
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
  made = hlo.parse(text)
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
  once = hlo.parse(text)
  per_step = hlo.parse(text, 2).hbm_bytes - once.hbm_bytes
  weights = layers * width * width * 2
  looked_up = rows * width * 2
  keys = rows * past * width * 2  # read once, for both products
  assert per_step == pytest.approx(weights + looked_up + keys, rel=0.02), (
    'compare hlo.parse(text).traffic with the text'
  )
  compilers_own = compiled.cost_analysis()
  assert compilers_own['bytes accessed'] > 1.3 * per_step, (
    'then there is no need to count here'
  )
  assert once.flops == rows * weights + 2 * keys
  assert once.flops == pytest.approx(compilers_own['flops'], rel=0.02)
