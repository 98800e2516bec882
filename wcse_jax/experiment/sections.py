"""The sections of a config: each knob with its unit and its rules."""

import dataclasses

from wcse_jax.experiment import arms
from wcse_jax.experiment.roles import ANCHOR
from wcse_jax.experiment.rules import (
  Rule,
  above,
  at_least,
  at_most,
  field,
  not_empty,
  one_of,
)

SPLITS = 'train', 'validation', 'test'
# How problems of a file are graded, see `wcse_jax.tasks.FILES`.
GRADERS = 'math', 'gsm8k', 'numeric', 'string', 'code'
# What P of the paper's rule may count.
PARAMS = 'nominal', 'non_embedding', 'active'
TEMPERATURE = (
  at_least(0, 'give 0 (greedy) or more'),
  Rule(
    'warm',
    lambda t: t == 0 or 1e-4 <= t <= 100,
    'give 0 (greedy), or 0.0001 to 100',
  ),
)
_DTYPES = one_of(('float32', 'bfloat16'), 'give float32 or bfloat16')
_FORMATS = one_of(
  ('float32', 'bfloat16', 'int8'), 'give float32, bfloat16 or int8'
)
_MANY = at_most(100_000)
SAMPLES = at_least(1), _MANY  # of one prompt
_STEPS = at_most(10_000_000)
TOKENS = at_most(1_000_000)
_FASTEST = 1000
RATE = above(0), at_most(_FASTEST)  # of learning


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskSpec:
  """Which problems."""

  name: str = field(
    'nano_arithmetic', not_empty('name a task of wcse_jax.tasks')
  )
  """One of `wcse list tasks`, or a Python module that is an own task; with
  `file`, what `grader` says."""
  file: str = ''
  """JSON lines with problems, instead of a data set; see
  docs/howto/own_problems.md."""
  grader: str = field('', one_of(('', *GRADERS), f'give {", ".join(GRADERS)}'))
  """How solutions of `file` are graded: math, gsm8k, numeric, string, code."""
  split: str = field('train', one_of(SPLITS))
  """The split whose first `num_train` problems are sampled; another than train
  only without a student, whose tests they are."""
  num_train: int | None = 300
  """Training problems, the first; None takes all."""
  num_validation: int | None = 100
  """Validation problems, the first; None takes all."""
  num_test: int | None = 300
  """Test problems, the first after `skip_test`; None takes all."""
  skip_test: int = field(0, at_least(0, 'give 0 or more'))
  """Test problems passed over, from the first: those a recipe was chosen on."""
  data_dir: str = ''
  """Folder with the data set's official files; '' finds or downloads them."""

  def __post_init__(self):
    if self.file and self.grader:
      object.__setattr__(self, 'name', f'file_{self.grader}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetSpec:
  """Samples per problem that the anchor, SE, gets; others follow from it."""

  anchor: str = ANCHOR
  """Whose samples budgets are counted in: 'wc', 'se', or one of `teachers`."""
  params: str = field('nominal', one_of(PARAMS))
  """What P of the rule 2PW counts, of all models: parameters as a model is
  named (nominal), all but embeddings (non_embedding), or those that a token is
  multiplied by (active): no lookups, and of a mixture the experts chosen."""
  low: int = field(1, at_least(1, 'a budget buys at least 1 sample'), _MANY)
  """Samples of SE per problem at the low budget."""
  high: int = field(10, _MANY)
  """Samples of SE per problem at the high budget."""
  more: tuple[int, ...] = field((), _MANY)
  """Further budgets, in samples of SE per problem, named by their number."""
  right: int | None = field(
    None, at_least(1, 'give at least 1, or None'), _MANY
  )
  """Right solutions of a problem after which no more of it are drawn: budgets
  are then the most. None draws all."""
  rows: int | None = field(
    None, at_least(1, 'give at least 1, or None'), at_most(1_000_000_000)
  )
  """Right solutions in all, of each arm, after which no more problems are
  sampled. None samples all."""
  pool_per_seed: bool = False
  """Whether each finetuning seed learns from samples of its own: then how far
  seeds are apart is how far apart such data are."""

  @property
  def by_name(self) -> dict[str, int]:
    """All budgets, ascending: each is nested in the next.

    If low and high are the same, it is one budget, the high one.
    """
    named = {'low': self.low, 'high': self.high}
    if self.low == self.high:
      del named['low']
    named |= {str(n): n for n in self.more}
    return dict(sorted(named.items(), key=lambda item: item[1]))


def computed_in(dtype: str) -> str:
  """Returns the type of what is not stored in eight bits.

  Example:
    >>> computed_in('int8'), computed_in('float32')
    ('bfloat16', 'float32')
  """
  return 'bfloat16' if dtype == 'int8' else dtype


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingSpec:
  """How solutions are sampled."""

  temperature: float = field(0.7, *TEMPERATURE)
  """Of generators, and of students' sampled answers; 0 is greedy."""
  top_k: int | None = field(
    3, at_least(1, 'give at least 1, or None to turn it off')
  )
  """The most probable tokens that are sampled from; None is all."""
  top_p: float | None = field(
    None,
    Rule(
      'a share',
      lambda share: 0 < share <= 1,
      'give more than 0 and at most 1, or None to turn it off',
    ),
  )
  """The most probable tokens, up to this probability; None is all."""
  max_new_tokens: int = field(80, at_least(1), TOKENS)
  """Tokens of a solution at most; a longer one is cut there."""
  slots: int = field(64, at_least(1), at_most(100_000))
  """Samples that decode at a time, in each process."""
  shard_rows: int = field(1024, at_least(1), at_most(1_000_000))
  """Rows of a Parquet file: a kill loses at most so many."""
  dtype: str = field('float32', _FORMATS)
  """Of weights and caches: float32 or bfloat16; or int8, beside which
  the rest is in bfloat16: products with weights are of integers."""
  exact: bool = True
  """Whether all slots decode until the last sample ends, for samples to be the
  same in every bit whatever is drawn with them. False: where fewer are left,
  fewer decode, which is faster; of two tokens that are all but equally likely
  the other one may then be taken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifySpec:
  """How solutions are verified."""

  workers: int = field(2, at_least(1), at_most(1000))
  """Processes that grade."""
  timeout_s: float = field(
    5.0,
    above(0, 'give more than 0 seconds'),
    at_most(86_400, 'give at most 86,400 seconds, which are a day'),
  )
  """Seconds that grading one solution may take."""
  num_judged: int = field(500, at_least(1))
  """Samples of a pool, of right answer, that `judge` judges."""
  file: str = ''
  """File of verdicts on the samples, instead of the task's grader; see
  docs/howto/own_samples.md."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurateSpec:
  """Which samples students learn from."""

  keep: str = field(
    'correct', one_of(arms.KEEP, f'known: {", ".join(arms.KEEP)}')
  )
  """Those of right answer (correct), that the judge finds right (judge), whose
  answer is most samples' of the problem (majority), all, or as many at random
  as are right (random)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpec:
  """How finetuning is laid out on devices; each layout makes the same student.

  `data` x `fsdp` devices share a batch, `fsdp` of them also the parameters and
  the optimizer's state; `tensor` devices share a layer.
  """

  data: int = field(1, at_least(1))
  """Devices that share a batch and each hold all parameters."""
  fsdp: int = field(0, at_least(0, 'give 0 or more'))
  """Devices that share a batch and parameters; 0 takes all that are left."""
  tensor: int = field(1, at_least(1))
  """Devices that share a layer."""
  accumulation: int = field(1, at_least(1), at_most(10_000))
  """Parts of a batch, computed one after another to save memory."""
  remat: str = field('none', one_of(('none', 'dots', 'full')))
  """What the backward pass computes again, to save memory: none, all but
  products of matrices (dots), or whole layers (full)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneSpec:
  """How students are finetuned. Batches and steps count examples."""

  batch_size: int = field(8, at_least(1), at_most(100_000))
  """Examples of a step."""
  steps_low: int = field(15, _STEPS)
  """Steps at the low budget."""
  steps_high: int = field(150, _STEPS)
  """Steps at the high budget; those between are in proportion to samples."""
  learning_rates: tuple[float, ...] = field(
    (1e-4,),
    Rule(
      'rates',
      lambda r: bool(r) and len(set(r)) == len(r) and min(r) > 0,
      'give at least one, each more than 0 and given once',
    ),
    at_most(_FASTEST),
  )
  """Tried, each on every student; validation chooses the best."""
  warmup_fraction: float = field(
    0.1,
    Rule('a part', lambda x: 0 <= x < 1, 'give 0 or more, and less than 1'),
  )
  """Share of the steps in which the rate rises; then a cosine to 0."""
  optimizer: str = field('adamw', one_of(('adamw', 'adafactor')))
  """adamw or adafactor; both take the same rates."""
  weight_decay: float = field(0.0, at_least(0, 'give 0 or more'))
  """Of a step, times the rate."""
  clip_norm: float = field(1.0, above(0))
  """The most that a gradient's global norm may be."""
  row_tokens: int = field(256, TOKENS)
  """Tokens of a row, which several examples are packed into."""
  num_checkpoints: int = field(10, at_least(1), at_most(1000))
  """Equally spaced; the best on validation is the student."""
  keep: str = field('all', one_of(('all', 'best')))
  """Checkpoints that stay once a student is tested: all, or the best, which
  saves disk; to validate once more is then to finetune once more."""
  num_seeds: int = field(1, at_least(1), at_most(1000))
  """Students finetuned on each arm and budget."""
  dtype: str = field('float32', _DTYPES)
  """Of what is computed: float32 or bfloat16; parameters are float32."""
  lora_rank: int = field(0, at_least(0, 'give 0 or more'), at_most(10_000))
  """Of the adapters that are trained alone; 0 trains all parameters."""
  lora_alpha: float = field(16.0, above(0))
  """Adapters count alpha / rank times."""
  layout: LayoutSpec = LayoutSpec()

  @property
  def lora_scale(self) -> float:
    return self.lora_alpha / self.lora_rank


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSpec:
  """How students are evaluated: pass@1 is of greedy solutions."""

  num_samples: int = field(8, *SAMPLES)
  """Samples of a test problem, for maj@k and coverage@k."""
  num_sampled: int | None = field(
    None, at_least(1, 'give at least 1 problem, or None for all')
  )
  """Test problems, the first, that are sampled; None is all."""
  ks: tuple[int, ...] = field(
    (1, 4, 8),
    Rule(
      'increasing',
      lambda ks: bool(ks) and ks == tuple(sorted(set(ks))) and ks[0] >= 1,
      'give increasing numbers of samples, from 1 on',
    ),
  )
  """The k of maj@k and coverage@k, increasing."""
  few_shot_base: bool = False
  """Whether the student before finetuning is asked behind the few-shot
  examples, without which a pretrained model does not know what is asked of it.
  Finetuned ones are always asked without."""
  transfer: tuple[str, ...] = ()
  """Other tasks that students are tested on, too."""
  num_transfer: int | None = field(
    None, at_least(1, 'give at least 1 problem, or None for all')
  )
  """Test problems of each of those; None takes all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportSpec:
  """How results are summarised."""

  bootstrap_samples: int = field(2000, at_least(1), at_most(100_000))
  """Resamples of the problems that an interval is of."""
  confidence: float = field(
    0.95, Rule('between', lambda x: 0 < x < 1, 'give between 0 and 1')
  )
  """Of intervals."""
  usd_per_device_hour: float | None = field(
    None, above(0, 'give dollars, more than 0, or None')
  )
  """What an hour of a device costs that samples, in USD; None is not known."""
  across_budgets: bool = False
  """Whether WC's data are compared with SE's of all other budgets, too."""
  tpu_plan: str = ''
  """File of `wcse plan --json`, whose rates stand beside the measured ones."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshSpec:
  """How devices are laid out that sample."""

  data: int = field(0, at_least(0, 'give at least 1, or 0 for all devices'))
  """Devices that share a batch; 0 takes all that `tensor` leaves."""
  tensor: int = field(1, at_least(1))
  """Devices that share a layer."""
  cpu_threads: int = field(1, at_least(1), at_most(1024))
  """Threads of a process, where XLA computes on the CPU. More processes are
  faster than more threads: --replicas=auto."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
  """SentencePiece files, folders with tokenizer.model, or presets, by role.

  '' is the tokenizer in or beside the folder in `checkpoints`, or the one that
  comes with a model. A folder that transformers 5 saved again has none.
  """

  wc: str = ''
  """Tokenizer of the WC model; '' is its own."""
  se: str = ''
  """Tokenizer of the SE model; '' is its own."""
  student: str = ''
  """Tokenizer of the student; '' is its own."""
  judge: str = ''
  """Tokenizer of the judge; '' is its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointSpec:
  """Folders with `params.safetensors` and `tokenizer.model`, by role.

  '' takes the weights that come with a model, where it has some; for a student
  or judge that is the WC or SE model, that one's.
  """

  wc: str = ''
  """Folder of the WC model; '' takes the weights that come with it."""
  se: str = ''
  """Folder of the SE model; '' takes the weights that come with it."""
  student: str = ''
  """Folder of the student; '' takes the weights that come with it."""
  judge: str = ''
  """Folder of the judge; '' takes the weights that come with it."""
