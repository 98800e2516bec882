# ruff: noqa: E501 (HLO has long lines)
from hlo_texts import MIB, module
import pytest

from wcse_jax.tpu import counts


def test_operands_and_results_in_hbm_count_and_vmem_does_not():
  text = module("""
    %w = bf16[1024,1024]{1,0:T(8,128)(2,1)} parameter(0)
    %x = bf16[256,1024]{1,0:T(8,128)(2,1)S(1)} parameter(1)
    %y = bf16[256,1024]{1,0:T(8,128)(2,1)S(1)} convolution(%x, %w), dim_labels=bf_io->bf
    %t = (bf16[256,1024]{1,0}, bf16[1024,1024]{1,0}) tuple(%y, %w)
    ROOT %z = bf16[256,1024]{1,0:T(8,128)(2,1)} copy(%y)
  """)
  assert counts.count(text).traffic == {'y': 2 * MIB, 'z': MIB / 2}


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
  assert counts.count(text).traffic == {
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
  assert counts.count(text).hbm_bytes == size


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
  assert counts.count(text).traffic == {
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
  assert counts.count(text).hbm_bytes == 4 * (2 * 64 * 512 + 64)
