"""Every knob of an experiment: typed, frozen, validated, with its unit.

A config file builds a `Config`, turns it into a ConfigDict that flags can
override (`to_config_dict`), and the launcher turns that back (`freeze`). A
`Config` that exists is valid.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import difflib
import json
import math
import re
import typing
from typing import Any

from ml_collections import config_dict

from wcse_jax.errors import Error
from wcse_jax.experiment import arms as arms_lib
from wcse_jax.experiment.arms import Arm

# What the pipeline does, in order.
STAGES = (
  'prepare',
  'plan',
  'sample',
  'verify',
  'curate',
  'finetune',
  'evaluate',
  'report',
)

# The models that sample, as arms name them; and the one of them whose samples
# budgets are counted in.
GENERATORS = ('wc', 'se')
ANCHOR = 'se'
SE, WC, WC_NUMBER_MATCHED, WC_PRICE_MATCHED, REFERENCE = arms_lib.named(
  GENERATORS, ANCHOR
)

DTYPES = ('float32', 'bfloat16')
OPTIMIZERS = ('adamw', 'adafactor')
REMAT = ('none', 'dots', 'full')  # the keys of `wcse_jax.models.gemma.REMAT`


class ConfigError(Error):
  """A config that cannot be run. Its text fits three lines.

  Not a ValueError: ml-collections would rewrap that as a traceback's text.
  """

  def __init__(self, field: str, value: object, remedy: str):
    name = f'config.{field}' if field else 'config'
    super().__init__(f'{name} = {value!r}', remedy)
    self.field = field
    self.value = value

  def __reduce__(self):
    return type(self), (self.field, self.value, self.remedy)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExternalSpec:
  """Files of samples drawn elsewhere, by role (`wcse_jax.sampling.external`).

  '' draws them here; else `wc`, or `se`, is the model's name in the file, which
  needs neither architecture nor weights.
  """

  wc: str = ''
  se: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskSpec:
  """Which problems. None takes all of a split."""

  name: str = 'nano_arithmetic'
  num_train: int | None = 300
  num_validation: int | None = 100
  num_test: int | None = 300
  data_dir: str = ''  # folder with the dataset's official files; '' = default


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetSpec:
  """Samples per problem that SE gets; the other arms follow from it."""

  low: int = 1
  high: int = 10
  more: tuple[int, ...] = ()  # further budgets, named by their number

  @property
  def by_name(self) -> dict[str, int]:
    """All budgets, ascending: each is nested in the next."""
    named = {'low': self.low, 'high': self.high}
    named |= {str(n): n for n in self.more}
    return dict(sorted(named.items(), key=lambda item: item[1]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingSpec:
  """How solutions are sampled."""

  temperature: float = 0.7  # 0 is greedy
  top_k: int | None = 3  # None is off
  top_p: float | None = None  # None is off
  max_new_tokens: int = 80
  slots: int = 64  # samples decoding at a time
  shard_rows: int = 1024  # samples per committed Parquet file
  dtype: str = 'float32'  # of weights and caches


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifySpec:
  """How solutions are verified."""

  workers: int = 2  # processes
  timeout_s: float = 5.0  # for one sample
  num_judged: int = (
    500  # samples of a pool, of right answer, that `judge` judges
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurateSpec:
  """Which samples students learn from; `keep` is one of `arms.KEEP`."""

  keep: str = 'correct'


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpec:
  """How finetuning is laid out: what it takes, not what is learned.

  `data` x `fsdp` devices share a batch, `fsdp` of them also the parameters and
  the optimizer's state; `tensor` devices share a layer.
  """

  data: int = 1
  fsdp: int = 0  # 0 takes all devices that the others leave
  tensor: int = 1
  accumulation: int = 1  # parts of a batch, computed one after another
  remat: str = 'none'  # what the backward pass computes again, of REMAT


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneSpec:
  """How students are finetuned. Batches and steps count examples."""

  batch_size: int = 8  # examples
  steps_low: int = 15  # at the low budget
  steps_high: int = 150  # at the high budget
  learning_rates: tuple[float, ...] = (1e-4,)  # validation chooses the best
  warmup_fraction: float = 0.1  # of all steps; then a cosine to 0
  optimizer: str = 'adamw'  # or 'adafactor': both take the same rates
  weight_decay: float = 0.0
  clip_norm: float = 1.0
  row_tokens: int = 256  # tokens of a packed row
  num_checkpoints: int = 10  # equally spaced; the best is kept
  num_seeds: int = 1  # students finetuned on each mix
  dtype: str = 'float32'  # of the compute; parameters are float32
  lora_rank: int = 0  # of the adapters that are trained; 0 trains all
  lora_alpha: float = 16.0  # adapters count alpha / rank times
  layout: LayoutSpec = LayoutSpec()

  @property
  def lora_scale(self) -> float:
    return self.lora_alpha / self.lora_rank


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSpec:
  """How students are evaluated."""

  num_samples: int = 8  # per problem, for maj@k and coverage@k
  ks: tuple[int, ...] = (1, 4, 8)
  transfer: tuple[str, ...] = ()  # tasks that students are tested on, too
  num_transfer: int | None = None  # problems of each; None takes all


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportSpec:
  """How results are summarised."""

  bootstrap_samples: int = 2000
  confidence: float = 0.95
  usd_per_device_hour: float | None = None  # of sampling; None is not known
  across_budgets: bool = False  # WC's data against SE's of all other budgets


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshSpec:
  """How devices are laid out. `data` devices share the batch, `tensor` a layer.

  0 for `data` takes all devices that `tensor` leaves.
  """

  data: int = 0
  tensor: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointSpec:
  """Folders with `params.safetensors` and `tokenizer.model`, by role.

  '' takes the weights that come with a model, where it has some.
  """

  wc: str = ''
  se: str = ''
  student: str = ''
  judge: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """One experiment.

  `arms` may be given as `wcse_jax.experiment.arms` writes them; one that draws
  on 'wc' uses the model `wc`, and so on. `student` is finetuned on each arm's
  data; without one ('') the run ends with the data and its quality. `judge`, if
  there is one, says of samples whether their reasoning is right. With
  `experiments`, config files beside this one's, those are run instead, each
  with what this one sets.

  Raises:
    ConfigError: A field has a wrong type or an impossible value, or two
      contradict each other.
  """

  name: str = 'wc_distill'
  scale: str = 'nano'
  experiments: tuple[str, ...] = ()
  seed: int = 0
  wc: str = 'nano_wc'  # model, a name of wcse_jax.models.presets.PRESETS
  se: str = 'nano_se'
  student: str = 'nano_student'
  judge: str = ''
  prices: str = ''  # file of `wcse_jax.experiment.prices`; '' is its own table
  arms: tuple[Arm, ...] = (SE, WC, WC_NUMBER_MATCHED, REFERENCE)
  checkpoints: CheckpointSpec = CheckpointSpec()
  external: ExternalSpec = ExternalSpec()
  task: TaskSpec = TaskSpec()
  budget: BudgetSpec = BudgetSpec()
  sampling: SamplingSpec = SamplingSpec()
  verify: VerifySpec = VerifySpec()
  curate: CurateSpec = CurateSpec()
  finetune: FinetuneSpec = FinetuneSpec()
  evaluate: EvaluateSpec = EvaluateSpec()
  report: ReportSpec = ReportSpec()
  mesh: MeshSpec = MeshSpec()

  def __post_init__(self):
    object.__setattr__(self, 'arms', _read_arms(self.arms))
    for path, hint in _leaves(Config):
      value = _get(self, path)
      if not _is_a(value, hint):
        raise ConfigError(path, value, f'give {_TYPE_NAMES[hint]}')
    for path, valid, remedy in _rules(self):
      if not valid:
        raise ConfigError(path, _plain(_get(self, path)), remedy)

  @property
  def generators(self) -> tuple[str, ...]:
    """The names of the models that sample for some arm."""
    used = {name for arm in self.arms for name in arm.generators}
    return tuple(name for name in GENERATORS if name in used)

  @property
  def roles(self) -> tuple[str, ...]:
    """The models that are used: those that sample, 'student' and 'judge'.

    The anchor is, too, if its size decides how much the others sample.
    """
    used = {*self.generators, *([ANCHOR] if self.matched_by('compute') else [])}
    return tuple(
      [name for name in GENERATORS if name in used]
      + [role for role in ('student', 'judge') if getattr(self, role)]
    )

  def external_file(self, role: str) -> str:
    """Returns the file that a role's samples come from; '' if we draw them."""
    return getattr(self.external, role, '')

  def matched_by(self, matching: arms_lib.Matching) -> bool:
    """Tells whether any arm's samples are matched so."""
    return any(arm.matched_by(matching) for arm in self.arms)

  def steps(self, budget: str) -> int:
    """Finetuning steps at a budget: in proportion, where none are given."""
    given = {'low': self.finetune.steps_low, 'high': self.finetune.steps_high}
    ratio = self.budget.by_name[budget] / self.budget.low
    return given.get(budget) or round(self.finetune.steps_low * ratio)


