"""The paper on one page: problems, plan, samples, verdicts, students, report.

Each stage reads what the stages before it committed to the workdir, calls a
core that knows nothing of files, and commits. A stage that is complete is
kept; one that was interrupted goes on.
"""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
import contextlib
import dataclasses
import datetime
import functools
import hashlib
from importlib import metadata
import itertools
import os
import pathlib
import platform
import subprocess
import sys
import time
from typing import Any

import tqdm

import wcse_jax
from wcse_jax import budget as budget_lib
from wcse_jax import config as config_lib
from wcse_jax import curation, replicas, store, tasks
from wcse_jax.config import Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.records import Problem, Sample, Verdict

BUDGETS = ('low', 'high')


def check(config: Config) -> None:
  """Raises ConfigError for what a config names but does not exist."""
  if config.task.name not in tasks.TASKS:
    raise ConfigError(
      'task.name', config.task.name, f'known: {", ".join(tasks.TASKS)}'
    )
  for role in _roles(config):
    name = getattr(config, role)
    if name not in presets.PRESETS:
      raise ConfigError(role, name, f'known: {", ".join(presets.PRESETS)}')
  pools = plan(config, num_problems=config.task.num_train or 0).pools
  others = [r for r in ('student', 'judge') if getattr(config, r)]
  for role in (*pools, *others):
    name = getattr(config, role)
    folder = getattr(config.checkpoints, role)
    if not folder and not presets.PRESETS[name].source:
      raise ConfigError(
        f'checkpoints.{role}',
        folder,
        f'{name} comes without weights: name a folder that holds its'
        ' params.safetensors and tokenizer.model',
      )
    if folder and not (pathlib.Path(folder) / 'params.safetensors').is_file():
      raise ConfigError(
        f'checkpoints.{role}', folder, 'it holds no params.safetensors'
      )


def plan(config: Config, num_problems: int) -> budget_lib.Plan:
  """Returns who samples how much."""
  models = {
    role: presets.PRESETS[getattr(config, role)]
    for role in _roles(config)
    if role in ('wc', 'se')
  }
  return budget_lib.plan(
    config.arms,
    {name: getattr(config.budget, name) for name in BUDGETS},
    {role: m.cost_params for role, m in models.items()},
    {role: float(m.config.num_params) for role, m in models.items()},
    num_problems,
  )


def _roles(config: Config) -> list[str]:
  """Returns the models that a config uses: of 'wc', 'se', 'student'."""
  used = [budget_lib.ARMS[arm] for arm in config.arms]
  generators = {arm.generator for arm in used}
  if any(arm.matching == 'compute' for arm in used):
    generators.add('se')  # its size
  roles = [role for role in ('wc', 'se') if role in generators]
  return roles + [r for r in ('student', 'judge') if getattr(config, r)]


def run(
  config: Config,
  workdir: pathlib.Path,
  stages: Sequence[str] | None = None,
  redo: Sequence[str] = (),
  command: str = '',
  replica: replicas.Spec | None = None,
) -> None:
  """Runs an experiment, or what is left of it.

  Args:
    config: The experiment.
    workdir: Where everything goes.
    stages: Which of `config.STAGES` to run; None is all.
    redo: Stages ('finetune') or parts of them ('sample/wc') to forget first.
    command: As typed, for the report.
    replica: Which of several hosts that share the workdir; all of them sample,
      the first does all else.

  Raises:
    ConfigError: The config names what does not exist.
    StoreError: The workdir holds another experiment's results, or is in use.
    ReplicaError: A host is missing.
  """
  check(config)
  workdir, replica = pathlib.Path(workdir), replica or replicas.Spec()
  data = store.Store(workdir, (replica.index, replica.count))
  with data.lock(), replicas.Replicas(workdir, replica) as others:
    experiment = _Experiment(config, data, command, others)
    if replica.index:
      if stages is None or 'sample' in stages:
        experiment.sample()
      print(f'replica {replica.index}: done; replica 0 does the rest')
      return
    for name in redo:
      _forget(data, config, name)
    experiment.begin(config_lib.STAGES if stages is None else stages)
    for name in config_lib.STAGES:
      if stages is not None and name not in stages:
        continue
      if name in ('curate', 'finetune', 'evaluate') and not config.student:
        continue
      with experiment.clock(name):
        getattr(experiment, name)()


