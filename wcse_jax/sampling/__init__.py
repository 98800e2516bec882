"""The sampling engine: many samples of few-shot prompts, exactly counted.

For those who want only the sampler: `Sampler`, in `engine`. What needs no
device, such as reading the samples of another engine (`external`), can be
imported without JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from wcse_jax.sampling.engine import Sampler, SamplingError
  from wcse_jax.sampling.schedule import Ledger, Request

__all__ = ['Ledger', 'Request', 'Sampler', 'SamplingError']


def __getattr__(name: str) -> Any:
  if name not in __all__:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  module = 'schedule' if name in ('Ledger', 'Request') else 'engine'
  return getattr(importlib.import_module(f'{__name__}.{module}'), name)
