"""MBPP: its texts, its file; its seqio Task and that of HumanEval."""

import json
import os
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from wcse_jax import tasks
from wcse_jax.tasks import child, humaneval_problems, mbpp_problems
from wcse_jax.verify import code, graders

_ROW = {
  'task_id': 601,
  'text': 'Write a function to square.',
  'code': 'import math\r\nP = 1\r\ndef sq(x):  \r\n\treturn x*x\r\n',
  'test_setup_code': '',
  'test_list': ['assert sq(2) == 4', 'assert sq({1: 3}[1]) == math.pow(3, 2)'],
  'challenge_test_list': [],
}


def _folder() -> pathlib.Path:
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with mbpp/mbpp.jsonl')
  return pathlib.Path(os.environ['WCSE_DATA_DIR'])


def test_prompt():
  """Three examples, each graded right by its own tests."""
  info = tasks.TASKS['mbpp']
  shots = info.prefix.split('[DONE]\n\n')
  assert shots.pop() == ''
  assert len(shots) == 3
  for shot in shots:
    question, _, solution = shot.partition('\n[BEGIN]\n')
    question = question.partition('here is your task: ')[2]
    assert shot == info.prompt_format.format(question=question) + solution
    tests = question.partition('tests:\n\n')[2]
    name = tests.split()[1].partition('(')[0]
    gold = code.Gold('', [name], tests).dumps()
    for text, verdict in ((f'{solution}[DONE]', 'correct'), ('x', 'wrong')):
      assert graders.GRADERS['mbpp'](gold, text, '').verdict == verdict


def test_problem():
  (problem,) = mbpp_problems.problems([_ROW], 'train')
  assert problem == {
    'problem_id': 'mbpp/train/00601',
    'split': 'train',
    'question': (
      'Write a function to square. Your code should pass these tests:\n\n'
      'assert sq(2) == 4\nassert sq({1: 3}[1]) == math.pow(3, 2)'
    ),
    'prompt': (
      'You are an expert Python programmer, and here is your task: Write a '
      'function to square. Your code should pass these tests:\n\n'
      'assert sq(2) == 4\nassert sq({1: 3}[1]) == math.pow(3, 2)\n[BEGIN]\n'
    ),
    'solution': 'import math\nP = 1\ndef sq(x):\n\treturn x*x',
    'gold': problem['gold'],
    'level': 0,
  }
  header, names, _ = code.Gold.loads(str(problem['gold']))
  assert (header, names) == ('import math\n', ['sq'])
  text = str(problem['solution'])
  grade = graders.GRADERS['mbpp'](str(problem['gold']), text, '')
  assert grade.verdict == 'correct'


def test_text_is_cut_where_the_code_ends():
  assert tasks.TASKS['mbpp'].cut('x = 1\n[DONE]\ny') == 'x = 1\n'


def test_altered_file_is_named(tmp_path):
  path = tmp_path / mbpp_problems.FILE
  path.write_text(json.dumps(_ROW))
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {mbpp_problems.SHA256}'
  with pytest.raises(child.TaskError, match=message):
    mbpp_problems.read(path)


@pytest.mark.filterwarnings('ignore:invalid escape sequence')
def test_official_file():
  """Splits; examples as in the file; what tests take is there to take."""
  rows = mbpp_problems.read(_folder() / 'mbpp' / mbpp_problems.FILE)
  ids = {
    split: [p['problem_id'] for p in mbpp_problems.problems(rows, split)]
    for split in mbpp_problems.SPLITS
  }
  assert {split: len(x) for split, x in ids.items()} == {
    'train': 374,
    'validation': 90,
    'test': 500,
  }
  assert ids['test'][0] == 'mbpp/test/00011'
  assert ids['test'][-1] == 'mbpp/test/00510'
  shots = ''.join(
    mbpp_problems.PROMPT_FORMAT.format(question=mbpp_problems.question(row))
    + mbpp_problems.reference_solution(row)
    + '\n[DONE]\n\n'
    for row in rows[1:4]
  )
  assert shots == mbpp_problems.PREFIX
  golds = {row['task_id']: mbpp_problems.gold(row) for row in rows}
  assert all(gold.names for gold in golds.values())
  several = {i: g.names for i, g in golds.items() if len(g.names) > 1}
  assert several == {
    367: ['Node', 'is_tree_balanced'],
    601: ['Pair', 'max_chain_length'],
    927: ['Node', 'max_height'],
  }
  assert {i: g.header for i, g in golds.items() if g.header} == {
    596: 'import sys \n'.replace(' \n', '\n')
  }


