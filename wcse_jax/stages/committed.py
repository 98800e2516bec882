"""What a run committed, read for `results.make`."""

from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import itertools
import pathlib
from typing import Any

import msgspec

from wcse_jax import results as results_lib
from wcse_jax import store, verify
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import prices as prices_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Base, Mix, Student
from wcse_jax.experiment.prices import Price
from wcse_jax.experiment.sections import PARAMS
from wcse_jax.models import presets
from wcse_jax.records import GREEDY, Answers, Sample, Verdict
from wcse_jax.results import labels, pools
from wcse_jax.results.committed import Committed, Curated, Sampled, Trained
from wcse_jax.results.types import Model, Results, Run
from wcse_jax.stages import answers, layout, planned, sizes, tpu_plan
from wcse_jax.stages.complete import need


def results(run: layout.Run, **about: Any) -> Results:
  """Returns the results of a run, and writes the page on which people label.

  Args:
    run: The run, whose stages are complete.
    **about: The other fields of `types.Run`: command, device, versions, ...

  Raises:
    StoreError: Something is not there yet; names the stage to run.
    LabelError: The labels in the workdir are not this run's.
  """
  found = read(run, **about)
  right = {
    str(pool): [
      sample
      for pairs in pools.drawn(
        run.train, found.pools[pool], number, enough=run.enough
      ).right
      for sample, _ in pairs
    ]
    for pool, number in run.pools.items()
  }
  problems = {**run.train_by_id}
  if run.config.student and not run.task.exact_steps:
    for mix, (first, *_) in found.students.items():
      student = mix if isinstance(mix, Base) else Student(mix)
      right[str(student)] = solved(run, student, first)
    problems |= {p.problem_id: p for p in run.problems['test']}
  name = labels_of(run)
  chosen = labels.chosen(name, right)
  page = labels.page(name, chosen, problems)
  workdir = run.data.workdir
  path = workdir / 'report' / 'label.html'
  if not path.exists() or path.read_bytes() != page.encode():
    store.commit(path, page.encode())
  said = labels.read(
    workdir / 'labels.json',
    name,
    [*itertools.chain(*right.values(), *map(_right, found.pools.values()))],
  )
  return results_lib.make(dataclasses.replace(found, labels=said))


def _right(pool: Sampled) -> list[Sample]:
  """All samples of right answer, those included that do not count now."""
  keys = {v.key for v in pool.verdicts if v.verdict == 'correct'}
  return [sample for sample in pool.samples if sample.key in keys]


def labels_of(run: layout.Run) -> str:
  """The run that labels belong to: its pools and its seed."""
  names = sorted(run.pool_stage(pool).fingerprint for pool in run.pools)
  text = '/'.join([*names, str(run.config.seed)])
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def solved(
  run: layout.Run, student: Student | Base, found: Trained
) -> list[Sample]:
  """The greedy solutions of test problems that a student solved.

  Args:
    run: The experiment.
    student: The student.
    found: What `trained` returns of it.
  """
  right = {a.problem_id for a in found.answers['test'] if a.greedy == 'correct'}
  rows = run.evaluate_stage(student, 'test').read_parts()
  return [
    sample
    for sample in store.from_table(rows, Sample)
    if sample.sample_index == GREEDY and sample.problem_id in right
  ]


def read(run: layout.Run, **about: Any) -> Committed:
  """Returns what was committed; see `results`. Labels are not read."""
  config = run.config
  no_gold = (run.problems_stage().manifest() or {}).get('no_gold', {})
  return Committed(
    run=Run(
      name=config.name,
      scale=config.scale,
      task=pathlib.Path(config.task.file).name or run.task.name,
      config=config_lib.saved(config),
      **about,
    ),
    config=config,
    plan=run.plan,
    exact_steps=run.task.exact_steps,
    problems=run.problems,
    no_gold={split: tuple(ids) for split, ids in no_gold.items()},
    models={role: _model(config, role) for role in config.roles},
    counted=sizes.counted(config),
    tpu_plan=tpu_plan.read(config),
    prices=_prices(config),
    pools={pool: _pool(run, pool) for pool in run.pools},
    reference=_reference(run),
    curated=dict(_curated(run)),
    students=dict(_students(run)),
  )


def _pool(run: layout.Run, pool: Pool) -> Sampled:
  stage, verify_stage = run.pool_stage(pool), run.verify_stage(pool)
  found = Sampled(
    samples=run.samples(pool),
    verdicts=run.verdicts(pool),
    judgements=run.judgements(pool) if run.config.judge else (),
    parts=stage.infos(),
    verified=verify_stage.infos(),
    num_prefix_tokens=0
    if run.config.external_file(pool.generator)
    else run.num_prefix_tokens(pool.generator),
    answer_is_solution=run.task.answer_is_solution,
  )
  wanted = planned.keys(run, pool)
  for rows in (found.samples, found.verdicts):
    if wanted - {row.key for row in rows}:
      raise store.StoreError(
        f'{verify_stage.path} has no verdict on some samples; run the stages'
        ' sample and verify first'
      )
  return found


