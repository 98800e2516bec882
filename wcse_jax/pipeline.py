"""The paper on one page: problems, plan, samples, verdicts, students, report.

Each stage reads what the stages before it committed to the workdir, calls a
core that knows nothing of files, and commits. A stage that is complete is
kept; one that was interrupted goes on.
"""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
import contextlib
import dataclasses
import datetime
import functools
import hashlib
from importlib import metadata
import pathlib
import platform
import subprocess
import threading
import time
from typing import Any

import tqdm

import wcse_jax
from wcse_jax import store
from wcse_jax.experiment import arms
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.runtime import progress, replicas
from wcse_jax.sampling import external
from wcse_jax.stages import curation, takeover
from wcse_jax.stages import layout as stages_lib
from wcse_jax.stages import machine as workbench


def run(
  config: Config,
  workdir: pathlib.Path,
  stages: Sequence[str] | None = None,
  redo: Sequence[str] = (),
  command: str = '',
  replica: replicas.Spec | None = None,
  reuse: Sequence[pathlib.Path] = (),
) -> None:
  """Runs an experiment, or what is left of it.

  Args:
    config: The experiment.
    workdir: Where everything goes.
    stages: Which of `config.STAGES` to run; None is all.
    redo: Stages ('finetune') or parts of them ('sample/wc') to forget first.
    command: As typed, for the report.
    replica: Which of several hosts that share the workdir; all of them sample,
      the first does all else. With a coordinator they finetune together, and
      that is the one stage to run.
    reuse: Other workdirs: what they have finished with the same settings is
      taken over, unless something is to be forgotten.

  Raises:
    ConfigError: The config names what does not exist.
    StoreError: The workdir holds another experiment's results, or is in use.
    ReplicaError: A host is missing.
    FinetuneError: Hosts that are to finetune together do not come together.
  """
  stages_lib.check(config)
  stages = config_lib.STAGES if stages is None else stages
  workdir, replica = pathlib.Path(workdir), replica or replicas.Spec()
  writer = (replica.index, replica.count)
  data = store.Store(workdir, writer, () if redo else reuse)
  touched = {name.split('/')[0] for name in (*stages, *redo)}
  with (
    data.lock(),
    replicas.Replicas(
      workdir, replica, keep=not touched & {'prepare', 'sample'}
    ) as others,
    progress.remembering_ctrl_c(),
  ):
    if replica.coordinator:
      others.together(
        functools.partial(
          _finetune_together, config, data, redo, command, replica
        )
      )
      return
    experiment = _Experiment(config, data, stages, command, others)
    if replica.index:
      if 'sample' in stages:
        experiment.sample()
      print(f'replica {replica.index}: done; replica 0 does the rest')
      return
    experiment.run(redo)


def _finetune_together(
  config: Config,
  data: store.Store,
  redo: Sequence[str],
  command: str,
  replica: replicas.Spec,
) -> None:
  """Finetunes as one of the processes of one JAX, each of them a replica."""
  from wcse_jax.finetuning import processes

  processes.join(
    None if replica.coordinator == 'auto' else replica.coordinator,
    replica.count,
    replica.index,
    about=store.fingerprint(config_lib.to_dict(config)),
    timeout_s=round(2 * replica.timeout_s),  # replicas see it first
  )
  tqdm.tqdm.set_lock(threading.RLock())  # its own outlives a kill
  others = replicas.Replicas(data.workdir, replica)
  _Experiment(config, data, ['finetune'], command, others).run(redo)