def _forget(data: store.Store, config: Config, redo: str) -> None:
  """Clears a stage, or a part of it, and what was made from it.

  A redone `prepare` keeps pools: they are of problems, not of their number.
  """
  stage, _, part = redo.partition('/')
  stage = {'problems': 'prepare'}.get(stage, stage)
  if (part and not (data.workdir / redo).is_dir()) or '..' in redo:
    raise store.StoreError(f'--redo={redo}: {data.workdir} has no such stage')
  order = ('sample', 'verify', 'curate', 'finetune', 'evaluate')
  later = order[order.index(stage) + 1 :] if stage in order else ()
  mix = part.removeprefix(f'{config.student}-')
  made_of_pool = [
    f'{arm}-{budget}'
    for arm, budget in itertools.product(config_lib.ARM_NAMES, BUDGETS)
    if budget_lib.ARMS[arm].generator == part
  ]
  for path in sorted(data.workdir.glob('*/*/')):
    kind, name = path.parent.name, path.name
    of_mix = name.removeprefix(f'{config.student}-')
    if kind == ('problems' if stage == 'prepare' else stage):
      hit = part in ('', name)
    else:
      hit = kind in later and (
        not part or part == name or mix == of_mix or of_mix in made_of_pool
      )
    if hit:
      data.stage(f'{kind}/{name}', {}).clear()
      print(f'{kind}/{name}: forgotten (--redo={redo})')


