"""The certificate of the graders that run programs; `certify` prints it.

Beside ours, for hostile programs: what a grader says that runs program and
tests in one interpreter and takes the end of both for success.
"""

import argparse
import collections
from collections.abc import Callable, Sequence
from concurrent import futures
import pathlib
import socket
import tempfile
import time
from typing import Any, NamedTuple

from wcse_jax.answers import code, sandbox
from wcse_jax.tasks import humaneval as humaneval_problems
from wcse_jax.tasks import mbpp as mbpp_problems
from wcse_jax.verify import pool
from wcse_jax.verify.certificate import hostile_programs

_TIMEOUT_S = 30.0  # above the sandbox's own limits
_HOSTILE_LIMITS = sandbox.Limits(cpu_s=1, wall_s=3.0)

# Why a reference solution is not correct.
EXPLAINED = {
  'mbpp:123': 'takes 4 s of CPU time on three tests; the limit is 3 s',
}


class Problem(NamedTuple):
  """An official problem; `name` says which."""

  name: str
  gold: code.Gold
  solution: str


def _mbpp(folder: pathlib.Path) -> list[Problem]:
  return [
    Problem(
      f'mbpp:{row["task_id"]}',
      mbpp_problems.gold(row),
      mbpp_problems.reference_solution(row),
    )
    for row in mbpp_problems.read(folder / mbpp_problems.FILE)
  ]


def _humaneval(folder: pathlib.Path) -> list[Problem]:
  return [
    Problem(
      row['task_id'], humaneval_problems.gold(row), row['canonical_solution']
    )
    for row in humaneval_problems.read(folder / humaneval_problems.FILE)
  ]


PROBLEMS: dict[str, Callable[[pathlib.Path], list[Problem]]] = {
  'mbpp': _mbpp,
  'humaneval': _humaneval,
}


class Certificate:
  """Runs the checks of a task and collects rows and details."""

  def __init__(self, task: str, problems: Sequence[Problem], workers: int = 2):
    self.task = task
    self.rows: list[tuple[str, str, str]] = []
    self.details: dict[str, Any] = {'task': task, 'problems': len(problems)}
    self._problems = problems
    self._workers = workers

  def run(self) -> None:
    """All checks, in the order of the table."""
    start = time.monotonic()
    self._check('reference solutions', 'correct', _solution)
    rate = len(self._problems) / (time.monotonic() - start)
    self._check('functions that return nothing', 'wrong', _nothing)
    self._hostile()
    self._escapes()
    self.details['throughput'] = {
      'workers': self._workers,
      'verdicts_per_s': rate,
    }
    found = f'{rate:.0f} verdicts/s, {self._workers} processes'
    self.rows.append(('throughput', 'reference solutions', found))
    isolation = sandbox.strongest()
    self.details['isolation'] = isolation
    means = sandbox.ISOLATIONS[isolation]
    self.rows.append(('isolation in force', isolation, means))

  def _check(
    self, name: str, expected: str, text: Callable[[Problem], str]
  ) -> None:
    with pool.Pool(self._workers, _TIMEOUT_S) as workers:
      items = [
        pool.Item(self.task, p.gold.dumps(), text(p)) for p in self._problems
      ]
      grades = list(workers.grade(items))
    misses = [
      [p.name, *grade[:3:2], EXPLAINED.get(p.name, '')]
      for p, grade in zip(self._problems, grades, strict=True)
      if grade.verdict != expected
    ]
    rules = collections.Counter(f'{g.verdict}: {g.rule}' for g in grades)
    self.details[name] = {
      'by_rule': dict(rules.most_common()),
      'misses': misses,
    }
    found = f'{len(grades) - len(misses):,} {expected}'
    self.rows.append((name, f'{len(grades):,}', found))

  def _hostile(self) -> None:
    def run(name: str) -> tuple[str, bool, str, bool]:
      program, _ = hostile_programs.PROGRAMS[name]
      tests = hostile_programs.SQUARES
      outcome = sandbox.run(program, tests, _HOSTILE_LIMITS)
      together = f'{program}\n{tests.tests}\nended = True\n'
      end = sandbox.Tests('', ['ended'], 'assert ended is True')
      naive = sandbox.run(together, end, _HOSTILE_LIMITS)
      return name, bool(outcome.passed), outcome.rule, bool(naive.passed)

    with futures.ThreadPoolExecutor(self._workers) as executor:
      results = list(executor.map(run, _harmless()))
    passed = [name for name, ours, _, _ in results if ours]
    naive = [name for name, *_, theirs in results if theirs]
    left = hostile_programs.left_running()
    self.details['hostile programs'] = {
      'rules': {name: rule for name, _, rule, _ in results},
      'passed': passed,
      'left_running': left,
      'passed_in_one_interpreter': naive,
    }
    found = (
      f'{len(passed)} passed, {len(left)} left running; '
      f'in one interpreter with their tests {len(naive)} would pass'
    )
    self.rows.append(('hostile programs', f'{len(results)}', found))

  def _escapes(self) -> None:
    """A file written, a connection made outside."""
    tests = sandbox.Tests('', ['f'], 'f()')
    with (
      tempfile.TemporaryDirectory() as folder,
      socket.create_server(('127.0.0.1', 0)) as server,
    ):
      server.settimeout(0.1)
      pathlib.Path(folder).chmod(0o777)
      path = pathlib.Path(folder, 'marker')
      sandbox.run(hostile_programs.writing_to(path), tests)
      port = server.getsockname()[1]
      sandbox.run(hostile_programs.connecting_to(port), tests)
      try:
        server.accept()[0].close()
        connected = True
      except TimeoutError:
        connected = False
      escaped = {'file': path.exists(), 'network': connected}
    self.details['escapes'] = escaped
    found = f'{sum(escaped.values())} escaped'
    self.rows.append(('ways out', ', '.join(escaped), found))

  def markdown(self) -> str:
    """The table, then what there is to list."""
    lines = [f'## {self.task}', '', '| check | of | found |', '|---|---|---|']
    lines += [f'| {" | ".join(row)} |' for row in self.rows]
    lines.append('')
    for name, detail in self.details.items():
      if isinstance(detail, dict) and 'by_rule' in detail:
        rules = ', '.join(f'{k} {n:,}' for k, n in detail['by_rule'].items())
        lines.append(f'- {name}, verdict and rule: {rules}.')
        lines += [f'  - {": ".join(miss)}' for miss in detail['misses']]
    return '\n'.join(lines) + '\n'


def _solution(problem: Problem) -> str:
  return problem.solution


def _nothing(problem: Problem) -> str:
  return ''.join(
    f'def {name}(*args, **kwargs): return None\n' for name in problem.gold.names
  )


def _harmless() -> list[str]:
  """The programs that can do no harm under the isolation in force."""
  weak = sandbox.strongest() == 'limits'
  return [
    name
    for name in hostile_programs.PROGRAMS
    if not (weak and name.startswith('kills'))
  ]


def certify(arguments: argparse.Namespace) -> Certificate:
  """The certificate of `arguments.task`, by `certify`'s arguments."""
  folder = pathlib.Path(arguments.data_dir)
  problems = PROBLEMS[arguments.task](folder)
  certificate = Certificate(arguments.task, problems, arguments.workers)
  certificate.run()
  return certificate
