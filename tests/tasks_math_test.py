"""MATH: its texts, its public forms."""

import collections
import hashlib
import io
import json
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import tasks
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, math

_ROWS = {
  split: [
    {
      'problem': f'What is ${i}$ of {split}?',
      'level': f'Level {i % 5 + 1}' if i else 'Level ?',
      'type': 'Counting & Probability' if i % 2 else 'Algebra',
      'solution': f'It is\n$\\boxed{{{i}}}$.'
      if i != 3
      else 'It is $\\boxed{}$.',
    }
    for i in range(size)
  ]
  for split, size in (('train', 20), ('test', 30))
}


def _jsonl(folder):
  for split, rows in _ROWS.items():
    lines = [json.dumps(row | {'answer': 'x'}) + '\n' for row in rows]
    (folder / f'{split}.jsonl').write_text(''.join(lines))


def _tar(folder):
  with tarfile.open(folder / 'MATH.tar', 'w') as archive:
    for split, rows in _ROWS.items():
      for i, row in reversed(list(enumerate(rows))):
        content = json.dumps(row, indent=1).encode()
        subject = math.slug(row['type'])
        member = tarfile.TarInfo(f'MATH/{split}/{subject}/{i}.json')
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def _parquet(folder):
  for split, rows in _ROWS.items():
    for subject in ('Algebra', 'Counting & Probability'):
      part = folder / math.slug(subject)
      part.mkdir(exist_ok=True)
      chosen = [row for row in rows if row['type'] == subject]
      table = pa.Table.from_pylist(chosen)
      pq.write_table(table, part / f'{split}-00000-of-00001.parquet')


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """An empty source folder; the checksums are those of `_ROWS`."""
  for split, rows in _ROWS.items():
    digest = math.content_sha256(rows)
    monkeypatch.setitem(math.SHA256, split, digest)
  chosen = ''.join(
    json.dumps({'problem': row['problem']}) + '\n' for row in _ROWS['test'][::3]
  )
  (tmp_path / math.MATH500).write_text(chosen)
  digest = hashlib.sha256(chosen.encode()).hexdigest()
  sha256 = datasets.DATASETS['math'].sha256
  monkeypatch.setitem(sha256, math.MATH500, digest)
  monkeypatch.setattr(math, 'NUM_VALIDATION', 5)
  return tmp_path


def test_prompt():
  info = tasks.find('math')
  shots = info.prefix.split('\n\nProblem:\n')
  assert len(shots) == 4
  assert info.prefix.endswith('I hope it is correct.\n\n')
  assert info.prompt_format.format(question='{a}') == (
    'Problem:\n{a}\n\nSolution:'
  )
  assert all(shot.count('\n\nSolution:\n') == 1 for shot in shots)
  assert info.cut('\n1\n\nProblem:\n2') == '\n1'


@pytest.mark.parametrize(
  ('end', 'question', 'right', 'wrong'),
  [
    (
      '$\\boxed{28}$ or $\\boxed{28_9}$',
      'What is it in base 9?',
      ['28', '28_9', '28_{9}'],
      ['26', '29', '28_8'],
    ),
    (
      '$\\boxed{20:34}$ or $\\boxed{8:34\\text{ p.m.}}$',
      'What time will it be?',
      ['20:34', '8:34\\text{ p.m.}'],
      ['8:34', '8:34\\text{ a.m.}', '20:35'],
    ),
    (
      '$\\boxed{3}$ or $\\boxed{\\frac25}$',
      'Enter all the solutions.',
      ['3, \\frac25', '0.4, 3'],
      ['3', '\\frac25'],
    ),
    (
      '$\\boxed{-2}$ and $\\boxed{1}$',
      'Order multiple solutions.',
      ['-2, 1'],
      ['-2', '1'],
    ),
    (
      '$\\boxed{(0,0)}$ and $\\boxed{(10,0)}$',
      'Enter only one of the foci, not both.',
      ['(0,0)', '(10,0)'],
      ['(0,10)', '0'],
    ),
  ],
)
def test_golds_of_several_boxes(end, question, right, wrong):
  """Any of them is right, or all are needed."""
  solution = f'So it is {end}.'
  gold = math.gold(solution, question)
  texts = [f'\\boxed{{{answer}}}' for answer in right]
  texts += [solution, math.reference_solution(solution, question)]
  for text in texts:
    assert math.grade(gold, text, question).verdict == 'correct', text
  for answer in wrong:
    text = f'\\boxed{{{answer}}}'
    assert math.grade(gold, text, question).verdict == 'wrong', text


