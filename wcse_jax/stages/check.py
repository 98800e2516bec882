"""Whether what a config names exists, and what is there can go on with it."""

from collections.abc import Collection, Iterable, Mapping
import contextlib
import itertools
import pathlib

from wcse_jax import store, tasks
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.experiment.sections import SPLITS
from wcse_jax.models import presets
from wcse_jax.models.formats import folder as checkpoint_folder
from wcse_jax.sampling import external
from wcse_jax.stages import sizes, tpu_plan
from wcse_jax.stages.complete import chosen_of
from wcse_jax.stages.forget import following
from wcse_jax.stages.layout import Run
from wcse_jax.tasks import datasets, files, prompts
from wcse_jax.verify import given

_MOST_SAMPLES = 100_000_000  # of a pool: a run lists them all


def check(
  config: Config,
  stages: Collection[str] | None = None,
  redo: Collection[str] = (),
  workdir: pathlib.Path | None = None,
) -> None:
  """Makes sure that what a run names exists.

  Args:
    config: The experiment.
    stages: Which of `config.STAGES` to run; None is all.
    redo: What to forget first.
    workdir: Where problems may be already, so that none are read of a file.

  Raises:
    ConfigError: The config names what does not exist.
    Error: There is no such stage.
  """
  for wrong in config_lib.unknown_stages(stages, redo):
    raise Error(wrong)
  for name in (config.task.name, *config.evaluate.transfer):
    try:
      tasks.find(name)
      of_file = name == config.task.name and config.task.file
      if name in tasks.FILES.values() and not of_file:
        raise ValueError('name its file in task.file, and its task.grader')
    except ValueError as e:
      own = name == config.task.name
      field = 'task.name' if own else 'evaluate.transfer'
      raise ConfigError(field, name, str(e)) from e
  for role in config.roles:
    field, name = config.field_of(role, 'model'), config.model(role)[0]
    if name not in presets.PRESETS and not config.external_file(role):
      raise ConfigError(field, name, f'known: {", ".join(presets.PRESETS)}')
    if config.sampling.dtype == 'int8' and not config.external_file(role):
      reason = presets.no_int8(presets.PRESETS[name].config)
      if reason:
        raise ConfigError('sampling.dtype', 'int8', f'{name}: {reason}')
    if role not in config.names or sizes.params(config, role):
      continue
    for arm in config.arms:
      needs_it = role in (*arm.generators, config.budget.anchor)
      by_size = arm.matched_by('compute') or arm.matched_by('measured')
      if needs_it and by_size:
        raise ConfigError(
          'arms',
          str(arm),
          f'the size of {name} ({config.field_of(role, "external")}) is not'
          f' known: give it, --config.teachers.{role}.params=8e9, or match by'
          f" price ('{role}_price_matched', with a price of both models in"
          f" config.prices), or by number ('{role}_number_matched')",
        )
  _check_splits(config)
  wanted = config_lib.STAGES if stages is None else stages
  _check_files(config, 'prepare' in wanted and not _has(config, workdir, redo))
  sizes.price_table(config)
  tpu_plan.read(config)
  roles = needed(config, wanted)
  for role in filter(config.external_file, roles):
    if config.server(role):
      _check_server(config, role)
    else:
      _check_external(config, role)
  pools = sizes.plan(config).pools
  _check_number(config, pools)
  _check_enough(config, pools, wanted)
  if set(stages or config_lib.STAGES) & _after('verify'):
    _check_verdicts(config, pools)
  for role in itertools.filterfalse(config.external_file, roles):
    _check_weights(config, role)


def _check_enough(
  config: Config, pools: Mapping[Pool, int], stages: Collection[str]
) -> None:
  """Makes sure that enough can be told, and that there is more than enough."""
  budget = config.budget
  name = 'rows' if budget.rows else 'right'
  if not getattr(budget, name):
    return
  if 'sample' in stages and 'verify' not in stages:
    raise ConfigError(
      f'budget.{name}',
      getattr(budget, name),
      'what is drawn next follows from verdicts: run the stage verify, too,'
      ' with --stages=sample,verify',
    )
  most = max(pools.values(), default=0)
  if pools and budget.right and budget.right > most:
    raise ConfigError(
      'budget.right',
      budget.right,
      f'of a problem at most {most} samples are drawn, so that never so many'
      f' are right: give {most} or less, or None to draw all',
    )
  for pool, number in pools.items():
    each = min(number, budget.right or number)
    if budget.rows and budget.rows <= each:
      raise ConfigError(
        'budget.rows',
        budget.rows,
        f'{pool} may give {each} right solutions of one problem alone: give'
        ' more rows, or lower budget.right',
      )


