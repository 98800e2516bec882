"""Several processes of one JAX: whether they come together, and agree.

What takes two of them is in finetuning_mesh_test and two_machines_test.
"""

import socket

import jax
import pytest

from wcse_jax.finetuning import FinetuneError, processes


@pytest.fixture(autouse=True)
def _without_others(monkeypatch):
  monkeypatch.setattr(jax.distributed, 'initialize', lambda *a, **k: None)


def test_another_config_is_named(monkeypatch):
  told = iter([['pid 1 on host-a', 'pid 2 on host-b'], ['mine', 'another']])
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  monkeypatch.setattr(processes, '_gather', lambda text: next(told))
  with pytest.raises(FinetuneError, match='^pid 2 on host-b: started with ano'):
    processes.join(None, 2, 0, about='mine')


def test_a_jax_that_sees_fewer_hosts_is_told():
  with pytest.raises(FinetuneError, match='of the 2 processes.* JAX sees 1'):
    processes.join(None, 2, 0)


def test_a_coordinator_that_cannot_be_is_told_at_once():
  with socket.create_server(('', 0)) as taken:
    port = taken.getsockname()[1]
    with pytest.raises(
      FinetuneError, match=f'127.0.0.1:{port} cannot be listened at .*in use'
    ):
      processes.join(f'127.0.0.1:{port}', 2, 0)
  with pytest.raises(FinetuneError, match=f'{port} cannot be reached'):
    processes.join(f'127.0.0.1:{port}', 2, 1, timeout_s=0)


def test_one_process_agrees_with_itself():
  assert processes.agreed(7) == 7
