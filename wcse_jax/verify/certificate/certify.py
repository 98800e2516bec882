r"""What a grader is worth: `python -m wcse_jax.verify.certificate --task=math`.

Writes a table to stdout, in Markdown, and with --json=FILE all counts, misses
and accepted pairs. Official files are read from --data_dir, else from
$WCSE_DATA_DIR/<task>.

Side by side on the same pairs: math-verify alone, with its own defaults, and
the `minerva_math` equivalence of lm-eval; where a package is not installed,
its column says so. They see a seeded sample of the pairs (--peer_pairs),
since they take a hundred times as long.
"""

import argparse
import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import functools
import importlib.util
import json
import os
import pathlib
import random
import sys
import time
from typing import Any, NamedTuple

from wcse_jax.records import Grade
from wcse_jax.runtime import children as child
from wcse_jax.tasks import functional_math as functional_math_problems
from wcse_jax.tasks import gsm8k as gsm8k_problems
from wcse_jax.tasks import math as math_problems
from wcse_jax.verify import pool
from wcse_jax.verify.certificate import hard_pairs, hostile
from wcse_jax.verify.certificate import programs as certify_code

TIMEOUT_S = 1.9  # so that a verdict and the kill fit into two seconds
SEED = 0


class Problem(NamedTuple):
  """An official problem; `name` says where it stands."""

  name: str
  question: str
  gold: str
  solution: str


class Pair(NamedTuple):
  """A solution to grade, and what is right: None if that must be looked at."""

  name: str
  gold: str
  text: str
  question: str
  right: bool | None


# --- the official problems ----------------------------------------------------


def _named(
  files: Mapping[str, Sequence[dict[str, str]]],
  question: str,
  solution: str,
  gold: Callable[[str], str],
) -> list[Problem]:
  """The rows of official files, in which two fields have such names."""
  return [
    Problem(f'{name}:{i}', row[question], gold(row[solution]), row[solution])
    for name, rows in files.items()
    for i, row in enumerate(rows, 1)
  ]


def _gsm8k(folder: pathlib.Path) -> list[Problem]:
  names = gsm8k_problems.SHA256
  files = {name: gsm8k_problems.read(folder / name, name) for name in names}
  return _named(files, 'question', 'answer', gsm8k_problems.gold)


def _math(folder: pathlib.Path) -> list[Problem]:
  splits = math_problems.SHA256
  files = {split: math_problems.read(folder, split) for split in splits}
  return _named(files, 'problem', 'solution', math_problems.gold)


def _functional_math(folder: pathlib.Path) -> list[Problem]:
  files = functional_math_problems.read(folder)
  return _named(files, 'problem', 'solution', math_problems.gold)


PROBLEMS: dict[str, Callable[[pathlib.Path], list[Problem]]] = {
  'gsm8k': _gsm8k,
  'math': _math,
  'functional_math': _functional_math,
  # Tasks whose solutions are programs have another: `certify_code`.
}


def _written(task: str, answer: str) -> str:
  """A minimal solution with an answer."""
  return f'#### {answer}' if task == 'gsm8k' else f'\\boxed{{{answer}}}'


# --- peers --------------------------------------------------------------------

Peer = Callable[[Pair], bool]


@functools.cache
def _math_verify() -> Peer | None:
  if not importlib.util.find_spec('math_verify'):
    return None
  import logging

  import math_verify

  logging.getLogger('math_verify').setLevel(logging.CRITICAL)
  return lambda pair: bool(
    math_verify.verify(
      math_verify.parse(f'${pair.gold}$'), math_verify.parse(pair.text)
    )
  )


@functools.cache
def _minerva_math() -> Peer | None:
  found = importlib.util.find_spec('lm_eval')
  if not found or not found.submodule_search_locations:
    return None
  # Its package imports much; this one file does not.
  (folder,) = found.submodule_search_locations
  spec = importlib.util.spec_from_file_location(
    'minerva_math_utils', f'{folder}/tasks/minerva_math/utils.py'
  )
  assert spec and spec.loader
  utils = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(utils)

  def correct(pair: Pair) -> bool:
    # It knows an answer by its phrase, and a gold answer by its box.
    text = pair.text
    if 'final answer is' not in text:
      box = utils.last_boxed_only_string(text)
      try:
        text = utils.remove_boxed(box) if box else text
      except AssertionError:
        return False
      text = (
        f'Final Answer: The final answer is ${text}$. I hope it is correct.'
      )
    answer = utils.normalize_final_answer(utils.get_unnormalized_answer(text))
    return utils.is_equiv(answer, utils.normalize_final_answer(pair.gold))

  return correct


def _peers(task: str) -> dict[str, Peer | None]:
  """The peers of a task; None for one that is not installed."""
  makers = {'math-verify': _math_verify, 'minerva_math': _minerva_math}
  if task == 'gsm8k':
    del makers['minerva_math']  # it reads no '#### 18'
  peers: dict[str, Peer | None] = {}
  for name, make in makers.items():
    peers[name] = None
    with contextlib.suppress(ImportError, AssertionError):  # of its needs
      peers[name] = make()
  return peers