def check_all(
  experiments: Mapping[str, Config],
  stages: Collection[str] | None = None,
  redo: Collection[str] = (),
  workdirs: Mapping[str, pathlib.Path] | None = None,
) -> None:
  """As `check` of each of several experiments, which the error names."""
  for name, config in experiments.items():
    try:
      check(config, stages, redo, (workdirs or {}).get(name))
    except ConfigError as e:
      remedy = f'{e.remedy} (experiment {name})'
      raise ConfigError(e.field, e.value, remedy) from e


def needed(config: Config, wanted: Collection[str]) -> list[str]:
  """Returns the roles whose weights, or samples, some stages are made of.

  Args:
    config: The experiment.
    wanted: The names of the stages to run.
  """
  keeps = {config.curate.keep, *(arm.keep for arm in config.arms)}
  exact = tasks.find(config.task.name).exact_steps  # students are not judged
  judged = {'verify', 'report'} | (set() if exact else {'evaluate'})
  stages = {
    **dict.fromkeys(config.generators, _after('sample')),
    'student': _after('curate'),
    'judge': _after('verify') if 'judge' in keeps else judged,
  }
  return [
    role
    for role in (*config.names, 'student', 'judge')
    if config.model(role)[0] and stages.get(role, set()) & set(wanted)
  ]


def _after(stage: str) -> set[str]:
  """Returns a stage and those that follow."""
  return {*config_lib.STAGES[config_lib.STAGES.index(stage) :]}


def check_shapes(config: Config, wanted: Collection[str]) -> None:
  """Makes sure that checkpoints are of the models that a config names.

  Only headers are read, and whether a tokenizer has the marks of turns that a
  prompt needs (`chat.check`). It imports JAX.

  Args:
    config: The experiment.
    wanted: The names of the stages to run.

  Raises:
    ConfigError: One is of another architecture, damaged, or has a tokenizer
      that is not its own, or lacks a mark.
  """
  for role in needed(config, wanted):
    _, folder, _ = config.model(role)
    if folder and not config.external_file(role):
      from wcse_jax.models import checkpoint

      try:
        checkpoint.check(*config.model(role))
      except checkpoint_folder.CheckpointError as e:
        field = config.field_of(role, 'checkpoint')
        raise ConfigError(field, folder, str(e)) from e
  from wcse_jax.stages import chat

  chat.check(config, wanted)


def _has(
  config: Config, workdir: pathlib.Path | None, redo: Collection[str]
) -> bool:
  """Whether a workdir has the problems of a file, read and checked."""
  path = pathlib.Path(config.task.file)
  if redo or not workdir or not path.is_file():
    return False
  with contextlib.suppress(store.StoreError):  # of other settings, or damaged
    return Run(config, store.Store(workdir)).problems_stage().is_complete()
  return False


def _check_files(config: Config, of_problems: bool) -> None:
  """Raises ConfigError for a file that is no prompt, or none `of_problems`."""
  prompt = lambda path: prompts.configured(config.task.name, path)
  for field, path, read in (
    ('prompt', config.prompt, prompt),
    *(
      (f'teachers.{name}.prompt', of.prompt, prompt)
      for name, of in config.teachers.items()
    ),
    (
      'task.file',
      of_problems and config.task.file,
      lambda path: tasks.load(config.task.name, 'problems')(path, True),
    ),
  ):
    try:
      read(path) if path else None
    except (prompts.PromptError, files.FileError) as e:
      raise ConfigError(field, path, str(e)) from e


def _check_splits(config: Config) -> None:
  """Raises ConfigError if a task is asked for more problems than it has."""
  spec, evaluate = config.task, config.evaluate
  asked = [
    (
      f'task.num_{split}',
      spec.name,
      spec.split if split == 'train' else split,
      getattr(spec, f'num_{split}'),
    )
    for split in SPLITS
  ]
  transfer = 'evaluate.num_transfer'
  asked += [
    (transfer, name, 'test', evaluate.num_transfer)
    for name in evaluate.transfer
  ]
  for field, name, split, number in asked:
    known = datasets.DATASETS.get(name)
    if not known or not known.sizes or number == 0:
      continue
    skip = spec.skip_test if field == 'task.num_test' else 0
    if not known.sizes[split]:
      raise ConfigError(
        field,
        number,
        f'{name} has no {split} problems: students of another task can be'
        f" tested on it (config.evaluate.transfer = ('{name}',))",
      )
    if (number or 1) > (left := max(known.sizes[split] - skip, 0)):
      behind = f' behind config.task.skip_test = {skip:,}' if skip else ''
      raise ConfigError(
        field,
        number,
        f'{name} has {left:,} {split} problems{behind}: give at most that, or'
        ' None for all',
      )


