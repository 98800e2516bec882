# ruff: noqa: E501 (HLO has long lines)
import importlib.util
import os
import textwrap

import pytest

from wcse_jax.sampling import hlo

MIB = 2**20


def module(entry: str, *computations: str) -> str:
  parts = [textwrap.dedent(part).strip('\n') for part in computations]
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
  assert hlo.traffic(text) == {'y': 2 * MIB, 'z': MIB / 2}


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
  assert hlo.traffic(text) == {'copy-start.1': 2 * MIB, 'slice-start.1': MIB}


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
  assert hlo.hbm_bytes(text) == size


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
  assert hlo.traffic(text) == {
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
  assert hlo.hbm_bytes(text) == 4 * (2 * 64 * 512 + 64)


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
  assert hlo.traffic(known) == {'out': 2000, 'y': 12 * 8000}
  assert hlo.hbm_bytes(known, unknown_trips=8) == 2000 + 12 * 8000
  unknown = LOOP.replace('LENGTH', '12').replace('CONDITION', 'and(%i.1, %n)')
  assert hlo.traffic(unknown) == {'out': 2000, 'y': 8000}
  assert hlo.hbm_bytes(unknown, unknown_trips=8) == 2000 + 8 * 8000


def test_what_is_not_hlo_is_named():
  with pytest.raises(ValueError, match='no HLO module'):
    hlo.hbm_bytes('module @jit_f { func.func public @main() }')


@pytest.mark.skipif(
  not importlib.util.find_spec('libtpu'),
  reason='libtpu is not installed: pip install "jax[tpu]"',
)
def test_a_decode_loop_compiled_for_a_tpu_moves_its_weights_once_a_step():
  os.environ['JAX_PLATFORMS'] = 'cpu'
  import jax
  import jax.numpy as jnp
  import numpy as np

  from wcse_jax.sampling import topology

  v5e = topology.describe('v5e:1x1')
  mesh = jax.sharding.Mesh(np.array(v5e.devices), ('x',))
  where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
  table, width, layers, rows = 64_000, 2048, 4, 32

  @jax.jit
  def decode(table_VxD, w_LxDxD, token_B):
    def step(carry):
      i, token_B = carry
      x_BxD = table_VxD[token_B]
      for w_DxD in w_LxDxD:
        x_BxD = jnp.tanh(x_BxD @ w_DxD)
      return i + 1, jnp.argmax(x_BxD, axis=-1).astype(jnp.int32)

    goes_on = lambda carry: (carry[0] < 8) & jnp.any(carry[1] > 0)
    return jax.lax.while_loop(goes_on, step, (0, token_B))

  shapes = (
    jax.ShapeDtypeStruct((table, width), jnp.bfloat16, sharding=where),
    [jax.ShapeDtypeStruct((width, width), jnp.bfloat16, sharding=where)]
    * layers,
    jax.ShapeDtypeStruct((rows,), jnp.int32, sharding=where),
  )
  compiled = decode.lower(*shapes).compile()
  text = compiled.as_text()
  per_step = hlo.hbm_bytes(text, 2) - hlo.hbm_bytes(text, 1)
  weights = layers * width * width * 2
  looked_up = rows * width * 2
  assert per_step == pytest.approx(weights + looked_up, rel=0.02), (
    'compare hlo.traffic(text) with the text'
  )
  compilers_own = compiled.cost_analysis()['bytes accessed']
  assert compilers_own > 1.5 * per_step, 'then there is no need to count here'
  assert v5e.cost(compiled).flops >= 2 * rows * weights / 2
