"""The nano task through TFDS, seqio and `prepare`."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq

from wcse_jax.tasks import child, nano_problems

_TOKENIZER = (
  pathlib.Path(nano_problems.__file__).parents[1]
  / 'models'
  / 'nano'
  / 'tokenizer.model'
)

# Predictions for 3 problems: right before a stop string, wrong, none.
_EVALUATE = """
import json, sys
import seqio
from wcse_jax.tasks import nano_arithmetic

tokenizer, data_dir = sys.argv[1:]
vocabulary = seqio.SentencePieceVocabulary(tokenizer, extra_ids=0)
for _ in range(2):  # the second replaces the first
  task = nano_arithmetic.task(data_dir, vocabulary=vocabulary)
dataset = task.get_dataset(split='validation', shuffle=False)
example = next(dataset.as_numpy_iterator())
prompt, solution = (example[k].decode() for k in ('prompt', 'solution'))
assert vocabulary.decode(example['inputs'].tolist()).endswith(prompt)
assert example['targets'].tolist() == [*vocabulary.encode(solution), 1]
assert example['level'] == 1

texts = [solution + '\\n\\nProblem: 1', ' The answer is 12345.', ' Who knows']
tokens = [vocabulary.encode(text) for text in texts]
width = max(map(len, tokens))
predictions = [(i, t + [0] * (width - len(t))) for i, t in enumerate(tokens)]
evaluator = seqio.Evaluator(
  task.name,
  feature_converter=seqio.PrefixLMFeatureConverter(pack=False),
  eval_split='validation', num_examples=3, async_compute_metrics=False)
metrics, _ = evaluator.evaluate(
  compute_metrics=True, predict_fn=lambda *_, **__: predictions)
print(json.dumps(metrics.result()[task.name]))
"""


def test_prepare_and_seqio_task(tmp_path):
  """All problems reach the table; the verifier runs in `seqio.Evaluator`."""
  splits = {'train': 12, 'validation': None, 'test': 1000}
  request = {'task': 'nano_arithmetic', 'data_dir': '', 'splits': splits}
  request['out_dir'] = str(tmp_path)
  result = child.run_child('wcse_jax.tasks.prepare', request, tmp_path / 'log')
  assert result == {'rows': {'train': 12, 'validation': 500, 'test': 1000}}
  rows = pq.read_table(tmp_path / 'problems.parquet').to_pylist()
  assert rows == [
    dataclasses.asdict(nano_problems.problem(split, index))
    for split, size in result['rows'].items()
    for index in range(size)
  ]
  done = subprocess.run(
    [sys.executable, '-c', _EVALUATE, str(_TOKENIZER), str(tmp_path / 'tfds')],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  metrics = json.loads(done.stdout.splitlines()[-1])
  assert round(metrics['pass_at_1'], 6) == 0.333333
