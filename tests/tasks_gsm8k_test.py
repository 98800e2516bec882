"""GSM8K: its texts, its files, its seqio Task."""

import json
import os
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from wcse_jax import tasks
from wcse_jax.tasks import child, gsm8k_problems
from wcse_jax.verify import answers

_ANSWER = 'In May: 48/2 = <<48/2=24>>24.\nAll: 48+24 = <<48+24=72>>72.\n#### 72'


def _source_dir() -> pathlib.Path:
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with gsm8k/{train,test}.jsonl')
  return pathlib.Path(os.environ['WCSE_DATA_DIR'], 'gsm8k')


def test_prompt():
  """Eight examples, each graded right by the task's own rule."""
  info = tasks.TASKS['gsm8k']
  shots = info.prefix.split('\n\n')
  assert shots.pop() == ''
  golds = ['6', '5', '39', '8', '9', '29', '33', '8']
  assert [answers.extract(shot, 'gsm8k') for shot in shots] == golds
  for shot in shots:
    question, _, solution = shot.removeprefix('Q: ').partition('\nA:')
    assert shot == info.prompt_format.format(question=question) + solution
    assert solution.startswith(' ')


def test_text_is_cut_at_the_first_stop_string():
  cut = tasks.TASKS['gsm8k'].cut
  assert cut(' 1.\n\nQ: a\n\nQ: b') == ' 1.'
  assert cut(' 1.\nQ: a') == ' 1.'
  assert cut(' 1.\nA: Q: 2') == ' 1.\nA: Q: 2'


def test_reference_solution():
  assert gsm8k_problems.gold(_ANSWER) == '72'
  assert gsm8k_problems.reference_solution(_ANSWER) == (
    ' In May: 48/2 = 24.\nAll: 48+24 = 72.\nThe answer is 72.'
  )


def test_splits_share_the_train_file():
  rows = [{'question': f'q{i}', 'answer': _ANSWER} for i in range(700)]
  ids = {
    split: [p['problem_id'] for p in gsm8k_problems.problems(rows, split)]
    for split in ('train', 'validation', 'test')
  }
  assert [len(ids[split]) for split in ids] == [200, 500, 700]
  assert ids['train'][-1] == 'gsm8k/train/00199'
  assert ids['validation'][0] == 'gsm8k/validation/00200'


def test_altered_file_is_named(tmp_path):
  path = tmp_path / 'train.jsonl'
  path.write_text('{}\n')
  expected = gsm8k_problems.SHA256['train.jsonl']
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {expected}.*get the'
  with pytest.raises(child.TaskError, match=message):
    gsm8k_problems.read(path, 'train.jsonl')


# Predictions for 4 problems: right before a stop string, wrong, none, right.
_EVALUATE = """
import http.server, json, os, sys, threading
from wcse_jax.tasks import child, prepare

source_dir, folder = sys.argv[1:]
request = {'task': 'gsm8k', 'data_dir': source_dir, 'out_dir': folder + '/out',
           'splits': {'train': None, 'validation': 500, 'test': 7}}
print(json.dumps(prepare.prepare(request)))

def error(**changes):
  try:
    prepare.prepare(request | changes)
  except child.TaskError as e:
    return str(e)

message = error(data_dir=folder, out_dir=folder + '/missing')
assert folder + '/train.jsonl: No such file' in message, message
message = error(splits={'test': 1320})
assert 'config.task.num_test = 1320: gsm8k has 1319' in message, message

import seqio
from wcse_jax.tasks import gsm8k
for _ in range(2):  # the second replaces the first
  task = gsm8k.task(folder + '/out/tfds', source_dir)
vocabulary = task.output_features['targets'].vocabulary
dataset = task.get_dataset(split='test', shuffle=False)
examples = list(dataset.take(4).as_numpy_iterator())
first = examples[0]
text = vocabulary.decode(first['inputs'].tolist())
assert text.endswith('\\n\\nQ: ' + first['question'].decode() + '\\nA:'), text
assert first['targets'].tolist() == [
  *vocabulary.encode(first['solution'].decode()), 1]

# By download: from a server, and with none there.
class Handler(http.server.SimpleHTTPRequestHandler):
  def __init__(self, *args):
    super().__init__(*args, directory=source_dir)

del os.environ['WCSE_DATA_DIR']
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
gsm8k._URL = f'http://127.0.0.1:{server.server_port}/'
prepare.prepare(request | {'data_dir': '', 'out_dir': folder + '/loaded'})
tables = [open(f'{folder}/{name}/problems.parquet', 'rb').read()
          for name in ('out', 'loaded')]
assert tables[0] == tables[1]
server.shutdown()
server.server_close()
message = error(data_dir='', out_dir=folder + '/offline')
assert 'config.task.data_dir: none is given' in message, message

gold = first['gold'].decode()
texts = [
  f' So. The answer is {gold}.\\n\\nQ: Next?\\nA: The answer is 0.',
  ' The answer is 123456789.',
  ' I do not know.',
  examples[3]['solution'].decode(),
]
tokens = [vocabulary.encode(text) for text in texts]
width = max(map(len, tokens))
predictions = [(i, t + [0] * (width - len(t))) for i, t in enumerate(tokens)]
evaluator = seqio.Evaluator(
  'wcse_gsm8k',
  feature_converter=seqio.PrefixLMFeatureConverter(pack=False),
  eval_split='test', num_examples=4, async_compute_metrics=False)
metrics, _ = evaluator.evaluate(
  compute_metrics=True, predict_fn=lambda *_, **__: predictions)
print(json.dumps(metrics.result()['wcse_gsm8k']))
"""


def test_seqio_task(tmp_path):
  """The official counts, and the verifier inside `seqio.Evaluator`."""
  source_dir = _source_dir()
  done = subprocess.run(
    [sys.executable, '-c', _EVALUATE, str(source_dir), str(tmp_path)],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  rows = pq.read_table(tmp_path / 'out/problems.parquet').to_pylist()
  assert [row['problem_id'] for row in rows[-7:]] == [
    f'gsm8k/test/{i:05d}' for i in range(7)
  ]
  official = [
    json.loads(line)['question']
    for name in ('train.jsonl', 'test.jsonl')
    for line in (source_dir / name).read_bytes().splitlines()
  ]
  assert [row['question'] for row in rows] == official[: 7473 + 7]
  results = [json.loads(x) for x in done.stdout.splitlines() if x[0] == '{']
  assert results == [
    {'rows': {'train': 6973, 'validation': 500, 'test': 7}},
    {'pass_at_1': 0.5, 'pass_at_1_upper': 0.5},
  ]
