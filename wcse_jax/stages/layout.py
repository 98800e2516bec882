"""What each stage is made of: its name, what determines it, what it holds.

Nothing here computes: `pipeline` does, and `outcome` reads what was committed.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import hashlib
import itertools
import pathlib
import re
from typing import Any, NamedTuple

from wcse_jax import store, tasks
from wcse_jax.experiment import arms, prices
from wcse_jax.experiment import budget as budget_lib
from wcse_jax.experiment.config import BudgetSpec, Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.models.formats import folder as checkpoint_folder
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.sampling import external


def check(config: Config) -> None:
  """Raises ConfigError for what a config names but does not exist."""
  named = [('task.name', config.task.name)]
  named += [('evaluate.transfer', name) for name in config.evaluate.transfer]
  for field, name in named:
    try:
      tasks.find(name)
    except ValueError as e:
      raise ConfigError(field, name, str(e)) from e
  for role in roles(config):
    name = getattr(config, role)
    if name not in presets.PRESETS and not external_file(config, role):
      raise ConfigError(role, name, f'known: {", ".join(presets.PRESETS)}')
  price_table(config)
  _check_external(config)
  pools = plan(config, num_problems=config.task.num_train or 0).pools
  others = [r for r in ('student', 'judge') if getattr(config, r)]
  for role in dict.fromkeys([*map(arms.role, pools), *others]):
    if external_file(config, role):
      continue
    name = getattr(config, role)
    folder = getattr(config.checkpoints, role)
    if not folder and not presets.PRESETS[name].source:
      raise ConfigError(
        f'checkpoints.{role}',
        folder,
        f'{name} comes without weights: name a folder that holds them, from'
        ' Kaggle (gm), Hugging Face, or this project',
      )
    if folder:
      try:
        checkpoint_folder.find(folder)
        checkpoint_folder.tokenizer(folder)
      except checkpoint_folder.CheckpointError as e:
        raise ConfigError(f'checkpoints.{role}', folder, str(e)) from e


def external_file(config: Config, role: str) -> str:
  """Returns the file that a role's samples come from; '' if we draw them."""
  return getattr(config.external, role, '')


def _check_external(config: Config) -> None:
  parts = {arm: arms.parse(arm).parts for arm in config.arms}
  for role in ('wc', 'se'):
    path, name = external_file(config, role), getattr(config, role)
    if not path or role not in roles(config):
      continue
    try:
      found = external.first_model(pathlib.Path(path))
    except external.ExternalError as e:
      raise ConfigError(
        f'external.{role}',
        path,
        f"{e}\nname a file as docs/howto/own_samples.md says, or '' to draw"
        ' samples here',
      ) from e
    if found not in ('', name):
      raise ConfigError(
        role,
        name,
        f'the samples of external.{role} = {path!r} are from {found!r}: give'
        f' --config.{role}={found}',
      )
    for arm, drawn in parts.items():
      if name not in presets.PRESETS and any(
        part.matching == 'compute' for part in drawn
      ):
        raise ConfigError(
          'arms',
          arm,
          f'the size of {name} (external.{role}) is not known: match by price'
          " instead ('wc_price_matched', with a price of both models in"
          " config.prices), or by number ('wc_number_matched')",
        )


def plan(config: Config, num_problems: int) -> budget_lib.Plan:
  """Returns who samples how much."""
  models = {
    role: presets.PRESETS[name]
    for role in roles(config)
    if role in ('wc', 'se')
    and (name := getattr(config, role)) in presets.PRESETS
  }
  return budget_lib.plan(
    config.arms,
    config.budget.by_name,
    {role: m.cost_params for role, m in models.items()},
    {role: float(m.config.num_params) for role, m in models.items()},
    num_problems,
    prices=_prices(config),
  )


def budget_for(config: Config, generator: str, num_samples: int) -> int:
  """The largest budget at which a pool takes at most so many samples; or 0."""
  for budget in range(max(config.budget.by_name.values()), 0, -1):
    spec = BudgetSpec(low=budget, high=budget)
    try:
      pools = plan(dataclasses.replace(config, budget=spec), 0).pools
    except ConfigError:  # not one sample of some arm
      return 0
    if pools[generator] <= num_samples:
      return budget
  return 0


