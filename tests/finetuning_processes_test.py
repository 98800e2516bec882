"""Several processes of one JAX: who is lost, who differs, what is agreed.

What takes two processes is in finetuning_mesh_test and two_machines_test.
"""

import jax
import pytest

from wcse_jax import replicas
from wcse_jax.finetuning import FinetuneError, processes

NAMES = ['pid 1 on host-a', 'pid 2 on host-b']


@pytest.fixture
def first(tmp_path, monkeypatch):
  """Replica 0 of two, of which the other died when all were ready."""
  spec = replicas.Spec(
    index=1, count=2, timeout_s=0.5, coordinator='host-a:1234'
  )
  with replicas.Replicas(tmp_path, spec) as other:
    other.announce(processes._READY)
  monkeypatch.setattr(processes, 'join', lambda *args, **kwargs: NAMES)
  monkeypatch.setattr(processes, '_gather', lambda text: [text, text])
  spec = replicas.Spec(
    index=0, count=2, timeout_s=0.5, coordinator='host-a:1234'
  )
  with replicas.Replicas(tmp_path, spec) as first:
    yield first


@pytest.fixture
def ends(monkeypatch):
  """The codes with which this process would have ended."""
  codes = []
  monkeypatch.setattr(processes.os, '_exit', codes.append)
  return codes


def _lost(error):
  """Raises as JAX does, or as who caught that does."""
  try:
    raise jax.errors.JaxRuntimeError('connection closed by peer')
  except jax.errors.JaxRuntimeError as e:
    if not error:
      raise
    raise error from e


@pytest.mark.parametrize('error', [None, FinetuneError('cannot be saved')])
def test_an_error_of_jax_waits_for_who_was_lost(first, ends, capsys, error):
  with (
    pytest.raises((jax.errors.JaxRuntimeError, FinetuneError)),
    processes.together(first, 'config'),
  ):
    _lost(error)
  assert ends == [1]
  said = capsys.readouterr().err
  assert 'error: replica 1 of 2 (pid ' in said
  assert 'has not finished: finetuning with pid 1 on host-a' in said


def test_an_error_of_ones_own_does_not_wait(first, ends):
  with (
    pytest.raises(FinetuneError, match='not finite'),
    processes.together(first, 'config'),
  ):
    raise FinetuneError('the loss is not finite')
  assert not ends


def test_another_config_is_named(first, monkeypatch):
  monkeypatch.setattr(processes, '_gather', lambda text: [text, 'another'])
  with (
    pytest.raises(FinetuneError, match='pid 2 on host-b: started with another'),
    processes.together(first, 'config'),
  ):
    pytest.fail('they differ')


def test_one_that_was_not_started_is_named(tmp_path):
  spec = replicas.Spec(index=0, count=2, timeout_s=0.3, coordinator='auto')
  with (
    replicas.Replicas(tmp_path, spec) as alone,
    pytest.raises(replicas.ReplicaError, match='replica 1 of 2 gave no sign'),
    processes.together(alone, 'config'),
  ):
    pytest.fail('it is alone')


@pytest.mark.parametrize('coordinator', [None, 'nobody:1'])
def test_where_jax_finds_no_others_it_says_so(monkeypatch, coordinator):
  monkeypatch.setattr(jax.distributed, 'initialize', lambda *a, **k: None)
  with pytest.raises(FinetuneError, match='of the 2 processes.* JAX sees 1'):
    processes.join(coordinator, 2, 0)


def test_one_process_agrees_with_itself():
  assert processes.agreed(7) == 7
