r"""What sampling for a config takes on a TPU slice, told without a TPU.

  python launch/plan.py --config=configs/wc_distill.py:gemma2 \
    --topology=v5e:2x4 --json=plan.json --price=1.20

Compiles the programs that sample, for that TPU: memory, FLOPs, the bytes they
move, the largest number of slots that fits; and from these, by a roofline
model, tokens, chip-hours and dollars. A model takes as few chips as its weights
need (config.mesh.tensor chips, if that is set); what chips are left over are
replicas, each with its own share of the problems. All numbers are per chip.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import json
import math
import os
import pathlib
import sys
import time
from typing import Any

from absl import flags

from wcse_jax import config as config_lib

import command_line  # beside this file

RESERVE = 0.05  # of HBM, for the runtime and fragmentation
LEAST_SLOTS = 8
_WEIGHTS_AT_MOST = 2 / 3  # of HBM; more chips would share them otherwise
_CHARACTERS_PER_TOKEN = 3.2  # of few-shot mathematics, in Gemma's vocabulary
_PROMPT_TOKENS = 192  # of the longest question
_TRIALS = 4  # compilations in search of the largest number of slots
# Problems of the training split, where a config takes all.
_NUM_TRAIN = {'gsm8k': 6_973, 'nano_arithmetic': 2_000}


class PlanError(Exception):
  """What does not fit, and the nearest that does, in two lines."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
  """What one generator has to sample.

  Attributes:
    model: A name of `presets.PRESETS`.
    config: Its architecture.
    problems: How many.
    samples: Of each.
    prefix_tokens: Shared by all prompts, BOS included.
    prompt_tokens: Room for what follows the prefix.
    max_new_tokens: Of a sample.
    mean_tokens: Of a sample, estimated.
    stop_states: Of the stop strings' automaton.
    dtype: Of weights and caches.
    top_k: As in `choosing.choose`.
    top_p: As in `choosing.choose`.
  """

  model: str
  config: Any
  problems: int
  samples: int
  prefix_tokens: int
  prompt_tokens: int
  max_new_tokens: int
  mean_tokens: float
  stop_states: int
  dtype: str = 'bfloat16'
  top_k: int | None = None
  top_p: float | None = None

  @property
  def tokens(self) -> float:
    return self.problems * self.samples * self.mean_tokens

  @property
  def weight_bytes(self) -> float:
    return self.config.num_params * self._itemsize

  def kv_bytes(self, columns: int) -> float:
    """Returns the bytes of keys and values of one row."""
    c = self.config
    return (
      2 * c.num_layers * c.num_kv_heads * c.head_dim * columns * self._itemsize
    )

  @property
  def slot_bytes(self) -> float:
    return self.kv_bytes(self.prompt_tokens + self.max_new_tokens)

  @property
  def _itemsize(self) -> int:
    return 2 if self.dtype == 'bfloat16' else 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
  """One program, per chip.

  Attributes:
    cost: What a run takes; of 'decode', a step.
    weights_plus_kv_bytes: That it has in its arguments.
    roofline_s: The least time.
    compile_s: Measured here.
  """

  cost: Any
  weights_plus_kv_bytes: float
  roofline_s: float
  compile_s: float

  def to_json(self) -> dict[str, float]:
    return {
      'hbm_bytes_per_chip': self.cost.hbm_bytes,
      'flops': self.cost.flops,
      'hbm_bytes_per_step': self.cost.moved_bytes,
      'weights_plus_kv_bytes': self.weights_plus_kv_bytes,
      'roofline_s': self.roofline_s,
      'compile_s': self.compile_s,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
  """A generator on a topology.

  Attributes:
    tensor: Devices that share the model.
    replicas: Of the model.
    slots: Of each replica.
    peak_bytes: HBM of a chip: what is resident, and the largest program's own.
    programs: By name.
  """

  tensor: int
  replicas: int
  slots: int
  peak_bytes: float
  programs: dict[str, Program]

  def seconds(self, work: Work, questions: int, refills: int, block: int):
    """Returns the modelled time, the problems shared by the replicas.

    Args:
      work: What is sampled.
      questions: Computed at a time.
      refills: Slots filled at a time.
      block: Steps between two refills; a sample ends, on average, half a block
        before its slot is filled again.
    """
    took = {name: p.roofline_s for name, p in self.programs.items()}
    problems = math.ceil(work.problems / self.replicas)
    rows = problems * work.samples
    steps = max(1, rows / self.slots) * (work.mean_tokens + (block - 1) / 2)
    return (
      took['prefix']
      + math.ceil(problems / questions) * took['question']
      + rows / refills * took['refill']
      + steps * took['decode']
    )


def main(argv: Sequence[str]) -> int:
  """Returns the exit code: 0 or 2 (bad input, or it does not fit)."""
  if {'--help', '-h'} & set(argv):
    print(__doc__, _flags().get_help(), sep='')
    return 0
  try:
    options, config = _parse(argv)
    os.environ['JAX_PLATFORMS'] = 'cpu'  # no TPU is used, if there is one
    from wcse_jax.sampling import topology

    try:
      made = plan(config, options)
    except topology.TopologyError as error:
      raise PlanError(error) from error
  except (config_lib.ConfigError, flags.Error, PlanError) as error:
    print('error:', command_line.describe(error), file=sys.stderr)
    return 2
  if options.json:
    pathlib.Path(options.json).write_text(json.dumps(made, indent=2) + '\n')
  return 0


def _flags() -> flags.FlagValues:
  values = flags.FlagValues()
  text: dict[str, str] = {
    'topology': 'TPU slice, e.g. v5e:2x4.',
    'json': 'File for the result.',
  }
  whole = {
    'slots': 'Of each replica. Default: the largest number that fits.',
    'prefix_tokens': 'Few-shot prefix. Default: estimated by characters.',
    'prompt_tokens': f'Longest question. Default: {_PROMPT_TOKENS}.',
  }
  number = {
    'mean_tokens': 'Of a solution. Default: half of the most there may be.',
    'price': 'Of a chip-hour, in USD.',
  }
  for name, meaning in text.items():
    flags.DEFINE_string(name, None, meaning, flag_values=values)
  for name, meaning in whole.items():
    flags.DEFINE_integer(name, None, meaning, 1, flag_values=values)
  for name, meaning in number.items():
    flags.DEFINE_float(name, None, meaning, 1e-9, flag_values=values)
  return values


def _parse(argv: Sequence[str]) -> tuple[Any, config_lib.Config]:
  values = _flags()
  values.set_gnu_getopt(True)
  rest = values(argv, known_only=True)
  for word in rest[1:]:
    name = word.lstrip('-').split('=')[0]
    if name in ('workdir', 'stages', 'redo'):
      raise flags.Error(f'--{name}: planning has none; see --help')
  if not values.topology:
    raise flags.Error('--topology: name a TPU slice, e.g. --topology=v5e:2x4')
  if values.json and not pathlib.Path(values.json).parent.is_dir():
    raise flags.Error(f'--json={values.json}: there is no such folder')
  return values, command_line.parse(rest).config


def plan(config: config_lib.Config, options: Any) -> dict[str, Any]:
  """Plans a config, and prints the plan.

  Args:
    config: The experiment.
    options: As the flags.

  Returns:
    The plan, as JSON has it.

  Raises:
    PlanError: It does not fit.
    ConfigError: The config names what does not exist.
    TopologyError: There is no such topology, or libtpu is missing.
  """
  from wcse_jax.sampling import engine, programs, topology

  _check(config)
  slice_ = topology.describe(options.topology)
  works = dict(_works(config, options))
  gib = slice_.chip.hbm_bytes / 2**30
  print(
    f'{config.name} on {slice_.name}: {slice_.num_chips}'
    f' chip{"s" * (slice_.num_chips > 1)}, each with {gib:.2f} GiB'
    f' of HBM ({RESERVE:.0%} of it kept free),'
    f' {slice_.chip.hbm_bytes_per_s / 1e9:.0f} GB/s and'
    f' {slice_.chip.flops_per_s / 1e12:.0f} TFLOP/s (bfloat16)'
  )
  result: dict[str, Any] = {'programs': {}, 'slots': {}, 'generators': {}}
  tokens = chip_hours = 0.0
  # The largest first: if it does not fit, that is told soon.
  for role in sorted(works, key=lambda r: -works[r].weight_bytes):
    work = works[role]
    tensor = config.mesh.tensor
    found = fit(work, slice_, tensor if tensor > 1 else None, options.slots)
    seconds = found.seconds(
      work, engine.QUESTIONS, engine.REFILLS, programs.BLOCK_STEPS
    )
    hours = slice_.num_chips * seconds / 3600
    tokens, chip_hours = tokens + work.tokens, chip_hours + hours
    for name, program in found.programs.items():
      result['programs'][f'{role}/{name}'] = program.to_json()
    result['slots'][role] = found.slots
    result['generators'][role] = {
      'model': work.model,
      'tensor': found.tensor,
      'replicas': found.replicas,
      'hbm_peak_bytes_per_chip': found.peak_bytes,
      'tokens': work.tokens,
      'chip_hours': hours,
      'tokens_per_s_per_chip': work.tokens / (hours * 3600),
      **{
        name: getattr(work, name)
        for name in (
          'problems',
          'samples',
          'prefix_tokens',
          'prompt_tokens',
          'max_new_tokens',
          'mean_tokens',
        )
      },
    }
    _print(role, work, found, result['generators'][role])
  result |= {
    'config': config.name,
    'topology': slice_.name,
    'tokens': tokens,
    'chip_hours': chip_hours,
    'tokens_per_s_per_chip': tokens / (chip_hours * 3600),
  }
  cost = ''
  if options.price is not None:
    result['cost_usd'] = options.price * chip_hours
    cost = f', {result["cost_usd"]:,.2f} USD'
  print(
    f'sampling for training, in all: {tokens:,.0f} tokens,'
    f' {chip_hours:.2f} chip-hours{cost},'
    f' {result["tokens_per_s_per_chip"]:,.0f} tokens/s per chip;\nby the'
    ' roofline: links between chips, launches and the host come on top'
  )
  return result


def _check(config: config_lib.Config) -> None:
  """Raises ConfigError for what the config names but does not exist."""
  from wcse_jax import tasks
  from wcse_jax.models import presets

  if config.task.name not in tasks.TASKS:
    raise config_lib.ConfigError(
      'task.name', config.task.name, f'known: {", ".join(tasks.TASKS)}'
    )
  for role in ('wc', 'se'):
    model = getattr(config, role)
    if model and model not in presets.PRESETS:
      known = ', '.join(presets.PRESETS)
      raise config_lib.ConfigError(role, model, f'known: {known}')


def _works(
  config: config_lib.Config, options: Any
) -> Iterator[tuple[str, Work]]:
  """Yields each generator's work."""
  from wcse_jax import stages, tasks
  from wcse_jax.models import presets
  from wcse_jax.sampling import programs, stopping

  task, spec = tasks.TASKS[config.task.name], config.sampling
  estimate = 1 + math.ceil(len(task.prefix) / _CHARACTERS_PER_TOKEN)
  mean = min(
    options.mean_tokens or spec.max_new_tokens / 2, spec.max_new_tokens
  )
  prompt = 16 * math.ceil((options.prompt_tokens or _PROMPT_TOKENS) / 16)
  print(
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
  problems = config.task.num_train or _NUM_TRAIN.get(config.task.name)
  if not problems:
    raise config_lib.ConfigError('task.num_train', None, 'give a number')
  byte_pieces = [bytes([byte]) for byte in range(256)]
  for role, samples in stages.plan(config, problems).pools.items():
    yield (
      role,
      Work(
        model=getattr(config, role),
        config=presets.PRESETS[getattr(config, role)].config,
        problems=problems,
        samples=samples,
        prefix_tokens=options.prefix_tokens or estimate,
        prompt_tokens=prompt,
        max_new_tokens=programs.whole_blocks(spec.max_new_tokens),
        mean_tokens=mean,
        stop_states=len(stopping.stop_table(byte_pieces, task.stop_strings)),
        dtype=spec.dtype,
        top_k=spec.top_k,
        top_p=spec.top_p,
      ),
    )


def _print(role: str, work: Work, found: Fit, numbers: dict[str, Any]) -> None:
  print(
    f'{role}: {work.model}, {found.replicas} replicas of {found.tensor}'
    f' device{"s" * (found.tensor > 1)}, {found.slots} slots each; HBM at most'
    f' {found.peak_bytes / 2**30:.2f} GiB per chip'
  )
  print('  program   HBM GiB    GFLOP  moved GB  roofline ms  compile s')
  for name, program in found.programs.items():
    cost = program.cost
    print(
      f'  {name:8} {cost.hbm_bytes / 2**30:8.2f} {cost.flops / 1e9:8.0f}'
      f' {cost.moved_bytes / 1e9:9.3f} {program.roofline_s * 1e3:12.2f}'
      f' {program.compile_s:10.0f}'
    )
  decode = found.programs['decode']
  print(
    f'  a decode step moves'
    f' {decode.cost.moved_bytes / decode.weights_plus_kv_bytes:.3f} x weights'
    f' + KV; {work.problems:,} problems x {work.samples} samples:'
    f' {numbers["tokens"]:,.0f} tokens, {numbers["chip_hours"]:.2f} chip-hours,'
    f' {numbers["tokens_per_s_per_chip"]:,.0f} tokens/s per chip'
  )


# --- what fits ---------------------------------------------------------------


def most_slots(work: Work, tensor: int, device_bytes: float) -> int:
  """Returns a bound on the slots of a replica: room beside weights and prefix.

  Args:
    work: What is sampled.
    tensor: Devices that share the model.
    device_bytes: HBM of each that may be used.
  """
  fixed = work.weight_bytes + work.kv_bytes(work.prefix_tokens)
  return math.floor((tensor * device_bytes - fixed) / work.slot_bytes)


def choose_tensor(work: Work, num_devices: int, device_bytes: float) -> int:
  """Returns how many devices should share the model.

  The fewest that divide its kv heads and leave a third of the memory to the
  slots; if there are none, the most that divide them.
  """
  heads = work.config.num_kv_heads
  sizes = [
    n
    for n in range(1, num_devices + 1)
    if heads % n == 0 and num_devices % n == 0
  ]
  return next(
    (
      n
      for n in sizes
      if work.weight_bytes / n < _WEIGHTS_AT_MOST * device_bytes
    ),
    sizes[-1],
  )


def fit(
  work: Work,
  slice_: Any,
  tensor: int | None = None,
  slots: int | None = None,
) -> Fit:
  """Compiles a generator's programs, with as many slots as fit.

  Args:
    work: What is sampled.
    slice_: `topology.Topology`.
    tensor: Devices that share the model; None chooses.
    slots: Of a replica; None searches for the largest number.

  Raises:
    PlanError: They do not fit.
  """
  usable = slice_.chip.hbm_bytes / slice_.devices_per_chip * (1 - RESERVE)
  num_devices = len(slice_.devices)
  if tensor and (num_devices % tensor or tensor > num_devices):
    raise PlanError(
      f'config.mesh.tensor = {tensor}: {slice_.name} has {num_devices} devices'
    )
  tensor = tensor or choose_tensor(work, num_devices, usable)
  bound = most_slots(work, tensor, usable)
  rows = math.ceil(work.problems / (num_devices // tensor)) * work.samples
  if bound < LEAST_SLOTS:
    raise _too_small(work, slice_.name, tensor, bound)
  compiler = _Compiler(work, slice_, tensor)
  limit = usable * slice_.devices_per_chip
  if slots is None:
    found = _largest(compiler, min(bound, rows), limit)
    if not found:
      raise _too_small(work, slice_.name, tensor, 0)
  else:
    found = compiler.compile(slots)
    if not found or found.peak_bytes > limit:
      needed = (
        f'{found.peak_bytes / 2**30:.2f} GiB'
        if found
        else f'more than {slice_.chip.hbm_bytes / 2**30:.2f} GiB'
      )
      largest = _largest(compiler, min(bound, slots), limit)
      raise PlanError(
        f'{work.model} with {slots} slots does not fit {slice_.name}: it needs'
        f' {needed} of HBM per chip, {limit / 2**30:.2f} GiB can be used\n'
        f'the largest number that fits: --slots={largest and largest.slots}'
      )
  return found


def _largest(compiler: '_Compiler', bound: int, limit: float) -> Fit | None:
  """Searches for the largest number of slots: bytes are nearly linear in it."""
  whole = lambda slots: max(LEAST_SLOTS, int(slots) // 8 * 8)
  peaks: dict[int, float] = {}
  best, too_many, slots = None, math.inf, whole(bound / 2)
  for _ in range(_TRIALS):
    made = compiler.compile(slots)
    if made:
      peaks[slots] = made.peak_bytes
    if not made or made.peak_bytes > limit:
      too_many = min(too_many, slots)
    elif not best or slots > best.slots:
      best = made
    least = best.slots if best else 0
    if peaks:
      slots = whole(_extrapolate(peaks, limit, compiler.slot_bytes))
      slots = min(slots, whole(bound))
    if slots >= too_many:
      slots = whole((least + too_many) / 2)
    if slots >= too_many or slots < least + max(8, least / 64):
      break
  return best


def _extrapolate(
  peaks: Mapping[int, float], limit: float, slot_bytes: float
) -> float:
  """Returns the slots at which a line through the nearest peaks is `limit`."""
  (x, y), *others = sorted(peaks.items(), key=lambda t: abs(t[1] - limit))
  slope = slot_bytes  # the least it can be
  if others:
    slope = max(slope, (y - others[0][1]) / (x - others[0][0]))
  elif y > limit:  # all may grow with slots
    slope = y / x
  return x + (limit - y) / slope


def _too_small(work: Work, name: str, tensor: int, bound: int) -> PlanError:
  """Names the nearest slice, of the same kind if there is one."""
  from wcse_jax.sampling import topology

  kind, sizes = topology.parse(name)
  nearest = []
  for other, chip in sorted(
    topology.CHIPS.items(), key=lambda item: item[0] != kind
  ):
    usable = chip.hbm_bytes * (1 - RESERVE)
    for shape in chip.slices:
      count = math.prod(map(int, shape.split('x')))
      if other == kind and count <= math.prod(sizes):
        continue
      n = choose_tensor(work, count, usable)
      # Half of the bound is for what programs need for themselves.
      if most_slots(work, n, usable) >= 2 * LEAST_SLOTS:
        nearest.append(f'{other}:{shape}')
        break
  devices = f'{tensor} device{"s" * (tensor > 1)}'
  return PlanError(
    f'{work.model} does not fit {name}: {work.weight_bytes / 2**30:.1f} GiB of'
    f' weights on {devices} leave room for {max(0, bound)} slots, at least'
    f' {LEAST_SLOTS} are needed\n'
    f'the smallest that fit: {", ".join(nearest) or "none"}'
  )


class _Compiler:
  """Compiles a replica's programs for some number of slots."""

  def __init__(self, work: Work, slice_: Any, tensor: int):
    from wcse_jax.models import sharding

    self.work, self.slice, self.tensor = work, slice_, tensor
    self.mesh = sharding.make_mesh(1, tensor, slice_.devices[:tensor])
    self.slot_bytes = work.slot_bytes / tensor * slice_.devices_per_chip
    self.made: dict[str, Program] = {}  # of any number of slots

  @functools.cache  # noqa: B019
  def compile(self, slots: int) -> Fit | None:
    """Returns what fits; None if the compiler itself finds it too large."""
    import jax
    import jax.numpy as jnp

    from wcse_jax.sampling import engine, programs

    work = self.work
    run = programs.Programs(
      config=work.config,
      dtype=jnp.dtype(work.dtype),
      mesh=self.mesh,
      slots=slots,
      prompt_columns=work.prompt_tokens,
      own_columns=work.max_new_tokens,
      questions=engine.QUESTIONS,
      refills=engine.REFILLS,
      max_new_tokens=work.max_new_tokens,
      eos=1,
      top_k=work.top_k,
      top_p=work.top_p,
    )
    made = {}
    for name, lowered in run.lower(
      work.prefix_tokens, work.stop_states
    ).items():
      if name in self.made:  # it does not depend on slots
        made[name] = self.made[name]
        continue
      try:
        made[name] = self.measure(lowered, name)
      except jax.errors.JaxRuntimeError as error:
        if 'RESOURCE_EXHAUSTED' not in str(error):
          raise
        return None
      if name in ('prefix', 'question'):
        self.made[name] = made[name]
    # Questions stay while slots are filled from them.
    resident = (
      made['decode'].cost.argument_bytes + made['question'].cost.result_bytes
    )
    return Fit(
      tensor=self.tensor,
      replicas=len(self.slice.devices) // self.tensor,
      slots=slots,
      peak_bytes=resident + max(p.cost.own_bytes for p in made.values()),
      programs=made,
    )

  def measure(self, lowered: Any, name: str) -> Program:
    """Compiles a program."""
    import jax

    from wcse_jax.sampling import programs

    start = time.monotonic()
    compiled = lowered.compile()
    compile_s = time.monotonic() - start
    steps = programs.BLOCK_STEPS if name == 'decode' else 1
    cost = self.slice.cost(compiled, steps)
    shards = jax.tree.map(
      lambda a, where: (
        math.prod(where.shard_shape(a.shape)) * a.dtype.itemsize
        if where and a.dtype == self.work.dtype  # None is not used
        else 0
      ),
      lowered.args_info,
      compiled.input_shardings,
    )
    return Program(
      cost=cost,
      weights_plus_kv_bytes=sum(jax.tree.leaves(shards))
      * self.slice.devices_per_chip,
      roofline_s=cost.roofline_s(self.slice.chip),
      compile_s=compile_s,
    )


if __name__ == '__main__':
  sys.exit(main(sys.argv))
