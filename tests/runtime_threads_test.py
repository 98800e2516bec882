"""The threads of a process: those of the config, whatever cores there are."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest

from wcse_jax.experiment import config as config_lib
from wcse_jax.runtime import threads
from wcse_jax.stages import machine

# Prints how many threads XLA computes with.
PROGRAM = """
import pathlib, sys
from wcse_jax.runtime import threads
threads.limit(int(sys.argv[1]))
import jax
jax.jit(lambda x: x + 1)(1).block_until_ready()
names = [p.read_text() for p in pathlib.Path('/proc/self/task').glob('*/comm')]
print(sum('XLAEigen' in name for name in names))
"""


@pytest.mark.skipif(
  not pathlib.Path('/proc/self/task').exists(), reason='the system cannot tell'
)
@pytest.mark.parametrize('number', [1, 3])
def test_xla_has_as_many_threads(number):
  """If this fails, JAX reads another variable than `threads` sets."""
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM, str(number)],
    capture_output=True,
    text=True,
    check=True,
  )
  assert int(done.stdout) == number


def test_a_machine_has_as_many_as_its_config_says(monkeypatch):
  monkeypatch.setenv(threads._VARIABLE, '8')
  mesh = dataclasses.replace(config_lib.MeshSpec(), cpu_threads=3)
  for config, number in (
    (config_lib.Config(), '1'),
    (config_lib.Config(mesh=mesh), '3'),
  ):
    machine.Machine(config)
    assert os.environ[threads._VARIABLE] == number