def test_reference_solution():
  assert math.reference_solution(' So $\\boxed{\\frac{1}{2}}$.', '') == (
    '\nSo $\\boxed{\\frac{1}{2}}$.\nFinal Answer: The final answer is'
    ' $\\frac{1}{2}$. I hope it is correct.'
  )
  assert math.reference_solution('So $\\boxed{}$.', '') == ('\nSo $\\boxed{}$.')


@pytest.mark.parametrize('form', [_jsonl, _tar, _parquet])
def test_each_public_form_gives_the_same_problems(folder, form):
  form(folder)
  rows = math.splits(datasets.Source('math', folder))
  made = {
    split: list(math.split_problems(rows[split], split)) for split in rows
  }
  assert {split: len(made[split]) for split in made} == {
    'train': 20,
    'validation': 5,
    'test': 10,
  }
  texts = [p.question for problems in made.values() for p in problems]
  assert len(set(texts)) == 35
  assert {p.question for p in made['test']} == {
    row['problem'] for row in _ROWS['test'][::3]
  }
  keys = [hashlib.sha256(p.question.encode()).digest() for p in made['train']]
  assert keys == sorted(keys)
  ids = [p.problem_id for p in made['train']]
  assert ids == sorted(ids)
  by_text = {p.question: p for p in made['train']}
  without_gold = by_text['What is $3$ of train?']
  assert without_gold.gold == ''
  odd = by_text['What is $1$ of train?']
  assert (odd.gold, odd.level) == ('1', 2)
  subject = odd.problem_id.rpartition('.')[2]
  assert subject == 'counting_and_probability'
  assert by_text['What is $0$ of train?'].level == 0


def test_missing_and_altered_files_are_named(folder):
  with pytest.raises(TaskError, match='there is no train.jsonl, MATH.tar'):
    math.splits(datasets.Source('math', folder))
  _jsonl(folder)
  lines = (folder / 'test.jsonl').read_text().splitlines()
  (folder / 'test.jsonl').write_text('\n'.join(lines[1:]))
  with pytest.raises(TaskError, match='test.jsonl.*29 test.*altered'):
    math.splits(datasets.Source('math', folder))
  (folder / 'test.jsonl').write_text('{"problem": "a"}\n')
  with pytest.raises(TaskError, match='test.jsonl.*level'):
    math.splits(datasets.Source('math', folder))
  (folder / 'test.jsonl').write_text('{')
  with pytest.raises(TaskError, match='test.jsonl'):
    math.splits(datasets.Source('math', folder))
  (folder / math.MATH500).write_text('{}')
  with pytest.raises(TaskError, match='math500.jsonl: sha256 is'):
    math.splits(datasets.Source('math', folder))
  (folder / math.MATH500).unlink()
  with pytest.raises(TaskError, match='math500.jsonl: No such file'):
    math.splits(datasets.Source('math', folder))


def test_damaged_archives_are_named(folder):
  (folder / 'MATH.tar').write_bytes(b'no archive')
  with pytest.raises(TaskError, match='MATH.tar.*get MATH'):
    math.read(folder, 'train')
  (folder / 'MATH.tar').unlink()
  (folder / 'train.parquet').write_bytes(b'no table')
  with pytest.raises(TaskError, match='train.parquet.*get MATH'):
    math.read(folder, 'train')


def test_official_splits():
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with math')
  problems = [
    problem
    for split, rows in math.splits(datasets.Source('math')).items()
    for problem in math.split_problems(rows, split)
  ]
  assert collections.Counter(p.split for p in problems) == {
    'train': 7500,
    'validation': 500,
    'test': 500,
  }
  assert len({p.question for p in problems}) == 8500
  assert {p.level for p in problems} == {0, 1, 2, 3, 4, 5}
  assert [p.split for p in problems if not p.gold] == ['train'] * 2
