"""What stages work with: models, samplers and graders; and what they commit."""

from collections.abc import Callable, Collection, Iterable, Sequence
import functools
import os
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.config import ConfigError
from wcse_jax.runtime import progress
from wcse_jax.stages import layout as stages
from wcse_jax.store import cache


class Workbench(stages.Stages):
  """Makes what a stage needs, from the config; commits what comes out.

  Args:
    config: The experiment.
    data: Its workdir.
  """

  @functools.cached_property
  def device(self) -> str:
    """The devices of this process, for people; readies JAX's cache."""
    import jax

    jax.config.update('jax_compilation_cache_dir', str(cache.folder() / 'xla'))
    devices = jax.devices()
    kind = devices[0].device_kind
    cores = f' ({os.cpu_count()} cores)' if kind == 'cpu' else ''
    return f'{len(devices)} x {kind}{cores}'

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

  @functools.cached_property
  def leads(self) -> bool:
    """Whether this process commits: of those of one JAX, the first does."""
    import jax

    return jax.process_index() == 0

  def load(self, role: str, **layout: Any):
    """Returns a model, each tensor read into the layout of its use."""
    from wcse_jax.models import checkpoint

    if not layout:
      layout = {'dtype': self.config.sampling.dtype, 'mesh': self.mesh()}
    return checkpoint.load(
      getattr(self.config, role),
      getattr(self.config.checkpoints, role),
      **layout,
    )

  @functools.cache  # noqa: B019
  def model(self, role: str):
    """Returns a model that is used more than once."""
    return self.load(role)

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

  def mesh(self):
    """Returns the devices that sample."""
    from wcse_jax.models import sharding

    return sharding.make_mesh(self.config.mesh.data, self.config.mesh.tensor)

  def train_mesh(self):
    """Returns the devices that finetune."""
    from wcse_jax.models import sharding

    layout = self.config.finetune.layout
    return sharding.train_mesh(layout.data, layout.fsdp, layout.tensor)

  def sampler(self, role: str, prefix: str, splits: Sequence[str]):
    """Returns a sampler with room for the problems of a task's splits."""
    from wcse_jax.sampling import engine

    model = self.model(role) if role == 'student' else self.load(role)
    spec = self.config.sampling
    prompts = [p.prompt for split in splits for p in self.problems[split]]
    return engine.Sampler(
      model,
      prefix=prefix,
      stop_strings=self.task_of(splits[0]).stop_strings,
      max_new_tokens=spec.max_new_tokens,
      max_prompt_tokens=max(len(model.tokenizer.encode(p)) for p in prompts),
      top_k=spec.top_k,
      top_p=spec.top_p,
      slots=spec.slots,
      seed=self.config.seed,
      mesh=self.mesh(),
      dtype=spec.dtype,
    )

  def graders(self):
    """Returns processes that grade; to be closed."""
    from wcse_jax.verify import pool

    return pool.Pool(self.config.verify.workers, self.config.verify.timeout_s)

  def commit(
    self,
    stage: store.Stage,
    schema: Any,
    rows: Iterable,
    total: int,
    unit: str,
    about: Callable[[], dict[str, Any]] = dict,
    then: Callable[[Sequence[Any]], Any] = lambda shard: None,
  ) -> None:
    """Commits rows in shards as they come; on an interrupt what there is.

    Args:
      stage: Where to.
      schema: Of the rows.
      rows: What to commit.
      total: How many they are, for progress.
      unit: What they are, for people.
      about: Tells how a part was made, when it is committed.
      then: What to do with the rows of a part that was committed.
    """
    shard: list[Any] = []

    def flush():
      if shard:
        stage.write_part(store.to_table(shard, schema), schema, about())
        then(shard)
        shard.clear()

    try:
      for row in progress.of(rows, stage.name, total, unit):
        shard.append(row)
        if len(shard) == self.config.sampling.shard_rows:
          flush()
    finally:
      flush()


def worker_seconds(graders: Any) -> Callable[[], dict[str, float]]:
  """Tells, at each call, what graders took since the last."""
  before = graders.worker_seconds

  def about() -> dict[str, float]:
    nonlocal before
    spent, before = graders.worker_seconds - before, graders.worker_seconds
    return {'worker_seconds': spent}

  return about


def missing(stage: store.Stage, wanted: Sequence, generator: str = ''):
  """Returns those of the wanted rows that the stage does not have."""
  rows = stage.read_parts()
  if rows is None:
    return list(wanted)
  columns = ('generator', 'problem_id', 'sample_index')
  have = {
    (problem_id, index)
    for name, problem_id, index in zip(
      *(rows[c].to_pylist() for c in columns), strict=True
    )
    if not generator or name == generator
  }
  missing = [w for w in wanted if (w.problem_id, w.sample_index) not in have]
  if have and missing and len(missing) < len(wanted):
    print(
      f'{stage.name}: {len(wanted) - len(missing):,} rows are there, going on'
    )
  return missing
