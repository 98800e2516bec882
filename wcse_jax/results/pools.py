"""From rows to numbers: what results.json says of arms and students."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

import numpy as np

from wcse_jax.analysis import costs as ledger
from wcse_jax.analysis import estimators, gains, intervals
from wcse_jax.experiment.config import ReportSpec
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results import labels
from wcse_jax.sampling import schedule


class Pool:
  """A generator's samples with their verdicts, by problem and sample index."""

  def __init__(
    self,
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    judged: Sequence[Verdict] = (),
  ):
    self.problems = list(problems)
    # Of each source, whether a sample's reasoning is right.
    self.sound: dict[str, dict[tuple[str, int], bool]] = {
      'steps': {
        (v.problem_id, v.sample_index): v.sound
        for v in verdicts
        if v.sound is not None
      },
      'judge': {
        (v.problem_id, v.sample_index): v.verdict == 'correct'
        for v in judged
        if v.verdict != 'unknown'
      },
    }
    self.samples = list(samples)  # those that no arm takes included
    rows = {(s.problem_id, s.sample_index): s for s in samples}
    self._verdicts = {(v.problem_id, v.sample_index): v for v in verdicts}
    self._rows = {key: s for key, s in rows.items() if key in self._verdicts}
    # Several, if the pool is made by `join`.
    self.generators = sorted({s.generator for s in self._rows.values()})

  @property
  def num_verdicts(self) -> int:
    """Of all samples, those that no arm takes included."""
    return len(self._verdicts)

  def correct(self, n: int, most: int | None = None) -> list[Sample]:
    """The samples of right answer, as `right`, of all problems."""
    return [s for p in self.problems for s, _ in self.right(p, n, most)]

  def holds(self, n: int) -> bool:
    """Whether every problem has its first n samples."""
    return all(
      (p.problem_id, index) in self._rows
      for p in self.problems
      for index in range(n)
    )

  def of(self, problem: Problem, n: int) -> list[tuple[Sample, Verdict]]:
    """Returns the first n of a problem."""
    keys = [(problem.problem_id, index) for index in range(n)]
    return [(self._rows[key], self._verdicts[key]) for key in keys]

  def right(
    self, problem: Problem, n: int, most: int | None = None
  ) -> list[tuple[Sample, Verdict]]:
    """Of the first n of a problem those of right answer; `most` at most.

    The first ones: those that `curation.select` keeps of such an arm.
    """
    pairs = self.of(problem, n)
    return [pair for pair in pairs if pair[1].verdict == 'correct'][:most]

  def all(self, n: int) -> list[tuple[Sample, Verdict]]:
    return [pair for p in self.problems for pair in self.of(p, n)]

  def column(self, field: str, n: int) -> np.ndarray:
    """A field of the first n samples of each problem, shape (P, n)."""
    return np.array(
      [[getattr(s, field) for s, _ in self.of(p, n)] for p in self.problems]
    )


def join(parts: Sequence[tuple[Pool, int]]) -> tuple[Pool, int]:
  """One pool of the first n of each, and how many these are per problem."""
  if len(parts) == 1:
    return parts[0]
  samples, verdicts, start = [], [], 0
  sound: dict[str, dict[tuple[str, int], bool]] = {}
  for pool, n in parts:
    for sample, verdict in pool.all(n):
      index = start + sample.sample_index
      samples.append(dataclasses.replace(sample, sample_index=index))
      verdicts.append(dataclasses.replace(verdict, sample_index=index))
    for source, said in pool.sound.items():
      sound.setdefault(source, {}).update(
        {
          (name, start + i): is_right
          for (name, i), is_right in said.items()
          if i < n
        }
      )
    start += n
  joined = Pool(parts[0][0].problems, samples, verdicts)
  joined.sound |= sound
  return joined, start


def ks_up_to(n: int) -> list[int]:
  """Returns the k that a curve is shown at: 1, 2, 3, 5, 10, ... and n."""
  return sorted(
    {k for k in (1, 2, 3, 5, 10, 15, 20, 30, 50, 100) if k < n} | {n}
  )


def coverage(pool: Pool, n: int, k: int, *, upper: bool = False) -> np.ndarray:
  """coverage@k of each problem, from its first n samples."""
  correct = [
    estimators.correct_flags((v.verdict for _, v in pool.of(p, n)), upper=upper)
    for p in pool.problems
  ]
  return estimators.coverage_at_k(n, [c.sum() for c in correct], k)


