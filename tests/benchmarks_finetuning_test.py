"""The benchmark of the train step, on a model that takes no time."""

import os
import pathlib
import subprocess
import sys

from finetuning_step_test import (
  ONE_LAYER,
  quick_compile,  # noqa: F401
  table,
)
import numpy as np
import pytest

from wcse_jax import testing
from wcse_jax.experiment.config import FinetuneSpec

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture
def training(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import training

  return training


def _work(training):
  """Nine rows of two segments of 11 tokens, 6 of each are targets."""
  model = testing.tiny_model(attention_types=ONE_LAYER.attention_types)
  return training.Work(model, FinetuneSpec(row_tokens=24), table())


def test_ours_alone(training, tmp_path):
  result = training.throughput(
    _work(training), [], repeats=2, peer_rounds=1, folder=tmp_path, tell=print
  )
  assert result['target_tokens_per_s'].keys() == {'ours'}
  assert result['ratio'] == {}
  assert 0 < result['matmul_share'] < 1
  assert result['recompiles'] == 0
  assert result['examples']['number'] == 18
  assert result['examples']['targets'] == 18 * 6
  first, second = result['turns']['ours']
  assert second['loss'] < first['loss'], 'it learns'


def test_flops_are_those_of_the_products_and_of_what_is_seen(training):
  row = {name: column[:1] for name, column in table().items()}
  dense = 22 * ONE_LAYER.non_embedding_params
  output = 2 * 6 * ONE_LAYER.num_embed * ONE_LAYER.embed_dim
  seen = 2 * sum(min(i, 5) for i in range(1, 12))  # of a window of 5
  assert training.model_flops(ONE_LAYER, row) == (
    6 * (dense + output) + 3 * 4 * 4 * 16 * seen
  )


def test_peers_get_the_same_examples_one_by_one(training):
  case = _work(training).case()
  packed = table()
  assert len(case.examples) == 18 and set(case.prompt_tokens) == {6}
  assert case.examples[1] == [2, *packed['targets'][0, 11:22]]
  shown = [i for batch in case.batches(seed=1) for i in batch]
  assert sorted(shown) == [*range(18)]
  assert shown != [i for batch in case.batches(seed=2) for i in batch]
  assert [len(batch) for batch in case.batches(seed=0)] == [8]


def test_ours_is_compared_with_its_turns_around_a_peers(training, tmp_path):
  import rounds

  class Peer:
    def turn(self):
      return {'seconds': 4.0}

    def close(self):
      closed.append(self)

  class Broken(Peer):
    def turn(self):
      raise rounds.opponents.PeerError('out of memory')

  closed, rates = [], iter([1.0, 2.0, 6.0, 9.0])
  made = rounds.alternate(
    lambda: {'rate': next(rates)},
    {'one': Peer(), 'two': Broken()},
    lambda turn: {'rate': 1 / turn['seconds']},
    repeats=4,
    peer_rounds=1,
    tell=lambda _: None,
  )
  assert made.due == [2]
  assert made.ratios('rate') == {'one': np.mean([6.0, 9.0]) * 4}
  assert made.failed == {'two': 'out of memory'}
  assert made.medians('rate')['ours'] == 4.0
  assert len(closed) == 2


@pytest.mark.parametrize('flags, environment, said', [
  (['--peers=gm'], {'WCSE_DATA_DIR': '/'}, 'gm'),
  (['--repeats=0'], {'WCSE_DATA_DIR': '/'}, '--repeats'),
  ([], {}, 'WCSE_DATA_DIR'),
])  # fmt: skip
def test_bad_input_is_told_at_once(flags, environment, said):
  known = {k: v for k, v in os.environ.items() if k != 'WCSE_DATA_DIR'}
  done = subprocess.run(
    [sys.executable, str(BENCHMARKS / 'finetuning.py'), *flags],
    capture_output=True,
    text=True,
    env=known | environment,
    check=False,
  )
  assert done.returncode == 2
  assert said in done.stderr.splitlines()[-1]