def _prices(config: Config) -> dict[str, float] | None:
  """Dollars per million output tokens, if an arm is matched by them."""
  parts = [part for arm in config.arms for part in arms.parse(arm).parts]
  if all(part.matching != 'price' for part in parts):
    return None
  return {
    role: price(config, role).usd_per_million_output_tokens
    for role in ('wc', 'se')
  }


def price(config: Config, role: str) -> prices.Price:
  """Returns what a role's tokens cost; ConfigError where that is not known."""
  try:
    return prices.find(price_table(config), getattr(config, role))
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e


def price_table(config: Config) -> Sequence[prices.Price]:
  """Returns what tokens cost; ConfigError for a table that makes no sense."""
  if not config.prices:
    return prices.TABLE
  try:
    return prices.read(pathlib.Path(config.prices))
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e


def roles(config: Config) -> list[str]:
  """Returns the models that a config uses: of 'wc', 'se', 'student'."""
  parts = [part for arm in config.arms for part in arms.parse(arm).parts]
  used = {part.role for part in parts}
  if any(part.matching == 'compute' for part in parts):
    used.add('se')  # its size
  return [role for role in ('wc', 'se') if role in used] + [
    r for r in ('student', 'judge') if getattr(config, r)
  ]


def forget(data: store.Store, config: Config, redo: str) -> None:
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
    for arm, budget in itertools.product(config.arms, config.budget.by_name)
    if part in {drawn.pool for drawn in arms.parse(arm).parts}
  ]
  for path in sorted(data.workdir.glob('*/*/')):
    kind, name = path.parent.name, path.name
    of_mix = re.sub(r'-seed\d+$', '', name.removeprefix(f'{config.student}-'))
    if kind == ('problems' if stage == 'prepare' else stage):
      hit = part in ('', name)
    else:
      hit = kind in later and (
        not part or part == name or mix == of_mix or of_mix in made_of_pool
      )
    if hit:
      data.stage(f'{kind}/{name}', {}).clear()
      print(f'{kind}/{name}: forgotten (--redo={redo})')


class Mix(NamedTuple):
  """What a student is finetuned on: an arm at a budget."""

  arm: str
  budget: str

  def __str__(self) -> str:
    return f'{self.arm}-{self.budget}'


class Student(NamedTuple):
  """A finetuned student; the base model has no mix."""

  mix: Mix | None = None
  seed: int = 0  # of finetuning, above the config's

  def __str__(self) -> str:
    name = str(self.mix) if self.mix else 'base'
    return f'{name}-seed{self.seed}' if self.seed else name


