"""The command `wcse`: what this project does, a word each.

Each command is a module with a `main(argv)`, which returns the exit code: 0,
1 (it failed), 2 (bad input) or 130 (it was stopped). None imports JAX or
TensorFlow before it has read its flags.
"""

from collections.abc import Sequence
import difflib
import importlib
from importlib import metadata
import sys

# By name: what it does, for people; the module is this package's.
COMMANDS = {
  'run': 'runs an experiment, from its config to its report',
  'plan': 'tells what a config takes on TPU slices, without a TPU',
  'split': 'tells from a pilot how to split a budget between models',
  'export': 'writes the data of an arm, or a student, for other trainers',
  'report': 'makes pages of results anew, of several workdirs one page',
  'grade': 'says whether solutions are right',
  'list': 'lists tasks, models, arms, or the fields of a config',
  'doctor': 'says what this machine has, and what it lacks',
}
_HELP = ('help', '-h', '--help')


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command.

  Args:
    argv: The program, the command's name and its flags; None takes those of
      this process.

  Returns:
    The exit code.
  """
  script, *words = argv or sys.argv
  name = words[0] if words else _HELP[0]
  if name in _HELP:
    print(usage())
    return 0
  if name == '--version':
    print('wcse_jax', metadata.version('wcse_jax'))
    return 0
  if name not in COMMANDS:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean {near[0]}?' if near else f'give {", ".join(COMMANDS)}'
    print(f'error: wcse has no command {name!r}: {hint}', file=sys.stderr)
    return 2
  module = importlib.import_module(f'{__name__}.{name}')
  return module.main([script, *words[1:]])


def usage() -> str:
  """Returns what `wcse --help` prints."""
  return '\n'.join(
    [
      'usage: wcse COMMAND [FLAGS]; more of each: wcse COMMAND --help',
      '',
      *(f'  {name:<8}{text}' for name, text in COMMANDS.items()),
    ]
  )