def _ask(peer: Peer, pairs: Iterable[Pair]) -> tuple[list[bool], float]:
  """What a peer says, and in how many seconds."""
  start = time.monotonic()
  said = []
  for pair in pairs:
    try:
      said.append(peer(pair))
    except Exception:  # a peer that fails says no
      said.append(False)
  return said, time.monotonic() - start


# --- the checks ---------------------------------------------------------------


class Certificate:
  """Runs the checks of a task and collects rows and details."""

  def __init__(
    self,
    task: str,
    problems: Sequence[Problem],
    *,
    workers: int = 2,
    random_pairs: int = 20_000,
    peer_pairs: int = 500,
  ):
    self.task = task
    self.rows: list[tuple[str, ...]] = []
    self.details: dict[str, Any] = {'task': task, 'problems': len(problems)}
    self._problems = problems
    self._random_pairs = random_pairs
    self._peer_pairs = peer_pairs
    self._workers = workers
    self._peers = _peers(task)

  def run(self) -> None:
    """All checks, in the order of the table."""
    golds = [
      Pair(p.name, p.gold, _written(self.task, p.gold), p.question, True)
      for p in self._problems
    ]
    solutions = [
      Pair(p.name, p.gold, p.solution, p.question, True) for p in self._problems
    ]
    self._check('gold against gold', golds)
    self._check('reference solution against gold', solutions)
    self._check('gold of another problem', list(self._others()))
    if self.task != 'gsm8k':
      pairs = [
        Pair(f'{i}', gold, text, '', right)
        for i, (gold, text, right) in enumerate(hard_pairs.pairs())
      ]
      self._check('hard pairs', pairs, all_for_peers=True)
    self._hostile()
    self._throughput(solutions)

  def _grade(self, pairs: Sequence[Pair]) -> list[Grade]:
    with pool.Pool(self._workers, TIMEOUT_S) as workers:
      items = (pool.Item(self.task, p.gold, p.text, p.question) for p in pairs)
      return list(workers.grade(items))

  def _others(self) -> Iterable[Pair]:
    rng = random.Random(SEED)
    count = 0
    while count < self._random_pairs:
      one, other = rng.sample(self._problems, 2)
      if one.gold and other.gold:
        count += 1
        text = _written(self.task, other.gold)
        right = True if _plain(one.gold) == _plain(other.gold) else None
        yield Pair(
          f'{one.name} {other.name}', one.gold, text, one.question, right
        )

  def _check(
    self, name: str, pairs: list[Pair], all_for_peers: bool = False
  ) -> None:
    """Grades pairs; None of `right` means: presumably not the same."""
    grades = self._grade(pairs)
    without = [p.name for p in pairs if not p.gold.strip()]
    misses, accepted = [], []
    for pair, grade in zip(pairs, grades, strict=True):
      expected = 'wrong' if not pair.right else 'correct'
      if pair.right is None and grade.verdict == 'correct':
        accepted.append([pair.name, pair.gold, pair.text, grade.rule])
      elif grade.verdict != expected and pair.gold.strip():
        misses.append([pair.name, pair.gold, pair.text[-200:], *grade[:3]])
    counts = collections.Counter(f'{g.verdict}: {g.rule}' for g in grades)
    self.details[name] = {
      'pairs': len(pairs),
      'by_rule': dict(counts.most_common()),
      'misses': misses,
      'accepted': accepted,
      'without_gold': without,
    }
    asked = f'{len(pairs) - len(without):,}'
    if without:
      asked += f' ({len(without)} more without gold)'
    as_expected = len(pairs) - len(without) - len(misses)
    cell = f'{as_expected:,}'
    if accepted:
      found = {(gold, text) for _, gold, text, _ in accepted}
      false = [x for x in found if x not in _equal_golds(self.task)]
      cell = f'{as_expected - len(accepted):,}, {len(accepted)} accepted: '
      cell += f'{len(false)} to look at' if false else 'looked at, equal'
      self.details[name]['to_check'] = sorted(false)
    sample = [p for p in pairs if p.gold.strip()]
    if not all_for_peers and len(sample) > self._peer_pairs:
      sample = random.Random(SEED).sample(sample, self._peer_pairs)
    cells = [cell]
    for peer_name, peer in self._peers.items():
      if not peer:
        cells.append('not installed')
        continue
      said, _ = _ask(peer, sample)
      wrong = [
        [p.name, p.gold, p.text[-200:], s]
        for p, s in zip(sample, said, strict=True)
        if s != bool(p.right)
        and not (
          p.right is None and (p.gold, p.text) in _equal_golds(self.task)
        )
      ]
      self.details[name][peer_name] = {'pairs': len(sample), 'misses': wrong}
      cells.append(f'{len(sample) - len(wrong):,} of {len(sample):,}')
    self.rows.append((name, asked, *cells))

  def _hostile(self) -> None:
    longest, counts, slow = 0.0, collections.Counter(), []
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
        counts[f'{grade.verdict}: {grade.rule}'] += 1
        cold = grade.rule in ('timeout', 'crash')
        if seconds > 0.5 * TIMEOUT_S:
          slow.append([family, text[:80], seconds, *grade[:3]])
    memory = _peak_child_memory_gb()
    self.details['hostile inputs'] = {
      'inputs': len(inputs),
      'by_rule': dict(counts.most_common()),
      'longest_s': longest,
      'slow': slow,
      'peak_memory_gb': memory,
    }
    undecided = sum(n for k, n in counts.items() if k.startswith('unknown'))
    cell = (
      f'{len(inputs) - undecided} decided, {undecided} unknown; longest'
      f' {longest:.1f} s; peak memory of a process {memory:.2f} GB'
    )
    dashes = ['-'] * len(self._peers)
    self.rows.append(('hostile inputs', f'{len(inputs)}', cell, *dashes))

  def _throughput(self, pairs: list[Pair]) -> None:
    sample = random.Random(SEED).sample(pairs, min(100, len(pairs)))
    items = [pool.Item(self.task, p.gold, p.text, p.question) for p in pairs]
    rates: list[float] = []
    peer_rates: dict[str, list[float]] = collections.defaultdict(list)
    with pool.Pool(self._workers, TIMEOUT_S) as workers:
      for _ in workers.grade(items[:64]):  # starts them
        pass
      for _ in range(3):  # interleaved: the machine may have other work
        start = time.monotonic()
        for _ in workers.grade(items):
          pass
        rates.append(len(items) / (time.monotonic() - start))
        for name, peer in self._peers.items():
          if peer:
            _, seconds = _ask(peer, sample)
            peer_rates[name].append(len(sample) / seconds)
    best = max(rates)
    self.details['throughput'] = {
      'workers': self._workers,
      'verdicts_per_s': rates,
      'peers_on_one_core': dict(peer_rates),
    }
    cells = [f'{best:,.0f} verdicts/s, {self._workers} processes']
    for name, peer in self._peers.items():
      if not peer:
        cells.append('not installed')
      else:
        rate = max(peer_rates[name])
        cells.append(f'{rate:,.0f} on one core: 1/{best / rate:.0f}')
    asked = f'{len(items):,} reference solutions'
    self.rows.append(('throughput', asked, *cells))

  def markdown(self) -> str:
    """The table, then what there is to list."""
    lines = [
      f'## {self.task}',
      '',
      '| check | pairs | wcse_jax | ' + ' | '.join(self._peers) + ' |',
      '|---' * (3 + len(self._peers)) + '|',
    ]
    lines += [f'| {" | ".join(row)} |' for row in self.rows]
    lines.append('')
    for name, detail in self.details.items():
      if not isinstance(detail, dict) or 'by_rule' not in detail:
        continue
      rules = ', '.join(f'{k} {n:,}' for k, n in detail['by_rule'].items())
      lines.append(f'- {name}, verdict and rule: {rules}.')
      for key in ('without_gold', 'misses', 'to_check'):
        if detail.get(key):
          lines.append(f'  - {key.replace("_", " ")}: {detail[key]}')
    return '\n'.join(lines) + '\n'


