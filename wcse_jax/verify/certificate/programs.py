"""The certificate of the graders that run programs.

Beside ours, for hostile programs: what a grader says that runs program and
tests in one interpreter and takes the end of both for success.
"""

from collections.abc import Sequence
from concurrent import futures
import dataclasses
import pathlib
import socket
import sys
import tempfile
import time

from wcse_jax import verify
from wcse_jax.answers import sandbox
from wcse_jax.tasks import datasets, humaneval, mbpp
from wcse_jax.verify.certificate import hostile_programs
from wcse_jax.verify.certificate.certificate import Certificate, by_rule
from wcse_jax.verify.certificate.peers import Pair

_TIMEOUT_S = 30.0  # above the sandbox's own limits
TASKS = ('humaneval', 'mbpp')
_HOSTILE_LIMITS = sandbox.Limits(cpu_s=1, wall_s=3.0)

# Why a reference solution is not correct.
EXPLAINED = {
  'mbpp:123': 'takes 4 s of CPU time on three tests; the limit is 3 s',
}


def problems(task: str, folder: pathlib.Path) -> list[Pair]:
  """The official problems of one of `TASKS`, each with its own solution.

  Raises:
    TaskError: Its file is not in the folder, or not as it should be.
  """
  source = datasets.Source(task, folder)
  if task == 'humaneval':
    return [
      _pair(row['task_id'], humaneval.gold(row), row['canonical_solution'])
      for row in source.rows(humaneval.FILE)
    ]
  return [
    _pair(
      f'mbpp:{row["task_id"]}', mbpp.gold(row), mbpp.reference_solution(row)
    )
    for row in source.rows(mbpp.FILE)
  ]


def _pair(name: str, gold: sandbox.Tests, solution: str) -> Pair:
  return Pair(name, gold.dumps(), solution, question='', right=True)


@dataclasses.dataclass
class Checks:
  """The checks of a task.

  Attributes:
    task: One of `TASKS`.
    problems: Its official problems.
    workers: Processes that grade.
  """

  task: str
  problems: Sequence[Pair]
  workers: int = 2

  def __post_init__(self):
    columns = ('check', 'of', 'found')
    self._certificate = Certificate(self.task, columns, len(self.problems))

  def run(self) -> Certificate:
    """All checks, in the order of the table."""
    start = time.monotonic()
    solutions = [p.text for p in self.problems]
    self._check('reference solutions', 'correct', solutions)
    rate = len(self.problems) / (time.monotonic() - start)
    nothing = [
      ''.join(f'def {f}(*args, **kwargs): return None\n' for f in names)
      for _, names, _ in (sandbox.Tests.loads(p.gold) for p in self.problems)
    ]
    self._check('functions that return nothing', 'wrong', nothing)
    self._hostile()
    self._escapes()
    found = f'{rate:.0f} verdicts/s, {self.workers} processes'
    detail = {'workers': self.workers, 'verdicts_per_s': rate}
    add = self._certificate.add
    add('throughput', 'reference solutions', found, detail=detail)
    isolation = sandbox.strongest()
    cells = 'isolation in force', isolation, sandbox.ISOLATIONS[isolation]
    add(*cells, detail=isolation, key='isolation')
    return self._certificate

  def _check(self, name: str, expected: str, texts: Sequence[str]) -> None:
    grades = verify.grade_many(
      self.task,
      golds=[p.gold for p in self.problems],
      texts=texts,
      workers=self.workers,
      timeout_s=_TIMEOUT_S,
    )
    misses = [
      [p.name, *grade[:3:2], EXPLAINED.get(p.name, '')]
      for p, grade in zip(self.problems, grades, strict=True)
      if grade.verdict != expected
    ]
    found = f'{len(grades) - len(misses):,} {expected}'
    detail = {'by_rule': by_rule(grades), 'misses': misses}
    cells = name, f'{len(grades):,}', found
    self._certificate.add(*cells, detail=detail, notes=map(': '.join, misses))

  def _hostile(self) -> None:
    def run(name: str) -> tuple[str, bool, str, bool]:
      program, _ = hostile_programs.programs()[name]
      tests = hostile_programs.SQUARES
      outcome = sandbox.run(program, tests, _HOSTILE_LIMITS)
      together = f'{program}\n{tests.tests}\nended = True\n'
      end = sandbox.Tests('', ['ended'], 'assert ended is True')
      naive = sandbox.run(together, end, _HOSTILE_LIMITS)
      return name, bool(outcome.passed), outcome.rule, bool(naive.passed)

    with futures.ThreadPoolExecutor(self.workers) as executor:
      results = list(executor.map(run, _harmless()))
    passed = [name for name, ours, _, _ in results if ours]
    naive = [name for name, *_, theirs in results if theirs]
    left = hostile_programs.left_running()
    detail = {
      'rules': {name: rule for name, _, rule, _ in results},
      'passed': passed,
      'left_running': left,
      'passed_in_one_interpreter': naive,
    }
    found = (
      f'{len(passed)} passed, {len(left)} left running; '
      f'in one interpreter with their tests {len(naive)} would pass'
    )
    cells = 'hostile programs', f'{len(results)}', found
    self._certificate.add(*cells, detail=detail)

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
    cells = 'ways out', ', '.join(escaped), f'{sum(escaped.values())} escaped'
    self._certificate.add(*cells, detail=escaped, key='escapes')


def _harmless() -> list[str]:
  """The programs that can do no harm under the isolation in force."""
  weak = sandbox.strongest() == 'limits' and sys.platform != 'linux'
  return [
    name
    for name in hostile_programs.programs()
    if not (weak and name.startswith('kills'))
  ]
