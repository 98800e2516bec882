# ruff: noqa: E501 (HLO has long lines)
from hlo_texts import module
import pytest

from wcse_jax.tpu import counts


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
  assert counts.count(products(left, right, product)).flops == flops


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
  assert counts.count(text).flops == 12 * 2 * 4 * 4 * 4


def test_a_convolution_whose_axes_are_not_told_is_named():
  text = products(
    'f32[2,3]{1,0}', 'f32[3,4]{1,0}', 'f32[2,4]{1,0} convolution(%left, %right)'
  )
  with pytest.raises(ValueError, match='without dim_labels'):
    _ = counts.count(text).flops
