"""GSM8K: its texts, its files."""

import pytest

from wcse_jax import tasks
from wcse_jax.answers import numbers as answers
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, gsm8k

_ANSWER = 'In May: 48/2 = <<48/2=24>>24.\nAll: 48+24 = <<48+24=72>>72.\n#### 72'


def test_prompt():
  """Eight examples, each graded right by the task's own rule."""
  info = tasks.find('gsm8k')
  shots = info.prefix.split('\n\n')
  assert shots.pop() == ''
  golds = ['6', '5', '39', '8', '9', '29', '33', '8']
  assert [answers.extract(shot, 'gsm8k') for shot in shots] == golds
  for shot in shots:
    question, _, solution = shot.removeprefix('Q: ').partition('\nA:')
    assert shot == info.prompt_format.format(question=question) + solution
    assert solution.startswith(' ')


def test_text_is_cut_at_the_first_stop_string():
  cut = tasks.find('gsm8k').cut
  assert cut(' 1.\n\nQ: a\n\nQ: b') == ' 1.'
  assert cut(' 1.\nQ: a') == ' 1.'
  assert cut(' 1.\nA: Q: 2') == ' 1.\nA: Q: 2'


def test_reference_solution():
  assert gsm8k.gold(_ANSWER) == '72'
  assert gsm8k.reference_solution(_ANSWER) == (
    ' In May: 48/2 = 24.\nAll: 48+24 = 72.\nThe answer is 72.'
  )


def test_splits_share_the_train_file():
  rows = [{'question': f'q{i}', 'answer': _ANSWER} for i in range(700)]
  ids = {
    split: [p.problem_id for p in gsm8k.split_problems(rows, split)]
    for split in ('train', 'validation', 'test')
  }
  assert [len(ids[split]) for split in ids] == [200, 500, 700]
  assert ids['train'][-1] == 'gsm8k/train/00199'
  assert ids['validation'][0] == 'gsm8k/validation/00200'


def test_altered_file_is_named(tmp_path):
  path = tmp_path / 'train.jsonl'
  path.write_text('{}\n')
  expected = datasets.DATASETS['gsm8k'].sha256['train.jsonl']
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {expected}.*get the'
  with pytest.raises(TaskError, match=message):
    gsm8k.problems(str(tmp_path))
