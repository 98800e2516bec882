"""What each stage is made of: its name, what determines it, what it holds.

Nothing here computes: each stage's own module does, and `results` is made of
what they committed.
"""

from collections.abc import Collection, Iterator, Sequence
import dataclasses
import functools
import pathlib

from wcse_jax import store, tasks
from wcse_jax.analysis.enough import Enough
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import STAGES, Config
from wcse_jax.experiment.plan import Base, Mix, Plan, Student
from wcse_jax.experiment.sections import SPLITS
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.stages import sizes, sources
from wcse_jax.stages.complete import need
from wcse_jax.store import digests
from wcse_jax.tasks import prompts


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
  """An experiment in a workdir: its stages, and what was committed to each.

  Attributes:
    config: The experiment.
    data: Its workdir.
    first: How many problems are sampled, the first; None is all.
  """

  config: Config
  data: store.Store
  first: int | None = None

  @functools.cached_property
  def task(self) -> tasks.TaskInfo:
    """The task that is sampled."""
    return self.task_for('student')

  @functools.cache  # noqa: B019
  def task_for(self, role: str) -> tasks.TaskInfo:
    """The task, as a model that samples is asked for it."""
    return sources.task(self.config, role)

  def asked(self, role: str, problems: Sequence[Problem]) -> Sequence[Problem]:
    """Returns problems with the prompts that a model that samples is given."""
    task = self.task_for(role)
    return sources.reworded(problems, task) if task != self.task else problems

  @functools.cached_property
  def plan(self) -> Plan:
    """Who samples how much per problem."""
    return sizes.plan(self.config)

  @property
  def pools(self) -> dict[Pool, int]:
    """The samples per problem that each pool must deliver, at most."""
    return self.plan.pools

  @functools.cached_property
  def enough(self) -> Enough:
    """When no more samples are drawn."""
    return Enough.of(self.config)

  @property
  def students(self) -> list[Student]:
    """The students that are finetuned, seed after seed."""
    if not self.config.student:
      return []
    seeds = range(self.config.finetune.num_seeds)
    return [
      Student(self.plan.mix_of(mix, seed), seed)
      for seed in seeds
      for mix in self.plan.allotments
    ]

  def left_out(self, mix: Mix) -> str:
    """Why a mix has no student of any seed, for want of examples; or ''."""
    for seed in range(self.plan.copies):
      own = mix.of_seed(seed)
      for of in filter(None, (own, own.like)):
        if why := (self.curate_stage(of).manifest() or {}).get('left_out'):
          return why
    return ''

  def steps(self, mix: Mix) -> int:
    """Returns the finetuning steps that are asked for, once mixes are there.

    An arm that is shown as often as another takes as many as that follows from.
    """
    asked = self.config.steps(mix.budget)
    if not mix.like:
      return asked
    own, like = (
      (self.curate_stage(of).manifest() or {})['examples']
      for of in (mix, mix.like)
    )
    return max(round(asked * own / like), self.config.finetune.num_checkpoints)

  @property
  def taught(self) -> list[Student]:
    """The students whose mix has examples, once mixes are there."""
    return [s for s in self.students if not self.left_out(s.mix)]

  @property
  def tests(self) -> tuple[str, ...]:
    """What students are tested on: the own test split, and other tasks."""
    return 'test', *self.config.evaluate.transfer

  def keep(self, mix: Mix) -> str:
    """Returns which samples of a mix become examples: one of `arms.KEEP`."""
    return mix.arm.keep or self.config.curate.keep

  def temperature(self, pool: Pool) -> float:
    """Returns the temperature at which a pool is sampled."""
    usual = self.config.sampling.temperature
    said = pool.temperature, self.config.teacher(pool.generator).temperature
    return next((t for t in said if t is not None), usual)

  def task_of(self, split: str) -> tasks.TaskInfo:
    """Returns the task of a split, or of another task's name."""
    other = split in self.config.evaluate.transfer
    return prompts.alike(tasks.find(split), self.task) if other else self.task

  def runs(self, trained: store.Stage) -> Iterator[tuple[float, pathlib.Path]]:
    """Yields what rates a stage of finetuning, or its draft, has; and where."""
    path, rates = trained.path, self.config.finetune.learning_rates
    for rate in rates:
      yield rate, path / f'rate-{rate:g}' if len(rates) > 1 else path

  def costly(self, wanted: Collection[str] = STAGES) -> Iterator[store.Stage]:
    """Yields the stages that cost something, in order.

    Args:
      wanted: Which of `config.STAGES`; files that only others are made of are
        not asked for.
    """
    for pool in self.pools:
      if 'sample' in wanted:
        yield self.pool_stage(pool)
      if 'verify' in wanted:
        yield self.verify_stage(pool)
        if self.config.judge:
          yield self.judge_stage(pool)
    if self.config.student:
      if 'curate' in wanted:
        yield from map(self.curate_stage, self.plan.mixes)
      if 'finetune' in wanted:
        yield from map(self.finetune_stage, self.students)
      students = (Base(), *self.students) if 'evaluate' in wanted else ()
      for student in students:
        if isinstance(student, Student):
          yield self.evaluate_stage(student, 'validation')
        for test in self.tests:
          yield self.evaluate_stage(student, test)
        if self.judges_students:
          yield self.judge_stage(student)

  def problems_stage(self, task: str = '') -> store.Stage:
    """The problems of all splits; of another task, its test problems."""
    spec = sources.identity(self.config, self.task, task)
    spec |= self._own(task)
    return self.data.stage(f'problems/{spec["name"]}', spec)

  @functools.cache  # noqa: B019
  def _own(self, transfer: str = '') -> dict[str, str]:
    """What an own task is: its module's sum, and where its data are."""
    name = transfer or self.config.task.name
    if name in (*tasks.TASKS, *tasks.FILES.values()):
      return {}
    module = digests.sha256(pathlib.Path(tasks.load(name, '__file__')))
    data_dir = '' if transfer else self.config.task.data_dir
    return {'module': module, 'data_dir': data_dir}

  @functools.cached_property
  def problems(self) -> dict[str, list[Problem]]:
    """The problems of each split, and the test problems of other tasks."""
    rows = self._problems()
    found = {
      split: [row for row in rows if row.split == split] for split in SPLITS
    }
    found['train'] = self.enough.order(found['train'])[: self.first]
    return found | {
      task: self._problems(task) for task in self.config.evaluate.transfer
    }

  def _problems(self, task: str = '') -> list[Problem]:
    stage = self.problems_stage(task)
    need(stage, 'prepare')
    return store.from_table(stage.read_parts(), Problem)

  @property
  def train(self) -> list[Problem]:
    """The problems that are sampled."""
    return self.problems['train']

  @functools.cached_property
  def train_by_id(self) -> dict[str, Problem]:
    """The same, by problem_id."""
    return {problem.problem_id: problem for problem in self.train}

  def model_files(self, role: str) -> tuple[pathlib.Path, ...]:
    """Returns the files of a model's weights, then that of its vocabulary."""
    from wcse_jax.models import checkpoint

    return checkpoint.files(*self.config.model(role))

  @functools.cache  # noqa: B019
  def model_identity(self, role: str) -> dict[str, str]:
    """What a model is: its architecture, and the sums of its files."""
    *weights, vocabulary = map(digests.sha256, self.model_files(role))
    return {
      'model': self.config.model(role)[0],
      'weights': ' '.join(weights),
      'tokenizer': vocabulary,
    }

  @functools.cache  # noqa: B019
  def _sampler_identity(self, role: str) -> dict[str, str]:
    """What samples: a model, and what else than EOS ends its samples."""
    from wcse_jax.models import checkpoint

    ends = checkpoint.ends(*self.config.model(role))
    return self.model_identity(role) | (
      {'ends': ' '.join(map(str, ends))} if ends else {}
    )

  @functools.cache  # noqa: B019
  def num_prefix_tokens(self, role: str) -> int:
    """Of what goes before every prompt, BOS included."""
    from wcse_jax.models import encoding, tokenizer

    words, task = self.model_files(role)[-1], self.task_for(role)
    its = encoding.Encoding(tokenizer.Tokenizer(words), task.turns)
    return 1 + len(its.prompt(task.prefix))

  @functools.cache  # noqa: B019
  def pool_stage(self, pool: Pool) -> store.Stage:
    """A pool's samples."""
    role, task = pool.generator, self.task_for(pool.generator)
    # Not the module: its grader may change, and the samples stay.
    own = {k: v for k, v in self._own().items() if k != 'module'}
    if self.config.server(role):
      of = {'temperature': self.temperature(pool), 'prefix': task.prefix}
      asked = sources.served(self.config, task, role) | of | own
      return self.data.stage(f'sample/{pool}', asked)
    if path := self.config.external_file(role):
      identity = {
        'model': self.config.model(role)[0],
        'task': task.name,
        'external': digests.sha256(pathlib.Path(path)),
      }
      return self.data.stage(f'sample/{pool}', identity)
    spec = {
      **self._sampler_identity(role),
      **sources.sampling(self.config, task),
      'temperature': self.temperature(pool),
      'prefix': task.prefix,
      **own,
    }
    return self.data.stage(f'sample/{pool}', spec)

  def verify_stage(self, pool: Pool) -> store.Stage:
    """Their verdicts: the grader's, or those of a file."""
    spec = {'task': self.task.name}
    if path := self.config.verify.file:
      spec['verdicts'] = digests.sha256(pathlib.Path(path))
    else:
      timeout = {'timeout_s': self.config.verify.timeout_s}
      spec |= timeout | self._own() | self.task.grader_identity
    upstream = [self.pool_stage(pool).fingerprint]
    return self.data.stage(f'verify/{pool}', spec, upstream)

  @property
  def reference_stage(self) -> store.Stage:
    """The verdicts on human-written solutions, which the report asks for."""
    return self.data.stage(
      'report/reference',
      {'task': self.task.name, **self._own(), **self.task.grader_identity},
      [self.problems_stage().fingerprint],
    )

  @property
  def judges_students(self) -> bool:
    """Whether there is a judge, and no exact check of steps to say more."""
    return bool(self.config.judge) and not self.task.exact_steps

  def judge_stage(self, of: Pool | Student | Base) -> store.Stage:
    """What the judge says of a pool's samples, or of a student's solutions."""
    from wcse_jax.sampling import judge

    if isinstance(of, Pool):
      name, whose = str(of), self.pool_stage(of)
    else:
      name = f'{self.config.student}-{of}'
      whose = self.evaluate_stage(of, 'test')
    if self.config.server('judge'):
      spec = sources.served_judge(self.config)
    else:
      spec = self._sampler_identity('judge') | sources.form(self.config)
    spec['prompt'] = judge.PREFIX + judge.PROMPT
    return self.data.stage(f'judge/{name}', spec, [whose.fingerprint])

  def curate_stage(self, mix: Mix) -> store.Stage:
    """The packed training table of a mix."""
    upstream, keep = [], self.keep(mix)
    drawn = {str(pool): of for pool, of in self.plan.drawn(mix).items()}
    first = {pool: of.start for pool, of in drawn.items()}
    for pool in mix.arm.pools:
      upstream.append(self.verify_stage(pool).fingerprint)
      if keep == 'judge':
        upstream.append(self.judge_stage(pool).fingerprint)
    return self.data.stage(
      f'curate/{mix}',
      {
        'task': self.task.name,
        'num_train': self.config.task.num_train,
        'arm': str(mix.arm),
        'keep': keep,
        **({'seed': self.config.seed} if keep == 'random' else {}),
        'samples': {pool: len(of) for pool, of in drawn.items()},
        **(self.enough.identity if drawn or self.enough.rows else {}),
        **({'first': first} if mix.seed else {}),
        'row_tokens': self.config.finetune.row_tokens,
        'tokenizer': self.model_identity('student')['tokenizer'],
        **self._own(),
        **sources.own(self.config, self.task),
      },
      upstream,
      version=2,
    )

  def finetune_stage(self, student: Student) -> store.Stage:
    """A student's checkpoints."""
    spec = dataclasses.asdict(self.config.finetune)
    for name in ('steps_low', 'steps_high', 'num_seeds', 'layout', 'keep'):
      del spec[name]
    return self.data.stage(
      f'finetune/{self.config.student}-{student}',
      {
        **self.model_identity('student'),
        **spec,
        'steps': self.config.steps(student.mix.budget),
        'seed': self.config.seed + student.seed,
      },
      [
        self.curate_stage(mix).fingerprint
        for mix in filter(None, (student.mix, student.mix.like))
      ],
    )

  def evaluate_stage(self, student: Student | Base, split: str) -> store.Stage:
    """A student's answers to 'validation', or to one of `tests`."""
    task, config = self.task_of(split), self.config
    transfer = split if split in config.evaluate.transfer else ''
    validation = split == 'validation'
    upstream = []
    if isinstance(student, Student):
      upstream = [self.finetune_stage(student).fingerprint]
    spec = {
      'num_validation' if validation else 'num_test': (
        config.evaluate.num_transfer
        if transfer
        else getattr(config.task, f'num_{split}')
      ),
      'timeout_s': config.verify.timeout_s,
      **self._sampler_identity('student'),
      **sources.sampling(config, task),
      **self._own(transfer),
      **({} if transfer else sources.own(config, task)),
      **task.grader_identity,
      'num_samples': 0 if validation else config.evaluate.num_samples,
    }
    if split == 'test':  # absent where it is of all
      part = [(config.evaluate, 'num_sampled'), (config.task, 'skip_test')]
      spec |= {name: n for of, name in part if (n := getattr(of, name))}
    if config.evaluate.few_shot_base and isinstance(student, Base):
      spec['prefix'] = task.prefix
    name = split if validation else task.name
    return self.data.stage(
      f'evaluate/{config.student}-{student}/{name}', spec, upstream
    )

  def samples(self, pool: Pool) -> list[Sample]:
    """What was committed of a pool."""
    return store.from_table(self.pool_stage(pool).read_parts(), Sample)

  def verdicts(self, pool: Pool) -> list[Verdict]:
    """The verdicts that were committed."""
    return store.from_table(self.verify_stage(pool).read_parts(), Verdict)

  def judgements(self, of: Pool | Student | Base) -> list[Verdict]:
    """The judge's verdicts that were committed."""
    return store.from_table(self.judge_stage(of).read_parts(), Verdict)
