"""A peer's side of the benchmark: it samples when it is told to.

A peer is a script that ends in `serve(make)`, run by a Python that has what it
needs, with a folder that holds `case.json` and `params.npz`. When it is ready,
and then after each line that it reads, it writes one line of JSON.
"""

from collections.abc import Callable, Sequence
import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np

# sample(seed) -> the new tokens of each row, and the logits [V] after the
# first prompt, from which one sees that the model is the same.
Made = tuple[Callable[[int], list[list[int]]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Case:
  """What to sample.

  Attributes:
    config: Fields of `wcse_jax.models.presets.GemmaConfig`.
    prompts: Token ids of each row, BOS first.
    max_new_tokens: Of each row.
    temperature: 0 is greedy.
    top_k: Candidates.
    end_tokens: What ends a row; may be empty.
    params: The tree of `gm.nn` by path, float32.
  """

  config: dict[str, Any]
  prompts: list[list[int]]
  max_new_tokens: int
  temperature: float
  top_k: int
  end_tokens: list[int]
  params: dict[str, np.ndarray]

  def write(self, folder: pathlib.Path) -> None:
    """Writes it for `read`."""
    fields = dataclasses.asdict(self)
    np.savez(folder / 'params.npz', **fields.pop('params'))
    (folder / 'case.json').write_text(json.dumps(fields))

  @classmethod
  def read(cls, folder: pathlib.Path) -> 'Case':
    """Reads what `write` wrote."""
    with np.load(folder / 'params.npz') as arrays:
      params = dict(arrays)
    return cls(**json.loads((folder / 'case.json').read_text()), params=params)


class Ids:
  """A tokenizer whose text is numbers: `spell` makes a prompt of token ids."""

  def encode(self, text: str, **_) -> list[int]:
    return [int(word) for word in text.split()]

  def decode(self, ids, **_) -> str:
    return spell(ids)


def spell(ids: Sequence[int]) -> str:
  """Writes token ids as text."""
  return ' '.join(map(str, ids))


def serve(make: Callable[[Case], Made]) -> None:
  """Makes the peer ready, warm-up included; then one turn per line read."""
  out = os.fdopen(os.dup(1), 'w', buffering=1)
  os.dup2(2, 1)  # a library's own messages are no answers
  folder = pathlib.Path(sys.argv[1])
  sample, logits = make(Case.read(folder))
  np.save(folder / 'logits.npy', np.asarray(logits, np.float32))
  sample(0)
  print(json.dumps({'ready': True}), file=out)
  for seed, _ in enumerate(sys.stdin, start=1):
    start = time.monotonic()
    tokens = sample(seed)
    seconds = time.monotonic() - start
    print(json.dumps({'seconds': seconds, 'tokens': tokens}), file=out)
