"""The TPU plan that a report sets its rates beside: a file of `wcse plan`."""

import json
import pathlib
from typing import Any

from wcse_jax.experiment.config import Config, ConfigError

# What is read of a generator, and of its decoding program.
_OF_GENERATOR = (
  *('tensor', 'tokens_per_s_per_chip', 'devices_per_chip', 'hbm_bytes_per_s'),
)


def read(config: Config) -> dict[str, Any]:
  """Returns the plan that `report.tpu_plan` names; {} if it names none.

  Raises:
    ConfigError: The file is missing, or is none that `wcse plan --json` writes.
  """
  path = config.report.tpu_plan
  if not path:
    return {}
  wrong = lambda why: ConfigError(
    'report.tpu_plan',
    path,
    f'{why}: give a file that `wcse plan --topology=v5e:2x4 --json=FILE` wrote',
  )
  try:
    plan = json.loads(pathlib.Path(path).read_text())
    for name, generator in plan['generators'].items():
      found = [generator[field] for field in _OF_GENERATOR]
      found.append(plan['slots'][name])
      found.append(plan['programs'][f'{name}/decode']['hbm_bytes_per_step'])
      if not all(
        isinstance(value, int | float) and value > 0 for value in found
      ):
        raise wrong(f'{name} has a number that is none')
    str(plan['topology'])
  except OSError as error:
    raise wrong(error.strerror or 'unreadable') from error
  except (ValueError, RecursionError) as error:
    raise wrong(f'not JSON ({error})') from error
  except (KeyError, TypeError, AttributeError) as error:
    raise wrong(f'it lacks {error}') from error
  return plan
