"""Finetuning: batches of a packed table, the train step, the loop."""


class FinetuneError(RuntimeError):
  """Finetuning that cannot go on; names the reason and what is left."""