def _reference(run: layout.Run) -> Sampled:
  """The human-written solutions, graded like any other; none if not needed."""
  if all(arm.draws for arm in run.config.arms):
    return Sampled(samples=(), verdicts=())
  samples = [
    Sample(
      generator='reference',
      problem_id=p.problem_id,
      sample_index=0,
      text=p.solution,
      num_tokens=0,  # nobody sampled it
      num_prompt_tokens=0,
      finish_reason='eos',
      logprob=0.0,
    )
    for p in run.train
  ]
  return Sampled(
    samples=samples,
    verdicts=_of_reference(run, samples),
    answer_is_solution=run.task.answer_is_solution,
  )


def _of_reference(run: layout.Run, samples: list[Sample]) -> list[Verdict]:
  """The verdicts on the human-written solutions; kept from report to report."""
  stage = run.reference_stage
  with contextlib.suppress(store.StoreError):  # of other settings, or damaged
    if stage.is_complete():
      kept = store.from_table(stage.read_parts(), Verdict)
      if {s.key for s in samples} <= {v.key for v in kept}:
        return kept  # else those of a part of a run that a limit had stopped
  grades = (
    verify.grade(
      run.task.name, gold=p.gold, text=p.solution, question=p.question
    )
    for p in run.train
  )
  verdicts = [*answers.verdicts(zip(samples, grades, strict=True))]
  stage.clear()
  stage.write_part(store.to_table(verdicts, store.VERDICTS), store.VERDICTS)
  stage.finish()
  return verdicts


def _curated(run: layout.Run) -> Iterator[tuple[Mix, Curated]]:
  for mix in run.plan.mixes if run.config.student else ():
    yield mix, msgspec.convert(run.curate_stage(mix).manifest(), Curated)


def _students(run: layout.Run) -> Iterator[tuple[Mix | Base, list[Trained]]]:
  """The students of each mix, by seed; the one before finetuning first."""
  if not run.config.student:
    return
  yield Base(), [_judged(run, Base())]
  seeds = range(run.config.finetune.num_seeds)
  for mix in run.plan.allotments:
    if not run.left_out(mix):
      students = (Student(run.plan.mix_of(mix, seed), seed) for seed in seeds)
      yield mix, [_judged(run, student) for student in students]


def _judged(run: layout.Run, student: Student | Base) -> Trained:
  """As `trained`, with what the judge says, if it is asked."""
  found = trained(run, student)
  if not run.judges_students:
    return found
  need(run.judge_stage(student), 'evaluate')
  judged = {
    said.problem_id: said.verdict == 'correct'
    for said in run.judgements(student)
    if said.verdict != 'unknown'
  }
  return dataclasses.replace(found, judged=judged)


class _Metrics(msgspec.Struct):
  """What METRICS says of a student."""

  answers: list[Answers]
  best_step: int | None
  validation: list[tuple[int, float]]
  best_rate: float | None = None


def trained(run: layout.Run, student: Student | Base) -> Trained:
  """Returns what was committed of a student, or of the one before finetuning.

  Raises:
    StoreError: It is not finetuned, or not evaluated; names the stage to run.
  """
  manifest: dict[str, Any] = {}
  if isinstance(student, Student):
    stage = run.finetune_stage(student)
    need(stage, 'finetune')
    manifest = stage.manifest() or {}
  found: dict[str, list[Answers]] = {}
  chosen = _Metrics(answers=[], best_step=None, validation=[])
  for test in run.tests:
    stage = run.evaluate_stage(student, test)
    need(stage, 'evaluate')
    try:
      chosen = msgspec.convert(stage.read_json(answers.METRICS), _Metrics)
    except msgspec.ValidationError as e:
      raise store.StoreError(
        f'{stage.file(answers.METRICS)} is damaged ({e}).\nDelete that file'
        ' and run the same command again: its samples are kept.'
      ) from e
    found[test] = chosen.answers
  batches, rows = manifest.get('batches', 0), manifest.get('rows_per_batch', 0)
  return Trained(
    answers=found,
    examples=manifest.get('examples', 0),
    steps=batches,
    asked_steps=run.steps(student.mix) if isinstance(student, Student) else 0,
    rows=batches * rows,
    rows_per_step=rows,
    best_step=chosen.best_step,
    best_rate=chosen.best_rate,
    validation=tuple(chosen.validation),
  )


def _prices(config: config_lib.Config) -> dict[str, Price]:
  """Of the models whose price is known.

  What the project's own table makes up counts only where it matches arms.
  """
  table = sizes.price_table(config)
  known = {price.model for price in table}
  by_price = config.prices or config.matched_by('price')
  return {
    generator: price
    for generator in config.names
    if (name := config.model(generator)[0]) in known
    if (price := prices_lib.find(table, name)) in prices_lib.PAPER or by_price
  }


def _model(config: config_lib.Config, role: str) -> Model:
  name, *_ = config.model(role)
  preset = presets.PRESETS.get(name)  # or it samples elsewhere
  given = config.teacher(role).params
  return Model(
    name=name,
    exact_params=given or (preset.config.num_params if preset else None),
    looked_up_params=preset.config.looked_up if preset else None,
    **{f'{of}_params': sizes.params(config, role, of) for of in PARAMS},
  )
