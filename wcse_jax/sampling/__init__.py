"""The sampling engine: many samples of few-shot prompts, exactly counted.

For those who want only the sampler: `Sampler`, in `engine`.
"""

from wcse_jax.sampling.engine import Sampler, SamplingError
from wcse_jax.sampling.schedule import Ledger, Request

__all__ = ['Ledger', 'Request', 'Sampler', 'SamplingError']
