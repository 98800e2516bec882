"""Every knob of an experiment: typed, frozen, validated, with its unit.

A config file builds a `Config`, turns it into a ConfigDict that flags can
override (`to_config_dict`), and the launcher turns that back (`freeze`). A
`Config` that exists is valid.
"""

from collections.abc import Mapping
import dataclasses
import re
from typing import Any

from ml_collections import config_dict

from wcse_jax.experiment import across, arguments
from wcse_jax.experiment import arms as arms_lib
from wcse_jax.experiment import freeze as freeze_lib
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
  EndpointSpec,
  EvaluateSpec,
  ExternalSpec,
  FinetuneSpec,
  LimitSpec,
  MeshSpec,
  ReportSpec,
  SamplingSpec,
  TaskSpec,
  TokenizerSpec,
  VerifySpec,
)
from wcse_jax.experiment.sections import LayoutSpec as LayoutSpec

SE, WC, WC_NUMBER_MATCHED, WC_PRICE_MATCHED, REFERENCE = arms_lib.named(
  GENERATORS, ANCHOR
)

_OF_WORKDIR = Rule(
  'file name',
  lambda text: bool(re.fullmatch(r'([\w-][\w.-]{,99})?', text)),
  'use letters, digits, "_", "-" and, but not first, "." (it names the'
  ' workdir), 100 at most',
)
_ARM_CHARACTERS = 150  # at most, as it names folders


def arm(text: str) -> Arm:
  """Returns the arm that is written so.

  Example:
    >>> arm('wc_compute_matched~1').label
    'WC compute-matched, 1 kept'

  Args:
    text: The arm, as `wcse_jax.experiment.arms` says.

  Raises:
    ValueError: Its text says what is wrong, and what is known.
  """
  if len(text) > _ARM_CHARACTERS:
    raise ValueError(f'an arm, which names folders, has {len(text)} characters')
  read = arms_lib.parse(text, GENERATORS, ANCHOR)
  for pool in read.pools:
    if pool.temperature is not None:
      arguments.check(SamplingSpec, temperature=pool.temperature)
  return read


def _read_arms(arms: Any) -> Any:
  """Returns arms that may be given as text; what is neither, as it is."""
  if not isinstance(arms, tuple) or not all(
    isinstance(of, str | Arm) for of in arms
  ):
    return arms
  try:
    return tuple(arm(of) if isinstance(of, str) else of for of in arms)
  except ValueError as e:
    raise ConfigError('arms', plain(arms), str(e)) from e


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """One experiment.

  `arms` may be given as `wcse_jax.experiment.arms` writes them; one that draws
  on 'wc' uses the model `wc`, and so on. `student` is finetuned on each arm's
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
  docs/howto/own_problems.md; '' is the task's own prompt."""
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
    object.__setattr__(self, 'arms', _read_arms(self.arms))
    freeze_lib.check(self)
    self._share_weights()
    for rule in across.RULES:
      for path, remedy in rule(self):
        raise ConfigError(path, plain(get(self, path)), remedy)

  def _share_weights(self) -> None:
    """Gives a student or judge that is WC or SE that one's folder."""
    folders, tokenizers = {}, {}
    given = {m[0]: m[1:] for m in map(self.model, GENERATORS) if m[1]}
    for role in ('student', 'judge'):
      name, folder, tokenizer = self.model(role)
      if name in given and not folder:
        folders[role], its = given[name]
        tokenizers[role] = tokenizer or its
    for section, own in (('checkpoints', folders), ('tokenizers', tokenizers)):
      new = dataclasses.replace(getattr(self, section), **own)
      object.__setattr__(self, section, new)

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

  def model(self, role: str) -> tuple[str, str, str]:
    """Returns the name, the folder and the tokenizer of a role's model."""
    sources = self, self.checkpoints, self.tokenizers
    name, folder, tokenizer = (getattr(source, role) for source in sources)
    return name, folder, tokenizer

  def external_file(self, role: str) -> str:
    """Returns where a role's samples come from; '' if we draw them."""
    return getattr(self.external, role, '')

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


def check_field(path: str, value: object) -> None:
  """Raises ConfigError unless `path`, e.g. 'sampling.top_k', is a field."""
  freeze_lib.check_field(Config, path, value)


def at_scale(scales: Mapping[str, Config], scale: str) -> Config:
  """Returns `scales[scale]`; raises ConfigError if there is none."""
  if scale not in scales:
    raise ConfigError('scale', scale, f'known: {", ".join(scales)}')
  return scales[scale]
