"""What is kept of compilations; a CPU stands for the TPU."""

import jax
import jax.numpy as jnp
import pytest

from wcse_jax.tpu import compilation, program, topology

ROWS = jax.ShapeDtypeStruct((4, 8), jnp.bfloat16)
COUNTS = jax.ShapeDtypeStruct((3,), jnp.int32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  return tmp_path / 'cache' / 'plans'


@pytest.fixture
def compiled(monkeypatch):
  """Programs that were really compiled."""
  programs, compile_ = [], compilation._compile

  def count(lowered):
    programs.append(lowered)
    return compile_(lowered)

  monkeypatch.setattr(compilation, '_compile', count)
  return programs


def a_slice(name='v5e:1x1') -> topology.Topology:
  return topology.Topology(name=name, devices=jax.devices()[:1])


def lowered(factor=2.0) -> jax.stages.Lowered:
  product = lambda rows, unused, counts: (rows @ rows.T * factor, counts + 1)
  return jax.jit(product).lower(ROWS, ROWS, COUNTS)


def test_a_program_is_compiled_once(compiled):
  made = compilation.compile_for(a_slice(), lowered())
  assert made and made.hlo.startswith('HloModule') and made.compile_s > 0
  assert compilation.compile_for(a_slice(), lowered()) == made
  assert len(compiled) == 1


def test_another_program_slice_or_compiler_is_another(compiled, monkeypatch):
  compilation.compile_for(a_slice(), lowered())
  compilation.compile_for(a_slice(), lowered(factor=3.0))
  compilation.compile_for(a_slice('v5p:1x1x1'), lowered())
  monkeypatch.setenv('LIBTPU_INIT_ARGS', '--xla_tpu_scoped_vmem_limit_kib=8192')
  compilation.compile_for(a_slice(), lowered())
  assert len(compiled) == 4


def test_arguments_count_by_dtype_if_they_are_used():
  made = program.compile_for(a_slice(), lowered())
  assert made and made.used_bytes == {'bfloat16': 4 * 8 * 2, 'int32': 3 * 4}
  assert made.flops == 2 * 4 * 4 * 8


class Lowered:
  """What the compiler refuses."""

  def __init__(self, message):
    self.message = message

  def as_text(self):
    return 'module @too_large'

  def compile(self):
    raise jax.errors.JaxRuntimeError(self.message)


def test_what_is_too_large_is_tried_once(compiled):
  refused = Lowered('RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm')
  assert compilation.compile_for(a_slice(), refused) is None
  assert program.compile_for(a_slice(), refused) is None
  assert compiled == [refused]


def test_when_the_time_is_up_what_there_is_is_read(compiled, monkeypatch):
  monkeypatch.setattr(compilation, '_until', compilation._until)  # put back
  made = compilation.compile_for(a_slice(), lowered())
  compilation.stop_after(0)
  assert compilation.compile_for(a_slice(), lowered()) == made
  with pytest.raises(compilation.TimeUpError):
    compilation.compile_for(a_slice(), lowered(factor=3.0))
  assert len(compiled) == 1


def test_an_error_is_not_kept(folder):
  with pytest.raises(jax.errors.JaxRuntimeError, match='INTERNAL'):
    compilation.compile_for(a_slice(), Lowered('INTERNAL: a bug'))
  assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_named_first(compiled, folder):
  folder.parent.write_text('a file')
  with pytest.raises(topology.PlanError, match=r'cache.*\n.*WCSE_CACHE_DIR'):
    compilation.compile_for(a_slice(), lowered())
  assert not compiled