def diversity(
  pool: Pool, n: int, k: int, most: int | None = None
) -> np.ndarray:
  """diversity@k of each problem, from its first n samples.

  With `most`, of its first `most` correct samples; k is n then.
  """
  unique = [
    estimators.multiplicities(s.text for s, _ in pool.right(p, n, most))
    for p in pool.problems
  ]
  return estimators.diversity_at_k(unique, n, k)


def chosen_source(
  pools: Mapping[str, Pool], drawn: Mapping[str, int], *, exact_steps: bool
) -> str | None:
  """Whose word on soundness counts, for all arms alike.

  People's, else the judge's, else that of the steps' check, which goes first
  where it is exact; and who looked at more of the pools, before all.

  Args:
    pools: By name.
    drawn: Samples per problem that arms take of each.
    exact_steps: Of the task, as `tasks.TaskInfo`.

  Returns:
    A key of `Pool.sound`; None if nobody looked at any right sample.
  """
  looked = {
    source: sum(
      bool(false_positives(pool, drawn[name], source=source)[1].any())
      for name, pool in pools.items()
    )
    for source in sorted(
      ('people', 'judge', 'steps'),
      key=lambda source: exact_steps and source != 'steps',
    )
  }
  best = max(looked, key=lambda source: looked[source])
  return best if looked[best] else None


def false_positives(
  pool: Pool, n: int, most: int | None = None, *, source: str | None
) -> tuple[np.ndarray, np.ndarray]:
  """Unsound and checked samples of each problem, by one source.

  They are among the first n, or, of these, the first `most` of right answer; of
  several generators they are weighted, as `estimators.mixed_counts`.
  """
  sound = pool.sound.get(source, {}) if source else {}
  rights = [pool.right(p, n, most) for p in pool.problems]
  groups = [
    [
      [
        sound.get((s.problem_id, s.sample_index))
        for s, _ in right
        if s.generator == name
      ]
      for right in rights
    ]
    for name in pool.generators
  ]
  counts = [estimators.false_positive_counts(said) for said in groups]
  right_GxP = [[len(flags) for flags in said] for said in groups]
  return estimators.mixed_counts(right_GxP, *zip(*counts, strict=True))


def _fpr(
  counts: tuple[np.ndarray, np.ndarray], options: Mapping[str, Any]
) -> dict[str, float | None] | None:
  """The rate of `false_positives`; None if no sample was checked."""
  unsound, checked = counts
  if not checked.sum():
    return None
  return intervals.ratio_bootstrap(
    unsound, checked, is_share=True, **options
  ).to_dict()


def arm_cell(
  pool: Pool,
  n: int,
  *,
  generator: str | None,
  label: str,
  most: int | None,
  cost: ledger.Cost,
  examples: int | None,
  matched: bool,
  source: str | None,
  spec: ReportSpec,
  seed: int,
) -> dict[str, Any]:
  """Returns a cell of results['arms'], as `report.schema` has it.

  Args:
    pool: The arm's pool.
    n: Samples per problem: the first n of the pool.
    generator: Its name; None for human-written solutions.
    label: For people.
    most: Correct solutions kept of a problem; None is all.
    cost: By the paper's rule, and as measured.
    examples: That a student is finetuned on.
    matched: Whether it costs what SE does.
    source: As `chosen_source` has it.
    spec: Resamples and confidence.
    seed: Of the resampling.
  """
  pairs = pool.all(n)
  options = _options(spec, seed)
  mean = lambda values: intervals.bootstrap(values, **options).to_dict()
  share = functools.partial(_share, options)
  correct = [
    sum(v.verdict == 'correct' for _, v in pool.of(p, n)) for p in pool.problems
  ]
  levels = sorted({p.level for p in pool.problems})
  level_of = np.array([p.level for p in pool.problems])
  covered = coverage(pool, n, n)
  by = {
    one: estimate
    for one in pool.sound
    if (estimate := _fpr(false_positives(pool, n, most, source=one), options))
  }
  # Which are kept depends on their order: there is no curve of subsets.
  ks = [n] if most else ks_up_to(n)
  return {
    'generator': generator,
    'label': label,
    'samples_per_problem': n,
    'samples': len(pairs),
    'coverage': {k: share(coverage(pool, n, k)) for k in ks},
    'diversity': {k: mean(diversity(pool, n, k, most)) for k in ks},
    'fpr': by.get(source) if source else None,
    'fpr_by': by,
    'accuracy': share(estimators.pass_at_1(n, correct)),
    'unknown': sum(v.verdict == 'unknown' for _, v in pairs),
    'coverage_upper': {
      k: float(coverage(pool, n, k, upper=True).mean()) for k in ks
    },
    'cost_flops': cost.rule_flops,
    'cost': {
      **cost.to_dict(),
      'tokens': sum(s.num_tokens for s, _ in pairs),
      'prompt_tokens': sum(s.num_prompt_tokens for s, _ in pairs),
    },
    'cost_per_true': {
      matching: ledger.cost_per_true_sample(
        costs, *true_samples(pool, n, most, source=source), **options
      ).to_dict()
      for matching, costs in costs_by_problem(pool, n, cost).items()
    }
    if generator
    else {},
    'matched': matched,
    'examples': examples,
    'by_level': {
      level: {'coverage': share(covered[level_of == level])} for level in levels
    },
  }


