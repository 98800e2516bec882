"""The base of this project's errors, and where those of others' code arose."""

import pathlib
import sysconfig
import traceback

_PACKAGES = {'site-packages', 'dist-packages'}
_ROOT = pathlib.Path(__file__).parent
# Of Python and of installed packages.
_KINDS = 'stdlib', 'platstdlib', 'purelib', 'platlib'
_INSTALLED = {pathlib.Path(sysconfig.get_path(kind)) for kind in _KINDS}


class Error(Exception):
  """What went wrong, where, and what to do about it; no bug of this project.

  A command prints its text and ends; any other exception, the system's
  (OSError) aside, is a bug, and keeps its traceback.

  Args:
    message: What is wrong: it names the field, file or part.
    remedy: What to do about it, on a line of its own; '' if `message` says it.
  """

  def __init__(self, message: str = '', remedy: str = ''):
    super().__init__('\n'.join(filter(None, [message, remedy])))
    self.remedy = remedy


def where(error: BaseException) -> str:
  """Returns where in a user's own code an error arose: ' (own.py:7)'.

  Returns:
    The innermost line that is of no installed package, of Python or of this
    project; '' if there is none.
  """
  place = ''
  for frame, line in traceback.walk_tb(error.__traceback__):
    path = pathlib.Path(frame.f_code.co_filename)
    others = {_ROOT, *_INSTALLED} & {*path.parents}
    if path.is_absolute() and not others and not _PACKAGES & {*path.parts}:
      place = f' ({path.name}:{line})'
  return place
