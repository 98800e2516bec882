"""`prepare` and the seqio Tasks of all built-in tasks.

In one process, which is this file run as a script: TensorFlow starts slowly.
"""

import dataclasses
import http.server
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pyarrow.parquet as pq
import pytest

from wcse_jax import tasks
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets

TOKENIZER = (
  pathlib.Path(tasks.__file__).parents[1] / 'models' / 'nano/tokenizer.model'
)
SPLITS = {
  'nano_arithmetic': {'train': 12, 'validation': 5, 'test': 1000},
  'nano_one_step': {'train': 12, 'validation': 5, 'test': 100},
  'gsm8k': {'train': None, 'validation': 500, 'test': 7},
  'math': {'train': None, 'validation': None, 'test': 500},
  'functional_math': {'test': None},
  'mbpp': {'train': None, 'validation': 5, 'test': None},
  'mbpp_sanitized': {'train': None, 'validation': 5, 'test': None},
  'humaneval': {'train': 0, 'validation': 0, 'test': None},
  'ifeval': {'train': None, 'validation': 5, 'test': None},
}
PROCEDURAL = ['nano_arithmetic', 'nano_one_step']  # of no file
ROWS = {
  'nano_arithmetic': [12, 5, 1000],
  'nano_one_step': [12, 5, 100],
  'gsm8k': [6973, 500, 7],
  'math': [7500, 500, 500],
  'functional_math': [3490],
  'mbpp': [374, 5, 500],
  'mbpp_sanitized': [324, 5, 243],
  'humaneval': [0, 0, 164],
  'ifeval': [300, 5, 150],
}
# Of the first and third test problem, where the dataset has none.
SOLUTIONS = {
  'ifeval': 'Section 1, Section 2, Section 3, Section 4: dammit' + ' fake' * 6
}