class _Experiment:
  """The stages. Each property reads what an earlier stage committed."""

  def __init__(
    self,
    config: Config,
    data: store.Store,
    command: str,
    others: replicas.Replicas,
  ):
    self.config = config
    self.data = data
    self.replicas = others
    self.command = command
    self.started = datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds')
    self.task = tasks.TASKS[config.task.name]
    print(
      f'wcse_jax {wcse_jax.__version__} on {self._device},'
      f' workdir {data.workdir}'
    )

  def begin(self, stages: Sequence[str]) -> None:
    """Checks the stages to run and the devices before anything is done.

    Raises:
      ConfigError: The mesh does not fit the devices.
      StoreError: A stage was made with other settings; all such are named.
    """
    from wcse_jax.models import sharding

    mesh = self.config.mesh
    try:
      sharding.make_mesh(mesh.data, mesh.tensor)
    except ValueError as e:
      raise ConfigError('mesh.data', mesh.data, str(e)) from e
    differing, message = [], ''
    for stage in self._stages():
      if stage.name.split('/')[0] not in stages:
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

  def _stages(self) -> Iterator[store.Stage]:
    """Yields the stages that cost something, in order."""
    for generator in self.allotments.pools:
      yield self._pool_stage(generator)
      yield self._verify_stage(generator)
    if not self.config.student:
      return
    for _, arm, budget in self._mixes():
      yield self._curate_stage(arm, budget)
      yield self._finetune_stage(arm, budget)
    for student, arm, budget in self._students():
      if arm:
        yield self._evaluate_stage(student, arm, budget, 'validation')
      yield self._evaluate_stage(student, arm, budget, 'test')

  @contextlib.contextmanager
  def clock(self, name: str) -> Iterator[None]:
    """Adds the time spent to `seconds.json`: of all sessions, kills aside."""
    start = time.monotonic()
    yield
    spent = self.seconds
    spent[name] = spent.get(name, 0.0) + time.monotonic() - start
    store.write_json(self.data.workdir / 'seconds.json', spent)

  @property
  def seconds(self) -> dict[str, float]:
    path = self.data.workdir / 'seconds.json'
    return store.read_json(path) if path.exists() else {}

  # --- prepare, plan ---------------------------------------------------------

  @property
  def _problems_stage(self) -> store.Stage:
    spec = dataclasses.asdict(self.config.task)
    del spec['data_dir']  # its files' sums are checked
    return self.data.stage(f'problems/{self.task.name}', spec)

  def prepare(self) -> None:
    """Problems of all splits, from the seqio Task, to Parquet."""
    stage, spec = self._problems_stage, self.config.task
    with contextlib.suppress(store.StoreError):  # of other numbers: cheap
      if _kept(stage):
        return
    stage.clear()
    from wcse_jax.tasks import child

    print(f'{stage.name}: preparing (TensorFlow starts, this takes a while)')
    result = child.run_child(
      'wcse_jax.tasks.prepare',
      {
        'task': spec.name,
        'data_dir': spec.data_dir,
        'out_dir': str(stage.path),
        'splits': {
          split: getattr(spec, f'num_{split}')
          for split in ('train', 'validation', 'test')
          if getattr(spec, f'num_{split}') != 0
        },
      },
    )
    import pyarrow.parquet as pq

    made = stage.path / 'problems.parquet'
    stage.write_part(pq.read_table(made), store.PROBLEMS)
    made.unlink()
    stage.finish(**result)
    print(f'{stage.name}: {result["rows"]}')

  @functools.cached_property
  def problems(self) -> dict[str, list[Problem]]:
    """The problems of each split."""
    stage = self._problems_stage
    _need(stage, 'prepare')
    rows = store.from_table(stage.read_parts(), Problem)
    return {
      split: [row for row in rows if row.split == split]
      for split in ('train', 'validation', 'test')
    }

  @functools.cached_property
  def allotments(self) -> budget_lib.Plan:
    """Who samples how much per problem."""
    return plan(self.config, 0)

  def plan(self) -> None:
    """Budgets in samples per problem, for each arm."""
    made = plan(self.config, len(self.problems['train']))
    store.write_json(self.data.workdir / 'plan' / 'plan.json', made.to_dict())
    for arm, by_budget in made.arms.items():
      counts = ', '.join(
        f'{budget} {allotment.samples}'
        for budget, allotment in by_budget.items()
        if allotment.generator
      )
      print(f'plan: {arm}: {counts or "no sampling"}')
    for note in made.notes:
      print(f'plan: {note}')

  # --- sample, verify --------------------------------------------------------

  @functools.cache  # noqa: B019
  def _model(self, role: str):
    from wcse_jax.models import checkpoint

    return checkpoint.load(
      getattr(self.config, role),
      getattr(self.config.checkpoints, role),
      self.config.sampling.dtype if role != 'student' else 'float32',
    )

  @functools.cache  # noqa: B019
  def _model_identity(self, role: str) -> dict[str, str]:
    from wcse_jax.models import checkpoint

    name = getattr(self.config, role)
    files = checkpoint.files(name, getattr(self.config.checkpoints, role))
    weights, vocabulary = (_sha256(path) for path in files)
    return {'model': name, 'weights': weights, 'tokenizer': vocabulary}

  def _sampling_identity(self) -> dict[str, Any]:
    """What, with model and prompt, determines a sample's text."""
    sampling = dataclasses.asdict(self.config.sampling)
    for name in ('slots', 'shard_rows'):
      del sampling[name]
    return {
      **sampling,
      'task': self.task.name,
      'prompt_format': self.task.prompt_format,
      'seed': self.config.seed,
      'stop_strings': list(self.task.stop_strings),
    }

  @functools.cache  # noqa: B019
  def _pool_stage(self, generator: str) -> store.Stage:
    spec = {
      **self._model_identity(generator),
      **self._sampling_identity(),
      'prefix': self.task.prefix,
    }
    return self.data.stage(f'sample/{generator}', spec)

  def _verify_stage(self, generator: str) -> store.Stage:
    return self.data.stage(
      f'verify/{generator}',
      {'task': self.task.name, 'timeout_s': self.config.verify.timeout_s},
      [self._pool_stage(generator).fingerprint],
    )

  def _sampler(self, role: str, prefix: str, splits: Sequence[str]):
    """Returns a sampler with room for the problems of the splits."""
    from wcse_jax.models import sharding
    from wcse_jax.sampling import engine

    model, spec = self._model(role), self.config.sampling
    prompts = [p.prompt for split in splits for p in self.problems[split]]
    mesh = self.config.mesh
    return engine.Sampler(
      model,
      prefix=prefix,
      stop_strings=self.task.stop_strings,
      max_new_tokens=spec.max_new_tokens,
      max_prompt_tokens=max(len(model.tokenizer.encode(p)) for p in prompts),
      top_k=spec.top_k,
      top_p=spec.top_p,
      slots=spec.slots,
      seed=self.config.seed,
      mesh=sharding.make_mesh(mesh.data, mesh.tensor),
      dtype=spec.dtype,
    )

  def sample(self) -> None:
    """Every generator's pool, up to the largest number that an arm takes."""
    ready = f'{self._problems_stage.name} {self._problems_stage.fingerprint}'
    if self.replicas.spec.index:
      self.replicas.wait(ready, [0])
    else:
      self.replicas.announce(ready)
    for generator, n in self.allotments.pools.items():
      stage = self._pool_stage(generator)
      self._sample_share(generator, n)
      shared = f'{stage.name} {stage.fingerprint} {n} x {len(self._train)}'
      self.replicas.announce(shared)
      if self.replicas.spec.index:
        continue
      self.replicas.wait(shared)
      total = n * len(self._train)
      if _missing(stage, list(self._requests(self._train, n))):
        raise store.StoreError(
          f'{stage.path} lacks samples, though every replica says it is done:'
          ' run the same command again, with the same --replicas'
        )
      manifest = stage.manifest() if stage.is_complete() else None
      if not manifest or manifest['rows'] != total:
        stage.finish(rows=total)

  @property
  def _train(self) -> list[Problem]:
    return self.problems['train']

  def _requests(self, problems: Sequence[Problem], n: int) -> Iterator[Any]:
    from wcse_jax import sampling

    for problem in problems:
      for index in range(n):
        yield sampling.Request(
          problem_id=problem.problem_id,
          sample_index=index,
          prompt=problem.prompt,
          temperature=self.config.sampling.temperature,
        )

  def _sample_share(self, generator: str, n: int) -> None:
    """Draws what is missing of this host's problems."""
    stage = self._pool_stage(generator)
    wanted = list(self._requests(self.replicas.spec.share(self._train), n))
    missing = _missing(stage, wanted)
    if not missing:
      print(f'{stage.name}: kept, all {len(wanted):,} samples are there')
      return
    verified = self._verify_stage(generator)
    if len(_missing(verified, missing)) < len(missing):
      verified.clear()  # verdicts on samples that were lost
    sampler = self._sampler(generator, self.task.prefix, ['train'])
    known = collections.defaultdict(list)
    if stage.has_parts():
      for sample in self._samples(generator):
        known[sample.problem_id].append(sample.num_tokens)
    committed = dataclasses.replace(sampler.ledger)

    def about() -> dict[str, Any]:
      """What this part cost, and what it was made on."""
      nonlocal committed
      spent = sampler.ledger.plus(committed, -1)
      committed = dataclasses.replace(sampler.ledger)
      return {
        'ledger': dataclasses.asdict(spent),
        'device': self._device,
        'mesh': dataclasses.asdict(self.config.mesh),
        'slots': self.config.sampling.slots,
        'replica': self.replicas.spec.index,
      }

    self._commit(
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
    )
    spent = sampler.ledger
    print(
      f'{stage.name}: {len(missing):,} samples, {spent.tokens:,} tokens in'
      f' {spent.seconds:.0f} s ({spent.tokens / spent.seconds:,.0f} tokens/s)'
    )

  def _samples(self, generator: str) -> list[Sample]:
    rows = self._pool_stage(generator).read_parts()
    return store.from_table(rows, Sample)

  def _verdicts(self, generator: str) -> list[Verdict]:
    rows = self._verify_stage(generator).read_parts()
    return store.from_table(rows, Verdict)

  def verify(self) -> None:
    """A verdict on every sample."""
    from wcse_jax import evaluation

    by_id = {p.problem_id: p for p in self.problems['train']}
    for generator in self.allotments.pools:
      stage = self._verify_stage(generator)
      samples = [s for s in self._samples(generator) if s.problem_id in by_id]
      missing = _missing(stage, samples)
      if not missing:
        print(f'{stage.name}: kept, all {len(samples):,} verdicts are there')
        if samples and not stage.is_complete():  # killed just before
          stage.finish(rows=len(samples))
        continue
      with self._graders() as graders:
        verdicts = (
          Verdict(
            generator=generator,
            problem_id=sample.problem_id,
            sample_index=sample.sample_index,
            **grade._asdict(),
          )
          for sample, grade in evaluation.grade(
            self.task.name, missing, by_id, graders
          )
        )
        self._commit(stage, store.VERDICTS, verdicts, len(missing), 'verdicts')
      stage.finish(rows=len(samples))
    self._model.cache_clear()  # the generators' weights
    if self.config.judge:
      self._judge()

  def _judge_stage(self, generator: str) -> store.Stage:
    from wcse_jax import judge

    return self.data.stage(
      f'judge/{generator}',
      {
        **self._model_identity('judge'),
        'prompt': judge.PREFIX + judge.PROMPT,
        'dtype': self.config.sampling.dtype,
      },
      [self._pool_stage(generator).fingerprint],
    )

  def _judge(self) -> None:
    """The judge's verdict on samples whose answer is right, or on all."""
    from wcse_jax import judge
    from wcse_jax.models import sharding

    by_id = {p.problem_id: p for p in self._train}
    for generator, n in self.allotments.pools.items():
      stage = self._judge_stage(generator)
      missing = _missing(stage, self._to_judge(generator, n))
      if not missing:
        print(f'{stage.name}: kept, all judgements are there')
        continue
      mesh = self.config.mesh
      asked = judge.sampler(
        self._model('judge'),
        slots=self.config.sampling.slots,
        mesh=sharding.make_mesh(mesh.data, mesh.tensor),
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
        for made in judge.judge(asked, missing, by_id)
      )
      self._commit(stage, store.VERDICTS, verdicts, len(missing), 'judgements')
      stage.finish()
    self._model.cache_clear()

  def _to_judge(self, generator: str, n: int) -> list[Sample]:
    """Samples to judge: all, if that decides; else a seeded few, nested."""
    by_id = {p.problem_id: p for p in self._train}
    samples = [
      s
      for s in self._samples(generator)
      if s.problem_id in by_id and s.sample_index < n
    ]
    if self.config.curate.keep == 'judge':
      return samples
    right = {
      (v.problem_id, v.sample_index)
      for v in self._verdicts(generator)
      if v.verdict == 'correct'
    }

    def rank(sample: Sample) -> bytes:
      name = f'{self.config.seed}/{sample.problem_id}/{sample.sample_index}'
      return hashlib.sha256(name.encode()).digest()

    samples = [s for s in samples if (s.problem_id, s.sample_index) in right]
    return sorted(samples, key=rank)[: self.config.verify.num_judged]

  def _judgements(self, generator: str) -> list[Verdict]:
    rows = self._judge_stage(generator).read_parts()
    return [] if rows is None else store.from_table(rows, Verdict)

  def _graders(self):
    from wcse_jax.verify import pool

    return pool.Pool(self.config.verify.workers, self.config.verify.timeout_s)

  def _commit(
    self,
    stage: store.Stage,
    schema: Any,
    rows: Iterable,
    total: int,
    unit: str,
    about: Callable[[], dict[str, Any]] = dict,
  ) -> None:
    """Commits rows in shards as they come; on an interrupt what there is.

    Args:
      stage: Where to.
      schema: Of the rows.
      rows: What to commit.
      total: How many they are, for progress.
      unit: What they are, for people.
      about: Tells how a part was made, when it is committed.
    """
    shard: list[Any] = []

    def flush():
      if shard:
        stage.write_part(store.to_table(shard, schema), schema, about())
        shard.clear()

    try:
      for row in _progress(rows, stage.name, total, unit):
        shard.append(row)
        if len(shard) == self.config.sampling.shard_rows:
          flush()
    finally:
      flush()

  # --- curate, finetune ------------------------------------------------------

  def _mixes(self) -> Iterator[tuple[str, str, str]]:
    """Yields (mix, arm, budget): what students are finetuned on."""
    for arm, budget in itertools.product(self.config.arms, BUDGETS):
      yield f'{arm}-{budget}', arm, budget

  def _curate_stage(self, arm: str, budget: str) -> store.Stage:
    allotment = self.allotments.arms[arm][budget]
    upstream = []
    if allotment.generator:
      upstream.append(self._verify_stage(allotment.generator).fingerprint)
      if self.config.curate.keep == 'judge':
        upstream.append(self._judge_stage(allotment.generator).fingerprint)
    return self.data.stage(
      f'curate/{arm}-{budget}',
      {
        'task': self.task.name,
        'num_train': self.config.task.num_train,
        'arm': arm,
        'keep': self.config.curate.keep,
        'samples': allotment.samples,
        'row_tokens': self.config.finetune.row_tokens,
        'tokenizer': self._model_identity('student')['tokenizer'],
      },
      upstream,
    )

  def curate(self) -> None:
    """The packed training table of every mix."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from wcse_jax.models import checkpoint
    from wcse_jax.tasks import child

    todo = {}
    for mix, arm, budget in self._mixes():
      stage = self._curate_stage(arm, budget)
      if _kept(stage):
        continue
      allotment = self.allotments.arms[arm][budget]
      generator = allotment.generator
      by_judge = self.config.curate.keep == 'judge'
      decide = self._judgements if by_judge else self._verdicts
      examples = curation.select(
        arm,
        allotment.samples,
        self._samples(generator) if generator else [],
        decide(generator) if generator else [],
        self.problems['train'],
        budget=budget,
        keep=self.config.curate.keep,
      )
      table = store.to_table(examples, store.EXAMPLES)
      sink = pa.BufferOutputStream()
      pq.write_table(table, sink)
      store.commit(
        stage.path / 'examples.parquet', sink.getvalue().to_pybytes()
      )
      todo[mix] = stage
    if not todo:
      return
    print(f'curate: packing {len(todo)} mixes (TensorFlow starts)')
    made = {mix: stage.path / '.packed.parquet' for mix, stage in todo.items()}
    _, vocabulary = checkpoint.files(
      self.config.student, self.config.checkpoints.student
    )
    result = child.run_child(
      'wcse_jax.tasks.curate',
      {
        'mixes': {
          mix: str(stage.path / 'examples.parquet')
          for mix, stage in todo.items()
        },
        'tokenizer': str(vocabulary),
        'row_tokens': self.config.finetune.row_tokens,
        'out': {mix: str(path) for mix, path in made.items()},
      },
    )
    for mix, stage in todo.items():
      for old in stage.path.glob('part-*.parquet'):
        old.unlink()  # of a run that was killed here
      packed = pq.read_table(made[mix])
      stage.write_part(packed, packed.schema)
      made[mix].unlink()
      stage.finish(**result[mix])
      print(
        f'{stage.name}: {result[mix]["examples"]:,} examples'
        f' in {result[mix]["rows"]:,} rows'
        + (f', {n} too long' if (n := result[mix]['dropped']) else '')
      )

  def _finetune_stage(self, arm: str, budget: str) -> store.Stage:
    spec = dataclasses.asdict(self.config.finetune)
    steps = spec[f'steps_{budget}']
    for name in BUDGETS:
      del spec[f'steps_{name}']
    return self.data.stage(
      f'finetune/{self.config.student}-{arm}-{budget}',
      {
        **self._model_identity('student'),
        **spec,
        'steps': steps,
        'seed': self.config.seed,
      },
      [self._curate_stage(arm, budget).fingerprint],
    )

  def finetune(self) -> None:
    """One student per mix."""
    from wcse_jax.finetuning import batches, loop
    from wcse_jax.models import sharding

    mesh = self.config.mesh
    for _, arm, budget in self._mixes():
      stage = self._finetune_stage(arm, budget)
      if _kept(stage):
        continue
      stage.claim()
      curated = self._curate_stage(arm, budget)
      _need(curated, 'curate')
      plan = batches.make(
        batches.columns(curated.read_parts()),
        batch_size=self.config.finetune.batch_size,
        steps=getattr(self.config.finetune, f'steps_{budget}'),
        seed=self.config.seed,
      )
      with _bar(stage.name, plan.num_batches, 'batches') as bar:
        steps = loop.finetune(
          self._model('student'),
          plan,
          self.config.finetune,
          stage.path,
          mesh=sharding.make_mesh(mesh.data, mesh.tensor),
          progress=lambda done, bar=bar: bar.update(done - bar.n),
        )
      stage.finish(
        checkpoints=steps,
        batches=plan.num_batches,
        rows_per_batch=plan.rows,
        examples=plan.examples,
      )

  # --- evaluate --------------------------------------------------------------

  def _students(self) -> Iterator[tuple[str, str, str]]:
    """Yields (student, arm, budget): the base model, then the finetuned."""
    yield 'base', '', ''
    yield from self._mixes()

  def _evaluate_stage(self, student: str, arm, budget, split: str):
    upstream = [self._finetune_stage(arm, budget).fingerprint] if arm else []
    spec = {
      f'num_{split}': getattr(self.config.task, f'num_{split}'),
      'timeout_s': self.config.verify.timeout_s,
      **self._model_identity('student'),
      **self._sampling_identity(),
      'num_samples': self.config.evaluate.num_samples if split == 'test' else 0,
    }
    name = self.task.name if split == 'test' else 'validation'
    return self.data.stage(
      f'evaluate/{self.config.student}-{student}/{name}', spec, upstream
    )

  def evaluate(self) -> None:
    """The best checkpoint of each student by validation, then the test."""
    todo = [s for s in self._students() if not self._evaluated(*s)]
    if not todo:
      return
    sampler = self._sampler('student', '', ['validation', 'test'])
    with self._graders() as graders:
      for student, arm, budget in todo:
        params, best, validation = None, None, {}
        if arm:
          params, best, validation = self._select(
            student, arm, budget, sampler, graders
          )
        stage = self._evaluate_stage(student, arm, budget, 'test')
        answers = self._answers(
          stage,
          student,
          params,
          self.problems['test'],
          self.config.evaluate.num_samples,
          sampler,
          graders,
        )
        stage.write_json(
          'metrics.json',
          {
            'best_step': best,
            'validation': sorted(validation.items()),
            'answers': [dataclasses.asdict(a) for a in answers],
          },
        )
        stage.finish()

  def _evaluated(self, student, arm, budget) -> bool:
    return _kept(self._evaluate_stage(student, arm, budget, 'test'))

  def _select(self, student, arm, budget, sampler, graders):
    """Returns the best checkpoint's parameters, step, and all accuracies."""
    from wcse_jax import evaluation
    from wcse_jax.finetuning import loop

    trained = self._finetune_stage(arm, budget)
    _need(trained, 'finetune')
    checkpoints = loop.Checkpoints(trained.path / 'checkpoints')
    stage = self._evaluate_stage(student, arm, budget, 'validation')
    like = self._model('student').params
    validation = {}
    with contextlib.closing(checkpoints):
      for step in (trained.manifest() or {})['checkpoints']:
        answers = self._answers(
          stage,
          f'{student}@{step}',
          lambda step=step: checkpoints.restore(step, like),
          self.problems['validation'],
          0,
          sampler,
          graders,
        )
        validation[step] = evaluation.accuracy(answers)
      stage.finish(accuracy=sorted(validation.items()))
      best = evaluation.best_step(validation)
      return checkpoints.restore(best, like), best, validation

  def _answers(
    self, stage, name, params, problems, num_samples, sampler, graders
  ):
    """Samples what is missing, commits it, and grades all of it."""
    from wcse_jax import evaluation

    wanted = evaluation.requests(
      problems, num_samples, self.config.sampling.temperature
    )
    missing = _missing(stage, wanted, name)
    if missing:
      rows = sampler.stream(
        missing,
        generator=f'student/{name}',
        params=params() if callable(params) else params,
      )
      self._commit(
        stage,
        store.SAMPLES,
        (dataclasses.replace(row, generator=name) for row in rows),
        len(missing),
        'samples',
      )
    rows = store.from_table(stage.read_parts(), Sample)
    return evaluation.collect(
      self.task.name,
      [row for row in rows if row.generator == name],
      problems,
      graders,
    )

  # --- report ----------------------------------------------------------------

  def report(self) -> None:
    """results.json, the page, its figures, and a summary in the terminal."""
    from wcse_jax import report
    from wcse_jax.report import summary

    results = self._results()
    index = report.write(results, self.data.workdir / 'report')
    print(summary.text(results))
    print(f'report: {index}')

  def _results(self) -> dict[str, Any]:
    from wcse_jax.report import labels, schema
    from wcse_jax.report import results as lib

    config, made, spec = self.config, self.allotments, self.config.report
    problems = self.problems['train']
    pools, ledger = {}, {}
    for generator, n in made.pools.items():
      samples = self._samples(generator)
      verdicts = self._verdicts(generator)
      judged = self._judgements(generator) if config.judge else []
      pools[generator] = lib.Pool(problems, samples, verdicts, judged)
      if not pools[generator].holds(n):
        raise store.StoreError(
          f'{self._verify_stage(generator).path} has no verdict on some'
          ' samples; run the stages sample and verify first'
        )
      ledger[generator] = lib.ledger_row(
        pools[generator], n, self._pool_stage(generator).infos()
      )
    right = {g: pools[g].correct(n) for g, n in made.pools.items()}
    self._label_page(labels.chosen(self._labels_of, right))
    said = labels.read(
      self.data.workdir / 'labels.json',
      self._labels_of,
      [sample for samples in right.values() for sample in samples],
    )
    for generator, pool in pools.items():
      pool.sound['people'] = {
        key[1:]: sound for key, sound in said.items() if key[0] == generator
      }
    tokens = {g: row['tokens'] / row['samples'] for g, row in ledger.items()}
    mean_tokens = sum(tokens.values()) / max(1, len(tokens))  # the rule's W
    arms: dict[str, Any] = {}
    for _, arm, budget in self._mixes():
      allotment = made.arms[arm][budget]
      generator = allotment.generator
      examples = None
      if config.student:
        manifest = self._curate_stage(arm, budget).manifest() or {}
        examples = manifest.get('examples')
      arms.setdefault(arm, {})[budget] = lib.arm_cell(
        pools[generator] if generator else self._reference_pool,
        generator,
        allotment.samples if generator else 1,
        label=budget_lib.ARMS[arm].label,
        params=made.params_nominal[generator] if generator else 0,
        exact_params=made.params_exact[generator] if generator else 0,
        mean_tokens=mean_tokens,
        tokens_per_s=ledger[generator]['tokens_per_s'] if generator else None,
        examples=examples,
        matched=self._matched(arm, budget),
        spec=spec,
        seed=config.seed,
      )
    students, answers = {}, {}
    for student, arm, budget in self._students() if config.student else []:
      stage = self._evaluate_stage(student, arm, budget, 'test')
      _need(stage, 'evaluate')
      found = stage.read_json('metrics.json')
      answers[student] = found['answers']
      examples, steps = 0, 0
      if arm:
        trained = self._finetune_stage(arm, budget)
        _need(trained, 'finetune')
        manifest = trained.manifest() or {}
        examples = manifest['examples']
        steps = manifest['batches']
      students[student] = {
        'arm': arm or 'base',
        'budget': budget,
        'examples': examples,
        'steps': steps,
        'best_step': found['best_step'],
        'validation': found['validation'],
        **lib.student_cell(
          answers[student], config.evaluate.ks, spec, config.seed
        ),
      }
    return {
      'schema_version': schema.VERSION,
      'run': {
        'name': config.name,
        'scale': config.scale,
        'task': self.task.name,
        'command': self.command,
        'started': self.started,
        'device': self._device,
        'seconds': self.seconds,
        'config': config_lib.to_dict(config),
        **_versions(),
      },
      'models': {role: self._model_row(role) for role in _roles(config)},
      'problems': {k: len(v) for k, v in self.problems.items()},
      'arms': arms,
      'students': students,
      'comparisons': self._comparisons(pools, answers),
      'paper': {f'rounding {i}': n for i, n in enumerate(made.notes, 1)},
      'samples_to_read': lib.to_read(pools, made.pools),
      'ledger': ledger,
      'agreement': lib.agreement(pools, spec, config.seed),
    }

  @functools.cached_property
  def _labels_of(self) -> str:
    """The run that labels belong to: its pools and its seed."""
    names = [self._pool_stage(g).fingerprint for g in self.allotments.pools]
    text = '/'.join([*sorted(names), str(self.config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]

  def _label_page(self, samples: Sequence[Sample]) -> None:
    from wcse_jax.report import labels

    by_id = {p.problem_id: p for p in self._train}
    page = labels.page(self._labels_of, samples, by_id)
    store.commit(self.data.workdir / 'report' / 'label.html', page.encode())

  @functools.cached_property
  def _reference_pool(self):
    """The human-written solutions, graded like any other."""
    from wcse_jax import verify
    from wcse_jax.report import results as lib

    samples, verdicts = [], []
    for p in self.problems['train']:
      key = {
        'generator': 'reference',
        'problem_id': p.problem_id,
        'sample_index': 0,
      }
      grade = verify.grade(
        self.task.name, gold=p.gold, text=p.solution, question=p.question
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
    return lib.Pool(self.problems['train'], samples, verdicts)

  def _comparisons(self, pools, answers) -> list[dict[str, Any]]:
    """Each arm against SE at the same budget, paired by problem."""
    from wcse_jax.report import results as lib

    rows = []
    for mix, arm, budget in self._mixes():
      anchor = f'se-{budget}'
      if arm == 'se' or 'se' not in self.config.arms:
        continue
      compare = functools.partial(
        lib.compare,
        mix,
        anchor,
        matched=self._matched(arm, budget),
        spec=self.config.report,
        seed=self.config.seed,
      )
      if mix in answers:
        rows.append(
          compare(
            'pass_at_1',
            lib.greedy_correct(answers[mix]),
            lib.greedy_correct(answers[anchor]),
          )
        )
        for k in self.config.evaluate.ks:
          rows.append(
            compare(
              f'maj_at_{k}',
              lib.majority_correct(answers[mix], k),
              lib.majority_correct(answers[anchor], k),
            )
          )
      allotment = self.allotments.arms[arm][budget]
      if allotment.generator:
        n = allotment.samples
        m = self.allotments.arms['se'][budget].samples
        pool, se = pools[allotment.generator], pools['se']
        for metric, f in (
          ('coverage', lib.coverage),
          ('diversity', lib.diversity),
        ):
          rows.append(compare(metric, f(pool, n, n), f(se, m, m)))
    return rows

  def _matched(self, arm: str, budget: str) -> bool:
    """Whether an arm costs what SE does, within 5%, by the paper's rule."""
    made = self.allotments
    allotment = made.arms[arm][budget]
    if 'se' not in made.params_nominal or allotment.generator is None:
      return allotment.generator == 'se'
    cost = allotment.samples * made.params_nominal[allotment.generator]
    anchor = getattr(self.config.budget, budget) * made.params_nominal['se']
    return abs(cost / anchor - 1) <= 0.05

  def _model_row(self, role: str) -> dict[str, Any]:
    preset = presets.PRESETS[getattr(self.config, role)]
    return {
      'name': getattr(self.config, role),
      'nominal_params': preset.cost_params,
      'exact_params': preset.config.num_params,
      'non_embedding_params': preset.config.non_embedding_params,
    }

  @functools.cached_property
  def _device(self) -> str:
    import jax

    cache = pathlib.Path(
      os.environ.get('WCSE_CACHE_DIR', '~/.cache/wcse_jax')
    ).expanduser()
    jax.config.update('jax_compilation_cache_dir', str(cache / 'xla'))
    devices = jax.devices()
    kind = devices[0].device_kind
    cores = f' ({os.cpu_count()} cores)' if kind == 'cpu' else ''
    return f'{len(devices)} x {kind}{cores}'


def _missing(stage: store.Stage, wanted: Sequence, generator: str = ''):
  """Returns those of the wanted rows that the stage does not have."""
  rows = stage.read_parts()
  if rows is None:
    return list(wanted)
  columns = ('generator', 'problem_id', 'sample_index')
  have = {
    (problem_id, index)
    for name, problem_id, index in zip(
      *(rows[c].to_pylist() for c in columns), strict=True
    )
    if not generator or name == generator
  }
  missing = [w for w in wanted if (w.problem_id, w.sample_index) not in have]
  if have and missing and len(missing) < len(wanted):
    print(
      f'{stage.name}: {len(wanted) - len(missing):,} rows are there, going on'
    )
  return missing


def _kept(stage: store.Stage) -> bool:
  """Whether a stage is complete; says so."""
  if not stage.is_complete():
    return False
  print(f'{stage.name}: kept, complete with these settings')
  return True


def _need(stage: store.Stage, name: str) -> None:
  if not stage.is_complete():
    raise store.StoreError(
      f'{stage.path} is not complete; run the stage {name} first'
      f' (--stages={name}, or all)'
    )


def _bar(name: str, total: int, unit: str) -> tqdm.tqdm:
  # On a terminal often, in a log every 10 seconds.
  interval = 0.2 if sys.stderr.isatty() else 10.0
  return tqdm.tqdm(
    total=total,
    desc=name,
    unit=f' {unit}',
    mininterval=interval,
    maxinterval=interval,
    leave=sys.stderr.isatty(),
  )


def _progress(rows: Iterable, name: str, total: int, unit: str) -> Iterator:
  with _bar(name, total, unit) as bar:
    for row in rows:
      yield row
      bar.update()


def _sha256(path: pathlib.Path) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


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