def run_all(
  experiments: Mapping[str, Config],
  workdir: pathlib.Path,
  stages: Sequence[str] | None = None,
  redo: Sequence[str] = (),
  reuse: Sequence[pathlib.Path] = (),
  **kwargs: Any,
) -> None:
  """Runs experiments one after another, and writes one page for all of them.

  What two of them share (a pool, a student) is computed once.

  Args:
    experiments: By name: that of their folder in the workdir.
    workdir: Where everything goes.
    stages: As in `run`.
    redo: As in `run`; of the experiments that have it.
    reuse: As in `run`, beside each other's.
    **kwargs: The others of `run`.

  Raises:
    ConfigError: A config names what does not exist.
    StoreError: As in `run`.
  """
  workdir = pathlib.Path(workdir)
  folders = {name: workdir / name for name in experiments}
  for name, config in experiments.items():
    try:
      stages_lib.check(config)
    except ConfigError as e:
      remedy = f'{e.remedy} (experiment {name})'
      raise ConfigError(e.field, e.value, remedy) from e
  for part in redo:
    having = [
      n for n, f in folders.items() if '/' not in part or (f / part).is_dir()
    ]
    if not having:
      raise store.StoreError(f'--redo={part}: no experiment has such a stage')
    for name in having:
      data = store.Store(folders[name])
      with data.lock():
        stages_lib.forget(data, experiments[name], part)
  for number, (name, config) in enumerate(experiments.items(), start=1):
    print(f'\n{name} ({number} of {len(experiments)})')
    known = [*(() if redo else reuse), *folders.values()]  # its own is no other
    run(config, folders[name], stages, reuse=known, **kwargs)
  if stages is None or 'report' in stages:
    from wcse_jax import report

    results = {
      name: store.read_json(folder / 'report' / 'results.json')
      for name, folder in folders.items()
    }
    index = report.write_all(results, workdir / 'report')
    print(f'\nreport: {index}')


