"""IFEval: its texts, its file, its split."""

import collections
import json
import os

import pytest

from wcse_jax import tasks
from wcse_jax.answers import instructions
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, ifeval

_ROW = {
  'key': 7,
  'prompt': 'Say it without commas, in 2 bullet points.',
  'instruction_id_list': [
    'punctuation:no_comma',
    'detectable_format:number_bullet_lists',
  ],
  'kwargs': [{}, {'num_bullets': 2}],
}


def _rows():
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with ifeval/input_data.jsonl')
  return ifeval.read(datasets.Source('ifeval'))


def test_the_examples_follow_their_instructions():
  info = tasks.find('ifeval')
  shots = info.prefix.split('\n\n### Instruction:\n')
  assert len(shots) == 3
  asked = [
    [
      ('punctuation:no_comma', {}),
      ('startend:end_checker', {'end_phrase': 'See you on Sunday.'}),
    ],
    [
      ('detectable_format:number_bullet_lists', {'num_bullets': 3}),
      (
        'keywords:frequency',
        {'keyword': 'fresh', 'relation': 'at least', 'frequency': 2},
      ),
    ],
    [('change_case:english_lowercase', {}), ('detectable_format:title', {})],
  ]
  for pairs, shot in zip(asked, shots, strict=True):
    question, _, response = shot.partition('\n\n### Response:\n')
    question = question.removeprefix('### Instruction:\n')
    response = response.removesuffix('\n\n')
    assert info.prompt_format.format(question=question) in info.prefix
    grade = ifeval.grade(
      instructions.dumps(pairs), f'{response}\n\n### Instruction:\nMore', ''
    )
    assert grade == ('correct', response, 'followed', None)


def test_problem(monkeypatch):
  monkeypatch.setitem(ifeval.SPLITS, 'test', range(1))
  (problem,) = ifeval.split_problems([_ROW], 'test')
  assert vars(problem) == {
    'problem_id': 'ifeval/test/00000.7',
    'split': 'test',
    'question': _ROW['prompt'],
    'prompt': f'### Instruction:\n{_ROW["prompt"]}\n\n### Response:\n',
    'solution': '',
    'gold': problem.gold,
    'level': 2,
  }
  for text, verdict in (('* a\n* b', 'correct'), ('* a\n* b, c', 'wrong')):
    grade = ifeval.grade(problem.gold, text, '')
    assert grade.verdict == verdict


def test_altered_file_is_named(tmp_path):
  path = tmp_path / ifeval.FILE
  path.write_text(json.dumps(_ROW))
  expected = datasets.DATASETS['ifeval'].sha256[ifeval.FILE]
  message = f'{path}: sha256 is [0-9a-f]{{64}}, not {expected}'
  with pytest.raises(TaskError, match=message):
    ifeval.problems(str(tmp_path))


def test_official_file():
  """Each prompt is in one split; all instructions are known, of all types."""
  rows = _rows()
  made = {
    split: list(ifeval.split_problems(rows, split)) for split in ifeval.SPLITS
  }
  assert {split: len(found) for split, found in made.items()} == {
    'train': 300,
    'validation': 91,
    'test': 150,
  }
  problems = [problem for found in made.values() for problem in found]
  assert {p.prompt for p in problems} == {
    ifeval.TASK.prompt_format.format(question=row['prompt']) for row in rows
  }
  assert len({p.problem_id for p in problems}) == 541
  types = collections.Counter(
    instruction.name
    for problem in problems
    for instruction in instructions.loads(problem.gold)
  )
  assert types.keys() == instructions.CHECKERS.keys()
  assert sum(types.values()) == 834
  names = collections.Counter(row['key'] for row in rows)
  assert len(names) == 541
  for split in ('train', 'test'):  # each type is there to learn, and to test
    golds = [instructions.loads(p.gold) for p in made[split]]
    assert len({i.name for gold in golds for i in gold}) == 25, split


def test_no_answer_is_wrong_where_the_gold_can_be_read():
  for row in _rows():
    gold = ifeval.gold(row)
    assert ifeval.grade(gold, '', '').verdict == 'wrong'
