"""What stages compute with: devices, models, samplers and graders."""

from collections.abc import Callable, Collection, Sequence
import dataclasses
import functools
import os
import pathlib
from typing import Any

from wcse_jax.experiment import sections
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.runtime import threads
from wcse_jax.store import cache
from wcse_jax.tasks import TaskInfo


@dataclasses.dataclass(frozen=True, eq=False)
class Machine:
  """The devices of this process, and what a config puts on them.

  It is made before JAX looks for devices: it says how many threads a CPU has.

  Attributes:
    config: The experiment.
  """

  config: Config

  def __post_init__(self):
    threads.limit(self.config.mesh.cpu_threads)

  @functools.cached_property
  def device(self) -> str:
    """The devices of this process, for people; readies JAX's cache."""
    import jax

    jax.config.update('jax_compilation_cache_dir', str(cache.folder() / 'xla'))
    # Small programs are many: together they take as long as the large ones.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
    devices = jax.devices()
    kind = devices[0].device_kind
    cores = f' ({os.cpu_count()} cores)' if kind == 'cpu' else ''
    return f'{len(devices)} x {kind}{cores}'

  @functools.cached_property
  def leads(self) -> bool:
    """Whether this process commits: of those of one JAX, the first does."""
    import jax

    return jax.process_index() == 0

  def check_meshes(self, wanted: Collection[str]) -> None:
    """Raises ConfigError if a mesh of these stages does not fit the devices."""
    if {'sample', 'verify', 'evaluate'} & set(wanted):
      try:
        self.mesh()
      except ValueError as e:
        raise ConfigError('mesh.data', self.config.mesh.data, str(e)) from e
    if 'finetune' in wanted and self.config.student:
      import jax

      layout = self.config.finetune.layout
      try:
        mesh = self.train_mesh()
      except ValueError as e:
        raise ConfigError(
          'finetune.layout',
          f'{layout.data} x {layout.fsdp} x {layout.tensor}',
          f'{e}\nSeveral hosts finetune together with --coordinator (see'
          ' docs/howto/several_hosts.md)',
        ) from e
      hosts = {device.process_index for device in mesh.devices.flat}
      if len(hosts) < jax.process_count():
        raise ConfigError(
          'finetune.layout.fsdp',
          layout.fsdp,
          f'the mesh has {mesh.size} of {jax.device_count()} devices, on'
          f' {len(hosts)} of {jax.process_count()} hosts: give 0, which takes'
          ' all there are, or start fewer hosts',
        )

  def mesh(self):
    """Returns the devices that sample."""
    from wcse_jax.models import sharding

    return sharding.make_mesh(self.config.mesh.data, self.config.mesh.tensor)

  def train_mesh(self):
    """Returns the devices that finetune."""
    from wcse_jax.models import sharding

    layout = self.config.finetune.layout
    return sharding.train_mesh(layout.data, layout.fsdp, layout.tensor)

  def load(self, role: str, **layout: Any):
    """Returns a model, each tensor read into the layout of its use."""
    from wcse_jax import models

    if not layout:
      dtype = sections.computed_in(self.config.sampling.dtype)
      layout = {'dtype': dtype, 'mesh': self.mesh()}
    name, folder, tokenizer = self.config.model(role)
    source = str(pathlib.Path(folder).absolute()) if folder else name
    return models.load(source, preset=name, tokenizer=tokenizer, **layout)

  @functools.cache  # noqa: B019
  def model(self, role: str):
    """Returns a model that is used more than once."""
    return self.load(role)

  def warm(self, wanted: Collection[str]) -> None:
    """Imports what these stages sample with, while `prepare` waits."""
    if {'sample', 'evaluate'} & set(wanted):
      from wcse_jax.sampling import engine  # noqa: F401

  def model_to_finetune(self):
    """Returns the student, laid out for finetuning."""
    from wcse_jax.models import sharding

    spec = self.config.finetune
    return self.load(
      'student',
      dtype=spec.dtype if spec.lora_rank else 'float32',
      mesh=self.train_mesh(),
      rules=sharding.TRAIN,
    )

  def forget_models(self) -> None:
    """Lets go of the weights, which the cache would keep."""
    self.model.cache_clear()

  def sampler(
    self, role: str, task: TaskInfo, prompts: Sequence[str], prefix: str = ''
  ):
    """Returns a sampler with room for prompts.

    Args:
      role: Whose model samples; the student's is kept for the next sampler.
      task: Its stop strings, or turns, end a sample.
      prompts: All prompts, of which the longest decides.
      prefix: The text before every prompt.
    """
    from wcse_jax.models.encoding import Encoding
    from wcse_jax.sampling import engine

    model = self.model(role) if role == 'student' else self.load(role)
    encoding = Encoding(model.tokenizer, task.turns)
    spec = self.config.sampling
    return engine.Sampler(
      model,
      prefix=prefix,
      turns=task.turns,
      stop_strings=task.stop_strings,
      max_new_tokens=spec.max_new_tokens,
      max_prompt_tokens=max(len(encoding.prompt(p)) for p in prompts),
      top_k=spec.top_k,
      top_p=spec.top_p,
      slots=spec.slots,
      seed=self.config.seed,
      mesh=self.mesh(),
      dtype=spec.dtype,
      exact=spec.exact,
    )

  def judge(self):
    """Returns a sampler that judges solutions."""
    from wcse_jax.sampling import judge

    return judge.sampler(
      self.model('judge'),
      slots=self.config.sampling.slots,
      mesh=self.mesh(),
      dtype=self.config.sampling.dtype,
      exact=self.config.sampling.exact,
    )

  def graders(self):
    """Returns processes that grade; to be closed."""
    from wcse_jax.verify import pool

    return pool.Pool(self.config.verify.workers, self.config.verify.timeout_s)


def worker_seconds(graders: Any) -> Callable[[], dict[str, float]]:
  """Returns what tells, at each call, what graders took since the last."""
  before = graders.worker_seconds

  def spent() -> dict[str, float]:
    nonlocal before
    seconds, before = graders.worker_seconds - before, graders.worker_seconds
    return {'worker_seconds': seconds}

  return spent
