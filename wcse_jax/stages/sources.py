"""What determines problems and samples, and what asks for problems."""

from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Any

from wcse_jax.experiment.config import Config
from wcse_jax.experiment.sections import SPLITS
from wcse_jax.records import Problem
from wcse_jax.sampling.completions import Asked
from wcse_jax.store import digests
from wcse_jax.tasks import TaskInfo, prompts


def task(config: Config, role: str) -> TaskInfo:
  """Returns the task, as a model that samples is asked for it.

  A server that is sent messages sets the marks of turns by itself.
  """
  prompt = config.teacher(role).prompt or config.prompt
  bare = bool(config.server(role)) and config.endpoint.chat
  return prompts.configured(config.task.name, prompt, bare=bare)


def identity(config: Config, task: TaskInfo, transfer: str) -> dict[str, Any]:
  """Returns what determines the problems of a run, its own task's module aside.

  Args:
    config: The experiment.
    task: Its task.
    transfer: Another task, whose test problems they are; or ''.
  """
  if transfer:
    number = {'name': transfer, 'num_test': config.evaluate.num_transfer}
    return number | (_asked(task) if task.turns else {})
  spec = dataclasses.asdict(config.task)
  del spec['data_dir']  # its files' sums are checked
  del spec['grader']  # the name tells it
  for field, default in (('skip_test', 0), ('split', 'train')):
    if spec[field] == default:
      del spec[field]
  del spec['file']
  return spec | own(config, task)


def own(config: Config, task: TaskInfo) -> dict[str, Any]:
  """Returns what problems are whose file, or prompt, is the user's."""
  spec: dict[str, Any] = {}
  if file := config.task.file:
    spec['file'] = digests.sha256(pathlib.Path(file))
    spec['whole'] = _whole(config)
  if config.prompt:
    spec |= _asked(task)
  return spec


def _asked(task: TaskInfo) -> dict[str, Any]:
  """Returns how a task is asked: in which words, and in whose turns."""
  turns = {'turns': task.turns.name} if task.turns else {}
  return {'prompt_format': task.prompt_format, **turns}


def _whole(config: Config) -> bool:
  """Whether a file's problems are all to be sampled: no others are wanted."""
  return config.task.num_validation == config.task.num_test == 0


def request(config: Config, task: TaskInfo, transfer: str) -> dict[str, Any]:
  """Returns what `seqio_tasks.prepare` is asked; see `identity`."""
  spec = config.task
  if transfer:
    numbers = {'test': config.evaluate.num_transfer}
    return {
      'task': transfer,
      'data_dir': '',
      'splits': numbers,
      **({'prompt_format': task.prompt_format} if task.turns else {}),
    }
  asked: dict[str, Any] = {
    'task': spec.name,
    'data_dir': spec.file or spec.data_dir,
    'splits': {split: getattr(spec, f'num_{split}') for split in SPLITS},
    'skip': {'test': spec.skip_test},
    'train': spec.split,
    'whole': _whole(config),
  }
  if config.prompt:
    asked['prompt_format'] = task.prompt_format
  return asked


def sampling(config: Config, task: TaskInfo) -> dict[str, Any]:
  """Returns what, with model and prompt, determines a sample's text."""
  spec = dataclasses.asdict(config.sampling)
  for name in ('slots', 'shard_rows', 'dtype', 'exact'):
    del spec[name]
  return {
    **spec,
    **form(config),
    'task': task.name,
    **_asked(task),
    'seed': config.seed,
    'stop_strings': list(task.stop_strings),
  }


def form(config: Config) -> dict[str, Any]:
  """Returns what of the way in which models compute counts."""
  spec = config.sampling
  return {'dtype': spec.dtype, **({} if spec.exact else {'exact': False})}


def served(config: Config, task: TaskInfo, role: str) -> dict[str, Any]:
  """Returns what a server is asked for; which one it is does not count."""
  asked = sampling(config, task)
  for its_own in (*form(config), 'seed'):
    del asked[its_own]
  how = 'chat' if config.endpoint.chat else 'text'
  return {'model': config.model(role)[0], **asked, 'endpoint': how}


def served_judge(config: Config) -> dict[str, Any]:
  """Returns what a server that judges is asked for; see `served`."""
  return {
    'model': config.judge,
    'max_new_tokens': config.endpoint.judge_tokens,
    'endpoint': 'chat' if config.endpoint.chat else 'text',
  }


def asked(config: Config, task: TaskInfo, role: str) -> Asked:
  """Returns what a role's server is asked, the problem or solution aside."""
  spec, endpoint = config.sampling, config.endpoint
  made = Asked(
    url=config.server(role),
    model=config.model(role)[0],
    chat=endpoint.chat,
    prefix=task.prefix,
    stop_strings=task.stop_strings,
    max_new_tokens=spec.max_new_tokens,
    top_k=spec.top_k,
    top_p=spec.top_p,
    samples=endpoint.samples,
    requests=endpoint.requests,
    timeout_s=endpoint.timeout_s,
  )
  if role != 'judge':
    return made
  from wcse_jax.sampling import judge

  return dataclasses.replace(
    made,
    prefix=judge.PREFIX,
    stop_strings=() if made.chat else ('\n',),
    max_new_tokens=endpoint.judge_tokens,
    top_k=None,
    top_p=None,
    samples=1,
  )


def reworded(problems: Sequence[Problem], task: TaskInfo) -> list[Problem]:
  """Returns problems with the prompts by which a task asks for them."""
  prompt = lambda p: task.prompt_format.format(question=p.question)
  return [dataclasses.replace(p, prompt=prompt(p)) for p in problems]
