"""Sampling on a TPU: which programs fit, with how many slots, how long."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import math
from typing import Any

import jax.numpy as jnp

from wcse_jax.experiment import sections
from wcse_jax.models import presets, sharding
from wcse_jax.sampling import lowering, programs, shapes
from wcse_jax.sampling.slots import REFILLS
from wcse_jax.tpu import depth, topology
from wcse_jax.tpu.program import Program, combine, compile_for

LEAST_SLOTS = 8
_WEIGHTS_AT_MOST = 2 / 3  # of HBM; more chips would share them otherwise
_TRIALS = 4  # compilations in search of the largest number of slots


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generator:
  """What is compiled: a model behind its prompt.

  Attributes:
    model: Name of a preset.
    prefix_tokens: Tokens of the few-shot prefix, BOS included.
    prompt_tokens: Most tokens of a prompt that follows the prefix.
    max_new_tokens: Most tokens of a sample.
    stop_states: States of the stop strings' automaton.
    dtype: Type of weights and caches.
    top_k: Number of candidates, as in `choosing.choose`.
    top_p: Probability of the candidates, as in `choosing.choose`.
    layers: Those that are compiled; None is all.
  """

  model: str
  prefix_tokens: int
  prompt_tokens: int
  max_new_tokens: int
  stop_states: int
  dtype: str = 'bfloat16'
  top_k: int | None = None
  top_p: float | None = None
  layers: depth.Depth | None = None

  @property
  def config(self) -> presets.GemmaConfig:
    config = presets.PRESETS[self.model].config
    return depth.shallow(config, self.layers) if self.layers else config

  @property
  def weight_bytes(self) -> float:
    return self.config.num_params * jnp.dtype(self.dtype).itemsize

  def kv_bytes(self, columns: int, dtype: str | None = None) -> float:
    """Returns the bytes of one row's keys and values, as they are stored.

    Args:
      columns: Number of tokens.
      dtype: A format; None is the generator's. In int8 each token and kv head
        has a scale in float32, too.
    """
    dtype = dtype or self.dtype
    scale = jnp.dtype('float32').itemsize if dtype == 'int8' else 0
    of = lambda k: k.head_dim * jnp.dtype(dtype).itemsize + scale
    row = sum(k.num_kv_heads * of(k) for k in self.config.kv_layers)
    return 2 * row * columns

  @property
  def slot_bytes(self) -> float:
    return self.kv_bytes(self.prompt_tokens + self.max_new_tokens)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
  """How much is sampled.

  Attributes:
    problems: Number of problems.
    samples: Number of samples of each.
    mean_tokens: Mean length of a sample.
  """

  problems: int
  samples: int
  mean_tokens: float

  @property
  def tokens(self) -> float:
    return self.problems * self.samples * self.mean_tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
  """A generator on a slice.

  Attributes:
    tensor: Number of devices that share the model.
    replicas: Number of copies of the model.
    slots: Number of slots of each replica.
    peak_bytes: Peak HBM of a chip: what is resident, and what the largest
      program adds.
    programs: What one run of each program takes, by name; 'decode' is a step.
    weights_plus_kv_bytes: Weights, keys and values that each program holds.
  """

  tensor: int
  replicas: int
  slots: int
  peak_bytes: float
  programs: dict[str, Program]
  weights_plus_kv_bytes: dict[str, float]

  def seconds(self, work: Work) -> float:
    """Returns the modelled time, the problems shared by the replicas.

    A sample ends, on average, half a block before its slot is filled again.
    """
    took = {name: p.roofline_s for name, p in self.programs.items()}
    problems = math.ceil(work.problems / self.replicas)
    rows = problems * work.samples
    steps_of_one = work.mean_tokens + (shapes.BLOCK_STEPS - 1) / 2
    return (
      took['prefix']
      + math.ceil(problems / programs.QUESTIONS) * took['question']
      + rows / REFILLS * took['refill']
      + max(1, rows / self.slots) * steps_of_one * took['decode']
    )


def most_slots(generator: Generator, tensor: int, device_bytes: float) -> int:
  """Returns a bound on the slots of a replica: room beside weights and prefix.

  Args:
    generator: The model behind its prompt.
    tensor: Number of devices that share the model.
    device_bytes: HBM of each device that may be used.
  """
  fixed = generator.weight_bytes + generator.kv_bytes(generator.prefix_tokens)
  return math.floor((tensor * device_bytes - fixed) / generator.slot_bytes)


def choose_tensor(
  generator: Generator, num_devices: int, device_bytes: float
) -> int:
  """Returns how many devices should share the model.

  The fewest that divide its kv heads and leave a third of the memory to the
  slots; if there are none, the most that divide them.
  """
  heads = generator.config.kv_divisor
  sizes = [
    n
    for n in range(1, num_devices + 1)
    if heads % n == 0 and num_devices % n == 0
  ]
  most = _WEIGHTS_AT_MOST * device_bytes
  enough = (n for n in sizes if generator.weight_bytes / n < most)
  return next(enough, sizes[-1])


def fit(
  generator: Generator,
  slice_: topology.Topology,
  rows: int,
  tensor: int | None = None,
  slots: int | None = None,
  whole: bool = False,
) -> Fit:
  """Compiles a generator's programs, with as many slots as fit.

  Compiling all layers takes minutes. They are alike: what they take is
  extrapolated from models of a few.

  Args:
    generator: The model behind its prompt.
    slice_: The TPU slice.
    rows: Number of samples in all.
    tensor: Number of devices that share the model; None chooses.
    slots: Number of slots of a replica; None searches for the largest.
    whole: Whether all layers are compiled.

  Raises:
    PlanError: They do not fit.
  """
  limit = slice_.chip.usable_bytes
  usable = limit / slice_.devices_per_chip
  num_devices = len(slice_.devices)
  if tensor and (num_devices % tensor or tensor > num_devices):
    raise topology.PlanError(
      f'config.mesh.tensor = {tensor}: {slice_.name} has {num_devices} devices'
    )
  tensor = tensor or choose_tensor(generator, num_devices, usable)
  bound = most_slots(generator, tensor, usable)
  if bound < LEAST_SLOTS:
    raise _too_small(generator, slice_.name, tensor, bound)
  compiled = functools.partial(_compile, generator, slice_, tensor, whole)
  search = functools.partial(
    _largest,
    compiled,
    limit=limit,
    slot_bytes=generator.slot_bytes / tensor * slice_.devices_per_chip,
  )
  if slots is None:
    share = math.ceil(rows / (num_devices // tensor))
    found = search(bound=min(bound, share))
    if not found:
      raise _too_small(generator, slice_.name, tensor, 0)
    return found
  found = compiled(slots)
  if not found or found.peak_bytes > limit:
    needed = found.peak_bytes if found else slice_.chip.hbm_bytes
    largest = search(bound=min(bound, slots))
    raise topology.PlanError(
      f'{generator.model} with {slots} slots does not fit {slice_.name}: it'
      f' needs {"" if found else "more than "}{needed / 2**30:.2f} GiB of HBM'
      f' per chip, {limit / 2**30:.2f} GiB can be used\n'
      f'the largest number that fits: --slots={largest and largest.slots}'
    )
  return found


def _largest(
  compiled: Callable[[int], Fit | None],
  bound: int,
  limit: float,
  slot_bytes: float,
) -> Fit | None:
  """Searches for the largest number of slots: bytes are nearly linear in it."""
  whole = lambda slots: max(LEAST_SLOTS, int(slots) // 8 * 8)
  peaks: dict[int, float] = {}
  best, too_many, slots = None, math.inf, whole(bound / 2)
  for _ in range(_TRIALS):
    made = compiled(slots)
    if made:
      peaks[slots] = made.peak_bytes
    if not made or made.peak_bytes > limit:
      too_many = min(too_many, slots)
    elif not best or slots > best.slots:
      best = made
    least = best.slots if best else 0
    if peaks:
      slots = whole(_extrapolate(peaks, limit, slot_bytes))
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


def _too_small(
  generator: Generator, name: str, tensor: int, bound: int
) -> topology.PlanError:
  """Names the nearest slice, of the same kind if there is one."""

  def has_room(chip: topology.Chip, count: int) -> bool:
    n = choose_tensor(generator, count, chip.usable_bytes)
    # Half of the bound is for what programs need for themselves.
    return most_slots(generator, n, chip.usable_bytes) >= 2 * LEAST_SLOTS

  nearest = topology.nearest(name, has_room)
  devices = f'{tensor} device{"s" * (tensor > 1)}'
  return topology.PlanError(
    f'{generator.model} does not fit {name}:'
    f' {generator.weight_bytes / 2**30:.1f} GiB of weights on {devices} leave'
    f' room for {max(0, bound)} slots, at least {LEAST_SLOTS} are needed\n'
    f'the smallest that fit: {", ".join(nearest) or "none"}'
  )


@functools.cache
def _compile(
  generator: Generator,
  slice_: topology.Topology,
  tensor: int,
  whole: bool,
  slots: int,
) -> Fit | None:
  """Returns what fits; None if the compiler itself finds it too large."""
  depths = depth.depths(generator.config, whole)

  def compiled(slots: int, names: tuple[str, ...]) -> dict[str, Program]:
    made = [
      _programs(
        dataclasses.replace(generator, layers=of), slice_, tensor, slots, names
      )
      for of in depths
    ]
    if not all(made):
      return {}
    times = [of.times for of in depths]
    return {name: combine([m[name] for m in made], times) for name in names}

  # What computes prefix and questions does not depend on slots.
  made = compiled(LEAST_SLOTS, ('prefix', 'question'))
  of_slots = made and compiled(slots, ('refill', 'decode'))
  if not of_slots:
    return None
  made = made | of_slots
  computed = sections.computed_in(generator.dtype)
  types = {generator.dtype, computed}
  held = {
    name: sum(p.used_bytes.get(of, 0) for of in types)
    for name, p in made.items()
  }
  block = slots * generator.kv_bytes(shapes.BLOCK_STEPS, computed) / tensor
  held['decode'] += block * slice_.devices_per_chip  # the block at hand
  # Questions stay while slots are filled from them.
  resident = made['decode'].argument_bytes + made['question'].result_bytes
  return Fit(
    tensor=tensor,
    replicas=len(slice_.devices) // tensor,
    slots=slots,
    peak_bytes=resident + max(p.own_bytes for p in made.values()),
    programs=made,
    weights_plus_kv_bytes=held,
  )


@functools.lru_cache(maxsize=2)
def _lowered(
  generator: Generator, slice_: topology.Topology, tensor: int, slots: int
) -> dict[str, Any]:
  """Returns a replica's programs, for `compile_for`."""
  run = programs.Programs(
    config=generator.config,
    dtype=jnp.dtype(sections.computed_in(generator.dtype)),
    int8=generator.dtype == 'int8',
    mesh=sharding.make_mesh(1, tensor, slice_.devices[:tensor]),
    slots=slots,
    prompt_columns=generator.prompt_tokens,
    max_new_tokens=generator.max_new_tokens,
    eos=1,
    top_k=generator.top_k,
    top_p=generator.top_p,
  )
  return lowering.lower(run, generator.prefix_tokens, generator.stop_states)


@functools.cache
def _programs(
  generator: Generator,
  slice_: topology.Topology,
  tensor: int,
  slots: int,
  names: tuple[str, ...],
) -> dict[str, Program]:
  """Compiles some of a replica's programs; {} if one of them is too large."""
  lowered = _lowered(generator, slice_, tensor, slots)
  made = {}
  for name in names:
    steps = shapes.BLOCK_STEPS if name == 'decode' else 1
    if not (program := compile_for(slice_, lowered[name], steps)):
      return {}
    made[name] = program
  return made