@pytest.mark.slow
def test_all_problems_reach_the_table_and_the_grader_the_evaluator(tmp_path):
  shared = os.environ.get('WCSE_DATA_DIR')
  names = list(SPLITS) if shared else PROCEDURAL
  done = subprocess.run(
    [sys.executable, __file__, str(tmp_path), *names],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  results = json.loads((tmp_path / 'results.json').read_text())
  for name in names:
    prepared, metrics = results[name]
    assert list(prepared['rows'].values()) == ROWS[name]
    assert metrics['pass_at_1'] == pytest.approx(2 / 3), name
    overlap, rows = prepared['overlap'], prepared['rows']
    if known := datasets.DATASETS[name].sizes:
      for split, asked in SPLITS[name].items():
        assert rows.get(split, 0) == (known[split] if asked is None else asked)
    assert overlap['train'] == rows.get('train', 0)
    assert overlap['test'] == rows['test']
    assert len(overlap['worst']) == min(20, overlap['test_overlapping'])
    assert sum(map(len, prepared['no_gold'].values())) == 2 * (name == 'math')
  if 'math' in names:
    overlap = results['math'][0]['overlap']
    assert [overlap[f'test_{x}'] for x in ('overlapping', 'whole')] == [58, 1]
    table = pq.read_table(tmp_path / 'math' / 'problems.parquet').to_pylist()
    empty = [row['problem_id'] for row in table if not row['gold']]
    assert results['math'][0]['no_gold']['train'] == empty
  if not shared:
    pytest.skip(f'WCSE_DATA_DIR is not set: {PROCEDURAL} alone were tried')


# --- in the other process -----------------------------------------------------


def _evaluate(name, folder):
  """Metrics of three predictions: cut and right, wrong, right."""
  import seqio

  from wcse_jax.seqio_tasks import builders

  info, nano = tasks.find(name), name in PROCEDURAL
  vocabulary = (
    seqio.SentencePieceVocabulary(str(TOKENIZER), extra_ids=0) if nano else None
  )
  for _ in range(2):  # the second replaces the first
    task = builders.task(
      name,
      str(folder / 'tfds'),
      vocabulary=vocabulary,
      first={'test': 3} if nano else None,
    )
  vocabulary = task.output_features['targets'].vocabulary
  assert not nano or list(task.splits) == ['test']
  dataset = task.get_dataset(split='test', shuffle=False)
  examples = list(dataset.take(3).as_numpy_iterator())
  for example in examples:
    text = vocabulary.decode(example['inputs'].tolist())
    assert text.endswith(info.prefix[-9:] + example['prompt'].decode()), text
    solution = example['solution'].decode()
    assert example['targets'].tolist() == [*vocabulary.encode(solution), 1]
  first, _, third = (
    SOLUTIONS.get(name) or example['solution'].decode() for example in examples
  )
  more = ' The answer is 123456789. \\boxed{123456789}'
  texts = [first + info.stop_strings[0] + more, more, third]
  tokens = [vocabulary.encode(text) for text in texts]
  width = max(map(len, tokens))
  predictions = [(i, t + [0] * (width - len(t))) for i, t in enumerate(tokens)]
  evaluator = seqio.Evaluator(
    task.name,
    feature_converter=seqio.PrefixLMFeatureConverter(pack=False),
    eval_split='test',
    num_examples=3,
    async_compute_metrics=False,
  )
  metrics, _ = evaluator.evaluate(
    compute_metrics=True, predict_fn=lambda *_, **__: predictions
  )
  return metrics.result()[task.name]


def _check_table(name, folder):
  """All that the task makes of the files, up to the numbers asked for."""
  problems = tasks.load(name, 'problems')()
  expected = [
    vars(problem)
    for split, size in zip(SPLITS[name], ROWS[name], strict=True)
    for problem in itertools.islice(problems.get(split, ()), size)
  ]
  assert pq.read_table(folder / 'problems.parquet').to_pylist() == expected


def _check_error(message, **request):
  from wcse_jax.seqio_tasks import prepare

  with pytest.raises(TaskError, match=re.escape(message)):
    prepare.prepare(request)


def _check_errors(folder):
  """Of requests, and of folders without the files."""
  request = {'data_dir': '', 'out_dir': str(folder / 'errors'), 'splits': {}}
  _check_error("name = 'x': 'x' is none of nano_", **request | {'task': 'x'})
  for name, splits, message in (
    ('gsm8k', {'test': 1320}, 'num_test = 1320: gsm8k has 1319'),
    ('humaneval', {'train': 10}, 'num_train = 10: humaneval has no train'),
    ('humaneval', {'train': None}, 'num_train = None: humaneval has no train'),
  ):
    made = {'out_dir': str(folder / name), 'splits': splits, 'task': name}
    _check_error(message, **request | made)
  for name, message in (
    ('gsm8k', 'train.jsonl: No such file'),
    ('math', 'math500.jsonl: No such file'),
    ('functional_math', 'there is none of'),
    ('mbpp', 'mbpp.jsonl: No such file'),
    ('humaneval', 'HumanEval.jsonl.gz: No such file'),
    ('ifeval', 'input_data.jsonl: No such file'),
  ):
    empty = {'data_dir': str(folder), 'task': name}
    _check_error(message, **request | empty)


def _check_downloads(folder):
  """From a server, and with none there."""
  from wcse_jax.seqio_tasks import prepare

  data = os.environ.pop('WCSE_DATA_DIR')

  class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
      super().__init__(*args, directory=data)

  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  threading.Thread(target=server.serve_forever, daemon=True).start()
  url = f'http://127.0.0.1:{server.server_port}/'
  downloaded = {'gsm8k', 'mbpp', 'mbpp_sanitized', 'humaneval', 'ifeval'}
  for name in downloaded:
    there = f'{url}{name.removesuffix("_sanitized")}/'
    dataset = dataclasses.replace(datasets.DATASETS[name], url=there)
    datasets.DATASETS[name] = dataset
    out_dir = folder / f'{name}_loaded'
    request = {'data_dir': '', 'splits': SPLITS[name], 'task': name}
    prepare.prepare(request | {'out_dir': str(out_dir)})
    given, loaded = (
      (path / 'problems.parquet').read_bytes()
      for path in (folder / name, out_dir)
    )
    assert given == loaded, name
  server.shutdown()
  server.server_close()
  for name in SPLITS.keys() - PROCEDURAL:
    request = {'data_dir': '', 'splits': {}, 'task': name}
    why = 'cannot be reached' if name in downloaded else 'there is no download'
    message = f'{why}; give the folder with the files of {name}'
    out_dir = str(folder / f'{name}_offline')
    _check_error(message, **request | {'out_dir': out_dir})


def _main(folder, names):
  from wcse_jax.seqio_tasks import prepare

  results = {}
  for name in names:
    request = {'task': name, 'data_dir': '', 'out_dir': str(folder / name)}
    prepared = prepare.prepare(request | {'splits': SPLITS[name]})
    _check_table(name, folder / name)
    results[name] = prepared, _evaluate(name, folder / name)
  (folder / 'results.json').write_text(json.dumps(results))
  if 'gsm8k' in names:
    _check_errors(folder)
    _check_downloads(folder)


if __name__ == '__main__':
  _main(pathlib.Path(sys.argv[1]), sys.argv[2:])