class Stages:
  """The stages of an experiment, and what was committed to each.

  Args:
    config: The experiment.
    data: Its workdir.
  """

  def __init__(self, config: Config, data: store.Store):
    self.config = config
    self.data = data
    self.task = tasks.find(config.task.name)

  @functools.cached_property
  def allotments(self) -> budget_lib.Plan:
    """Who samples how much per problem."""
    return plan(self.config, 0)

  def mixes(self) -> Iterator[Mix]:
    """Yields every arm at every budget."""
    budgets = self.config.budget.by_name
    return itertools.starmap(Mix, itertools.product(self.config.arms, budgets))

  def students(self) -> Iterator[Student]:
    """Yields those that are finetuned, seed after seed."""
    if self.config.student:
      seeds = range(self.config.finetune.num_seeds)
      for seed, mix in itertools.product(seeds, self.mixes()):
        yield Student(mix, seed)

  def costly(self) -> Iterator[store.Stage]:
    """Yields the stages that cost something, in order."""
    for generator in self.allotments.pools:
      yield self.pool_stage(generator)
      yield self.verify_stage(generator)
      if self.config.judge:
        yield self.judge_stage(generator)
    if self.config.student:
      yield from map(self.curate_stage, self.mixes())
      yield from map(self.finetune_stage, self.students())
      for student in (Student(), *self.students()):
        if student.mix:
          yield self.evaluate_stage(student, 'validation')
        for test in self.tests:
          yield self.evaluate_stage(student, test)

  @property
  def tests(self) -> tuple[str, ...]:
    """What students are tested on: the own test split, and other tasks."""
    return 'test', *self.config.evaluate.transfer

  def problems_stage(self, task: str = '') -> store.Stage:
    """The problems of all splits; of another task, its test problems."""
    spec = dataclasses.asdict(self.config.task)
    del spec['data_dir']  # its files' sums are checked
    if task:
      spec = {'name': task, 'num_test': self.config.evaluate.num_transfer}
    spec |= self._own(task)
    return self.data.stage(f'problems/{spec["name"]}', spec)

  @functools.cache  # noqa: B019
  def _own(self, transfer: str = '') -> dict[str, str]:
    """What an own task is: its module's sum, and where its data are."""
    name = transfer or self.config.task.name
    if name in tasks.TASKS:
      return {}
    module = _sha256(pathlib.Path(tasks.load(name, '__file__')))
    data_dir = '' if transfer else self.config.task.data_dir
    return {'module': module, 'data_dir': data_dir}

  @functools.cached_property
  def problems(self) -> dict[str, list[Problem]]:
    """The problems of each split, and the test problems of other tasks."""
    rows = self._problems()
    return {
      split: [row for row in rows if row.split == split]
      for split in ('train', 'validation', 'test')
    } | {task: self._problems(task) for task in self.config.evaluate.transfer}

  def _problems(self, task: str = '') -> list[Problem]:
    stage = self.problems_stage(task)
    need(stage, 'prepare')
    return store.from_table(stage.read_parts(), Problem)

  @property
  def train(self) -> list[Problem]:
    """The problems that are sampled."""
    return self.problems['train']

  @functools.cache  # noqa: B019
  def model_identity(self, role: str) -> dict[str, str]:
    """What a model is: its architecture, and the sums of its files."""
    from wcse_jax.models import checkpoint

    name = getattr(self.config, role)
    files = checkpoint.files(name, getattr(self.config.checkpoints, role))
    *weights, vocabulary = (_sha256(path) for path in files)
    return {
      'model': name,
      'weights': ' '.join(weights),
      'tokenizer': vocabulary,
    }

  @functools.cache  # noqa: B019
  def num_prefix_tokens(self, role: str) -> int:
    """Of what goes before every prompt, BOS included."""
    from wcse_jax.models import checkpoint, tokenizer

    folder = getattr(self.config.checkpoints, role)
    *_, vocabulary = checkpoint.files(getattr(self.config, role), folder)
    return 1 + len(tokenizer.Tokenizer(vocabulary).encode(self.task.prefix))

  def _sampling_identity(self, task: tasks.TaskInfo) -> dict[str, Any]:
    """What, with model and prompt, determines a sample's text."""
    sampling = dataclasses.asdict(self.config.sampling)
    for name in ('slots', 'shard_rows'):
      del sampling[name]
    return {
      **sampling,
      'task': task.name,
      'prompt_format': task.prompt_format,
      'seed': self.config.seed,
      'stop_strings': list(task.stop_strings),
    }

  def temperature(self, generator: str) -> float:
    """At which a pool is sampled."""
    _, _, own = generator.partition('@')
    return float(own) if own else self.config.sampling.temperature

  @functools.cache  # noqa: B019
  def pool_stage(self, generator: str) -> store.Stage:
    """A generator's samples."""
    role = arms.role(generator)
    if path := external_file(self.config, role):
      identity = {
        'model': getattr(self.config, role),
        'task': self.task.name,
        'external': _sha256(pathlib.Path(path)),
      }
      return self.data.stage(f'sample/{generator}', identity)
    spec = {
      **self.model_identity(role),
      **self._sampling_identity(self.task),
      'temperature': self.temperature(generator),
      'prefix': self.task.prefix,
      # Not the module: its grader may change, and the samples stay.
      **{k: v for k, v in self._own().items() if k != 'module'},
    }
    return self.data.stage(f'sample/{generator}', spec)

  def verify_stage(self, generator: str) -> store.Stage:
    """Their verdicts."""
    return self.data.stage(
      f'verify/{generator}',
      {
        'task': self.task.name,
        'timeout_s': self.config.verify.timeout_s,
        **self._own(),
      },
      [self.pool_stage(generator).fingerprint],
    )

  def judge_stage(self, generator: str) -> store.Stage:
    """What the judge says of them."""
    from wcse_jax.sampling import judge

    return self.data.stage(
      f'judge/{generator}',
      {
        **self.model_identity('judge'),
        'prompt': judge.PREFIX + judge.PROMPT,
        'dtype': self.config.sampling.dtype,
      },
      [self.pool_stage(generator).fingerprint],
    )

  def keep(self, mix: Mix) -> str:
    """Which samples of a mix become examples: one of `arms.KEEP`."""
    return arms.parse(mix.arm).keep or self.config.curate.keep

  def curate_stage(self, mix: Mix) -> store.Stage:
    """The packed training table of a mix."""
    allotment = self.allotments.arms[mix.arm][mix.budget]
    upstream = []
    for generator in allotment.samples:
      upstream.append(self.verify_stage(generator).fingerprint)
      if self.keep(mix) == 'judge':
        upstream.append(self.judge_stage(generator).fingerprint)
    return self.data.stage(
      f'curate/{mix}',
      {
        'task': self.task.name,
        'num_train': self.config.task.num_train,
        'arm': mix.arm,
        'keep': self.keep(mix),
        'samples': allotment.samples,
        'row_tokens': self.config.finetune.row_tokens,
        'tokenizer': self.model_identity('student')['tokenizer'],
        **self._own(),
      },
      upstream,
      version=2,
    )

  def finetune_stage(self, student: Student) -> store.Stage:
    """A student's checkpoints."""
    assert student.mix
    spec = dataclasses.asdict(self.config.finetune)
    for name in ('steps_low', 'steps_high', 'num_seeds', 'layout'):
      del spec[name]
    return self.data.stage(
      f'finetune/{self.config.student}-{student}',
      {
        **self.model_identity('student'),
        **spec,
        'steps': self.config.steps(student.mix.budget),
        'seed': self.config.seed + student.seed,
      },
      [self.curate_stage(student.mix).fingerprint],
    )

  def task_of(self, split: str) -> tasks.TaskInfo:
    """The task of a split; that of another task's name."""
    transfer = self.config.evaluate.transfer
    return tasks.find(split) if split in transfer else self.task

  def runs(self, student: Student) -> Iterator[tuple[float, pathlib.Path]]:
    """Yields the learning rates that are tried, and the folder of each."""
    path = self.finetune_stage(student).path
    rates = self.config.finetune.learning_rates
    for rate in rates:
      yield rate, path / f'rate-{rate:g}' if len(rates) > 1 else path

  def evaluate_stage(self, student: Student, split: str) -> store.Stage:
    """A student's answers to 'validation', or to one of `tests`."""
    task, config = self.task_of(split), self.config
    upstream = [self.finetune_stage(student).fingerprint] if student.mix else []
    number = (
      config.evaluate.num_transfer
      if split in config.evaluate.transfer
      else getattr(config.task, f'num_{split}')
    )
    spec = {
      'num_validation' if split == 'validation' else 'num_test': number,
      'timeout_s': config.verify.timeout_s,
      **self.model_identity('student'),
      **self._sampling_identity(task),
      **self._own(split if split in config.evaluate.transfer else ''),
      'num_samples': (
        0 if split == 'validation' else config.evaluate.num_samples
      ),
    }
    name = split if split == 'validation' else task.name
    return self.data.stage(
      f'evaluate/{config.student}-{student}/{name}', spec, upstream
    )

  def samples(self, generator: str) -> list[Sample]:
    """What was committed of a pool."""
    rows = self.pool_stage(generator).read_parts()
    return store.from_table(rows, Sample)

  def verdicts(self, generator: str) -> list[Verdict]:
    """The verdicts that were committed."""
    rows = self.verify_stage(generator).read_parts()
    return store.from_table(rows, Verdict)

  def judgements(self, generator: str) -> list[Verdict]:
    """The judge's verdicts that were committed."""
    rows = self.judge_stage(generator).read_parts()
    return store.from_table(rows, Verdict)

  @functools.cached_property
  def labels_of(self) -> str:
    """The run that labels belong to: its pools and its seed."""
    names = [self.pool_stage(g).fingerprint for g in self.allotments.pools]
    text = '/'.join([*sorted(names), str(self.config.seed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept(stage: store.Stage) -> bool:
  """Whether a stage is complete; says so."""
  if not stage.is_complete():
    return False
  print(f'{stage.name}: kept, complete with these settings')
  return True


def need(stage: store.Stage, name: str) -> None:
  """Raises StoreError unless a stage is complete."""
  if not stage.is_complete():
    raise store.StoreError(
      f'{stage.path} is not complete; run the stage {name} first'
      f' (--stages={name}, or all)'
    )


def _sha256(path: pathlib.Path) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
