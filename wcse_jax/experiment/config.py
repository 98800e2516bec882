"""Every knob of an experiment: typed, frozen, validated, with its unit.

A config file builds a `Config`, turns it into a ConfigDict that flags can
override (`to_config_dict`), and the launcher turns that back (`freeze`). A
`Config` that exists is valid.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import re
from typing import Any

from ml_collections import config_dict

from wcse_jax.experiment import across, arguments
from wcse_jax.experiment import arms as arms_lib
from wcse_jax.experiment import freeze as freeze_lib
from wcse_jax.experiment import roles as roles_lib
from wcse_jax.experiment.arms import Arm
from wcse_jax.experiment.folders import FOLDERS as FOLDERS
from wcse_jax.experiment.folders import STAGES as STAGES
from wcse_jax.experiment.folders import made_by as made_by
from wcse_jax.experiment.folders import stages_to_run as stages_to_run
from wcse_jax.experiment.folders import unknown_stages as unknown_stages
from wcse_jax.experiment.freeze import flatten as flatten
from wcse_jax.experiment.freeze import plain
from wcse_jax.experiment.freeze import saved as saved
from wcse_jax.experiment.freeze import to_config_dict as to_config_dict
from wcse_jax.experiment.freeze import to_dict as to_dict
from wcse_jax.experiment.roles import ANCHOR as ANCHOR
from wcse_jax.experiment.roles import GENERATORS as GENERATORS
from wcse_jax.experiment.rules import (
  ConfigError,
  Rule,
  field,
  get,
  not_empty,
)
from wcse_jax.experiment.sections import (
  BudgetSpec,
  CheckpointSpec,
  CurateSpec,
  EvaluateSpec,
  FinetuneSpec,
  MeshSpec,
  ReportSpec,
  SamplingSpec,
  TaskSpec,
  TokenizerSpec,
  VerifySpec,
)
from wcse_jax.experiment.sections import LayoutSpec as LayoutSpec
from wcse_jax.experiment.teachers import EndpointSpec, ExternalSpec, LimitSpec
from wcse_jax.experiment.teachers import TeacherSpec as TeacherSpec

SE, WC, WC_NUMBER_MATCHED, WC_PRICE_MATCHED, *_, REFERENCE = arms_lib.named(
  GENERATORS, ANCHOR
)

_OF_WORKDIR = Rule(
  'file name',
  lambda text: bool(re.fullmatch(r'([\w-][\w.-]{,99})?', text)),
  'use letters, digits, "_", "-" and, but not first, "." (it names the'
  ' workdir), 100 at most',
)
_ARM_CHARACTERS = 150  # at most, as it names folders


def arm(
  text: str, names: Sequence[str] = GENERATORS, anchor: str = ANCHOR
) -> Arm:
  """Returns the arm that is written so.

  Example:
    >>> arm('wc_compute_matched~1').label
    'WC compute-matched, 1 kept'

  Args:
    text: The arm, as `wcse_jax.experiment.arms` says.
    names: The names of what samples.
    anchor: The one of them whose samples budgets are counted in.

  Raises:
    ValueError: Its text says what is wrong, and what is known.
  """
  read = arms_lib.parse(text[: 2 * _ARM_CHARACTERS], names, anchor)
  if (length := max(len(text), len(str(read)))) > _ARM_CHARACTERS:
    raise ValueError(f'an arm, which names folders, has {length} characters')
  for pool in read.pools:
    if pool.temperature is not None:
      arguments.check(SamplingSpec, temperature=pool.temperature)
  return read


def _read_arms(arms: Any, names: Sequence[str], anchor: str) -> Any:
  """Returns arms that may be given as text; what is neither, as it is."""
  if not isinstance(arms, tuple) or not all(
    isinstance(of, str | Arm) for of in arms
  ):
    return arms
  try:
    return tuple(arm(str(of), names, anchor) for of in arms)
  except ValueError as e:
    raise ConfigError('arms', plain(arms), str(e)) from e


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """One experiment.

  `arms` may be given as `wcse_jax.experiment.arms` writes them; one that draws
  on 'wc' uses the model `wc`, and so on; `teachers` are further models, by the
  names that arms call them by. `student` is finetuned on each arm's
  data; without one ('') the run ends with the data and its quality. `judge`, if
  there is one, says of samples whether their reasoning is right. A student or
  judge that is the WC or SE model, and has no checkpoint, has that one's. With
  `experiments`, config files beside this one's, those are run instead, each
  with what this one sets.

  Raises:
    ConfigError: A field has a wrong type or an impossible value, or two
      contradict each other.
  """

  name: str = field('wc_distill', not_empty(_OF_WORKDIR.remedy), _OF_WORKDIR)
  """Of the experiment: names the default workdir, and the report."""
  scale: str = field('tiny', _OF_WORKDIR)
  """What stands behind the config file's name: names the default workdir."""
  # Not 'report', which is the page's folder.
  experiments: tuple[str, ...] = field(
    (),
    Rule(
      'config files',
      lambda names: (
        len(set(names)) == len(names)
        and all(re.fullmatch(r'(?!report$)[\w-]+', name) for name in names)
      ),
      "name config files beside this one, each once, e.g. ('wc_distill',)",
    ),
  )
  """Config files beside this one that are run instead; () runs this one."""
  seed: int = field(
    0, Rule('32 bits', lambda x: 0 <= x < 2**32, 'give 0 to 2**32 - 1')
  )
  """Of sampling, finetuning and intervals."""
  wc: str = 'nano_wc'
  """The weak, cheap model: one of `wcse list models`, or a name in a file of
  samples."""
  se: str = 'nano_se'
  """The strong, expensive model, likewise."""
  student: str = 'nano_student'
  """The model that is finetuned; '' ends the run with the data."""
  teachers: Mapping[str, TeacherSpec] = dataclasses.field(
    default_factory=dict[str, TeacherSpec]
  )
  """Further models that sample."""
  judge: str = ''
  """The model that judges reasoning; '' is none."""
  prices: str = ''
  """File of prices (docs/howto/own_prices.md); '' is the table that comes with
  this project."""
  arms: tuple[Arm, ...] = field(
    (SE, WC, WC_NUMBER_MATCHED, REFERENCE),
    not_empty("name at least one, e.g. ('se', 'reference')"),
    Rule('each once', lambda x: len(set(x)) == len(x), 'name each arm once'),
  )
  """What is compared, as `wcse list arms` writes it."""
  prompt: str = ''
  """Text file with few-shot examples and '{question}', see
  docs/howto/own_problems.md; or, for chat-tuned models, a TOML file of turns
  (docs/howto/chat.md); '' is the task's own prompt."""
  checkpoints: CheckpointSpec = CheckpointSpec()
  tokenizers: TokenizerSpec = TokenizerSpec()
  external: ExternalSpec = ExternalSpec()
  endpoint: EndpointSpec = EndpointSpec()
  limit: LimitSpec = LimitSpec()
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
    if not isinstance(self.teachers, Mapping):
      raise ConfigError('teachers', self.teachers, 'give a section for each')
    names, anchor = self.names, self.budget.anchor
    if remedy := roles_lib.unusable(names, anchor):
      raise ConfigError(*remedy)
    object.__setattr__(self, 'arms', _read_arms(self.arms, names, anchor))
    freeze_lib.check(self)
    self._write_short()
    self._share_weights()
    for rule in across.RULES:
      for path, remedy in rule(self):
        raise ConfigError(path, plain(get(self, path)), remedy)

  def _write_short(self) -> None:
    """Says in `wc`, `se` and their sections what `teachers` says of these."""
    teachers = dict(self.teachers)
    for role in [name for name in GENERATORS if name in teachers]:
      teacher, blank = teachers.pop(role), TeacherSpec()
      for what in roles_lib.SHORT:
        path, value = self.field_of(role, what), getattr(teacher, what)
        section, _, name = path.rpartition('.')
        of = get(self, section) if section else self
        usual = getattr(type(of)(), name)
        if value and getattr(of, name) not in (usual, value):
          raise ConfigError(
            f'teachers.{role}.{what}',
            value,
            f'config.{path} = {getattr(of, name)!r} is the same: give one',
          )
        if value and section:
          of = dataclasses.replace(of, **{name: value})
          object.__setattr__(self, section, of)
        elif value:
          object.__setattr__(self, name, value)
      said = dict.fromkeys(roles_lib.SHORT, '')
      if (left := dataclasses.replace(teacher, **said)) != blank:
        teachers[role] = left
    object.__setattr__(self, 'teachers', teachers)

  def _share_weights(self) -> None:
    """Gives a student or judge that is a teacher's model that one's folder."""
    folders, tokenizers = {}, {}
    given: dict[str, set[tuple[str, str]]] = {}
    for name, *files in map(self.model, self.names):
      if files[0]:
        given.setdefault(name, set()).add((files[0], files[1]))
    for role in ('student', 'judge'):
      name, folder, tokenizer = self.model(role)
      known = set() if folder else given.get(name, set())
      if len(known) > 1:
        raise ConfigError(
          f'checkpoints.{role}',
          folder,
          f'several models that sample are {name}, of other weights: name the'
          f" {role}'s",
        )
      for folders[role], its in known:
        tokenizers[role] = tokenizer or its
    for section, own in (('checkpoints', folders), ('tokenizers', tokenizers)):
      new = dataclasses.replace(getattr(self, section), **own)
      object.__setattr__(self, section, new)

  @property
  def names(self) -> tuple[str, ...]:
    """The names of all models that may sample."""
    return tuple(dict.fromkeys((*GENERATORS, *self.teachers)))

  @property
  def generators(self) -> tuple[str, ...]:
    """The names of the models that sample for some arm."""
    used = {name for arm in self.arms for name in arm.generators}
    return tuple(name for name in self.names if name in used)

  @property
  def roles(self) -> tuple[str, ...]:
    """The models that are used: those that sample, 'student' and 'judge'.

    The anchor is, too, if its size decides how much the others sample.
    """
    by_size = self.matched_by('compute') or self.matched_by('measured')
    used = {*self.generators, *([self.budget.anchor] if by_size else [])}
    return tuple(
      [name for name in self.names if name in used]
      + [role for role in ('student', 'judge') if getattr(self, role)]
    )

  @property
  def anchor(self) -> Arm:
    """The arm of the samples that budgets are counted in, and no others."""
    return next(arms_lib.named(self.names, self.budget.anchor))

  def teacher(self, role: str) -> TeacherSpec:
    """Returns what the config says of a model that samples."""
    said = self.teachers.get(role, TeacherSpec())
    if role not in GENERATORS:
      return said
    field = functools.partial(self.field_of, role)
    of = {what: get(self, field(what)) for what in roles_lib.SHORT}
    return dataclasses.replace(said, **of)

  def field_of(self, role: str, what: str) -> str:
    """Returns the path of the field that says something of a model.

    Args:
      role: What samples, 'student' or 'judge'.
      what: A field of `TeacherSpec`, e.g. 'checkpoint'.
    """
    short = role in (*GENERATORS, 'student', 'judge') and roles_lib.SHORT
    if not short or what not in short:
      return f'teachers.{role}.{what}'
    return short[what] + role

  def model(self, role: str) -> tuple[str, str, str]:
    """Returns the name, the folder and the tokenizer of a role's model."""
    of = ('model', 'checkpoint', 'tokenizer')
    name, folder, tokenizer = (get(self, self.field_of(role, w)) for w in of)
    return name, folder, tokenizer

  def external_file(self, role: str) -> str:
    """Returns where a role's samples come from; '' if we draw them."""
    if role not in self.names:
      return getattr(self.external, role, '')
    return self.teacher(role).external

  def server(self, role: str) -> str:
    """Returns the URL of what samples for a role; '' if no server does."""
    source = self.external_file(role)
    return source if source.startswith(('http://', 'https://')) else ''

  def matched_by(self, matching: arms_lib.Matching) -> bool:
    """Tells whether any arm's samples are matched so."""
    return any(arm.matched_by(matching) for arm in self.arms)

  def steps(self, budget: str) -> int:
    """Finetuning steps at a budget: in proportion, where none are given."""
    given = {'low': self.finetune.steps_low, 'high': self.finetune.steps_high}
    ratio = self.budget.by_name[budget] / self.budget.low
    return given.get(budget) or round(self.finetune.steps_low * ratio)


