"""results.json: what the committed rows of a run say, with intervals."""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

from wcse_jax import store, verify
from wcse_jax.analysis import costs as ledger_lib
from wcse_jax.analysis import overlap
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import prices as prices_lib
from wcse_jax.experiment.arms import Arm, Pool
from wcse_jax.experiment.config import GENERATORS, SE
from wcse_jax.experiment.plan import Base, Mix, Student
from wcse_jax.experiment.prices import Price
from wcse_jax.models import presets
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.report import wording
from wcse_jax.results import labels, paper, schema
from wcse_jax.results import pools as lib
from wcse_jax.stages import sizes
from wcse_jax.stages.layout import Run, need
from wcse_jax.tasks import functional_math as functional_math_problems


def results(run: Run, about: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what `report.schema` describes, and writes the page of labels.

  Args:
    run: What was committed.
    about: The command, device and versions, for `results['run']`.

  Raises:
    StoreError: Something is not there yet; names the stage to run.
  """
  config = run.config
  pools = {name: _pool(run, name, n) for name, n in _taken(run).items()}
  _read_labels(run, pools)
  source = lib.chosen_source(
    pools, _taken(run), exact_steps=run.task.exact_steps
  )
  ledger = {
    name: lib.ledger_row(
      pools[name],
      n,
      run.pool_stage(_named(run, name)).infos(),
      run.verify_stage(_named(run, name)).infos(),
    )
    for name, n in _taken(run).items()
  }
  students = _students(run) if config.student else {}
  tested = functools.cache(lambda mix, test: _tested(students[mix], test))
  prices = _prices(run)
  of_pool = _pool_cost(run, pools, ledger, prices)
  costs = {mix: _cost(run, of_pool, mix) for mix in run.mixes}
  devices = {row['device']: None for row in ledger.values() if row['spent']}
  return {
    'schema_version': schema.VERSION,
    'run': {
      'name': config.name,
      'scale': config.scale,
      'task': run.task.name,
      'config': config_lib.to_dict(config),
      **about,
      **({'device': ', '.join(devices)} if devices else {}),
    },
    'prices': {
      role: {
        name: value
        for name, value in dataclasses.asdict(price).items()
        if name != 'model'
      }
      for role, price in prices.items()
    },
    'models': {role: _model(getattr(config, role)) for role in config.roles},
    'problems': {k: len(v) for k, v in run.problems.items()},
    'overlap': {test: _overlap(run, test) for test in run.tests},
    'no_gold': (run.problems_stage().manifest() or {}).get('no_gold', {}),
    'fpr_source': source
    and {'name': source, 'exact': source == 'steps' and run.task.exact_steps},
    'arms': _arms(run, pools, costs, source),
    'students': {
      (str(Student(mix)) if mix else 'base'): _student_row(
        run, mix, seeds, tested
      )
      for mix, seeds in students.items()
    },
    'comparisons': _comparisons(run, pools, tested, source),
    'winners': _winners(run, pools, tested, of_pool),
    'break_even': _break_even(run, pools, costs, source),
    'paper': {
      f'rounding {i}': note for i, note in enumerate(run.plan.notes, 1)
    },
    'samples_to_read': lib.to_read(pools, _taken(run), source),
    'ledger': ledger,
    'agreement': lib.agreement(pools, config.report, config.seed),
  }


def _taken(run: Run) -> dict[str, int]:
  return {str(pool): n for pool, n in run.pools.items()}


def _named(run: Run, name: str) -> Pool:
  return {str(pool): pool for pool in run.pools}[name]


def _role(pool: str) -> str:
  return pool.partition('@')[0]


def _pool(run: Run, generator: str, n: int) -> lib.Pool:
  pool = lib.Pool(
    run.train,
    run.samples(_named(run, generator)),
    run.verdicts(_named(run, generator)),
    run.judgements(_named(run, generator)) if run.config.judge else [],
  )
  if not pool.holds(n):
    raise store.StoreError(
      f'{run.verify_stage(_named(run, generator)).path} has no verdict on some'
      ' samples; run the stages sample and verify first'
    )
  return pool


def _read_labels(run: Run, pools: Mapping[str, lib.Pool]) -> None:
  """Writes the page on which people label; reads what they said."""
  right = {g: pools[g].correct(n) for g, n in _taken(run).items()}
  page = labels.page(
    run.labels_of,
    labels.chosen(run.labels_of, right),
    {p.problem_id: p for p in run.train},
  )
  store.commit(run.data.workdir / 'report' / 'label.html', page.encode())
  said = labels.read(
    run.data.workdir / 'labels.json',
    run.labels_of,
    [sample for samples in right.values() for sample in samples],
  )
  for generator, pool in pools.items():
    pool.sound['people'] = {
      key[1:]: sound for key, sound in said.items() if key[0] == generator
    }


def _reference_pool(problems: list[Problem], task: str) -> lib.Pool:
  """The human-written solutions, graded like any other."""
  samples, verdicts = [], []
  for p in problems:
    key = {
      'generator': 'reference',
      'problem_id': p.problem_id,
      'sample_index': 0,
    }
    grade = verify.grade(
      task, gold=p.gold, text=p.solution, question=p.question
    )
    verdicts.append(Verdict(**key, **grade._asdict()))
    samples.append(
      Sample(
        **key,
        text=p.solution,
        num_tokens=0,  # nobody sampled it
        num_prompt_tokens=0,
        finish_reason='eos',
        logprob=0.0,
      )
    )
  return lib.Pool(problems, samples, verdicts)


def _arms(
  run: Run,
  pools: Mapping[str, lib.Pool],
  costs: Mapping[Mix, ledger_lib.Cost],
  source: str | None,
) -> dict[str, Any]:
  """Each arm at each budget."""
  config = run.config
  reference = functools.cache(lambda: _reference_pool(run.train, run.task.name))
  cells: dict[str, Any] = {}
  for mix in run.mixes:
    arm, drawn = mix.arm, _drawn(run, mix)
    pool, n, most = (
      _data(run, pools, mix) if drawn else (reference(), 1, arm.max_kept)
    )
    examples = None
    if config.student:
      manifest = run.curate_stage(mix).manifest() or {}
      examples = manifest.get('examples')
    cells.setdefault(str(mix.arm), {})[mix.budget] = lib.arm_cell(
      pool,
      n,
      generator='+'.join(map(str, drawn)) or None,
      label=arm.label,
      most=most,
      cost=costs[mix],
      examples=examples,
      matched=_matched(run, mix, Mix(SE, mix.budget)),
      source=source,
      spec=config.report,
      seed=config.seed,
    )
  return cells


def _drawn(run: Run, mix: Mix) -> dict[str, int]:
  """Samples per problem, by pool."""
  return {str(pool): n for pool, n in run.drawn(mix).items()}


def _data(
  run: Run, pools: Mapping[str, lib.Pool], mix: Mix
) -> tuple[lib.Pool, int, int | None]:
  """An arm's pool, samples per problem, and of these the right ones kept."""
  parts = [(pools[name], n) for name, n in _drawn(run, mix).items()]
  return *lib.join(parts), mix.arm.max_kept


# Of the first so many samples per problem of a pool, by its name.
_PoolCost = Callable[[str, int], ledger_lib.Cost]


def _pool_cost(
  run: Run,
  pools: Mapping[str, lib.Pool],
  ledger: Mapping[str, Mapping[str, Any]],
  prices: Mapping[str, Price],
) -> _PoolCost:
  """Returns what tells the cost of the first samples of a pool."""
  made = run.plan
  means = [
    row['planned_tokens'] / row['planned_samples'] for row in ledger.values()
  ]

  @functools.cache
  def columns(name: str) -> dict[str, np.ndarray]:
    fields = ('num_tokens', 'num_prompt_tokens', 'finish_reason')
    most = _taken(run)[name]
    return {field: pools[name].column(field, most) for field in fields}

  @functools.cache
  def cost(name: str, n: int) -> ledger_lib.Cost:
    tokens, prompt_tokens, reason = (
      column[:, :n] for column in columns(name).values()
    )
    role, spent = _role(name), ledger[name]['spent']
    prefill_tokens = 0
    if spent:
      prefix = run.num_prefix_tokens(role)
      questions = prompt_tokens[:, 0] - prefix
      prefill_tokens = prefix + int(questions.sum())
    verified = ledger[name]['verify_seconds']
    return ledger_lib.cost(
      tokens,
      reason == 'length',
      params=made.params_nominal.get(role),
      exact_params=made.params_exact.get(role),
      mean_tokens=sum(means) / len(means),  # the rule's W
      prefill_tokens=prefill_tokens,
      spent=spent,
      usd_per_device_hour=run.config.report.usd_per_device_hour,
      usd=_usd(prices.get(role), int(tokens.sum()), int(prompt_tokens.sum())),
      verify_seconds=verified
      and verified * tokens.size / pools[name].num_verdicts,
    )

  return cost


def _cost(run: Run, of_pool: _PoolCost, mix: Mix) -> ledger_lib.Cost:
  """What an arm's samples took, and the finetuning of one student on them."""
  cost = ledger_lib.add([of_pool(*of) for of in _drawn(run, mix).items()])
  return dataclasses.replace(cost, training_flops=_training_flops(run, mix))


def _prices(run: Run) -> dict[str, Price]:
  """Of the models whose price is known.

  What the project's own table makes up counts only where it matches arms.
  """
  config = run.config
  by_price = config.prices or config.matched_by('price')
  table = sizes.price_table(config)
  known = {price.model for price in table}
  found = {
    role: prices_lib.find(table, getattr(config, role))
    for role in config.roles
    if role in ('wc', 'se') and getattr(config, role) in known
  }
  return {
    role: price
    for role, price in found.items()
    if by_price or price in prices_lib.PAPER
  }


def _usd(price: Price | None, tokens: int, prompt_tokens: int) -> float | None:
  """Dollars of an API's samples; of prompts, too, if these have a price."""
  if price is None:
    return None
  paid = price.usd_per_million_input_tokens is not None
  return price.usd(tokens, prompt_tokens if paid else 0)


def _training_flops(run: Run, mix: Mix) -> float | None:
  """6P for each token that a student was shown."""
  if not run.config.student:
    return None
  trained = run.finetune_stage(Student(mix)).manifest() or {}
  packed = run.curate_stage(mix).manifest() or {}
  rows = trained['batches'] * trained['rows_per_batch']
  params = presets.PRESETS[run.config.student].config.num_params
  return 6.0 * params * rows * packed['tokens'] / packed['rows']


def _overlap(run: Run, test: str) -> dict[str, Any]:
  """How many problems of a test are, in part, among those trained on."""
  train, other = (
    {p.problem_id: p.question for p in run.problems[split]}
    for split in ('train', test)
  )
  return overlap.report(train, other)


def _students(run: Run) -> dict[Mix | None, list[dict[str, Any]]]:
  """What was committed of each mix's students, by seed; None: the base model.

  'tests' are their answers; the rest is of their training and selection.
  """
  found = collections.defaultdict(list)
  for student in (Base(), *run.students):
    about, mix = {}, None
    if isinstance(student, Student):
      mix = student.mix
      trained = run.finetune_stage(student)
      need(trained, 'finetune')
      about = trained.manifest() or {}
    tests = {}
    for test in run.tests:
      stage = run.evaluate_stage(student, test)
      need(stage, 'evaluate')
      metrics = stage.read_json('metrics.json')
      tests[test] = metrics.pop('answers')
      about = metrics | about
    found[mix].append({**about, 'tests': tests})
  return dict(found)


def _tested(seeds: Sequence[Mapping[str, Any]], test: str) -> lib.Test:
  answers = [seed['tests'][test] for seed in seeds]
  if test != 'functional_math':
    return lib.Test(answers)
  names = [functional_math_problems.family(a['problem_id']) for a in answers[0]]
  return lib.Test(answers, names)


_NO_STUDENT = 'no student of this budget is nearer'

# The test of a mix's students, by its name; that of the base model for None.
_Tested = Callable[[Mix | None, str], lib.Test]


def _student_row(
  run: Run,
  mix: Mix | None,
  seeds: Sequence[Mapping[str, Any]],
  tested: _Tested,
) -> dict[str, Any]:
  config, first = run.config, seeds[0]
  cells = {
    test: lib.student_cell(
      tested(mix, test), config.evaluate.ks, config.report, config.seed
    )
    for test in run.tests
  }
  for row, seed in zip(cells['test']['by_seed'], seeds, strict=True):
    for name in ('best_step', 'best_rate', 'validation'):
      row[name] = seed.get(name)
  return {
    'arm': str(mix.arm) if mix else 'base',
    'budget': mix.budget if mix else '',
    'seeds': len(seeds),
    'examples': first.get('examples', 0),
    'steps': first.get('batches', 0),
    'best_step': first['best_step'],
    'best_rate': first.get('best_rate'),
    'validation': first['validation'],
    **cells.pop('test'),
    'transfer': cells,
  }


def _comparisons(
  run: Run,
  pools: Mapping[str, lib.Pool],
  tested: _Tested,
  source: str | None,
) -> list[dict[str, Any]]:
  """Pairs of arms, paired by problem; each student against what it was."""
  config, rows = run.config, []
  spec: dict[str, Any] = {'spec': config.report, 'seed': config.seed}
  for mix, anchor in _pairs(run):
    pairs: dict[str, list[np.ndarray]] = {}
    if config.student and mix.budget == anchor.budget:
      for test in run.tests:
        name = '' if test == 'test' else f'{test}_'
        both = [tested(side, test) for side in (mix, anchor)]
        pairs[f'{name}pass_at_1'] = [side.greedy() for side in both]
        for k in config.evaluate.ks:
          pairs[f'{name}maj_at_{k}'] = [side.majority(k) for side in both]
    drawn = [_drawn(run, side) for side in (mix, anchor)]
    kept = [side.arm.keep for side in (mix, anchor)]
    false_positives = []
    # What is verified otherwise has the data of what is not.
    if all(drawn) and not any(kept):
      data = [_data(run, pools, side) for side in (mix, anchor)]
      pairs['coverage'] = [lib.coverage(pool, n, n) for pool, n, _ in data]
      pairs['diversity'] = [
        lib.diversity(pool, n, n, most) for pool, n, most in data
      ]
      false_positives = [lib.false_positives(*of, source=source) for of in data]
    matched = _matched(run, mix, anchor)
    rows += [
      lib.compare(str(mix), str(anchor), metric, *of, matched=matched, **spec)
      for metric, of in pairs.items()
    ]
    if false_positives and all(checked.any() for _, checked in false_positives):
      rows.append(
        lib.compare_fpr(
          *(str(mix), str(anchor), *false_positives),
          matched=matched,
          spec=config.report,
        )
      )
  if config.student:
    for mix, test in itertools.product(run.mixes, run.tests):
      name = '' if test == 'test' else f'{test}_'
      after, before = (tested(of, test).greedy() for of in (mix, None))
      before = np.broadcast_to(before, after.shape)
      sides = str(mix), wording.BASE, f'{name}pass_at_1'
      rows.append(lib.compare(*sides, after, before, matched=False, **spec))
  return rows


def _pairs(run: Run) -> Iterator[tuple[Mix, Mix]]:
  """What is compared with what: at one budget, or the data of several."""
  for mix, other in itertools.product(run.mixes, repeat=2):
    if mix.arm == other.arm or not _compared(mix.arm, other.arm):
      continue
    across = run.config.report.across_budgets and other.arm == SE
    matchings = {draw.matching for draw in mix.arm.draws}
    if mix.budget == other.budget or (across and matchings == {'compute'}):
      yield mix, other


def _compared(a: Arm, b: Arm) -> bool:
  """Whether a pair of arms says something.

  Each against SE; WC against each of SE's, verified alike; what was verified
  differently; and the pairs of which the paper says which is better.
  """
  return (
    b == SE
    or (a.generators == {'wc'} and b.generators == {'se'} and a.keep == b.keep)
    or (a.keep is not None and str(a) == f'{b}={a.keep}')
    or (str(a), str(b)) in paper.ORDERS
  )


def _matched(run: Run, mix: Mix, other: Mix) -> bool:
  """Whether two arms cost the same, within 5%.

  By price, if that is how one is matched; else by the paper's rule.
  """
  unit = run.plan.params_nominal
  parts = [*mix.arm.draws, *other.arm.draws]
  if any(part.matching == 'price' for part in parts):
    unit = {
      role: sizes.price(run.config, role).usd_per_million_output_tokens
      for role in ('wc', 'se')
    }
  drawn = [
    _drawn(run, of)
    if of.arm in run.config.arms
    else {str(of.arm): run.config.budget.by_name[of.budget]}
    for of in (mix, other)
  ]
  if drawn[0] == drawn[1]:
    return bool(drawn[0])
  if not all(drawn) or not {_role(p) for of in drawn for p in of} <= set(unit):
    return False
  ours, theirs = (
    sum(n * unit[_role(pool)] for pool, n in of.items()) for of in drawn
  )
  return abs(ours / theirs - 1) <= 0.05


def _winners(
  run: Run,
  pools: Mapping[str, lib.Pool],
  tested: _Tested,
  of_pool: _PoolCost,
) -> list[dict[str, Any]]:
  """WC against SE at each budget of SE, matched in each way.

  Data may be of any number of samples; students only those of that budget,
  which were shown as many examples.
  """
  config, found = run.config, []
  wc, se = GENERATORS
  if SE not in config.arms or wc not in _taken(run):
    return []
  by_k = {
    name: functools.partial(_ByK, most=n) for name, n in _taken(run).items()
  }
  qualities = {
    metric: by_k[wc](functools.partial(_quality, pools[wc], metric))
    for metric in ('coverage', 'diversity')
  }
  costs = {
    name: by_k[name](functools.partial(of_pool, name)) for name in (wc, se)
  }
  for budget, n in config.budget.by_name.items():
    anchor = Mix(SE, budget)
    of_wc: dict[str, Mapping[int, Any]] = dict(qualities)
    of_se = {m: {n: _quality(pools[se], m, n)} for m in qualities}
    like = [
      mix
      for mix in run.mixes
      if mix.budget == budget and list(_drawn(run, mix)) == [wc]
      if mix.arm.max_kept is None and mix.arm.keep is None
    ]
    if config.student and like:
      for test in run.tests:
        name = 'pass_at_1' if test == 'test' else f'{test}_pass_at_1'
        greedy = lambda mix, test=test: tested(mix, test).greedy()
        of_wc[name] = {_drawn(run, mix)[wc]: greedy(mix) for mix in like}
        of_se[name] = {n: greedy(anchor)}
    found += [
      lib.winners(
        budget,
        metric,
        {'wc': of_wc[metric], 'se': of_se[metric]},
        costs,
        n,
        remedy='' if metric in qualities else _NO_STUDENT,
        spec=config.report,
        seed=config.seed,
      )
      for metric in of_se
    ]
  return found


class _ByK[T](Mapping[int, T]):
  """Values for 1, 2, ... samples per problem, made when they are asked for."""

  def __init__(self, of: Callable[[int], T], most: int):
    self._of = functools.cache(of)
    self._ks = range(1, most + 1)

  def __getitem__(self, k: int) -> T:
    return self._of(k)

  def __iter__(self) -> Iterator[int]:
    return iter(self._ks)

  def __len__(self) -> int:
    return len(self._ks)


def _quality(pool: lib.Pool, metric: str, k: int) -> np.ndarray:
  """Coverage or diversity of the first k samples of each problem."""
  of = {'coverage': lib.coverage, 'diversity': lib.diversity}[metric]
  return of(pool, k, k)


def _break_even(
  run: Run,
  pools: Mapping[str, lib.Pool],
  costs: Mapping[Mix, ledger_lib.Cost],
  source: str | None,
) -> list[dict[str, Any]]:
  """The rate of false positives up to which each arm is cheaper than SE."""
  found = []
  for mix in run.mixes:
    anchor = Mix(SE, mix.budget)
    if mix.arm == SE or SE not in run.config.arms or not _drawn(run, mix):
      continue
    sides = [(*_data(run, pools, side), costs[side]) for side in (mix, anchor)]
    if not lib.false_positives(*sides[1][:3], source=source)[1].any():
      continue
    found.append(
      lib.break_even(
        str(mix),
        str(anchor),
        *sides,
        source=source,
        spec=run.config.report,
        seed=run.config.seed,
      )
    )
  return found


def _model(name: str) -> dict[str, Any]:
  preset = presets.PRESETS.get(name)
  if not preset:  # external
    return {'name': name}
  return {
    'name': name,
    'nominal_params': preset.cost_params,
    'exact_params': preset.config.num_params,
    'non_embedding_params': preset.config.non_embedding_params,
  }
