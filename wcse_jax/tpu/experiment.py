"""What a config takes on TPUs: sampling its pools, finetuning its students."""

from collections.abc import Callable, Iterator
import dataclasses
import math
from typing import Any

from wcse_jax import tasks
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.finetuning import FinetuneError
from wcse_jax.models import presets
from wcse_jax.sampling import programs, stopping
from wcse_jax.stages import check, sizes
from wcse_jax.tpu import sampling, topology, training

_CHARACTERS_PER_TOKEN = 3.2  # of few-shot mathematics, in Gemma's vocabulary
PROMPT_TOKENS = 192  # of the longest question
# Problems of the training split, where a config takes all.
_NUM_TRAIN = {
  'gsm8k': 6_973,
  'ifeval': 300,
  'math': 7_500,
  'mbpp': 374,
  'nano_arithmetic': 2_000,
}


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
    whole: Whether all layers of a student are compiled.
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
    if not error.field.startswith(('checkpoints.', 'external.')):
      raise
  result: dict[str, Any] = {'config': config.name, 'scale': config.scale}
  if options.topology:
    slice_ = topology.describe(options.topology)
    result |= _plan_sampling(config, slice_, options, tell)
  if options.train_topology and config.student:
    where = options.train_topology
    result['training'] = _plan_training(config, where, options, tell)
  return result


# --- sampling ----------------------------------------------------------------


def _plan_sampling(
  config: Config,
  slice_: topology.Topology,
  options: Options,
  tell: Callable[[str], Any],
) -> dict[str, Any]:
  tell(f'{config.name} on {_describe(slice_)}')
  works = dict(_works(config, options, tell))
  result: dict[str, Any] = {
    'topology': slice_.name, 'programs': {}, 'slots': {}, 'generators': {}
  }  # fmt: skip
  # The largest first: if it does not fit, that is told soon.
  for role in sorted(works, key=lambda r: -works[r][0].weight_bytes):
    generator, work = works[role]
    found = sampling.fit(
      generator,
      slice_,
      work.problems * work.samples,
      config.mesh.tensor if config.mesh.tensor > 1 else None,
      options.slots,
    )
    hours = slice_.num_chips * found.seconds(work) / 3600
    for name, program in found.programs.items():
      result['programs'][f'{role}/{name}'] = {
        **program.to_json(),
        'weights_plus_kv_bytes': found.weights_plus_kv_bytes[name],
      }
    result['slots'][role] = found.slots
    result['generators'][role] = {
      'model': generator.model,
      'tensor': found.tensor,
      'replicas': found.replicas,
      'hbm_peak_bytes_per_chip': found.peak_bytes,
      'tokens': work.tokens,
      'chip_hours': hours,
      'tokens_per_s_per_chip': work.tokens / (hours * 3600),
      **dataclasses.asdict(work),
      'prefix_tokens': generator.prefix_tokens,
      'prompt_tokens': generator.prompt_tokens,
      'max_new_tokens': generator.max_new_tokens,
    }
    _tell_sampling(role, generator, work, found, hours, tell)
  made = result['generators'].values()
  for name in ('tokens', 'chip_hours'):
    result[name] = sum(numbers[name] for numbers in made)
  if not made:
    tell('nothing to sample: all samples are external')
    return result
  rate = result['tokens'] / (result['chip_hours'] * 3600)
  result['tokens_per_s_per_chip'] = rate
  tell(
    f'sampling for training, in all: {result["tokens"]:,.0f} tokens,'
    f' {_cost(result, options)}, {rate:,.0f} tokens/s per chip'
  )
  return result


def _works(
  config: Config, options: Options, tell: Callable[[str], Any]
) -> Iterator[tuple[str, tuple[sampling.Generator, sampling.Work]]]:
  """Yields each generator, and its work."""
  task, spec = tasks.find(config.task.name), config.sampling
  estimate = 1 + math.ceil(len(task.prefix) / _CHARACTERS_PER_TOKEN)
  mean = _mean_tokens(config, options)
  prompt = programs.whole_tiles(options.prompt_tokens or PROMPT_TOKENS)
  tell(
    f'prefix of {options.prefix_tokens or estimate} tokens'
    + (
      ''
      if options.prefix_tokens
      else f' (estimated: {len(task.prefix)} characters,'
      f' {_CHARACTERS_PER_TOKEN} a token; --prefix_tokens)'
    )
    + f', questions of up to {prompt} (--prompt_tokens),'
    f' solutions of {mean:.0f} on average (--mean_tokens)'
  )
  problems = _num_train(config)
  byte_pieces = [bytes([byte]) for byte in range(256)]
  for pool, samples in sizes.plan(config).pools.items():
    role = pool.generator
    if config.external_file(role):
      continue
    generator = sampling.Generator(
      model=getattr(config, role),
      prefix_tokens=options.prefix_tokens or estimate,
      prompt_tokens=prompt,
      max_new_tokens=programs.whole_blocks(spec.max_new_tokens),
      stop_states=len(stopping.stop_table(byte_pieces, task.stop_strings)),
      dtype=spec.dtype,
      top_k=spec.top_k,
      top_p=spec.top_p,
    )
    work = sampling.Work(problems=problems, samples=samples, mean_tokens=mean)
    yield str(pool), (generator, work)


# --- finetuning --------------------------------------------------------------