def to_config_dict(config: Config) -> config_dict.ConfigDict:
  """Returns `config` as a ConfigDict whose every field flags can override."""
  return _to_config_dict(config)


def freeze(config: config_dict.ConfigDict) -> Config:
  """Returns the Config that a ConfigDict holds.

  Args:
    config: What a config file's `get_config` returned.

  Raises:
    ConfigError: A field is unknown, missing, or has an impossible value.
  """
  return _freeze(Config, config, '')


def at_scale(scales: Mapping[str, Config], scale: str) -> Config:
  """Returns `scales[scale]`; raises ConfigError if there is none."""
  if scale not in scales:
    raise ConfigError('scale', scale, f'known: {", ".join(scales)}')
  return scales[scale]


def to_dict(config: Config) -> dict[str, Any]:
  """Returns `config` as JSON has it: tuples are lists."""
  return json.loads(json.dumps(_plain(config)))


def flatten(config: Config) -> dict[str, Any]:
  """Returns the value of every field, by dotted path."""
  return {path: _plain(_get(config, path)) for path, _ in _leaves(Config)}


def check_field(path: str, value: object) -> None:
  """Raises ConfigError unless `path`, e.g. 'sampling.top_k', is a field."""
  known = [p for p, _ in _leaves(Config)]
  if path in known:
    return
  head, _, name = path.rpartition('.')
  within = [p for p in known if p.startswith((head or path) + '.')]
  if not head and within:
    raise ConfigError(path, value, f'set its fields: {", ".join(within)}')
  names = {p.split('.')[-1]: p for p in within or known}
  sections = dict.fromkeys(p.split('.')[0] for p in known)
  near = _nearest(name, names, within or sections)
  raise ConfigError(path, value, f'no such field; {near}')


