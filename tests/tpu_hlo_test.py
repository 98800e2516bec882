import pytest

from wcse_jax.tpu import hlo


def test_what_is_not_hlo_is_named():
  with pytest.raises(ValueError, match='no HLO module'):
    hlo.parse('module @jit_f { func.func public @main() }')