def true_samples(
  pool: Pool, n: int, most: int | None = None, *, source: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Correct, unsound and checked samples of each problem, `most` at most.

  The last two as `false_positives`.
  """
  correct = [len(pool.right(p, n, most)) for p in pool.problems]
  return np.array(correct), *false_positives(pool, n, most, source=source)


def costs_by_problem(
  pool: Pool, n: int, cost: ledger.Cost
) -> dict[str, np.ndarray]:
  """What the first n samples of each problem cost, as `Cost.by_problem`."""
  return cost.by_problem(
    [sum(s.num_tokens for s, _ in pool.of(p, n)) for p in pool.problems]
  )


class Test:
  """What students of several finetuning seeds answered to the same problems.

  Values are of each problem, shape (P,), or, of several seeds, of each seed and
  problem, shape (S, P). Problems of one family are variants of one: they count
  once, as solved if all of them are. As samples are independent, a family's
  value is the product of theirs.
  """

  def __init__(
    self,
    seeds: Sequence[Sequence[Mapping[str, Any]]],
    families: Sequence[str] | None = None,
  ):
    """Takes `evaluation.Answers` as dicts, of each seed and problem.

    Args:
      seeds: Of each seed, of each problem in the same order.
      families: Of each problem; default: each is its own.
    """
    self.seeds = seeds
    names = families or range(len(seeds[0]))
    _, self._first, self._family = np.unique(
      np.asarray(names), return_index=True, return_inverse=True
    )

  @property
  def level(self) -> np.ndarray:
    """The level of each problem, or family."""
    return np.array([a['level'] for a in self.seeds[0]])[self._first]

  @functools.cache  # noqa: B019
  def greedy(self) -> np.ndarray:
    """pass@1 of each problem, by the greedy solution."""
    return self._values(lambda seed: [a['greedy'] == 'correct' for a in seed])

  @functools.cache  # noqa: B019
  def majority(self, k: int) -> np.ndarray:
    """maj@k of each problem."""
    return self._values(
      lambda seed: estimators.maj_at_k(
        [a['answers'] for a in seed], _flags(seed), k
      )
    )

  def coverage(self, k: int) -> np.ndarray:
    """coverage@k of each problem."""
    return self._values(
      lambda seed: estimators.coverage_at_k(
        len(seed[0]['verdicts']), [f.sum() for f in _flags(seed)], k
      )
    )

  def unknown(self) -> int:
    """How many solutions could not be decided."""
    return sum(
      v == 'unknown'
      for seed in self.seeds
      for a in seed
      for v in (a['greedy'], *a['verdicts'])
    )

  def _values(
    self, of_problems: Callable[[Sequence[Mapping[str, Any]]], Any]
  ) -> np.ndarray:
    found = []
    for seed in self.seeds:
      product = np.ones(len(self._first))
      np.multiply.at(product, self._family, np.float64(of_problems(seed)))
      found.append(product)
    return np.array(found) if len(found) > 1 else found[0]


def _flags(answers: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
  return [estimators.correct_flags(a['verdicts']) for a in answers]


def student_cell(
  test: Test, ks: Sequence[int], spec: ReportSpec, seed: int
) -> dict[str, Any]:
  """Returns the estimates of results['students'][...].

  Args:
    test: What the students answered.
    ks: For maj@k and coverage@k.
    spec: Resamples and confidence.
    seed: Of the resampling.
  """
  share = functools.partial(_share, _options(spec, seed))
  greedy, level = test.greedy(), test.level
  majority = {k: test.majority(k) for k in ks}
  return {
    'pass_at_1': share(greedy),
    'maj_at_k': {k: share(values) for k, values in majority.items()},
    'coverage_at_k': {k: share(test.coverage(k)) for k in ks},
    'unknown': test.unknown(),
    'by_level': {
      int(each): {'pass_at_1': share(greedy[..., level == each])}
      for each in np.unique(level)
    },
    'by_seed': [
      {
        'pass_at_1': value,
        'maj_at_k': {k: _by_seed(of)[i] for k, of in majority.items()},
      }
      for i, value in enumerate(_by_seed(greedy))
    ],
  }


def _by_seed(values: np.ndarray) -> list[float]:
  """The mean over problems of each seed."""
  return np.atleast_2d(values).mean(axis=1).tolist()


def _options(spec: ReportSpec, seed: int) -> dict[str, Any]:
  return {
    'seed': seed,
    'num_resamples': spec.bootstrap_samples,
    'confidence': spec.confidence,
  }


def _share(
  options: Mapping[str, Any], values: np.ndarray
) -> dict[str, float | None]:
  if np.ndim(values) == 2 and values.shape[1] > 1:
    made = intervals.two_level(
      values, confidence=options['confidence'], is_share=True
    )
  else:
    if np.ndim(values) == 2:
      values = values.mean(axis=0)
    made = intervals.bootstrap(values, is_share=True, **options)
  return made.to_dict()


def compare(
  a: str,
  b: str,
  metric: str,
  of_a: np.ndarray,
  of_b: np.ndarray,
  *,
  matched: bool,
  spec: ReportSpec,
  seed: int,
) -> dict[str, Any]:
  """Returns an entry of results['comparisons'], paired by problem.

  Args:
    a: One side.
    b: The other.
    metric: What is compared.
    of_a: Of each problem, or of each seed and problem.
    of_b: The same of the other side.
    matched: Whether both cost the same.
    spec: Resamples and confidence.
    seed: Of the resampling.
  """
  row = _comparison(
    (a, b, metric, matched),
    gains.gain(of_a, of_b, **_options(spec, seed)),
    gains.minimum_detectable_effect(of_a, of_b, confidence=spec.confidence),
  )
  if np.ndim(of_a) == 2:
    row['by_seed'] = _by_seed(of_a - of_b)
  return row


def compare_fpr(
  a: str,
  b: str,
  of_a: tuple[np.ndarray, np.ndarray],
  of_b: tuple[np.ndarray, np.ndarray],
  *,
  matched: bool,
  spec: ReportSpec,
) -> dict[str, Any]:
  """As `compare`, of false positive rates; takes `false_positives` of both.

  The smallest detectable effect is by linearisation.
  """
  made = gains.rate_gain(of_a, of_b, confidence=spec.confidence)
  linear = [
    (unsound - estimators.divide(unsound.sum(), checked.sum()) * checked)
    / checked.mean()
    for unsound, checked in (of_a, of_b)
  ]
  mde = gains.minimum_detectable_effect(*linear, confidence=spec.confidence)
  return _comparison((a, b, 'fpr', matched), made, mde)


def _comparison(
  about: tuple[str, str, str, bool],
  gains: Mapping[str, intervals.Estimate],
  mde: float,
) -> dict[str, Any]:
  return {
    **dict(zip(('a', 'b', 'metric', 'matched'), about, strict=True)),
    **{name: gain.to_dict() for name, gain in gains.items()},
    'mde': mde,
  }


def winners(
  budget: str,
  metric: str,
  values: Mapping[str, Mapping[int, Any]],
  costs: Mapping[str, Mapping[int, ledger.Cost]],
  se_samples: int,
  *,
  remedy: str = '',
  spec: ReportSpec,
  seed: int,
) -> dict[str, Any]:
  """Returns an entry of results['winners'].

  Args:
    budget: SE's.
    metric: What is compared.
    values: Of 'wc' and 'se', by samples per problem, as `ledger.winners` has
      it.
    costs: Likewise.
    se_samples: Of SE per problem.
    remedy: As `ledger.winners` has it.
    spec: Resamples and confidence.
    seed: Of the resampling.
  """
  rows = ledger.winners(
    values, costs, se_samples, remedy=remedy, **_options(spec, seed)
  )
  return {
    'budget': budget,
    'metric': metric,
    'flips': ledger.flips(rows),
    'rows': [
      {
        **row,
        **{
          name: row[name].to_dict() if row[name] else None
          for name in ('absolute', 'relative')
        },
      }
      for row in rows
    ],
  }


def break_even(
  a: str,
  b: str,
  wc: tuple[Pool, int, int | None, ledger.Cost],
  se: tuple[Pool, int, int | None, ledger.Cost],
  *,
  source: str | None,
  spec: ReportSpec,
  seed: int,
) -> dict[str, Any]:
  """Returns an entry of results['break_even'], with each known cost.

  Args:
    a: The arm of the weak model.
    b: That of the strong one.
    wc: Its pool, samples per problem, of these the right ones kept of a problem
      (None is all), and cost.
    se: The same.
    source: As `chosen_source` has it.
    spec: Resamples and confidence.
    seed: Of the resampling.
  """
  names = ('correct', 'unsound', 'checked')
  sides = [
    (
      costs_by_problem(pool, n, cost),
      dict(zip(names, true_samples(pool, n, most, source=source), strict=True)),
    )
    for pool, n, most, cost in (wc, se)
  ]
  (of_wc, counts_wc), (of_se, counts_se) = sides
  return {
    'a': a,
    'b': b,
    'fpr': {
      matching: ledger.break_even_fpr(
        {'costs': of_wc[matching], **counts_wc},
        {'costs': of_se[matching], **counts_se},
        **_options(spec, seed),
      ).to_dict()
      for matching in of_wc
      if matching in of_se
    },
  }


def to_read(
  pools: Mapping[str, Pool],
  allotments: Mapping[str, int],
  source: str | None,
  each: int = 3,
) -> list[dict[str, Any]]:
  """Returns a few solutions of each kind, spread over problems, to be read.

  Args:
    pools: By name.
    allotments: Samples per problem of each.
    source: Whose word makes a false positive, as `chosen_source` has it.
    each: Of a kind and pool, about.
  """
  chosen = []
  for name, pool in pools.items():
    found: dict[str, list] = {}
    sound = pool.sound.get(source, {}) if source else {}
    for problem in pool.problems:
      for sample, verdict in pool.of(problem, allotments[name]):
        kind = verdict.verdict
        key = sample.problem_id, sample.sample_index
        if kind == 'correct' and sound.get(key) is False:
          kind = 'false positive'
        found.setdefault(kind, []).append((problem, sample, verdict))
    for kind, rows in sorted(found.items()):
      for problem, sample, verdict in rows[:: max(1, len(rows) // each)][:each]:
        chosen.append(
          {
            'kind': kind,
            'generator': name,
            'problem': problem.question,
            'text': sample.text,
            'gold': problem.gold,
            'answer': verdict.answer,
          }
        )
  return chosen


def agreement(
  pools: Mapping[str, Pool], spec: ReportSpec, seed: int
) -> dict[str, Any]:
  """Returns results['agreement']: each automatic source against people."""
  found = {}
  for source in ('steps', 'judge'):
    people, automatic = (
      {
        (name, *key): sound
        for name, pool in pools.items()
        for key, sound in pool.sound.get(of, {}).items()
      }
      for of in ('people', source)
    )
    row = labels.agreement(people, automatic, **_options(spec, seed))
    if row:
      found[source] = row
  return found


def ledger_row(
  pool: Pool,
  n: int,
  infos: Sequence[Mapping[str, Any]],
  verified: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
  """Returns an entry of results['ledger']: planned against spent.

  A pool may hold more than arms take: it is shared with experiments of more
  problems or larger budgets. What is planned, and the duplicates, are of what
  arms take; all else is of the whole pool, since it was begun.

  Args:
    pool: The generator's.
    n: Samples per problem that the arms take.
    infos: Of each part of the pool, how it was made.
    verified: Of each part of its verdicts, the same.
  """
  pairs = pool.all(n)
  texts = {(s.problem_id, estimators.solution_key(s.text)) for s, _ in pairs}
  seconds = [
    info['worker_seconds'] for info in verified if 'worker_seconds' in info
  ]
  one = lambda name: ', '.join(sorted({str(info[name]) for info in infos}))
  row = {
    'planned_samples': len(pairs),
    'planned_tokens': sum(s.num_tokens for s, _ in pairs),
    'duplicates_rate': 1 - len(texts) / len(pairs),
    'samples': len(pool.samples),
    'tokens': sum(s.num_tokens for s in pool.samples),
    'prompt_tokens': sum(s.num_prompt_tokens for s in pool.samples),
    'truncated': sum(s.finish_reason == 'length' for s in pool.samples),
    'verify_seconds': sum(seconds) if len(seconds) == len(verified) else None,
  }
  if any('external' in info for info in infos):
    unknown = dict.fromkeys(('tokens_per_s', 'seconds', 'spent'))
    return {**row, **unknown, 'device': one('external')}
  spent: dict[str, float] = {}
  for info in infos:
    for name, value in info['ledger'].items():
      spent[name] = spent.get(name, 0) + value
  return row | {
    'tokens_per_s': spent['tokens'] / max(spent['seconds'], 1e-9),
    'seconds': spent['seconds'],
    'device': one('device'),
    'slots': one('slots'),
    'slots_busy': schedule.slots_busy(
      spent['waiting_tokens'], spent['refill_idle']
    ),
    'spent': spent,
  }
