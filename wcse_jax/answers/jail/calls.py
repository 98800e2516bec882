"""The system calls that a solution may make: a filter, which the kernel keeps.

A table names what a Python program needs that has one thread and no network.
All else fails as if the kernel had never heard of it, what is invented later
included: memory that no limit counts (System V, memfd), sockets, io_uring,
other processes, namespaces, mounts, keys, tracing. A call of another
architecture, with numbers of its own, ends the process.

The filter is a program in the kernel's own language, classic BPF, handed over
by `prctl`: no library is needed, and there is little to go wrong.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence

# By machine: its column of `CALLS`, its name in linux/audit.h.
MACHINES = {'x86_64': (0, 0xC000003E), 'aarch64': (1, 0xC00000B7)}

# By name: the number on x86-64, and on aarch64, if it is there.
CALLS: dict[str, tuple[int, int | None]] = {
  # Reading and writing.
  'read': (0, 63),
  'write': (1, 64),
  'readv': (19, 65),
  'writev': (20, 66),
  'pread64': (17, 67),
  'pwrite64': (18, 68),
  'preadv': (295, 69),
  'pwritev': (296, 70),
  'lseek': (8, 62),
  'sendfile': (40, 71),
  # Descriptors.
  'close': (3, 57),
  'close_range': (436, 436),
  'dup': (32, 23),
  'dup2': (33, None),
  'dup3': (292, 24),
  'pipe': (22, None),
  'pipe2': (293, 59),
  'fcntl': (72, 25),
  'ioctl': (16, 29),
  'flock': (73, 32),
  # Files.
  'open': (2, None),
  'openat': (257, 56),
  'creat': (85, None),
  'access': (21, None),
  'faccessat': (269, 48),
  'faccessat2': (439, 439),
  'stat': (4, None),
  'lstat': (6, None),
  'fstat': (5, 80),
  'newfstatat': (262, 79),
  'statx': (332, 291),
  'statfs': (137, 43),
  'fstatfs': (138, 44),
  'listxattr': (194, 11),
  'llistxattr': (195, 12),
  'flistxattr': (196, 13),
  'truncate': (76, 45),
  'ftruncate': (77, 46),
  'fallocate': (285, 47),
  'fadvise64': (221, 223),
  'fsync': (74, 82),
  'fdatasync': (75, 83),
  'chmod': (90, None),
  'fchmod': (91, 52),
  'fchmodat': (268, 53),
  'utime': (132, None),
  'utimes': (235, None),
  'utimensat': (280, 88),
  # Folders.
  'getdents64': (217, 61),
  'getcwd': (79, 17),
  'chdir': (80, 49),
  'fchdir': (81, 50),
  'umask': (95, 166),
  'readlink': (89, None),
  'readlinkat': (267, 78),
  'mkdir': (83, None),
  'mkdirat': (258, 34),
  'rmdir': (84, None),
  'unlink': (87, None),
  'unlinkat': (263, 35),
  'rename': (82, None),
  'renameat': (264, 38),
  'renameat2': (316, 276),
  'link': (86, None),
  'linkat': (265, 37),
  'symlink': (88, None),
  'symlinkat': (266, 36),
  # Memory that RLIMIT_AS counts.
  'brk': (12, 214),
  'mmap': (9, 222),
  'munmap': (11, 215),
  'mremap': (25, 216),
  'mprotect': (10, 226),
  'madvise': (28, 233),
  'msync': (26, 227),
  # Waiting; an event loop's pair of sockets to wake itself.
  'poll': (7, None),
  'ppoll': (271, 73),
  'select': (23, None),
  'pselect6': (270, 72),
  'epoll_create1': (291, 20),
  'epoll_ctl': (233, 21),
  'epoll_wait': (232, None),
  'epoll_pwait': (281, 22),
  'socketpair': (53, 199),
  'sendto': (44, 206),
  'recvfrom': (45, 207),
  'shutdown': (48, 210),
  'getsockname': (51, 204),
  'getsockopt': (55, 209),
  'futex': (202, 98),
  # Time.
  'time': (201, None),
  'times': (100, 153),
  'gettimeofday': (96, 169),
  'clock_gettime': (228, 113),
  'clock_getres': (229, 114),
  'clock_nanosleep': (230, 115),
  'nanosleep': (35, 101),
  'alarm': (37, None),
  'getitimer': (36, 102),
  'setitimer': (38, 103),
  # Itself, and the machine.
  'getpid': (39, 172),
  'getppid': (110, 173),
  'gettid': (186, 178),
  'getuid': (102, 174),
  'geteuid': (107, 175),
  'getgid': (104, 176),
  'getegid': (108, 177),
  'getresuid': (118, 148),
  'getresgid': (120, 150),
  'getgroups': (115, 158),
  'getpgid': (121, 155),
  'getpgrp': (111, None),
  'getsid': (124, 156),
  'getrusage': (98, 165),
  'prlimit64': (302, 261),
  'getrandom': (318, 278),
  'uname': (63, 160),
  'sysinfo': (99, 179),
  'getcpu': (309, 168),
  'sched_getaffinity': (204, 123),
  'sched_yield': (24, 124),
  # Signals to itself, and its end.
  'rt_sigaction': (13, 134),
  'rt_sigprocmask': (14, 135),
  'rt_sigreturn': (15, 139),
  'rt_sigpending': (127, 136),
  'rt_sigsuspend': (130, 133),
  'rt_sigtimedwait': (128, 137),
  'sigaltstack': (131, 132),
  'pause': (34, None),
  'restart_syscall': (219, 128),
  'kill': (62, 129),
  'tgkill': (234, 131),
  'wait4': (61, 260),
  'waitid': (247, 95),
  'exit': (60, 93),
  'exit_group': (231, 94),
}

# By name: which argument, counted from 0, must be one of what.
ARGUMENTS: dict[str, tuple[int, tuple[int, ...]]] = {
  # Duplicates, flags, locks; no larger pipes, leases, signals to others.
  'fcntl': (1, (0, 1, 2, 3, 4, 5, 6, 7, 1030)),
  # What `open` and `isatty` ask: TCGETS, TIOCGWINSZ, FION*, FIO*CLEX.
  'ioctl': (1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
  'prlimit64': (0, (0,)),  # its own limits alone
  'socketpair': (0, (1,)),  # AF_UNIX
}

# Of linux/prctl.h, linux/seccomp.h and linux/filter.h.
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_KILL, _ALLOW, _FAIL = 0x80000000, 0x7FFF0000, 0x00050000 | errno.ENOSYS
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets of what is known

Instruction = tuple[int, int, int, int]  # operation, skips if equal, if not, k


def restrict() -> None:
  """Leaves this process the calls of the table, for good.

  It can signal nobody but itself. Where there is no such filter, as on macOS,
  nothing happens.

  Raises:
    OSError: Linux that cannot do it, or of a machine that is not in the table.
  """
  if sys.platform != 'linux':
    return
  machine = os.uname().machine
  if machine not in MACHINES or sys.maxsize < 2**32:
    known = ' and '.join(MACHINES)
    raise OSError(f'no filter of system calls for {machine}, but for {known}')
  itself = (0, (os.getpid(),))
  program = compiled(machine, {**ARGUMENTS, 'kill': itself, 'tgkill': itself})
  code = b''.join(struct.pack('HBBI', *each) for each in program)
  buffer = ctypes.create_string_buffer(code, len(code))
  handle = struct.pack('HxxxxxxP', len(program), ctypes.addressof(buffer))
  libc = ctypes.CDLL(None, use_errno=True)
  mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
  if libc.prctl(_PR_SET_SECCOMP, mode, handle, 0, 0):
    raise OSError(ctypes.get_errno(), 'no filter of system calls (seccomp)')


def compiled(
  machine: str, arguments: Mapping[str, tuple[int, Sequence[int]]]
) -> list[Instruction]:
  """The filter in the kernel's language.

  Args:
    machine: One of `MACHINES`.
    arguments: Which calls are bound to which values, as in `ARGUMENTS`.
  """
  return [*_instructions(machine, arguments)]


def _instructions(
  machine: str, arguments: Mapping[str, tuple[int, Sequence[int]]]
) -> Iterator[Instruction]:
  column, architecture = MACHINES[machine]
  yield _LOAD, 0, 0, _ARCHITECTURE
  yield _EQUAL, 1, 0, architecture
  yield _RETURN, 0, 0, _KILL
  yield _LOAD, 0, 0, _NUMBER
  for name, numbers in CALLS.items():
    number = numbers[column]
    if number is None:
      continue
    if name not in arguments:
      yield _EQUAL, 0, 1, number
      yield _RETURN, 0, 0, _ALLOW
      continue
    place, values = arguments[name]
    yield _EQUAL, 0, 2 + 2 * len(values), number
    # Its lower half: these arguments are of 32 bits, on little-endian machines.
    yield _LOAD, 0, 0, _FIRST_ARGUMENT + 8 * place
    for value in values:
      yield _EQUAL, 0, 1, value
      yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _FAIL
  yield _RETURN, 0, 0, _FAIL
