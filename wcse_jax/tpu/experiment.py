"""What a config takes on TPUs: sampling its pools, finetuning its students."""

import collections
from collections.abc import Callable, Iterator, Mapping
import dataclasses
import math
import re
from typing import Any

from wcse_jax.experiment import prices
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.experiment.sections import PARAMS
from wcse_jax.finetuning import FinetuneError
from wcse_jax.models import presets
from wcse_jax.sampling import shapes, stopping
from wcse_jax.stages import check, sizes, sources
from wcse_jax.tasks import datasets
from wcse_jax.tpu import sampling, topology, training
from wcse_jax.tpu.sampling import Generator, Work

_CHARACTERS_PER_TOKEN = 3.2  # of few-shot mathematics, in Gemma's vocabulary
PROMPT_TOKENS = 192  # of the longest question


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
  """What a config does not say; None is estimated or searched for.

  Attributes:
    topology: Slice for sampling, e.g. 'v5e:2x4'; None plans no sampling.
    train_topology: Slice for finetuning, or a kind of TPU ('v5p') for its
      smallest slice that fits; None plans no finetuning.
    slots: Number of slots of each replica.
    prefix_tokens: Tokens of the few-shot prefix.
    prompt_tokens: Tokens of the longest question.
    mean_tokens: Mean tokens of a solution.
    example_tokens: Mean tokens of a question with its solution.
    price: Price of a chip-hour, in USD.
    whole: Whether all layers are compiled, not a few to extrapolate from.
  """

  topology: str | None = None
  train_topology: str | None = None
  slots: int | None = None
  prefix_tokens: int | None = None
  prompt_tokens: int | None = None
  mean_tokens: float | None = None
  example_tokens: float | None = None
  price: float | None = None
  whole: bool = False


def plan(
  config: Config,
  options: Options,
  tell: Callable[[str], Any] = lambda line: None,
) -> dict[str, Any]:
  """Plans a config.

  Args:
    config: The experiment.
    options: The slices, and what the config does not say.
    tell: Called with lines for people, as soon as they are known.

  Returns:
    The plan, as it is written to JSON.

  Raises:
    PlanError: It does not fit, or there is no such topology.
    ConfigError: The config names what does not exist.
  """
  try:
    check.check(config)
  except ConfigError as error:
    # Weights and samples may come later.
    if not re.search(r'\b(checkpoint|external)', error.field):
      raise
  result: dict[str, Any] = {'config': config.name, 'scale': config.scale}
  planner = _Planner(config, options, tell)
  if options.topology:
    result |= planner.sampling(topology.describe(options.topology))
  if options.train_topology and config.student:
    result['training'] = planner.training(options.train_topology)
  return result


