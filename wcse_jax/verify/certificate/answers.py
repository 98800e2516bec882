"""The certificate of the graders that compare answers."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib
import random
import resource
import sys
import time

from wcse_jax.tasks import datasets, functional_math, gsm8k, math
from wcse_jax.verify import pool
from wcse_jax.verify.certificate import (
  floats,
  hard_pairs,
  hostile,
  peers,
  worded_pairs,
)
from wcse_jax.verify.certificate.certificate import Certificate, by_rule
from wcse_jax.verify.certificate.peers import Pair

TIMEOUT_S = 1.9  # so that a verdict and the kill fit into two seconds
SEED = 0
TASKS = ('functional_math', 'gsm8k', 'math')


def problems(task: str, folder: pathlib.Path) -> list[Pair]:
  """The official problems of one of `TASKS`, each with its own solution.

  Raises:
    TaskError: Its files are not in the folder, or not as they should be.
  """
  source = datasets.Source(task, folder)
  if task == 'gsm8k':
    files = {name: source.rows(name) for name in gsm8k.FILES}
    return [
      Pair(
        name, gsm8k.gold(row['answer']), row['answer'], row['question'], True
      )
      for name, row in _named(files)
    ]
  if task == 'math':
    files = {split: math.read(folder, split) for split in math.SHA256}
  else:
    files = functional_math.read(source)
  return [
    Pair(
      name,
      math.gold(row['solution'], row['problem']),
      row['solution'],
      row['problem'],
      True,
    )
    for name, row in _named(files)
  ]


def _named(
  files: Mapping[str, Sequence[dict[str, str]]],
) -> Iterator[tuple[str, dict[str, str]]]:
  """The rows of official files, and their names."""
  for name, rows in files.items():
    for i, row in enumerate(rows, 1):
      yield f'{name}:{i}', row


@dataclasses.dataclass
class Checks:
  """The checks of a task.

  Attributes:
    task: One of `TASKS`.
    problems: Its official problems, each with its own solution.
    workers: Processes that grade.
    random_pairs: How many golds are graded against one of another problem.
    peer_pairs: How many pairs of a check peers see: they take a hundred times
      as long.
  """

  task: str
  problems: Sequence[Pair]
  workers: int = 2
  random_pairs: int = 20_000
  peer_pairs: int = 500

  def __post_init__(self):
    self._peers = peers.find(self.task)
    self._certificate = Certificate(
      self.task,
      ('check', 'pairs', 'wcse_jax', *self._peers),
      len(self.problems),
    )
    # Golds of unlike problems that were looked at: they are equal.
    self._equal = {
      (gold, self._written(other))
      for pair in hard_pairs.equal_golds()
      for gold, other in (pair, pair[::-1])
    }

  def run(self) -> Certificate:
    """All checks, in the order of the table."""
    golds = [p._replace(text=self._written(p.gold)) for p in self.problems]
    self._check('gold against gold', golds)
    self._check('reference solution against gold', self.problems)
    self._check('gold of another problem', list(self._others()))
    if self.task == 'functional_math':
      pairs = list(floats.pairs(self.problems))
      # A problem has the same place in each snapshot.
      families = {pair.name.rpartition(':')[2] for pair in pairs}
      name = f'floats of {len(families)} families, as fractions'
      self._check(name, pairs, all_for_peers=True)
    if self.task != 'gsm8k':
      pairs = [
        Pair(f'{i}', gold, text, '', right)
        for i, (gold, text, right) in enumerate(hard_pairs.pairs())
      ]
      self._check('hard pairs', pairs, all_for_peers=True)
    for line, worded in worded_pairs.lines(self.task).items():
      pairs = [
        Pair(p.kind, p.gold, p.text, p.question, p.right) for p in worded
      ]
      self._check(line, pairs, all_for_peers=True, unknown_is_wrong=True)
    self._hostile()
    self._throughput()
    return self._certificate

  def _written(self, answer: str) -> str:
    """A minimal solution with an answer."""
    return f'#### {answer}' if self.task == 'gsm8k' else f'\\boxed{{{answer}}}'

  def _items(self, pairs: Sequence[Pair]) -> list[pool.Item]:
    return [pool.Item(self.task, p.gold, p.text, p.question) for p in pairs]

  def _others(self) -> Iterator[Pair]:
    rng = random.Random(SEED)
    count = 0
    while count < self.random_pairs:
      one, other = rng.sample(self.problems, 2)
      if one.gold and other.gold:
        count += 1
        right = True if _plain(one.gold) == _plain(other.gold) else None
        name, text = f'{one.name} {other.name}', self._written(other.gold)
        yield Pair(name, one.gold, text, one.question, right)

  def _check(
    self,
    name: str,
    pairs: Sequence[Pair],
    all_for_peers: bool = False,
    unknown_is_wrong: bool = False,
  ) -> None:
    """Grades pairs; None of `right` means: presumably not the same.

    Args:
      name: The check's.
      pairs: What is graded.
      all_for_peers: Whether peers see all of them.
      unknown_is_wrong: Whether a wrong answer may be 'unknown'.
    """
    with pool.Pool(self.workers, TIMEOUT_S) as workers:
      grades = list(workers.grade(self._items(pairs)))
    without = [p.name for p in pairs if not p.gold.strip()]
    misses, accepted, undecided = [], [], 0
    for pair, grade in zip(pairs, grades, strict=True):
      expected = 'wrong' if not pair.right else 'correct'
      if pair.right is None and grade.verdict == 'correct':
        accepted.append([pair.name, pair.gold, pair.text, grade.rule])
      elif unknown_is_wrong and not pair.right and grade.verdict == 'unknown':
        undecided += 1
      elif grade.verdict != expected and pair.gold.strip():
        misses.append([pair.name, pair.gold, pair.text[-200:], *grade[:3]])
    detail = {
      'pairs': len(pairs),
      'by_rule': by_rule(grades),
      'misses': misses,
      'accepted': accepted,
      'without_gold': without,
    }
    asked = f'{len(pairs) - len(without):,}'
    if without:
      asked += f' ({len(without)} more without gold)'
    as_expected = len(pairs) - len(without) - len(misses)
    cell = f'{as_expected:,}'
    if undecided:
      cell += f', {undecided} of them not accepted, but unknown'
    if accepted:
      false = {(gold, text) for _, gold, text, _ in accepted} - self._equal
      cell = f'{as_expected - len(accepted):,}, {len(accepted)} accepted: '
      cell += f'{len(false)} to look at' if false else 'looked at, equal'
      detail['to_check'] = sorted(false)
    sample = [p for p in pairs if p.gold.strip()]
    if not all_for_peers and len(sample) > self.peer_pairs:
      sample = random.Random(SEED).sample(sample, self.peer_pairs)
    cells = []
    for peer_name, peer in self._peers.items():
      if not peer:
        cells.append('not installed')
        continue
      said, _ = peers.ask(peer, sample)
      wrong = [
        [p.name, p.gold, p.text[-200:], s]
        for p, s in zip(sample, said, strict=True)
        if s != bool(p.right)
        and not (p.right is None and (p.gold, p.text) in self._equal)
      ]
      detail[peer_name] = {'pairs': len(sample), 'misses': wrong}
      cells.append(f'{len(sample) - len(wrong):,} of {len(sample):,}')
    notes = [
      f'{key.replace("_", " ")}: {detail[key]}'
      for key in ('without_gold', 'misses', 'to_check')
      if detail.get(key)
    ]
    cells = asked, cell, *cells
    self._certificate.add(name, *cells, detail=detail, notes=notes)

  def _hostile(self) -> None:
    longest, grades, slow = 0.0, [], []
    inputs = hostile.inputs()
    warm_up = pool.Item(self.task, 'x+y \\le 1', '\\boxed{y+x \\leq 1}')
    with pool.Pool(1, TIMEOUT_S) as worker:
      cold = True
      for family, gold, text in inputs:
        if cold:  # the start of a process is no part of a verdict
          list(worker.grade([warm_up]))
        start = time.monotonic()
        (grade,) = worker.grade([pool.Item(self.task, gold, text)])
        seconds = time.monotonic() - start
        longest = max(longest, seconds)
        grades.append(grade)
        cold = grade.rule in ('timeout', 'crash')
        if seconds > 0.5 * TIMEOUT_S:
          slow.append([family, text[:80], seconds, *grade[:3]])
    memory = _peak_child_memory_gb()
    detail = {
      'inputs': len(inputs),
      'by_rule': by_rule(grades),
      'longest_s': longest,
      'slow': slow,
      'peak_memory_gb': memory,
    }
    undecided = sum(grade.verdict == 'unknown' for grade in grades)
    cell = (
      f'{len(inputs) - undecided} decided, {undecided} unknown; longest'
      f' {longest:.1f} s; peak memory of a process {memory:.2f} GB'
    )
    cells = f'{len(inputs)}', cell, *('-' for _ in self._peers)
    self._certificate.add('hostile inputs', *cells, detail=detail)

  def _throughput(self) -> None:
    pairs = self.problems
    sample = random.Random(SEED).sample(pairs, min(100, len(pairs)))
    items = self._items(pairs)
    rates: list[float] = []
    peer_rates: dict[str, list[float]] = collections.defaultdict(list)
    with pool.Pool(self.workers, TIMEOUT_S) as workers:
      list(workers.grade(items[:64]))  # starts them
      for _ in range(3):  # interleaved: the machine may have other work
        start = time.monotonic()
        list(workers.grade(items))
        rates.append(len(items) / (time.monotonic() - start))
        for name, peer in self._peers.items():
          if peer:
            _, seconds = peers.ask(peer, sample)
            peer_rates[name].append(len(sample) / seconds)
    best = max(rates)
    cells = [
      f'{len(items):,} reference solutions',
      f'{best:,.0f} verdicts/s, {self.workers} processes',
    ]
    for name in self._peers:
      rate = max(peer_rates[name], default=None)
      cells.append(
        f'{rate:,.0f} on one core: 1/{best / rate:.0f}'
        if rate
        else 'not installed'
      )
    detail = {
      'workers': self.workers,
      'verdicts_per_s': rates,
      'peers_on_one_core': dict(peer_rates),
    }
    self._certificate.add('throughput', *cells, detail=detail)


def _plain(gold: str) -> str:
  return ''.join(gold.replace('dfrac', 'frac').replace('tfrac', 'frac').split())


def _peak_child_memory_gb() -> float:
  """The largest resident memory of any child so far."""
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
  return peak * (1 if sys.platform == 'darwin' else 1024) / 1e9