def _plain(gold: str) -> str:
  return ''.join(gold.replace('dfrac', 'frac').replace('tfrac', 'frac').split())


@functools.cache
def _equal_golds(task: str) -> frozenset[tuple[str, str]]:
  """Pairs of gold and text that were looked at: they are equal."""
  return frozenset(
    (gold, _written(task, other))
    for one, two in hard_pairs.EQUAL_GOLDS
    for gold, other in ((one, two), (two, one))
  )


def _peak_child_memory_gb() -> float:
  """The largest resident memory of any child so far."""
  with contextlib.suppress(ImportError):
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak * (1 if sys.platform == 'darwin' else 1024) / 1e9
  return float('nan')


def _certify_answers(arguments: argparse.Namespace) -> Certificate:
  folder = pathlib.Path(arguments.data_dir)
  certificate = Certificate(
    arguments.task,
    PROBLEMS[arguments.task](folder),
    workers=arguments.workers,
    random_pairs=arguments.random_pairs,
    peer_pairs=arguments.peer_pairs,
  )
  certificate.run()
  return certificate


# How to certify each task: a function of the arguments that gives an object
# with `markdown()` and JSON-able `details`.
CERTIFICATES: dict[str, Callable[[argparse.Namespace], Any]] = {
  task: _certify_answers for task in PROBLEMS
} | {task: certify_code.certify for task in certify_code.PROBLEMS}


def main(argv: Sequence[str] | None = None) -> None:
  """The command line."""
  parser = argparse.ArgumentParser(
    prog='python -m wcse_jax.verify.certificate',
    description='See the module.',
  )
  parser.add_argument('--task', required=True, choices=sorted(CERTIFICATES))
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
    certificate = CERTIFICATES[arguments.task](arguments)
  except child.TaskError as error:
    sys.exit(f'error: {error}')
  print(certificate.markdown())
  if arguments.json:
    details = json.dumps(certificate.details, indent=1, ensure_ascii=True)
    pathlib.Path(arguments.json).write_text(details + '\n')