def _rules(c: Config) -> Iterator[tuple[str, bool, str]]:
  """Yields (field, whether it is valid, what to do if not)."""
  for field, pattern in (('name', r'[\w.-]+'), ('scale', r'[\w.-]*')):
    yield (
      field,
      bool(re.fullmatch(pattern, getattr(c, field))),
      'use letters, digits, "_", "-" and "." (it names the workdir)',
    )
  yield (
    'experiments',
    len(set(c.experiments)) == len(c.experiments)
    and all(re.fullmatch(r'[\w-]+', name) for name in c.experiments)
    and 'report' not in c.experiments,  # the page's folder
    "name config files beside this one, each once, e.g. ('wc_distill',)",
  )
  yield 'seed', 0 <= c.seed < 2**32, 'give 0 to 2**32 - 1'

  yield 'arms', bool(c.arms), "name at least one, e.g. ('se', 'reference')"
  yield 'arms', len(set(c.arms)) == len(c.arms), 'name each arm once'
  for arm in c.arms:
    needed = set(arm.generators)
    if arm.matched_by('compute'):
      needed.add(ANCHOR)  # the sizes of both models are needed
    for generator in sorted(needed):
      yield (
        generator,
        bool(getattr(c, generator)),
        f'arm {str(arm)!r} needs a model',
      )
    for pool in arm.pools:
      yield (
        f'external.{pool.generator}',
        pool.temperature is None or not getattr(c.external, pool.generator),
        f'its samples are drawn already, so arm {str(arm)!r} cannot choose'
        " their temperature: name it without '@', or give '' to draw them here",
      )

  yield 'task.name', bool(c.task.name), 'name a task of wcse_jax.tasks'
  for split in ('train', 'validation', 'test'):
    least = 1 if c.student or split == 'train' else 0
    number = getattr(c.task, f'num_{split}')
    yield (
      f'task.num_{split}',
      number is None or number >= least,
      f'give at least {least} problems, or None for all',
    )

  yield 'budget.low', c.budget.low >= 1, 'a budget buys at least 1 sample'
  yield (
    'budget.high',
    c.budget.high >= c.budget.low,
    f'give at least budget.low = {c.budget.low}',
  )

  more = c.budget.more
  yield (
    'budget.more',
    len(set(more) - {c.budget.high}) == len(more)
    and all(n > c.budget.low for n in more),
    'give other numbers of samples than budget.low and budget.high, above'
    f' budget.low = {c.budget.low}, each once',
  )

  s = c.sampling
  yield 'sampling.temperature', s.temperature >= 0, 'give 0 (greedy) or more'
  yield (
    'sampling.top_k',
    s.top_k is None or s.top_k >= 1,
    'give at least 1, or None to turn it off',
  )
  yield (
    'sampling.top_p',
    s.top_p is None or 0 < s.top_p <= 1,
    'give more than 0 and at most 1, or None to turn it off',
  )
  f = c.finetune
  for field, value in (
    ('sampling.max_new_tokens', s.max_new_tokens),
    ('sampling.slots', s.slots),
    ('sampling.shard_rows', s.shard_rows),
    ('verify.workers', c.verify.workers),
    ('verify.num_judged', c.verify.num_judged),
    ('finetune.batch_size', f.batch_size),
    ('finetune.num_checkpoints', f.num_checkpoints),
    ('finetune.layout.data', f.layout.data),
    ('finetune.layout.tensor', f.layout.tensor),
    ('finetune.layout.accumulation', f.layout.accumulation),
    ('finetune.num_seeds', f.num_seeds),
    ('evaluate.num_samples', c.evaluate.num_samples),
    ('report.bootstrap_samples', c.report.bootstrap_samples),
    ('mesh.tensor', c.mesh.tensor),
  ):
    yield field, value >= 1, 'give at least 1'
  for field in ('sampling.dtype', 'finetune.dtype'):
    yield field, _get(c, field) in DTYPES, f'give {" or ".join(DTYPES)}'
  keep = c.curate.keep
  yield (
    'curate.keep',
    keep in arms_lib.KEEP,
    f'known: {", ".join(arms_lib.KEEP)}',
  )
  judged = keep == 'judge' or any(arm.keep == 'judge' for arm in c.arms)
  yield 'judge', bool(c.judge) or not judged, 'name a model'
  yield 'verify.timeout_s', c.verify.timeout_s > 0, 'give more than 0 seconds'

  for field, steps in (('low', f.steps_low), ('high', f.steps_high)):
    yield (
      f'finetune.steps_{field}',
      steps >= f.num_checkpoints,
      f'give at least finetune.num_checkpoints = {f.num_checkpoints}',
    )
  yield (
    'finetune.learning_rates',
    bool(f.learning_rates)
    and len(set(f.learning_rates)) == len(f.learning_rates)
    and all(rate > 0 for rate in f.learning_rates),
    'give at least one, each more than 0 and given once',
  )
  for field, known in (
    ('finetune.optimizer', OPTIMIZERS),
    ('finetune.layout.remat', REMAT),
  ):
    yield field, _get(c, field) in known, f'give {", ".join(known)}'
  for field in ('finetune.lora_rank', 'finetune.layout.fsdp'):
    yield field, _get(c, field) >= 0, 'give 0 or more'
  yield 'finetune.lora_alpha', f.lora_alpha > 0, 'give more than 0'
  yield (
    'finetune.warmup_fraction',
    0 <= f.warmup_fraction < 1,
    'give 0 or more, and less than 1',
  )
  yield 'finetune.weight_decay', f.weight_decay >= 0, 'give 0 or more'
  yield 'finetune.clip_norm', f.clip_norm > 0, 'give more than 0'
  yield (
    'finetune.row_tokens',
    not c.student or f.row_tokens > s.max_new_tokens,
    'a row holds a prompt and a whole solution: give more than '
    f'sampling.max_new_tokens = {s.max_new_tokens}',
  )

  ks, most = c.evaluate.ks, c.evaluate.num_samples
  yield (
    'evaluate.ks',
    bool(ks) and ks == tuple(sorted(set(ks))) and ks[0] >= 1,
    'give increasing numbers of samples, from 1 on',
  )
  yield (
    'evaluate.ks',
    ks[-1] <= most,
    f'no k can exceed evaluate.num_samples = {most}',
  )
  n = c.evaluate.num_transfer
  yield (
    'evaluate.num_transfer',
    n is None or n >= 1,
    'give at least 1 problem, or None for all',
  )
  yield (
    'evaluate.transfer',
    len({c.task.name, *c.evaluate.transfer}) == 1 + len(c.evaluate.transfer),
    f'name other tasks than {c.task.name}, each once',
  )
  confidence = c.report.confidence
  yield 'report.confidence', 0 < confidence < 1, 'give between 0 and 1'
  usd = c.report.usd_per_device_hour
  yield (
    'report.usd_per_device_hour',
    usd is None or usd > 0,
    'give dollars, more than 0, or None',
  )
  yield 'mesh.data', c.mesh.data >= 0, 'give at least 1, or 0 for all devices'


