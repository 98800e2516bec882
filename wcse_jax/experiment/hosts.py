"""What hosts that share a workdir must agree on."""

import re

from wcse_jax.experiment.config import Config, flatten

# Fields that may differ between hosts: folders, and how the work is laid out.
_OF_A_HOST = re.compile(
  r'checkpoints|tokenizers|external|mesh\.(data|tensor)|prices|report'
  r'|task\.data_dir|verify\.workers|sampling\.(slots|shard_rows)'
  r'|finetune\.layout'
)


def shared(config: Config) -> dict[str, str]:
  """Returns what hosts that share a workdir must agree on, by flag.

  Example:
    >>> shared(Config())['config.sampling.temperature']
    '0.7'
  """
  return {
    f'config.{name}': str(value)
    for name, value in flatten(config).items()
    if not _OF_A_HOST.match(name)
  }
