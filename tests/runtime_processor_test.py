"""What the processor is good at."""

import pytest

from wcse_jax.runtime import processor


@pytest.mark.parametrize(
  ('cpuinfo', 'expected'),
  [
    ('model name : avx512_bf16\nflags\t\t: fpu avx512_bf16 amx\n', 'bfloat16'),
    ('flags\t\t: fpu amx_bf16\n', 'bfloat16'),
    ('processor : 0\nFeatures\t: fp asimd bf16 i8mm\n', 'bfloat16'),
    ('model name : avx512_bf16\nflags\t\t: fpu avx512f\n', 'float32'),
    ('flags\t\t: fpu ebf16\n', 'float32'),
    ('', 'float32'),
    (None, 'float32'),  # a Mac
  ],
)
def test_the_type_is_one_that_it_multiplies(
  cpuinfo, expected, tmp_path, monkeypatch
):
  path = tmp_path / 'cpuinfo'
  if cpuinfo is not None:
    path.write_text(cpuinfo)
  monkeypatch.setattr(processor, 'CPUINFO', path)
  assert processor.float_type() == expected