_TYPE_NAMES = {
  int: 'a whole number',
  float: 'a number',
  str: 'a string',
  bool: 'True or False',
  int | None: 'a whole number or None',
  float | None: 'a number or None',
  tuple[int, ...]: 'whole numbers, e.g. (1, 4)',
  tuple[float, ...]: 'numbers, e.g. (1e-7, 1e-6)',
  tuple[str, ...]: "strings, e.g. ('se', 'reference')",
  tuple[Arm, ...]: "strings, e.g. ('se', 'reference')",
}


def _is_a(value: object, hint: Any) -> bool:
  if typing.get_origin(hint) is tuple:
    element, _ = typing.get_args(hint)
    return isinstance(value, tuple) and all(_is_a(v, element) for v in value)
  if value is None:
    return type(None) in typing.get_args(hint)
  if hint is bool or isinstance(value, bool):
    return hint is bool and isinstance(value, bool)
  if hint in (float, float | None):
    return isinstance(value, int | float) and math.isfinite(value)
  return isinstance(value, hint)


def _leaves(cls: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
  """Yields (dotted path, type) of every field that is not itself a spec."""
  for name, hint in typing.get_type_hints(cls).items():
    if dataclasses.is_dataclass(hint):
      yield from _leaves(hint, f'{prefix}{name}.')
    else:
      yield prefix + name, hint


def _plain(value: Any) -> Any:
  """Returns a section as a dict, and arms as they are written."""
  if isinstance(value, Arm):
    return str(value)
  if isinstance(value, tuple):
    return tuple(map(_plain, value))
  if dataclasses.is_dataclass(value):
    return {
      field.name: _plain(getattr(value, field.name))
      for field in dataclasses.fields(value)
    }
  return value


def _read_arms(arms: Any) -> Any:
  """Returns arms that may be given as text; what is neither, as it is."""
  if not isinstance(arms, tuple) or not all(
    isinstance(arm, str | Arm) for arm in arms
  ):
    return arms
  try:
    return tuple(
      arms_lib.parse(arm, GENERATORS, ANCHOR) if isinstance(arm, str) else arm
      for arm in arms
    )
  except ValueError as e:
    raise ConfigError('arms', _plain(arms), str(e)) from e


def _get(config: Config, path: str) -> Any:
  value: Any = config
  for name in path.split('.'):
    value = getattr(value, name)
  return value


def _nearest(name: str, known: Mapping[str, str], listed: Iterable[str]) -> str:
  near = difflib.get_close_matches(name, known, n=1)
  if near:
    return f'did you mean {known[near[0]]}?'
  return f'known: {", ".join(listed)}'


def _to_config_dict(spec: Any) -> config_dict.ConfigDict:
  fields = {}
  for name, hint in typing.get_type_hints(type(spec)).items():
    value = getattr(spec, name)
    kind, *optional = typing.get_args(hint) or (hint,)
    if dataclasses.is_dataclass(hint):
      value = _to_config_dict(value)
    elif name == 'arms':
      value = _plain(value)
    elif optional == [type(None)]:
      value = config_dict.FieldReference(value, field_type=kind)
    fields[name] = value
  return config_dict.ConfigDict(fields)


def _freeze(cls: Any, values: Any, prefix: str) -> Any:
  hints = typing.get_type_hints(cls)
  if not isinstance(values, config_dict.ConfigDict):
    raise ConfigError(
      prefix[:-1], values, f'it has fields of its own: {", ".join(hints)}'
    )
  for name in values:
    if name not in hints:
      check_field(prefix + name, values[name])
  fields = {}
  for name, hint in hints.items():
    if name not in values:
      raise ConfigError(
        prefix + name, None, 'missing; start from to_config_dict(Config())'
      )
    value = values[name]
    if dataclasses.is_dataclass(hint):
      value = _freeze(hint, value, f'{prefix}{name}.')
    elif isinstance(value, list | tuple):
      as_float = hint == tuple[float, ...]
      value = tuple(
        float(v) if as_float and type(v) is int else v for v in value
      )
    elif hint in (float, float | None) and type(value) is int:
      value = float(value)
    fields[name] = value
  return cls(**fields)
