"""The walls: namespaces, privileges, limits."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

# Of linux/prctl.h, linux/mount.h and linux/capability.h.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_MS_NOSUID, _MS_NODEV = 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MOUNT_SETATTR = 442  # the system call's number
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY = 1 | 2 | 4  # read-only, no set-user-ID programs, no devices
_CAPABILITY_VERSION_3 = 0x20080522
# What processes share, which no limit of theirs counts: a namespace has none.
_SHARED = (
  'kernel/shmmni',
  'kernel/msgmni',
  'kernel/sem',
  'fs/mqueue/queues_max',
)
_NOBODY, _ROOT = 65534, '/proc'  # a folder that is there and has nobody's files


def enter_namespaces(visible: list[str], file_bytes: int):
  """No other processes, no network, no files but those that are needed."""
  libc = ctypes.CDLL(None, use_errno=True)

  def check(status: int, what: str):
    if status:
      raise OSError(ctypes.get_errno(), what)

  def mount(source: str, folder: str, kind: str, flags: int, data: str = ''):
    texts = (text.encode() for text in (source, folder, kind))
    status = libc.mount(*texts, ctypes.c_ulong(flags), data.encode())
    check(status, f'mount {folder}')

  flags = os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWNET | os.CLONE_NEWIPC
  user, group = os.geteuid(), os.getegid()
  os.unshare(flags | os.CLONE_NEWUSER if user else flags)
  if user:
    maps = {'uid_map': f'{user} {user} 1', 'gid_map': f'{group} {group} 1'}
    for name, text in {'setgroups': 'deny', **maps}.items():
      with open(f'/proc/self/{name}', 'w') as file:
        file.write(text)
  for name in _SHARED:
    try:
      with open(f'/proc/sys/{name}', 'w') as file:
        file.write('0 0 0 0')
    except OSError:  # an older kernel: only root may; `calls` stands before it
      pass
  mount('none', '/', '', _MS_REC | _MS_PRIVATE)
  inert = _MS_NOSUID | _MS_NODEV
  mount('none', _ROOT, 'tmpfs', inert, 'size=1m,mode=0755')
  for folder in visible:
    os.makedirs(_ROOT + folder, exist_ok=True)
    mount(folder, _ROOT + folder, '', _MS_BIND | _MS_REC)
  os.makedirs(f'{_ROOT}/tmp', exist_ok=True)
  attributes = (ctypes.c_uint64 * 4)(_READ_ONLY)
  where = (_AT_FDCWD, _ROOT.encode(), _AT_RECURSIVE)
  size = ctypes.c_size_t(ctypes.sizeof(attributes))
  status = libc.syscall(_MOUNT_SETATTR, *where, attributes, size)
  check(status, 'mount_setattr')
  space = f'size={file_bytes},nr_inodes=1000,mode=0777'
  mount('none', f'{_ROOT}/tmp', 'tmpfs', inert, space)
  os.chroot(_ROOT)
  os.chdir('/tmp')


def drop_privileges(isolation: str):
  """Those of root, or of the owner of a user namespace, for good."""
  if os.geteuid() == 0:
    try:
      os.setgroups([])
      os.setgid(_NOBODY)
      os.setuid(_NOBODY)
    except OSError:  # a root that is alone in its own user namespace
      if isolation != 'namespaces':
        raise
  if sys.platform == 'linux':
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
      raise OSError('capset')
  prctl(_PR_SET_NO_NEW_PRIVS, 1)
  prctl(_PR_SET_DUMPABLE, 0)  # the solution cannot trace the tester
  prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # new credentials forget it


def prctl(option: int, value: int):
  """Linux's `prctl`; other systems have none."""
  if sys.platform == 'linux':
    values = [ctypes.c_ulong(x) for x in (value, 0, 0, 0)]
    if ctypes.CDLL(None).prctl(option, *values):
      raise OSError(f'prctl {option}')


def limit(kind: int, value: int, hard: int | None = None):
  """Sets a soft and a hard limit, of one number if `hard` is None."""
  _, most = resource.getrlimit(kind)
  limits = [value, value if hard is None else hard]
  if most != resource.RLIM_INFINITY:
    limits = [min(each, most) for each in limits]
  try:
    resource.setrlimit(kind, (limits[0], limits[1]))
  except (OSError, ValueError):  # macOS refuses some
    if sys.platform == 'linux':
      raise