# Predictions for 3 problems of HumanEval: right, wrong, not in time.
_EVALUATE = """
import http.server, json, os, sys, threading
from wcse_jax.tasks import child, prepare

shared, folder = sys.argv[1:]
mbpp = {'task': 'mbpp', 'data_dir': '', 'out_dir': folder + '/mbpp',
        'splits': {'train': None, 'validation': 5, 'test': None}}
humaneval = {'task': 'humaneval', 'data_dir': shared + '/humaneval',
             'out_dir': folder + '/humaneval',
             'splits': {'train': 0, 'validation': 0, 'test': None}}
for request in (mbpp, humaneval):
  print(json.dumps(prepare.prepare(request)))

def error(request, **changes):
  try:
    prepare.prepare(request | changes)
  except child.TaskError as e:
    return str(e)

message = error(humaneval, splits={'train': 10})
assert 'num_train = 10: humaneval has no train problems, only test' in message
message = error(humaneval, splits={'train': None})
assert 'num_train = None: humaneval has no train problems' in message, message
for request, name in ((mbpp, 'mbpp.jsonl'), (humaneval, 'HumanEval.jsonl.gz')):
  message = error(request, data_dir=folder, out_dir=folder + '/missing')
  assert f'{folder}/{name}: No such file' in message, message

# By download: from a server, and with none there.
class Handler(http.server.SimpleHTTPRequestHandler):
  def __init__(self, *args):
    super().__init__(*args, directory=shared)

from wcse_jax.tasks import humaneval_problems, mbpp_problems
del os.environ['WCSE_DATA_DIR']
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f'http://127.0.0.1:{server.server_port}/'
mbpp_problems.URL = url + 'mbpp/mbpp.jsonl'
humaneval_problems.URL = url + 'humaneval/HumanEval.jsonl.gz'
for request in (mbpp, humaneval):
  out = folder + '/loaded_' + request['task']
  prepare.prepare(request | {'data_dir': '', 'out_dir': out})
  tables = [open(f'{path}/problems.parquet', 'rb').read()
            for path in (request['out_dir'], out)]
  assert tables[0] == tables[1]
server.shutdown()
server.server_close()
for request in (mbpp, humaneval):
  message = error(request, data_dir='', out_dir=folder + '/offline')
  assert 'config.task.data_dir: none is given' in message, message

import seqio
from wcse_jax.tasks import humaneval as module
task = module.task(folder + '/humaneval/tfds', shared + '/humaneval')
assert list(task.splits) == ['test'], task.splits
vocabulary = task.output_features['targets'].vocabulary
dataset = task.get_dataset(split='test', shuffle=False)
examples = list(dataset.take(3).as_numpy_iterator())
texts = [
  examples[0]['solution'].decode() + '\\n\\nprint(1)',
  '    return 0',
  examples[2]['solution'].decode(),
]
tokens = [vocabulary.encode(text) for text in texts]
width = max(map(len, tokens))
predictions = [(i, t + [0] * (width - len(t))) for i, t in enumerate(tokens)]
evaluator = seqio.Evaluator(
  'wcse_humaneval',
  feature_converter=seqio.PrefixLMFeatureConverter(pack=False),
  eval_split='test', num_examples=3, async_compute_metrics=False)
metrics, _ = evaluator.evaluate(
  compute_metrics=True, predict_fn=lambda *_, **__: predictions)
print(json.dumps(metrics.result()['wcse_humaneval']))
"""


def test_seqio_tasks(tmp_path):
  """Both tasks at once, since TensorFlow takes long to start."""
  folder = _folder()
  done = subprocess.run(
    [sys.executable, '-c', _EVALUATE, str(folder), str(tmp_path)],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  results = [json.loads(x) for x in done.stdout.splitlines() if x[0] == '{']
  assert results == [
    {'rows': {'train': 374, 'validation': 5, 'test': 500}},
    {'rows': {'train': 0, 'validation': 0, 'test': 164}},
    {'pass_at_1': 2 / 3, 'pass_at_1_upper': 2 / 3},
  ]
  rows = pq.read_table(tmp_path / 'humaneval/problems.parquet').to_pylist()
  official = humaneval_problems.read(
    folder / 'humaneval' / humaneval_problems.FILE
  )
  assert rows == list(humaneval_problems.problems(official))