def _plan_training(
  config: Config, where: str, options: Options, tell: Callable[[str], Any]
) -> dict[str, Any]:
  """Returns what the student takes, by its name."""
  spec = config.finetune
  mean = PROMPT_TOKENS / 2 + _mean_tokens(config, options)
  example_tokens = options.example_tokens or mean
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
    if where in topology.CHIPS:
      found = training.smallest(recipe, where, options.whole)
    else:
      found = training.fit(recipe, topology.describe(where), options.whole)
  except FinetuneError as error:  # a layout that does not divide the model
    raise topology.PlanError(str(error)) from error
  if not found:
    raise topology.PlanError(
      f'finetuning {config.student} does not fit {where}\n'
      '--config.finetune.optimizer=adafactor and --config.finetune.lora_rank=8'
      ' need less; --train_topology=v5p searches for the smallest v5p slice'
    )
  slice_ = topology.describe(found.topology)
  batches = {
    budget: math.ceil(config.steps(budget) * spec.batch_size / (rows * per_row))
    for budget in config.budget.by_name
  }
  step_s = found.program.roofline_s
  hours = {
    budget: slice_.num_chips * number * step_s / 3600
    for budget, number in batches.items()
  }
  students = len(config.arms) * len(spec.learning_rates) * spec.num_seeds
  made = {
    'model': config.student,
    'topology': found.topology,
    'layout': dataclasses.asdict(found.layout),
    'rows': found.rows,
    'row_tokens': spec.row_tokens,
    'batch_size': spec.batch_size,
    **found.program.to_json(),
    'batches': batches,
    'chip_hours_of_a_student': hours,
    'students_per_budget': students,
    'chip_hours': students * sum(hours.values()),
  }
  _tell_training(found, slice_, made, _cost(made, options), tell)
  return {config.student: made}


def _tell_training(
  found: training.Fit,
  slice_: topology.Topology,
  made: dict[str, Any],
  cost: str,
  tell: Callable[[str], Any],
) -> None:
  layout, step = found.layout, found.program
  moved = ', '.join(
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
    f' {step.flops / 1e12:.1f} TFLOP, {step.moved_bytes / 1e9:.1f} GB moved, GB'
    f' received: {moved or "none"}; {step.roofline_s * 1e3:.0f} ms; compiled in'
    f' {step.compile_s:.0f} s'
  )
  for budget, hours in made['chip_hours_of_a_student'].items():
    tell(
      f'  a student at the {budget} budget: {made["batches"][budget]:,}'
      f' batches, {hours:,.2f} chip-hours'
    )
  tell(
    f'  finetuning, in all {made["students_per_budget"]} students at each'
    f' budget: {cost}'
  )


# --- what both need ----------------------------------------------------------


def _num_train(config: Config) -> int:
  problems = config.task.num_train or _NUM_TRAIN.get(config.task.name)
  if not problems:
    raise ConfigError('task.num_train', None, 'give a number')
  return problems


def _mean_tokens(config: Config, options: Options) -> float:
  most = config.sampling.max_new_tokens
  return min(options.mean_tokens or most / 2, most)


def _cost(made: dict[str, Any], options: Options) -> str:
  """Adds the price, if there is one; returns it in words."""
  hours = made['chip_hours']
  if options.price is None:
    return f'{hours:,.2f} chip-hours'
  made['cost_usd'] = options.price * hours
  return f'{hours:,.2f} chip-hours, {made["cost_usd"]:,.2f} USD'


def _describe(slice_: topology.Topology) -> str:
  chip = slice_.chip
  return (
    f'{slice_.name}: {slice_.num_chips} chip{"s" * (slice_.num_chips > 1)},'
    f' each with {chip.hbm_bytes / 2**30:.2f} GiB of HBM'
    f' ({topology.RESERVE:.0%} of it kept free),'
    f' {chip.hbm_bytes_per_s / 1e9:.0f} GB/s and'
    f' {chip.flops_per_s / 1e12:.0f} TFLOP/s (bfloat16)'
  )


def _tell_sampling(
  role: str,
  generator: sampling.Generator,
  work: sampling.Work,
  found: sampling.Fit,
  hours: float,
  tell: Callable[[str], Any],
) -> None:
  tell(
    f'{role}: {generator.model}, {found.replicas} replicas of {found.tensor}'
    f' device{"s" * (found.tensor > 1)}, {found.slots} slots each; HBM at most'
    f' {found.peak_bytes / 2**30:.2f} GiB per chip'
  )
  tell('  program   HBM GiB    GFLOP  moved GB  roofline ms  compile s')
  for name, program in found.programs.items():
    tell(
      f'  {name:8} {program.hbm_bytes / 2**30:8.2f} {program.flops / 1e9:8.0f}'
      f' {program.moved_bytes / 1e9:9.3f} {program.roofline_s * 1e3:12.2f}'
      f' {program.compile_s:10.0f}'
    )
  moved = found.programs['decode'].moved_bytes
  tell(
    f'  a decode step moves'
    f' {moved / found.weights_plus_kv_bytes["decode"]:.3f} x weights + KV;'
    f' {work.problems:,} problems x {work.samples} samples:'
    f' {work.tokens:,.0f} tokens, {hours:.2f} chip-hours,'
    f' {work.tokens / (hours * 3600):,.0f} tokens/s per chip'
  )
