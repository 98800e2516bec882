"""What hosts that share a workdir must agree on."""

from importlib import metadata
import re

import wcse_jax
from wcse_jax.experiment.config import Config, flatten

# Fields that may differ between hosts: folders, and how the work is laid out.
_OF_A_HOST = re.compile(
  r'checkpoints|tokenizers|external|mesh\.(data|tensor)|prices|report'
  r'|task\.data_dir|verify\.(workers|file)|sampling\.(slots|shard_rows)'
  r'|finetune\.layout|teachers\.\w+\.(checkpoint|tokenizer|external)'
)


def shared(config: Config) -> dict[str, str]:
  """Returns what hosts that share a workdir must agree on.

  By flag, without its dashes, and by package, whose version it is.

  Example:
    >>> shared(Config())['config.sampling.temperature']
    '0.7'
  """
  rounds = config.budget.right is not None or config.budget.rows is not None
  of_rounds = {'sampling.slots'} if rounds else set()  # a round fills them
  versions = {name: metadata.version(name) for name in ('jax', 'jaxlib')}
  return {
    'wcse_jax': wcse_jax.__version__,
    **versions,
  } | {
    f'config.{name}': str(value)
    for name, value in flatten(config).items()
    if name in of_rounds or not _OF_A_HOST.match(name)
  }