def freeze(config: config_dict.ConfigDict) -> Config:
  """Returns the Config that a ConfigDict holds.

  Args:
    config: What a config file's `get_config` returned.

  Raises:
    ConfigError: A field is unknown, missing, or has an impossible value.
  """
  return freeze_lib.from_config_dict(Config, config)


def restore(fields: Mapping[str, Any]) -> Config:
  """Returns the Config that `saved` gave these fields of; see `freeze`."""
  return freeze_lib.restored(Config, fields)


def name_sections(values: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Adds the models to a ConfigDict that paths name: 'teachers.mid.model'."""
  freeze_lib.name_sections(Config, values, paths)


def check_field(path: str, value: object) -> None:
  """Raises ConfigError unless `path`, e.g. 'sampling.top_k', is a field."""
  freeze_lib.check_field(Config, path, value)
  named = re.fullmatch(r'teachers\.(.+)\.\w+', path)
  if named and (remedy := roles_lib.unusable([named[1]], named[1])):
    raise ConfigError(*remedy)


def at_scale(scales: Mapping[str, Config], scale: str) -> Config:
  """Returns `scales[scale]`; raises ConfigError if there is none."""
  if scale not in scales:
    raise ConfigError('scale', scale, f'known: {", ".join(scales)}')
  return scales[scale]