class _Experiment(workbench.Workbench):
  """The stages, each as a method that does what is left of it."""

  def __init__(
    self,
    config: Config,
    data: store.Store,
    stages: Sequence[str],
    command: str,
    others: replicas.Replicas,
  ):
    super().__init__(config, data)
    self._stages = stages
    self._command = command
    self._replicas = others
    self._started = datetime.datetime.now(datetime.UTC)
    print(
      f'wcse_jax {wcse_jax.__version__} on {self.device},'
      f' workdir {data.workdir}'
    )

  def run(self, redo: Sequence[str]) -> None:
    """Runs the stages, once those to redo are forgotten."""
    for name in redo if self.leads else ():
      stages_lib.forget(self.data, self.config, name)
    self.begin()
    for name in config_lib.STAGES:
      if name not in self._stages:
        continue
      if name in ('curate', 'finetune', 'evaluate') and not self.config.student:
        continue
      with self.clock(name):
        getattr(self, name)()
    self.forget_models()

  def begin(self) -> None:
    """Checks the stages to run and the devices before anything is done.

    Raises:
      ConfigError: The mesh does not fit the devices.
      StoreError: A stage was made with other settings; all such are named.
    """
    self.check_meshes(self._stages)
    if not self.leads:
      return
    takeover.take_over(self, self._stages)
    differing, message = [], ''
    for stage in self.costly():
      if stage.name.split('/')[0] not in self._stages:
        continue
      try:
        stage.is_complete()
      except store.StoreError as e:
        if not stage.manifest():
          raise
        message = message or str(e)
        name = '/'.join(stage.name.split('/')[:2])
        # What follows from a mix is forgotten with it.
        if not any(name.endswith(d.split('/')[1]) for d in differing):
          differing.append(name)
    if differing:
      head = message.splitlines()[:-1]
      raise store.StoreError(
        '\n'.join(
          [
            *head,
            f'Run with --redo={",".join(differing)} to make it anew, with what'
            ' follows from it, or choose another --workdir to keep it.',
          ]
        )
      )
    store.write_json(
      self.data.workdir / 'config.json',
      {'config': config_lib.to_dict(self.config), **_versions()},
    )

  @contextlib.contextmanager
  def clock(self, name: str) -> Iterator[None]:
    """Adds the time spent to `seconds.json`: of all sessions, kills aside."""
    start = time.monotonic()
    yield
    if not self.leads:
      return
    spent = self.seconds
    spent[name] = spent.get(name, 0.0) + time.monotonic() - start
    store.write_json(self.data.workdir / 'seconds.json', spent)

  @property
  def seconds(self) -> dict[str, float]:
    path = self.data.workdir / 'seconds.json'
    return store.read_json(path) if path.exists() else {}

  # --- prepare, plan ---------------------------------------------------------

  def prepare(self) -> None:
    """Problems of all splits, from the seqio Tasks, to Parquet."""
    spec = self.config.task
    splits = ('train', 'validation', 'test')
    self._prepare(
      self.problems_stage(),
      spec.name,
      spec.data_dir,
      {split: getattr(spec, f'num_{split}') for split in splits},
    )
    for task in self.config.evaluate.transfer:
      numbers = {'test': self.config.evaluate.num_transfer}
      self._prepare(self.problems_stage(task), task, '', numbers)

  def _prepare(
    self,
    stage: store.Stage,
    task: str,
    data_dir: str,
    numbers: dict[str, int | None],
  ) -> None:
    with contextlib.suppress(store.StoreError):  # of other numbers: cheap
      if stages_lib.kept(stage):
        return
    stage.clear()
    from wcse_jax.runtime import children as child

    print(f'{stage.name}: preparing (TensorFlow starts, this takes a while)')
    result = child.run_child(
      'wcse_jax.seqio_tasks.prepare',
      {
        'task': task,
        'data_dir': data_dir,
        'out_dir': str(stage.path),
        'splits': {split: n for split, n in numbers.items() if n != 0},
      },
    )
    import pyarrow.parquet as pq

    made = stage.path / 'problems.parquet'
    stage.write_part(pq.read_table(made), store.PROBLEMS)
    made.unlink()
    stage.finish(**result)
    print(f'{stage.name}: {result["rows"]}')

  def plan(self) -> None:
    """Budgets in samples per problem, for each arm."""
    made = stages_lib.plan(self.config, len(self.train))
    store.write_json(self.data.workdir / 'plan' / 'plan.json', made.to_dict())
    for arm, by_budget in made.arms.items():
      counts = ', '.join(
        f'{budget} {" + ".join(map(str, allotment.samples.values()))}'
        for budget, allotment in by_budget.items()
        if allotment.samples
      )
      print(f'plan: {arm}: {counts or "no sampling"}')
    for note in made.notes:
      print(f'plan: {note}')

  # --- sample, verify --------------------------------------------------------

  def sample(self) -> None:
    """Every generator's pool, up to the largest number that an arm takes."""
    ready = f'{self.problems_stage().name} {self.problems_stage().fingerprint}'
    if self._replicas.spec.index:
      self._replicas.wait(ready, [0])
    else:
      self._replicas.announce(ready)
    pools = self.allotments.pools
    share = self._replicas.spec.share(self.train)
    missing = {
      generator: workbench.missing(
        self.pool_stage(generator), list(self._requests(generator, share, n))
      )
      for generator, n in pools.items()
    }
    imported = {  # all, before anything is committed
      generator: self._imported(generator, n, missing[generator])
      for generator, n in pools.items()
      if self._file(generator) and missing[generator]
    }
    for generator, n in pools.items():
      stage = self.pool_stage(generator)
      if missing[generator]:
        self._sample_share(
          generator, missing[generator], imported.get(generator)
        )
      else:
        print(f'{stage.name}: kept, all {n * len(share):,} samples are there')
      shared = f'{stage.name} {stage.fingerprint} {n} x {len(self.train)}'
      self._replicas.announce(shared)
      if self._replicas.spec.index:
        continue
      self._replicas.wait(shared)
      total = n * len(self.train)
      if workbench.missing(
        stage, list(self._requests(generator, self.train, n))
      ):
        raise store.StoreError(
          f'{stage.path} lacks samples, though every replica says it is done:'
          ' run the same command again, with the same --replicas'
        )
      manifest = stage.manifest() if stage.is_complete() else None
      if not manifest or manifest['rows'] != total:
        stage.finish(rows=total)

  def _requests(
    self, generator: str, problems: Sequence[Problem], n: int
  ) -> Iterator[Any]:
    from wcse_jax import sampling

    for problem in problems:
      for index in range(n):
        yield sampling.Request(
          problem_id=problem.problem_id,
          sample_index=index,
          prompt=problem.prompt,
          temperature=self.temperature(generator),
        )

  def _sample_share(
    self,
    generator: str,
    missing: Sequence[Any],
    imported: Sequence[Sample] | None,
  ) -> None:
    """Draws what is missing of this host's problems, unless a file has it."""
    stage = self.pool_stage(generator)
    verified = self.verify_stage(generator)
    if len(workbench.missing(verified, missing)) < len(missing):
      verified.clear()  # verdicts on samples that were lost
    if imported is not None:
      about = lambda: {'external': self._file(generator)}
      self.commit(
        stage, store.SAMPLES, imported, len(imported), 'samples', about
      )
      return
    role = arms.role(generator)
    sampler = self.sampler(role, self.task.prefix, ['train'])
    known = collections.defaultdict(list)
    if stage.has_parts():
      for sample in self.samples(generator):
        known[sample.problem_id].append(sample.num_tokens)
    committed = dataclasses.replace(sampler.ledger)

    def about() -> dict[str, Any]:
      """What this part cost, and what it was made on."""
      nonlocal committed
      spent = sampler.ledger.plus(committed, -1)
      committed = dataclasses.replace(sampler.ledger)
      return {
        'ledger': dataclasses.asdict(spent),
        'device': self.device,
        'mesh': dataclasses.asdict(self.config.mesh),
        'slots': self.config.sampling.slots,
        'replica': self._replicas.spec.index,
      }

    with self._verifying(generator) as verify:
      self.commit(
        stage,
        store.SAMPLES,
        sampler.stream(
          missing,
          generator=generator,
          expected={key: sum(v) / len(v) for key, v in known.items()},
        ),
        len(missing),
        'samples',
        about,
        verify,
      )
    spent = sampler.ledger
    print(
      f'{stage.name}: {len(missing):,} samples, {spent.tokens:,} tokens in'
      f' {spent.seconds:.0f} s ({spent.tokens / spent.seconds:,.0f} tokens/s)'
    )

  def _file(self, generator: str) -> str:
    return stages_lib.external_file(self.config, arms.role(generator))

  def _imported(
    self, generator: str, n: int, missing: Sequence[Any]
  ) -> list[Sample]:
    """Returns the missing samples of a file that has n of every problem."""
    stage, path = self.pool_stage(generator), self._file(generator)
    found = external.read(
      [pathlib.Path(path)],
      {getattr(self.config, arms.role(generator)): generator},
      [p.problem_id for p in self.train],
    )
    listing = stage.path / 'bad_rows.txt'
    if found.bad_rows:
      store.commit(listing, f'{found.listing()}\n'.encode())
      raise external.ExternalError(
        f'{path}: {len(found.bad_rows):,} of'
        f' {len(found.bad_rows) + len(found.samples):,} rows are no samples:\n'
        + ''.join(f'  {line}\n' for line in found.listing().splitlines()[:5])
        + f'All are listed in {listing}; the problems are those of'
        f' {self.problems_stage().path} with the split train'
        f' (config.task.num_train = {self.config.task.num_train}).\nCorrect the'
        ' rows or take them out, and run the same command again.'
      )
    listing.unlink(missing_ok=True)
    external.require(
      found.samples,
      generator,
      [p.problem_id for p in self.train],
      n,
      functools.partial(stages_lib.budget_for, self.config, generator),
    )
    wanted = {(m.problem_id, m.sample_index) for m in missing}
    rows = [
      s for s in found.samples if (s.problem_id, s.sample_index) in wanted
    ]
    print(
      f'{stage.name}: {len(rows):,} of {len(found.samples):,} samples of {path}'
      f' ({n} of each problem are planned)'
    )
    return rows

  @contextlib.contextmanager
  def _verifying(
    self, generator: str
  ) -> Iterator[Callable[[Sequence[Sample]], Any]]:
    """Yields a function that verifies committed samples while others are drawn.

    What it does not come to, or fails at, is left to the stage `verify`; only
    that of another host than the first is waited for.
    """
    if 'verify' not in self._stages:
      yield lambda samples: None
      return
    stage = self.verify_stage(generator)

    def verify(samples: Sequence[Sample]) -> None:
      about = workbench.worker_seconds(graders)
      rows = store.to_table(self._graded(samples, graders), store.VERDICTS)
      stage.write_part(rows, store.VERDICTS, about())

    with self.graders() as graders, futures.ThreadPoolExecutor(1) as thread:
      done: list[futures.Future] = []
      finished = False
      try:
        yield lambda samples: done.append(thread.submit(verify, list(samples)))
        finished = True
      finally:
        wait = finished and self._replicas.spec.index > 0
        thread.shutdown(cancel_futures=not wait)
    for future in done:
      if not future.cancelled() and (error := future.exception()):
        print(f'{stage.name}: {error}; the stage verify tries again')

  def _graded(
    self, samples: Sequence[Sample], graders: Any
  ) -> Iterator[Verdict]:
    from wcse_jax.stages import evaluation

    for sample, grade in evaluation.grade(
      self.task.name, samples, self._train_by_id, graders
    ):
      yield Verdict(
        generator=sample.generator,
        problem_id=sample.problem_id,
        sample_index=sample.sample_index,
        **grade._asdict(),
      )

  @functools.cached_property
  def _train_by_id(self) -> dict[str, Problem]:
    return {p.problem_id: p for p in self.train}

  def verify(self) -> None:
    """A verdict on every sample that has none yet."""
    for generator in self.allotments.pools:
      stage = self.verify_stage(generator)
      samples = self._of_train(generator)
      missing = workbench.missing(stage, samples)
      if not missing:
        print(f'{stage.name}: kept, all {len(samples):,} verdicts are there')
        if samples and not stage.is_complete():  # killed just before
          stage.finish(rows=len(samples))
        continue
      with self.graders() as graders:
        verdicts = self._graded(missing, graders)
        self.commit(
          stage,
          store.VERDICTS,
          verdicts,
          len(missing),
          'verdicts',
          workbench.worker_seconds(graders),
        )
      stage.finish(rows=len(samples))
    self.forget_models()  # the generators'
    if self.config.judge:
      self._judge()

  def _judge(self) -> None:
    """The judge's verdict on samples whose answer is right, or on all."""
    from wcse_jax.sampling import judge

    for generator, n in self.allotments.pools.items():
      stage = self.judge_stage(generator)
      missing = workbench.missing(stage, self._to_judge(generator, n))
      if not missing:
        print(f'{stage.name}: kept, all judgements are there')
        continue
      asked = judge.sampler(
        self.model('judge'),
        slots=self.config.sampling.slots,
        mesh=self.mesh(),
        dtype=self.config.sampling.dtype,
      )
      verdicts = (
        Verdict(
          generator=generator,
          problem_id=made.sample.problem_id,
          sample_index=made.sample.sample_index,
          verdict=made.verdict,
          answer=made.answer,
          rule='judge',
          sound=None,
        )
        for made in judge.judge(asked, missing, self._train_by_id)
      )
      self.commit(stage, store.VERDICTS, verdicts, len(missing), 'judgements')
      stage.finish()
    self.forget_models()

  def _to_judge(self, generator: str, n: int) -> list[Sample]:
    """Samples to judge: all, if that decides; else a seeded few, nested."""
    samples = [s for s in self._of_train(generator) if s.sample_index < n]
    if any(self.keep(mix) == 'judge' for mix in self.mixes()):
      return samples
    right = {
      (v.problem_id, v.sample_index)
      for v in self.verdicts(generator)
      if v.verdict == 'correct'
    }

    def rank(sample: Sample) -> bytes:
      name = f'{self.config.seed}/{sample.problem_id}/{sample.sample_index}'
      return hashlib.sha256(name.encode()).digest()

    samples = [s for s in samples if (s.problem_id, s.sample_index) in right]
    return sorted(samples, key=rank)[: self.config.verify.num_judged]

  def _of_train(self, generator: str) -> list[Sample]:
    """A pool's samples of these problems: another run may have had more."""
    samples = self.samples(generator)
    return [s for s in samples if s.problem_id in self._train_by_id]

  # --- curate, finetune ------------------------------------------------------

  def curate(self) -> None:
    """The packed training table of every mix."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from wcse_jax.finetuning import packing
    from wcse_jax.models import checkpoint
    from wcse_jax.models.tokenizer import Tokenizer
    from wcse_jax.runtime.children import TaskError

    row_tokens = self.config.finetune.row_tokens
    *_, vocabulary = checkpoint.files(
      self.config.student, self.config.checkpoints.student
    )
    for mix in self.mixes():
      stage = self.curate_stage(mix)
      if stages_lib.kept(stage):
        continue
      drawn = self.allotments.arms[mix.arm][mix.budget].samples
      keep = self.keep(mix)
      decide = self.judgements if keep == 'judge' else self.verdicts
      examples = curation.select(
        mix.arm,
        drawn,
        [sample for pool in drawn for sample in self.samples(pool)],
        [verdict for pool in drawn for verdict in decide(pool)],
        self.train,
        budget=mix.budget,
        keep=keep,
      )
      sink = pa.BufferOutputStream()
      pq.write_table(store.to_table(examples, store.EXAMPLES), sink)
      path = stage.path / 'examples.parquet'
      store.commit(path, sink.getvalue().to_pybytes())
      tokenizer = Tokenizer(vocabulary)
      texts = ((e.prompt, e.completion) for e in examples)
      pairs = packing.encode(texts, tokenizer)
      packed = packing.pack(pairs, row_tokens, bos=tokenizer.bos)
      if not packed.examples:
        raise TaskError(
          f'{path}: none of {packed.dropped} examples of the mix {mix} fits '
          f'config.finetune.row_tokens = {row_tokens}; raise that'
        )
      for old in stage.path.glob('part-*.parquet'):
        old.unlink()  # of a run that was killed here
      table = packed.table()
      stage.write_part(table, table.schema)
      stage.finish(**packed.counts())
      print(
        f'{stage.name}: {packed.examples:,} examples'
        f' in {packed.counts()["rows"]:,} rows'
        + (f', {packed.dropped} too long' if packed.dropped else '')
      )

  def finetune(self) -> None:
    """One student per mix."""
    from wcse_jax.finetuning import batches, loop, processes

    for student in self.students():
      stage = self.finetune_stage(student)
      if processes.agreed(self.leads and stages_lib.kept(stage)):
        continue
      if self.leads:
        stage.claim()
      assert student.mix
      curated = self.curate_stage(student.mix)
      stages_lib.need(curated, 'curate')
      plan = batches.make(
        batches.columns(curated.read_parts()),
        batch_size=self.config.finetune.batch_size,
        steps=self.config.steps(student.mix.budget),
        seed=self.config.seed + student.seed,
      )
      steps: list[int] = []
      for rate, folder in self.runs(student):
        name = (
          stage.name if folder == stage.path else f'{stage.name} at {rate:g}'
        )
        with progress.bar(name, plan.num_batches, 'batches') as bar:
          steps = loop.finetune(
            self.model_to_finetune(),
            plan,
            self.config.finetune,
            folder,
            learning_rate=rate,
            donate=True,
            progress=functools.partial(progress.advance, bar),
          )
      if self.leads:
        stage.finish(
          checkpoints=steps,
          batches=plan.num_batches,
          rows_per_batch=plan.rows,
          examples=plan.examples,
        )

  def evaluate(self) -> None:
    """The best checkpoint of each student by validation, then the tests."""
    todo = {
      student: tests
      for student in (stages_lib.Student(), *self.students())
      if (
        tests := [
          test
          for test in self.tests
          if not stages_lib.kept(self.evaluate_stage(student, test))
        ]
      )
    }
    if not todo:
      return
    own = self.sampler('student', '', ['validation', 'test'])
    samplers = {
      test: self.sampler('student', '', [test])
      for test in self.config.evaluate.transfer
      if any(test in tests for tests in todo.values())
    }
    with self.graders() as graders:
      for student, tests in todo.items():
        params, chosen = None, {'best_step': None, 'validation': []}
        if student.mix:
          params, chosen = self._select(student, own, graders)
        for test in tests:
          stage = self.evaluate_stage(student, test)
          answers = self._answers(
            stage, str(student), params, test, samplers.get(test, own), graders
          )
          stage.write_json(
            'metrics.json',
            {**chosen, 'answers': [dataclasses.asdict(a) for a in answers]},
          )
          stage.finish()

  def _select(self, student: stages_lib.Student, sampler, graders):
    """Returns the best checkpoint's parameters, and what it was chosen by."""
    from wcse_jax.finetuning import loop
    from wcse_jax.stages import evaluation

    trained = self.finetune_stage(student)
    stages_lib.need(trained, 'finetune')
    stage = self.evaluate_stage(student, 'validation')
    model, spec = self.model('student'), self.config.finetune
    accuracy: dict[tuple[float, int], float] = {}
    for rate, folder in self.runs(student):
      for step in (trained.manifest() or {})['checkpoints']:
        name = f'{student}@{step}'
        answers = self._answers(
          stage,
          name if folder == trained.path else f'{name}@{rate:g}',
          lambda folder=folder, step=step: loop.student(
            model, spec, folder, step
          ),
          'validation',
          sampler,
          graders,
        )
        accuracy[rate, step] = evaluation.accuracy(answers)
    rate, step = evaluation.best(accuracy)
    stage.finish(
      accuracy=[[*key, value] for key, value in sorted(accuracy.items())]
    )
    params = loop.student(model, spec, dict(self.runs(student))[rate], step)
    return params, {
      'best_step': step,
      'best_rate': rate,
      'validation': [
        [s, a] for (r, s), a in sorted(accuracy.items()) if r == rate
      ],
    }

  def _answers(
    self, stage: store.Stage, name: str, params, split: str, sampler, graders
  ):
    """Samples what is missing of a split, commits it, and grades all of it."""
    from wcse_jax.stages import evaluation

    problems = self.problems[split]
    number = 0 if split == 'validation' else self.config.evaluate.num_samples
    wanted = evaluation.requests(
      problems, number, self.config.sampling.temperature
    )
    missing = workbench.missing(stage, wanted, name)
    if missing:
      rows = sampler.stream(
        missing,
        generator=f'student/{name}',
        params=params() if callable(params) else params,
      )
      self.commit(
        stage,
        store.SAMPLES,
        (dataclasses.replace(row, generator=name) for row in rows),
        len(missing),
        'samples',
      )
    rows = store.from_table(stage.read_parts(), Sample)
    return evaluation.collect(
      self.task_of(split).name,
      [row for row in rows if row.generator == name],
      problems,
      graders,
    )

  # --- report ----------------------------------------------------------------

  def report(self) -> None:
    """results.json, the page, its figures, and a summary in the terminal."""
    from wcse_jax import report
    from wcse_jax.report import summary
    from wcse_jax.stages import outcome

    about = {
      'command': self._command,
      'started': self._started.isoformat('T', 'seconds'),
      'device': self.device,
      'seconds': self.seconds,
      **_versions(),
    }
    results = outcome.results(self, about)
    index = report.write(results, self.data.workdir / 'report')
    print(summary.text(results))
    print(f'report: {index}')


def _versions() -> dict[str, Any]:
  """Versions of what decides results, and the git revision if there is one."""
  names = ('jax', 'flax', 'optax', 'orbax-checkpoint', 'seqio', 'numpy')
  revision = ''
  with contextlib.suppress(OSError):  # no git
    revision = subprocess.run(
      ['git', 'describe', '--always', '--dirty'],
      cwd=pathlib.Path(__file__).parent,
      capture_output=True,
      text=True,
      check=False,
    ).stdout.strip()
  return {
    'versions': {
      'wcse_jax': wcse_jax.__version__,
      'python': platform.python_version(),
      **{name: metadata.version(name) for name in names},
    },
    'git': revision,
  }
