"""Finetuning: batches of a packed table, the train step, the loop."""

from wcse_jax.errors import Error


class FinetuneError(Error):
  """Finetuning that cannot go on; names the reason and what is left."""