def _check_number(config: Config, pools: Mapping[Pool, int]) -> None:
  for pool, number in pools.items():
    total = number * (config.task.num_train or 1)
    if total > _MOST_SAMPLES:
      highest = max(config.budget.more, default=0) > config.budget.high
      raise ConfigError(
        'budget.more' if highest else 'budget.high',
        config.budget.more if highest else config.budget.high,
        f'pool {pool} would have {total:,} samples, {number:,} of each problem:'
        f' lower it, or config.task.num_train, to have {_MOST_SAMPLES:,} at'
        ' most',
      )


def _check_verdicts(config: Config, pools: Iterable[Pool]) -> None:
  """Raises ConfigError for a file of verdicts that has bad rows."""
  if path := config.verify.file:
    try:
      given.read(pathlib.Path(path), [*map(str, pools)])
    except given.GivenError as e:
      raise ConfigError('verify.file', path, str(e)) from e


def _check_weights(config: Config, role: str) -> None:
  name, folder, tokenizer = config.model(role)
  field, value = config.field_of(role, 'checkpoint'), folder
  if not folder and not presets.PRESETS[name].source:
    raise ConfigError(
      field,
      folder,
      f'{name} comes without weights: name a folder that holds them, from'
      ' Kaggle (gm), Hugging Face, or this project',
    )
  try:
    if folder:
      checkpoint_folder.find(folder)
    if tokenizer:
      field, value = config.field_of(role, 'tokenizer'), tokenizer
    if tokenizer in presets.PRESETS:
      if not presets.PRESETS[tokenizer].source:
        raise checkpoint_folder.CheckpointError('it comes without a tokenizer')
    elif value and not checkpoint_folder.adapters(value):
      checkpoint_folder.tokenizer(value)
  except checkpoint_folder.CheckpointError as e:
    raise ConfigError(field, value, str(e)) from e


def _check_server(config: Config, role: str) -> None:
  """Raises ConfigError where dollars are limited and prices are not known."""
  price = sizes.price_if_known(config, role)
  if config.limit.usd and (
    not price or price.usd_per_million_input_tokens is None
  ):
    what = 'price of input tokens' if price else 'price'
    raise ConfigError(
      'limit.usd',
      config.limit.usd,
      f'no {what} of {config.model(role)[0]!r} is known: add it, with its date,'
      ' to a file for config.prices (docs/howto/own_prices.md)',
    )


def _check_external(config: Config, role: str) -> None:
  path, name = config.external_file(role), config.model(role)[0]
  source, field = (config.field_of(role, of) for of in ('external', 'model'))
  try:
    model = external.first_model(pathlib.Path(path))
  except external.ExternalError as e:
    raise ConfigError(
      source,
      path,
      f"{e}\nname a file as docs/howto/own_samples.md says, or '' to draw"
      ' samples here',
    ) from e
  if model not in ('', name):
    raise ConfigError(
      field,
      name,
      f'the samples of {source} = {path!r} are from {model!r}: give'
      f' --config.{field}={model}',
    )


def check_settings(run: Run, wanted: Collection[str]) -> None:
  """Raises StoreError if stages to run were made with other settings."""
  differing: dict[str, str] = {}
  for stage in run.costly(wanted):
    try:
      stage.expect()
    except store.StoreError as e:
      differing[stage.name] = str(e)
    else:
      stage.is_complete()  # or damaged, which it says
  if differing:
    recorded = run.data.identities()
    redo = {chosen_of(name, recorded) or name: '' for name in differing}
    for name in [*redo]:
      for other in following(recorded, [name]) if name in redo else ():
        redo.pop(other, None)  # forgotten with it
    best = ''
    if redo.keys() - differing.keys():
      best = '\nOf a student only the best checkpoint was kept.'
    head, _ = next(iter(differing.values())).rsplit('\n', 1)
    raise store.StoreError(
      f'{head}{best}\nRun with --redo={",".join(redo)} to make it anew, with'
      ' what follows from it, or choose another --workdir to keep it.'
    )
