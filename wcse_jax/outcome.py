"""results.json: what the committed rows of a run say, with intervals."""

import collections
from collections.abc import Iterable, Mapping, Sequence
import functools
from typing import Any

import numpy as np

from wcse_jax import arms, stages, store, verify
from wcse_jax import budget as budget_lib
from wcse_jax import config as config_lib
from wcse_jax.models import presets
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.report import labels, schema
from wcse_jax.report import results as lib
from wcse_jax.stages import Mix, Stages, Student, need, roles
from wcse_jax.tasks import functional_math_problems, overlap


def results(run: Stages, about: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what `report.schema` describes, and writes the page of labels.

  Args:
    run: What was committed.
    about: The command, device and versions, for `results['run']`.

  Raises:
    StoreError: Something is not there yet; names the stage to run.
  """
  config = run.config
  pools = {
    name: _pool(run, name, n) for name, n in run.allotments.pools.items()
  }
  _read_labels(run, pools)
  ledger = {
    name: lib.ledger_row(pools[name], n, run.pool_stage(name).infos())
    for name, n in run.allotments.pools.items()
  }
  students = _students(run) if config.student else {}
  return {
    'schema_version': schema.VERSION,
    'run': {
      'name': config.name,
      'scale': config.scale,
      'task': run.task.name,
      'config': config_lib.to_dict(config),
      **about,
    },
    'models': {role: _model(getattr(config, role)) for role in roles(config)},
    'problems': {k: len(v) for k, v in run.problems.items()},
    'overlap': {test: _overlap(run, test) for test in run.tests},
    'no_gold': (run.problems_stage().manifest() or {}).get('no_gold', {}),
    'arms': _arms(run, pools, ledger),
    'students': {
      str(Student(mix)): _student_row(run, mix, seeds)
      for mix, seeds in students.items()
    },
    'comparisons': _comparisons(run, pools, students),
    'paper': {
      f'rounding {i}': note for i, note in enumerate(run.allotments.notes, 1)
    },
    'samples_to_read': lib.to_read(pools, run.allotments.pools),
    'ledger': ledger,
    'agreement': lib.agreement(pools, config.report, config.seed),
  }


def _pool(run: Stages, generator: str, n: int) -> lib.Pool:
  pool = lib.Pool(
    run.train,
    run.samples(generator),
    run.verdicts(generator),
    run.judgements(generator) if run.config.judge else [],
  )
  if not pool.holds(n):
    raise store.StoreError(
      f'{run.verify_stage(generator).path} has no verdict on some'
      ' samples; run the stages sample and verify first'
    )
  return pool


def _read_labels(run: Stages, pools: Mapping[str, lib.Pool]) -> None:
  """Writes the page on which people label; reads what they said."""
  right = {g: pools[g].correct(n) for g, n in run.allotments.pools.items()}
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
  run: Stages,
  pools: Mapping[str, lib.Pool],
  ledger: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
  """Each arm at each budget."""
  made, config = run.allotments, run.config
  means = [row['tokens'] / row['samples'] for row in ledger.values()]
  mean_tokens = sum(means) / max(1, len(means))  # the rule's W
  reference = functools.cache(lambda: _reference_pool(run.train, run.task.name))
  cells: dict[str, Any] = {}
  for mix in run.mixes():
    arm = arms.parse(mix.arm)
    drawn = made.arms[mix.arm][mix.budget].samples
    pool, n = (
      lib.join([(pools[name], n) for name, n in drawn.items()])
      if drawn
      else (reference(), 1)
    )
    examples = None
    if config.student:
      manifest = run.curate_stage(mix).manifest() or {}
      examples = manifest.get('examples')
    cells.setdefault(mix.arm, {})[mix.budget] = lib.arm_cell(
      pool,
      n,
      generator='+'.join(drawn) or None,
      label=arm.label,
      most=arm.most,
      cost_flops=_sum(
        p and budget_lib.sampling_flops(len(run.train), n, mean_tokens, p)
        for name, n in drawn.items()
        for p in (made.params_nominal.get(arms.role(name)),)
      ),
      measured=_measured(run, pools, ledger, drawn),
      examples=examples,
      matched=_matched(run, mix),
      spec=config.report,
      seed=config.seed,
    )
  return cells


def _sum(numbers: Iterable[float | None]) -> float | None:
  """None if one is not known."""
  found = list(numbers)
  return None if None in found else float(sum(x or 0 for x in found))


def _measured(
  run: Stages,
  pools: Mapping[str, lib.Pool],
  ledger: Mapping[str, Mapping[str, Any]],
  drawn: Mapping[str, int],
) -> dict[str, float | None]:
  """What the samples of an arm took; None is not known."""
  parts = []
  for name, n in drawn.items():
    samples = [sample for sample, _ in pools[name].all(n)]
    tokens = float(sum(s.num_tokens for s in samples))
    params = run.allotments.params_exact.get(arms.role(name))
    speed = ledger[name]['tokens_per_s']
    parts.append(
      {
        'tokens': tokens,
        'prompt_tokens': float(sum(s.num_prompt_tokens for s in samples)),
        'flops': params and tokens * budget_lib.flops_per_token(params),
        'seconds': speed and tokens / speed,
      }
    )
  names = ('tokens', 'prompt_tokens', 'flops', 'seconds')
  return {name: _sum(part[name] for part in parts) for name in names}


def _overlap(run: Stages, test: str) -> dict[str, Any]:
  """How many problems of a test are, in part, among those trained on."""
  train, other = (
    {p.problem_id: p.question for p in run.problems[split]}
    for split in ('train', test)
  )
  return overlap.report(train, other)


def _students(run: Stages) -> dict[Mix | None, list[dict[str, Any]]]:
  """What was committed of each mix's students, by seed; None: the base model.

  'tests' are their answers; the rest is of their training and selection.
  """
  found = collections.defaultdict(list)
  for student in (Student(), *run.students()):
    about = {}
    if student.mix:
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
    found[student.mix].append({**about, 'tests': tests})
  return dict(found)


def _tested(seeds: Sequence[Mapping[str, Any]], test: str) -> lib.Test:
  answers = [seed['tests'][test] for seed in seeds]
  if test != 'functional_math':
    return lib.Test(answers)
  names = [functional_math_problems.family(a['problem_id']) for a in answers[0]]
  return lib.Test(answers, names)


def _student_row(
  run: Stages, mix: Mix | None, seeds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  config, first = run.config, seeds[0]
  cells = {
    test: lib.student_cell(
      _tested(seeds, test), config.evaluate.ks, config.report, config.seed
    )
    for test in run.tests
  }
  return {
    'arm': mix.arm if mix else 'base',
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
  run: Stages,
  pools: Mapping[str, lib.Pool],
  students: Mapping[Mix | None, Sequence[Mapping[str, Any]]],
) -> list[dict[str, Any]]:
  """Each arm against SE at the same budget, paired by problem."""
  rows = []
  for mix in run.mixes():
    anchor = Mix('se', mix.budget)
    if mix.arm == 'se' or 'se' not in run.config.arms:
      continue
    pairs: dict[str, list[np.ndarray]] = {}
    if mix in students:
      for test in run.tests:
        name = '' if test == 'test' else f'{test}_'
        both = [_tested(students[side], test) for side in (mix, anchor)]
        pairs[f'{name}pass_at_1'] = [side.greedy() for side in both]
        for k in run.config.evaluate.ks:
          pairs[f'{name}maj_at_{k}'] = [side.majority(k) for side in both]
    drawn = [
      run.allotments.arms[m.arm][m.budget].samples for m in (mix, anchor)
    ]
    if all(drawn):
      joined = [
        lib.join([(pools[name], n) for name, n in of.items()]) for of in drawn
      ]
      most = [arms.parse(m.arm).most for m in (mix, anchor)]
      pairs['coverage'] = [lib.coverage(pool, n, n) for pool, n in joined]
      pairs['diversity'] = [
        lib.diversity(pool, n, n, kept)
        for (pool, n), kept in zip(joined, most, strict=True)
      ]
    rows += [
      lib.compare(
        str(mix),
        str(anchor),
        metric,
        *pair,
        matched=_matched(run, mix),
        spec=run.config.report,
        seed=run.config.seed,
      )
      for metric, pair in pairs.items()
    ]
  return rows


def _matched(run: Stages, mix: Mix) -> bool:
  """Whether an arm costs what SE does, within 5%.

  By price, if that is how it is matched; else by the paper's rule.
  """
  made = run.allotments
  drawn = made.arms[mix.arm][mix.budget].samples
  unit = made.params_nominal
  if any(part.matching == 'price' for part in arms.parse(mix.arm).parts):
    unit = {
      role: stages.price(run.config, role).usd_per_million_output_tokens
      for role in ('wc', 'se')
    }
  if not drawn or not {'se', *map(arms.role, drawn)} <= set(unit):
    return list(drawn) == ['se']
  cost = sum(n * unit[arms.role(g)] for g, n in drawn.items())
  anchor = run.config.budget.by_name[mix.budget] * unit['se']
  return abs(cost / anchor - 1) <= 0.05


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
