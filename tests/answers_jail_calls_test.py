"""The filter of system calls, run here as the kernel runs it."""

import os
import pathlib
import re
import sys

import pytest

from wcse_jax import data_files
from wcse_jax.answers.jail import calls
from wcse_jax.verify.certificate import hostile_programs

_HEADERS = {
  'x86_64': '/usr/include/x86_64-linux-gnu/asm/unistd_64.h',
  'aarch64': '/usr/include/asm-generic/unistd.h',
}
_HOSTILE = data_files.tables(hostile_programs.__file__)['calls']


def _decide(machine, number, *arguments, architecture=None):
  """What becomes of a call: 'allow', 'fail' or 'kill'."""
  known = {0: number, 4: architecture or calls.MACHINES[machine][1]}
  known |= {16 + 8 * i: value for i, value in enumerate(arguments)}
  program = calls.compiled(machine, calls.ARGUMENTS | {'kill': (0, (7,))})
  assert len(program) < 4096  # the kernel's limit
  register = at = 0
  while True:
    code, if_equal, if_not, value = program[at]
    assert max(if_equal, if_not) < 256
    at += 1
    if code == 0x20:  # load
      register = known.get(value, 0)
    elif code == 0x15:  # skip
      at += if_equal if register == value else if_not
    else:
      return {0x7FFF0000: 'allow', 0x00050026: 'fail', 0x80000000: 'kill'}[
        value
      ]


@pytest.mark.parametrize('machine', calls.MACHINES)
def test_only_the_calls_of_the_table_get_through(machine):
  column, _ = calls.MACHINES[machine]
  numbers = {pair[column] for pair in calls.CALLS.values()}
  free = {
    pair[column]
    for name, pair in calls.CALLS.items()
    if name not in {*calls.ARGUMENTS, 'kill'}
  }
  assert {n for n in range(1024) if _decide(machine, n) == 'allow'} == (
    free - {None}
    # Those whose argument may be 0, as it is here.
    | {calls.CALLS[name][column] for name in ('fcntl', 'prlimit64')}
  )
  for hostile in _HOSTILE.values():
    assert hostile[column] not in numbers
  for x32 in (0x40000000, 0x40000027):
    assert _decide(machine, x32) == 'fail'


@pytest.mark.parametrize('machine', calls.MACHINES)
def test_another_architecture_ends_the_process(machine):
  for other in (0x40000003, 0x40000028, 0xC0000015):
    assert _decide(machine, 0, architecture=other) == 'kill'


@pytest.mark.parametrize(
  'name, arguments, decision',
  [
    ('kill', [7], 'allow'),
    ('kill', [1], 'fail'),
    ('kill', [0xFFFFFFFF], 'fail'),
    ('socketpair', [1], 'allow'),
    ('socketpair', [2], 'fail'),
    ('socketpair', [40], 'fail'),
    ('fcntl', [3, 2], 'allow'),
    ('fcntl', [3, 1031], 'fail'),
    ('fcntl', [3, 8], 'fail'),
    ('ioctl', [0, 0x5401], 'allow'),
    ('ioctl', [0, 0x5412], 'fail'),
    ('prlimit64', [0], 'allow'),
    ('prlimit64', [1], 'fail'),
  ],
)
@pytest.mark.parametrize('machine', calls.MACHINES)
def test_arguments_decide(machine, name, arguments, decision):
  number = calls.CALLS[name][calls.MACHINES[machine][0]]
  assert _decide(machine, number, *arguments) == decision


@pytest.mark.parametrize('machine', calls.MACHINES)
def test_numbers_are_those_of_the_kernel(machine):
  """Also those of the hostile calls."""
  path = pathlib.Path(_HEADERS[machine])
  if not path.exists():
    pytest.skip(f'{path} is not there')
  text = path.read_text()
  pattern = r'#define __NR(?:3264)?_(\w+)\s+(\d+)$'
  official = dict(re.findall(pattern, text, re.MULTILINE))
  official.setdefault('newfstatat', official.get('fstatat'))
  column, _ = calls.MACHINES[machine]
  for name, numbers in {**calls.CALLS, **_HOSTILE}.items():
    number = numbers[column]
    if name in official or number is not None:
      assert official.get(name) == str(number), name


def test_an_unknown_machine_is_an_error(monkeypatch):
  monkeypatch.setattr(sys, 'platform', 'linux')
  uname = type('uname', (), {'machine': 'riscv64'})
  monkeypatch.setattr(os, 'uname', lambda: uname)
  with pytest.raises(OSError, match='calls for riscv64, but for x86_64 and'):
    calls.restrict()
