"""How long a run will take: told once its problems are there, from its FLOPs.

A quick measurement times products of matrices of the models' own shapes, which
is what the devices can do. The share of that which each stage reaches was found
once, on two CPU cores at the scale `nano`: so this is a first guess, which the
display of progress replaces by the rates that it sees.
"""

from collections.abc import Collection, Sequence
import contextlib
import functools
import math
import statistics
import time

from wcse_jax.errors import Error
from wcse_jax.experiment import sections
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.models.presets import PRESETS, GemmaConfig
from wcse_jax.models.tokenizer import Tokenizer
from wcse_jax.runtime import progress
from wcse_jax.stages import evaluate, finetune, planned
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

# Of the rate of products alone.
_SHARES = {'sample': 0.3, 'finetune': 0.5, 'evaluate': 0.3}
_MEASURED_S = 0.1  # of a model's products
_MOST = 200  # problems that say how long questions and solutions are


def tell(
  run: Run, machine: Machine, processes: int, wanted: Collection[str]
) -> None:
  """Tells how long sampling, finetuning and evaluating will take.

  Where that cannot be known, as where a model's files or the devices are not
  there, it tells nothing: a stage that cannot be run says why.

  Args:
    run: The experiment; its problems are there.
    machine: What it computes with.
    processes: How many share the work.
    wanted: The names of the stages to run. A run that is only planned is told
      whole.
  """
  works = {'sample': _sampling, 'finetune': _finetuning, 'evaluate': _testing}
  if {*wanted} <= {'prepare', 'plan'}:
    wanted = works
  if not {*works} & {*wanted}:
    return
  with contextlib.suppress(Error, ValueError):  # of `sharding`: too few devices
    speed = machine.mesh().size * processes
    progress.foretell(
      {
        stage: work(run) / _SHARES[stage] / speed
        for stage, work in works.items()
        if stage in wanted and (run.config.student or stage == 'sample')
      }
    )


def _sampling(run: Run) -> float:
  """The seconds that products take of what the pools lack."""
  seconds, spec = 0.0, run.config.sampling
  for pool, number in run.pools.items():
    role = pool.generator
    if run.config.external_file(role):
      continue
    drawn = run.pool_stage(pool).read_parts()
    left = planned.of(run, pool).likely_left
    if not left:
      continue
    model, prefix = _model(run, role), run.num_prefix_tokens(role)
    asked, written = _lengths(run, role)
    if drawn:
      written = statistics.fmean(drawn['num_tokens'].to_pylist())
    reading = asked / number * _flops(model, prefix + asked / 2)
    writing = written * _flops(model, prefix + asked + written / 2)
    rate = _rate(model, spec.slots, spec.dtype)
    seconds += left * (reading + writing) / rate
  return seconds


def _finetuning(run: Run) -> float:
  """The same of students that are not finetuned."""
  model, spec = _model(run, 'student'), run.config.finetune
  tokens = sum(_lengths(run, 'student'))
  forwards = tokens * _flops(model, tokens / 2)  # backwards is twice that
  rate = _rate(model, spec.row_tokens, spec.dtype)
  steps = finetune.work(run, finetune.left(run, run.taught))
  return steps * spec.batch_size * 3 * forwards / rate


def _testing(run: Run) -> float:
  """The same of students that are not tested."""
  model, spec = _model(run, 'student'), run.config.sampling
  students: Sequence[Base | Student] = [Base(), *run.taught]
  done = lambda student: run.evaluate_stage(student, 'test').is_complete()
  left = [student for student in students if not done(student)]
  questions, solutions = evaluate.work(run, left)
  asked, written = _lengths(run, 'student')
  flops = questions * asked * _flops(model, asked / 2)
  flops += solutions * written * _flops(model, asked + written / 2)
  return flops / _rate(model, spec.slots, spec.dtype)


def _model(run: Run, role: str) -> GemmaConfig:
  return PRESETS[run.config.model(role)[0]].config


def _flops(model: GemmaConfig, context: float) -> float:
  """The FLOPs of a token with so many before it: products, and attention."""
  width = model.num_heads * sum(layer.head_dim for layer in model.layers)
  return 2 * model.active + 4 * width * context


def _lengths(run: Run, role: str) -> tuple[float, float]:
  """The mean tokens of a question, and of people's solutions.

  Where people wrote none, half of the most that are sampled.
  """
  most = run.config.sampling.max_new_tokens
  encode = Tokenizer(run.model_files(role)[-1]).encode
  problems = run.train[:_MOST]
  asked = statistics.fmean(len(encode(p.prompt)) for p in problems)
  solved = [len(encode(p.solution)) for p in problems if p.solution]
  return asked, min(statistics.fmean(solved or [most / 2]), most)


@functools.cache
def _rate(model: GemmaConfig, rows: int, dtype: str) -> float:
  """The FLOPs a second of a device, in products of a model's shapes."""
  import jax
  import jax.numpy as jnp

  width, hidden = model.embed_dim, model.hidden_dim
  dtype = sections.computed_in(dtype)
  up, down = jnp.ones((width, hidden), dtype), jnp.ones((hidden, width), dtype)
  there_and_back = jax.jit(lambda x: x @ up @ down)
  x = there_and_back(jnp.zeros((rows, width), dtype)).block_until_ready()
  best, end = math.inf, time.perf_counter() + _MEASURED_S
  while (start := time.perf_counter()) < end:  # others may compute, too
    there_and_back(x).block_until_ready()
    best = min(best, time.perf_counter() - start)
  return 4 * rows * width * hidden / best
