"""What compiled programs take is kept, row by row; a CPU stands for the TPU."""

import jax
import jax.numpy as jnp
import pytest

from wcse_jax.tpu import compilation, counts, known, program, topology


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  path = tmp_path / 'compiled.jsonl'
  begin(path, monkeypatch)
  return path


def begin(path, monkeypatch):
  """Reads the file as another process would."""
  monkeypatch.setattr(known, 'KNOWN', known.Known(path))
  known.KNOWN.recording = True


def take(factor=2.0) -> program.Program | None:
  slice_ = topology.Topology(name='v5e:1x1', devices=jax.devices()[:1])
  rows = jax.ShapeDtypeStruct((4, 8), jnp.bfloat16)
  lowered = jax.jit(lambda a: a @ a.T * factor).lower(rows)
  return program.compile_for(slice_, lowered)


@pytest.fixture
def no_compiler(monkeypatch):
  def refuse(*_):
    raise AssertionError('compiled')

  return lambda: monkeypatch.setattr(compilation, 'compile_for', refuse)


def test_what_is_known_is_not_compiled(path, monkeypatch, no_compiler):
  made = take()
  assert made and made.flops == 2 * 4 * 4 * 8
  begin(path, monkeypatch)
  no_compiler()
  assert take() == made
  with pytest.raises(AssertionError):
    take(3.0)  # another program
  monkeypatch.setattr(counts, 'VERSION', counts.VERSION + 1)
  with pytest.raises(AssertionError):
    take()  # counted otherwise


def test_what_is_too_large_is_known_to_be(path, monkeypatch, no_compiler):
  monkeypatch.setattr(compilation, 'compile_for', lambda *_: None)
  assert take() is None
  begin(path, monkeypatch)
  no_compiler()
  assert take() is None


def test_others_write_nothing(path):
  known.KNOWN.recording = False
  assert take() == take()
  assert not path.exists()


def test_rows_that_nobody_asks_for_are_forgotten(path, monkeypatch):
  take(), take(3.0)
  assert len(path.read_text().splitlines()) == 2
  begin(path, monkeypatch)
  made = take(3.0)
  assert made and known.KNOWN.compile_s == made.compile_s > 0
  known.KNOWN.forget()
  (row,) = path.read_text().splitlines()
  begin(path, monkeypatch)
  assert take(3.0) == made and path.read_text().splitlines() == [row]
