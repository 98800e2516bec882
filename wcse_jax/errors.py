"""The base of this project's errors."""


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
