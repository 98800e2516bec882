"""What a grader is worth: `python -m wcse_jax.verify.certificate --task=math`.

Writes a table to stdout, in Markdown, and with --json=FILE all counts, misses
and accepted pairs. Official files are read from --data_dir, else from
$WCSE_DATA_DIR/<task>.

Side by side on the same pairs: math-verify alone, with its own defaults, and
the `minerva_math` equivalence of lm-eval; where a package is not installed,
its column says so. They see a seeded sample of the pairs (--peer_pairs),
since they take a hundred times as long.
"""

import argparse
from collections.abc import Sequence
import json
import os
import pathlib
import sys

from wcse_jax.errors import Error
from wcse_jax.verify.certificate import answers, programs
from wcse_jax.verify.certificate.certificate import Certificate


def main(argv: Sequence[str] | None = None) -> None:
  """The command line."""
  parser = argparse.ArgumentParser(
    prog='python -m wcse_jax.verify.certificate',
    description='See the module.',
  )
  tasks = sorted([*answers.TASKS, *programs.TASKS])
  parser.add_argument('--task', required=True, choices=tasks)
  parser.add_argument('--data_dir', default='', help='the official files')
  parser.add_argument('--json', default='', help='a file for all details')
  parser.add_argument('--workers', type=int, default=2, help='processes')
  parser.add_argument('--random_pairs', type=int, default=20_000)
  parser.add_argument('--peer_pairs', type=int, default=500)
  arguments = parser.parse_args(argv)
  if not arguments.data_dir:
    shared = os.environ.get('WCSE_DATA_DIR')
    if not shared:
      parser.error('give --data_dir, or set WCSE_DATA_DIR to its parent')
    arguments.data_dir = str(pathlib.Path(shared, arguments.task))
  try:
    certificate = certify(arguments)
  except Error as error:
    sys.exit(f'error: {error}')
  print(certificate.markdown())
  if arguments.json:
    details = json.dumps(certificate.details, indent=1, ensure_ascii=True)
    pathlib.Path(arguments.json).write_text(details + '\n')


def certify(arguments: argparse.Namespace) -> Certificate:
  """Runs the checks that the command line's arguments ask for."""
  task, folder = arguments.task, pathlib.Path(arguments.data_dir)
  if task in programs.TASKS:
    official = programs.problems(task, folder)
    return programs.Checks(task, official, arguments.workers).run()
  return answers.Checks(
    task,
    answers.problems(task, folder),
    workers=arguments.workers,
    random_pairs=arguments.random_pairs,
    peer_pairs=arguments.peer_pairs,
  ).run()
