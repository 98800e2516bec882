"""The sections of a config: each knob with its unit and its rules."""

import dataclasses

from wcse_jax.experiment import arms
from wcse_jax.experiment.rules import (
  Rule,
  above,
  at_least,
  at_most,
  field,
  not_empty,
  one_of,
)

_DTYPES = one_of(('float32', 'bfloat16'), 'give float32 or bfloat16')
_MANY = at_most(100_000)
SAMPLES = at_least(1), _MANY  # of one prompt
_STEPS = at_most(10_000_000)
_TOKENS = at_most(1_000_000)
_FASTEST = 1000
RATE = above(0), at_most(_FASTEST)  # of learning


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

  name: str = field(
    'nano_arithmetic', not_empty('name a task of wcse_jax.tasks')
  )
  num_train: int | None = 300
  num_validation: int | None = 100
  num_test: int | None = 300
  # Passed over, from the first: test problems that a recipe was chosen on.
  skip_test: int = field(0, at_least(0, 'give 0 or more'))
  data_dir: str = ''  # folder with the dataset's official files; '' = default


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetSpec:
  """Samples per problem that SE gets; the other arms follow from it."""

  low: int = field(1, at_least(1, 'a budget buys at least 1 sample'), _MANY)
  high: int = field(10, _MANY)
  # Further budgets, named by their number.
  more: tuple[int, ...] = field((), _MANY)
  # Each finetuning seed learns from samples of its own, an independent pool, so
  # that how far seeds are apart is how far apart such data are.
  pool_per_seed: bool = False

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingSpec:
  """How solutions are sampled."""

  temperature: float = field(
    0.7,
    at_least(0, 'give 0 (greedy) or more'),
    Rule(
      'warm',
      lambda t: t == 0 or 1e-4 <= t <= 100,
      'give 0 (greedy), or 0.0001 to 100',
    ),
  )
  top_k: int | None = field(
    3, at_least(1, 'give at least 1, or None to turn it off')
  )
  top_p: float | None = field(
    None,
    Rule(
      'a share',
      lambda share: 0 < share <= 1,
      'give more than 0 and at most 1, or None to turn it off',
    ),
  )
  max_new_tokens: int = field(80, at_least(1), _TOKENS)
  # Samples decoding at a time.
  slots: int = field(64, at_least(1), at_most(100_000))
  # Samples per Parquet file.
  shard_rows: int = field(1024, at_least(1), at_most(1_000_000))
  dtype: str = field('float32', _DTYPES)  # of weights and caches


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifySpec:
  """How solutions are verified."""

  workers: int = field(2, at_least(1), at_most(1000))  # processes
  # For one sample.
  timeout_s: float = field(
    5.0,
    above(0, 'give more than 0 seconds'),
    at_most(86_400, 'give at most 86,400 seconds, which are a day'),
  )
  # Samples of a pool, of right answer, that `judge` judges.
  num_judged: int = field(500, at_least(1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurateSpec:
  """Which samples students learn from; `keep` is one of `arms.KEEP`."""

  keep: str = field(
    'correct', one_of(arms.KEEP, f'known: {", ".join(arms.KEEP)}')
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayoutSpec:
  """How finetuning is laid out: what it takes, not what is learned.

  `data` x `fsdp` devices share a batch, `fsdp` of them also the parameters and
  the optimizer's state; `tensor` devices share a layer.
  """

  data: int = field(1, at_least(1))
  # 0 takes all devices that the others leave.
  fsdp: int = field(0, at_least(0, 'give 0 or more'))
  tensor: int = field(1, at_least(1))
  # Parts of a batch, computed one after another.
  accumulation: int = field(1, at_least(1), at_most(10_000))
  # What the backward pass computes again, a key of `models.gemma.REMAT`.
  remat: str = field('none', one_of(('none', 'dots', 'full')))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneSpec:
  """How students are finetuned. Batches and steps count examples."""

  batch_size: int = field(8, at_least(1), at_most(100_000))  # examples
  steps_low: int = field(15, _STEPS)  # at the low budget
  steps_high: int = field(150, _STEPS)  # at the high budget
  # Validation chooses the best.
  learning_rates: tuple[float, ...] = field(
    (1e-4,),
    Rule(
      'rates',
      lambda r: bool(r) and len(set(r)) == len(r) and min(r) > 0,
      'give at least one, each more than 0 and given once',
    ),
    at_most(_FASTEST),
  )
  # Of all steps; then a cosine to 0.
  warmup_fraction: float = field(
    0.1,
    Rule('a part', lambda x: 0 <= x < 1, 'give 0 or more, and less than 1'),
  )
  # Both optimizers take the same rates.
  optimizer: str = field('adamw', one_of(('adamw', 'adafactor')))
  weight_decay: float = field(0.0, at_least(0, 'give 0 or more'))
  clip_norm: float = field(1.0, above(0))
  row_tokens: int = field(256, _TOKENS)  # tokens of a packed row
  # Equally spaced; the best is kept.
  num_checkpoints: int = field(10, at_least(1), at_most(1000))
  # Students finetuned on each mix.
  num_seeds: int = field(1, at_least(1), at_most(1000))
  # Of the compute; parameters are float32.
  dtype: str = field('float32', _DTYPES)
  # Of the adapters that are trained; 0 trains all.
  lora_rank: int = field(0, at_least(0, 'give 0 or more'), at_most(10_000))
  # Adapters count alpha / rank times.
  lora_alpha: float = field(16.0, above(0))
  layout: LayoutSpec = LayoutSpec()

  @property
  def lora_scale(self) -> float:
    return self.lora_alpha / self.lora_rank


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSpec:
  """How students are evaluated."""

  # Per problem, for maj@k and coverage@k.
  num_samples: int = field(8, *SAMPLES)
  # Test problems, the first, that have samples; None is all. Each problem has
  # a greedy solution, for pass@1.
  num_sampled: int | None = field(
    None, at_least(1, 'give at least 1 problem, or None for all')
  )
  ks: tuple[int, ...] = field(
    (1, 4, 8),
    Rule(
      'increasing',
      lambda ks: bool(ks) and ks == tuple(sorted(set(ks))) and ks[0] >= 1,
      'give increasing numbers of samples, from 1 on',
    ),
  )
  # Whether the student before finetuning is asked behind the few-shot examples,
  # without which a pretrained model does not know what is asked of it.
  # Finetuned ones are always asked without.
  few_shot_base: bool = False
  transfer: tuple[str, ...] = ()  # tasks that students are tested on, too
  # Problems of each; None takes all.
  num_transfer: int | None = field(
    None, at_least(1, 'give at least 1 problem, or None for all')
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportSpec:
  """How results are summarised."""

  bootstrap_samples: int = field(2000, at_least(1), at_most(100_000))
  confidence: float = field(
    0.95, Rule('between', lambda x: 0 < x < 1, 'give between 0 and 1')
  )
  # Of sampling; None is not known.
  usd_per_device_hour: float | None = field(
    None, above(0, 'give dollars, more than 0, or None')
  )
  across_budgets: bool = False  # WC's data against SE's of all other budgets


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshSpec:
  """How devices are laid out. `data` devices share the batch, `tensor` a layer.

  0 for `data` takes all devices that `tensor` leaves.
  """

  data: int = field(0, at_least(0, 'give at least 1, or 0 for all devices'))
  tensor: int = field(1, at_least(1))
  # Of a process, where XLA computes on the CPU. More processes are faster:
  # --replicas=auto.
  cpu_threads: int = field(1, at_least(1), at_most(1024))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
  """SentencePiece files, folders with tokenizer.model, or presets, by role.

  '' is the tokenizer in or beside the folder in `checkpoints`, or the one that
  comes with a model. A folder that transformers 5 saved again has none.
  """

  wc: str = ''
  se: str = ''
  student: str = ''
  judge: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointSpec:
  """Folders with `params.safetensors` and `tokenizer.model`, by role.

  '' takes the weights that come with a model, where it has some; for a student
  or judge that is the WC or SE model, that one's.
  """

  wc: str = ''
  se: str = ''
  student: str = ''
  judge: str = ''
