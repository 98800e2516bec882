"""A peer's side of a benchmark: it does its work when it is told to.

A peer is a script that ends in `serve(make, kind)`, run by a Python that has
what it needs, with a folder that holds `case.json` and `params.npz`. When it is
ready, and then after each line that it reads, it writes one line of JSON.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import json
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np

# turn(seed) -> the new tokens of each row or, of training, the loss of each
# batch; and the logits [V] after the first prompt, from which one sees that the
# model is the same. Seed 0 is the warm-up, and may be short.
Made = tuple[Callable[[int], list], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
  """What to do with a model.

  Attributes:
    config: Fields of `wcse_jax.models.presets.GemmaConfig`.
    params: The tree of `gm.nn` by path, float32.
    dtype: Of weights and products.
  """

  config: dict[str, Any]
  params: dict[str, np.ndarray]
  dtype: str = 'float32'

  def write(self, folder: pathlib.Path) -> None:
    """Writes it for `read`."""
    fields = dataclasses.asdict(self)
    np.savez(folder / 'params.npz', **fields.pop('params'))
    (folder / 'case.json').write_text(json.dumps(fields))

  @classmethod
  def read(cls, folder: pathlib.Path):
    """Reads what `write` wrote."""
    with np.load(folder / 'params.npz') as arrays:
      params = dict(arrays)
    return cls(**json.loads((folder / 'case.json').read_text()), params=params)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling(Case):
  """What to sample.

  Attributes:
    prompts: Token ids of each row, BOS first.
    max_new_tokens: Of each row.
    temperature: 0 is greedy.
    top_k: Candidates.
    end_tokens: What ends a row; may be empty.
    stop_strings: What else ends it, for those that can stop at a string.
    folder: The model in Hugging Face's format, for those that read it; they
      get no `params`.
  """

  prompts: list[list[int]]
  max_new_tokens: int
  temperature: float
  top_k: int
  end_tokens: list[int]
  stop_strings: list[str] = dataclasses.field(default_factory=list)
  folder: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Case):
  """What to finetune on.

  Attributes:
    examples: Token ids of each, BOS first and EOS last.
    prompt_tokens: With how many each begins from which nothing is learned.
    batch_size: Examples of a batch.
    learning_rate: Of AdamW, constant.
    clip_norm: Of the gradient.
  """

  examples: list[list[int]]
  prompt_tokens: list[int]
  batch_size: int
  learning_rate: float
  clip_norm: float

  def batches(self, seed: int) -> Iterator[list[int]]:
    """Yields the examples of each batch, shuffled; of seed 0 the first one."""
    order = np.random.default_rng(seed).permutation(len(self.examples))
    for at in range(0, len(order), self.batch_size):
      yield order[at : at + self.batch_size].tolist()
      if not seed:
        return


class Ids:
  """A tokenizer whose text is numbers: `spell` makes a prompt of token ids."""

  def encode(self, text: str, **_) -> list[int]:
    return [int(word) for word in text.split()]

  def decode(self, ids, **_) -> str:
    return spell(ids)

  def piece_id(self, piece: str) -> int | None:
    return None


def spell(ids: Sequence[int]) -> str:
  """Writes token ids as text."""
  return ' '.join(map(str, ids))


def serve(make: Callable[[Any], Made], kind: type[Case]) -> None:
  """Makes the peer ready, warm-up included; then one turn per line read."""
  out = os.fdopen(os.dup(1), 'w', buffering=1)
  os.dup2(2, 1)  # a library's own messages are no answers
  folder = pathlib.Path(sys.argv[1])
  turn, logits = make(kind.read(folder))
  np.save(folder / 'logits.npy', np.asarray(logits, np.float32))
  turn(0)
  print(json.dumps({'ready': True}), file=out)
  for seed, _ in enumerate(sys.stdin, start=1):
    start, cpu = time.monotonic(), time.process_time()
    made = turn(seed)
    answer = {
      'seconds': time.monotonic() - start,
      'cpu_seconds': time.process_time() - cpu,
      'made': made,
    }
    print(json.dumps(answer), file=out)