@dataclasses.dataclass(frozen=True)
class _Planner:
  """Plans a config; the attributes are the arguments of `plan`."""

  config: Config
  options: Options
  tell: Callable[[str], Any]

  # --- sampling --------------------------------------------------------------

  def sampling(self, slice_: topology.Topology) -> dict[str, Any]:
    """Returns what all generators take."""
    config, tell = self.config, self.tell
    tell(f'{config.name} on {_describe(slice_)}')
    programs: dict[str, Any] = {}
    slots: dict[str, int] = {}
    generators: dict[str, dict[str, Any]] = {}
    # The largest first: if it does not fit, that is told soon.
    for role, generator, work in sorted(
      self._works(), key=lambda of: -of[1].weight_bytes
    ):
      found = sampling.fit(
        generator,
        slice_,
        work.problems * work.samples,
        config.mesh.tensor if config.mesh.tensor > 1 else None,
        self.options.slots,
        self.options.whole,
      )
      hours = slice_.num_chips * found.seconds(work) / 3600
      rate = work.tokens / (hours * 3600)
      tell(
        f'{role}: {generator.model}, {found.replicas} replicas of'
        f' {found.tensor} device{"s" * (found.tensor > 1)}, {found.slots} slots'
        f' each; HBM at most {found.peak_bytes / 2**30:.2f} GiB per chip'
      )
      tell('  program   HBM GiB    GFLOP  moved GB  roofline ms  compile s')
      for name, program in found.programs.items():
        programs[f'{role}/{name}'] = {
          **program.to_json(),
          'weights_plus_kv_bytes': found.weights_plus_kv_bytes[name],
        }
        tell(
          f'  {name:8} {program.hbm_bytes / 2**30:8.2f}'
          f' {program.flops / 1e9:8.0f} {program.moved_bytes / 1e9:9.3f}'
          f' {program.roofline_s * 1e3:12.2f} {program.compile_s:10.0f}'
        )
      moved = found.programs['decode'].moved_bytes
      tell(
        f'  a decode step moves'
        f' {moved / found.weights_plus_kv_bytes["decode"]:.3f} x weights + KV;'
        f' {work.problems:,} problems x {work.samples} samples:'
        f' {work.tokens:,.0f} tokens, {hours:.2f} chip-hours,'
        f' {rate:,.0f} tokens/s per chip'
      )
      slots[role] = found.slots
      generators[role] = {
        'model': generator.model,
        'tensor': found.tensor,
        'replicas': found.replicas,
        'devices_per_chip': slice_.devices_per_chip,
        'hbm_bytes_per_s': slice_.chip.hbm_bytes_per_s,
        'hbm_peak_bytes_per_chip': found.peak_bytes,
        'tokens': work.tokens,
        'chip_hours': hours,
        'tokens_per_s_per_chip': rate,
        **dataclasses.asdict(work),
        'prefix_tokens': generator.prefix_tokens,
        'prompt_tokens': generator.prompt_tokens,
        'max_new_tokens': generator.max_new_tokens,
      }
    result: dict[str, Any] = {
      'topology': slice_.name,
      'programs': programs,
      'slots': slots,
      'generators': generators,
    }
    for name in ('tokens', 'chip_hours'):
      result[name] = sum(made[name] for made in generators.values())
    if not generators:
      tell('nothing to sample: all samples are external')
      return result
    rate = result['tokens'] / (result['chip_hours'] * 3600)
    result['tokens_per_s_per_chip'] = rate
    tell(
      f'sampling for training, in all: {result["tokens"]:,.0f} tokens,'
      f' {self._cost(result)}, {rate:,.0f} tokens/s per chip'
    )
    result['matched'] = self._matched(generators)
    return result

  def _matched(
    self, generators: Mapping[str, Mapping[str, Any]]
  ) -> dict[str, dict[str, float]]:
    """Returns how many samples of each model cost what one of the anchor does.

    They are by what P of the rule may count, and by chip time.
    """
    anchor, high = self.config.budget.anchor, self.config.budget.high
    each = {
      role: made['chip_hours'] / made['samples'] / made['problems']
      for role, made in generators.items()
    }
    sizes_by_count = sizes.by_count(self.config)
    matched = {}
    for role in self.config.names if anchor in each else ():
      if role == anchor or role not in each:
        continue
      matched[role] = {
        count: of[anchor] / of[role]
        for count, of in sizes_by_count.items()
        if count in PARAMS and {anchor, role} <= of.keys()
      } | {'chip_hours': each[anchor] / each[role]}
      *by_params, by_time = (
        f'{high * n:,.4g} by {count}' for count, n in matched[role].items()
      )
      self.tell(
        f'{high} samples of {anchor} cost what these of {role} do, P counting'
        f' {self.config.budget.params} parameters: {", ".join(by_params)};'
        f' {by_time}'
      )
    return matched

  def _works(self) -> Iterator[tuple[str, Generator, Work]]:
    """Yields each generator's name, itself, and its work."""
    config, options = self.config, self.options
    spec = config.sampling
    prompt = shapes.whole_tiles(options.prompt_tokens or PROMPT_TOKENS)
    known = datasets.DATASETS.get(config.task.name)
    there = known.sizes.get(config.task.split) if known else None
    problems = config.task.num_train or there
    if not problems:
      raise ConfigError('task.num_train', None, 'give a number')
    byte_pieces = [bytes([byte]) for byte in range(256)]
    told: set[str] = set()
    for pool, samples in sizes.plan(config).pools.items():
      if config.external_file(pool.generator):
        continue
      task = sources.task(config, pool.generator)
      prefix, how = self._prefix(task.prefix)
      said = (
        f'prefix of {prefix} tokens{how}, questions of up to {prompt}'
        f' (--prompt_tokens), solutions of {self._mean_tokens:.0f} on average'
        ' (--mean_tokens)'
      )
      if said not in told:
        self.tell(said)
      told.add(said)
      generator = Generator(
        model=config.model(pool.generator)[0],
        prefix_tokens=prefix,
        prompt_tokens=prompt,
        max_new_tokens=shapes.whole_blocks(spec.max_new_tokens),
        stop_states=len(stopping.stop_table(byte_pieces, task.stop_strings)),
        dtype=spec.dtype,
        top_k=spec.top_k,
        top_p=spec.top_p,
      )
      work = Work(
        problems=problems, samples=samples, mean_tokens=self._mean_tokens
      )
      yield str(pool), generator, work

  def _prefix(self, text: str) -> tuple[int, str]:
    """Returns the tokens of a prefix, and how they were found, for people."""
    if given := self.options.prefix_tokens:
      return given, ''
    return 1 + math.ceil(len(text) / _CHARACTERS_PER_TOKEN), (
      f' (estimated: {len(text)} characters, {_CHARACTERS_PER_TOKEN} a token;'
      ' --prefix_tokens)'
    )

  # --- finetuning ------------------------------------------------------------

  def training(self, where: str) -> dict[str, Any]:
    """Returns what the student takes, by its name."""
    config, spec, tell = self.config, self.config.finetune, self.tell
    mean = PROMPT_TOKENS / 2 + self._mean_tokens
    example_tokens = self.options.example_tokens or mean
    # Half of an example is left empty at the end of a row.
    per_row = max(1.0, spec.row_tokens / example_tokens - 0.5)
    rows = max(1, round(spec.batch_size / per_row))
    recipe = training.Recipe(
      config=presets.PRESETS[config.student].config, spec=spec, rows=rows
    )
    tell(
      f'student: {config.student}, batches of {spec.batch_size} examples of'
      f' {example_tokens:.0f} tokens (--example_tokens), in {rows} rows of'
      f' {spec.row_tokens}'
    )
    try:
      found = training.smallest(recipe, where, self.options.whole)
    except FinetuneError as error:  # a layout that does not divide the model
      raise topology.PlanError(str(error)) from error
    if not found:
      raise topology.PlanError(
        f'finetuning {config.student} does not fit {where}\n'
        '--config.finetune.optimizer=adafactor and --config.finetune.lora_rank='
        '8 need less; --train_topology=v5p searches for the smallest v5p slice'
      )
    slice_ = topology.describe(found.topology)
    layout, step = found.layout, found.program
    received = ', '.join(
      f'{kind} {size / 1e9:.2f}'
      for kind, size in step.received_bytes.items()
      if size
    )
    tell(
      f'  on {_describe(slice_)}\n'
      f'  --config.finetune.layout.fsdp={layout.fsdp}'
      f' --config.finetune.layout.tensor={layout.tensor}'
      f' --config.finetune.layout.remat={layout.remat}: {found.rows} rows\n'
      f'  a step: HBM {step.hbm_bytes / 2**30:.2f} GiB per chip'
      f' ({step.argument_bytes / 2**30:.2f} of it the state),'
      f' {step.flops / 1e12:.1f} TFLOP, {step.moved_bytes / 1e9:.1f} GB moved,'
      f' GB received: {received or "none"}; {step.roofline_s * 1e3:.0f} ms;'
      f' compiled in {step.compile_s:.0f} s'
    )
    batches, hours = {}, {}
    for budget in config.budget.by_name:
      examples = config.steps(budget) * spec.batch_size
      batches[budget] = math.ceil(examples / (rows * per_row))
      seconds = slice_.num_chips * batches[budget] * step.roofline_s
      hours[budget] = seconds / 3600
      tell(
        f'  a student at the {budget} budget: {batches[budget]:,} batches,'
        f' {hours[budget]:,.2f} chip-hours'
      )
    each = len(spec.learning_rates) * spec.num_seeds
    mixes = collections.Counter(
      mix.budget for mix in sizes.plan(config).allotments
    )
    students = {budget: n * each for budget, n in mixes.items()}
    made = {
      'model': config.student,
      'topology': found.topology,
      'layout': dataclasses.asdict(layout),
      'rows': found.rows,
      'row_tokens': spec.row_tokens,
      'batch_size': spec.batch_size,
      **step.to_json(),
      'batches': batches,
      'chip_hours_of_a_student': hours,
      'students_per_budget': students,
      'chip_hours': sum(n * hours[of] for of, n in students.items()),
    }
    tell(
      f'  finetuning, in all {students} students at each budget:'
      f' {self._cost(made)}'
    )
    return {config.student: made}

  # --- what both need --------------------------------------------------------

  @property
  def _mean_tokens(self) -> float:
    most = self.config.sampling.max_new_tokens
    return min(self.options.mean_tokens or most / 2, most)

  def _cost(self, made: dict[str, Any]) -> str:
    """Adds the price, if there is one; returns it in words."""
    hours = made['chip_hours']
    if self.options.price is None:
      return f'{hours:,.2f} chip-hours'
    made['cost_usd'] = self.options.price * hours
    return f'{hours:,.2f} chip-hours, {prices.usd(made["cost_usd"])}'


def _describe(slice_: topology.Topology) -> str:
  chip = slice_.chip
  return (
    f'{slice_.name}: {slice_.num_chips} chip{"s" * (slice_.num_chips > 1)},'
    f' each with {chip.hbm_bytes / 2**30:.2f} GiB of HBM'
    f' ({topology.RESERVE:.0%} of it kept free),'
    f' {chip.hbm_bytes_per_s / 1e9:.0f} GB/s and'
    f' {chip.flops_per_s / 1e12:.0f} TFLOP/s (bfloat16)'
  )
