"""Data out: what other trainers read, and the card that says what it is."""

import dataclasses
import json
import shutil

import golden_results as golden
import msgspec
import pyarrow.parquet as pq
import pytest

from wcse_jax import commands, models, store
from wcse_jax.experiment.config import ConfigError
from wcse_jax.report import card
from wcse_jax.stages import export, layout, selection


@pytest.fixture
def run(tmp_path):
  shutil.copytree(golden.WORKDIR, tmp_path / 'run')
  return layout.Run(golden.config(), store.Store(tmp_path / 'run'))


def wcse(run, *words):
  return commands.main(['wcse', 'export', str(run.data.workdir), *words])


def examples(run, mix):
  path = run.data.workdir / 'curate' / mix / 'examples.parquet'
  return pq.read_table(path).to_pylist()


@pytest.mark.parametrize('arm', ['se', 'se+wc_compute_matched', 'se=judge'])
def test_what_a_student_learned_from_is_written(run, arm):
  """Without the student, and without the stage that packs its rows."""
  wanted = examples(run, f'{arm}-low')
  for stage in ('curate', 'finetune', 'evaluate'):
    shutil.rmtree(run.data.workdir / stage)
  made = export.data(run, arm, 'low', 'prompt_completion').rows
  assert made == [
    {'prompt': row['prompt'], 'completion': row['completion']} for row in wanted
  ]
  asked = run.train_by_id[wanted[0]['problem_id']].question
  chat = export.data(run, arm, 'low', 'messages').rows
  assert len(chat) == len(wanted) and chat[0]['messages'] == [
    {'role': 'user', 'content': asked},
    {'role': 'assistant', 'content': wanted[0]['completion'].strip()},
  ]
  text = export.data(run, arm, 'low', 'text').rows
  assert text[0]['text'] == wanted[0]['prompt'] + wanted[0]['completion']


@pytest.mark.parametrize('suffix', ['.jsonl', '.parquet'])
@pytest.mark.parametrize('form', export.FORMATS)
def test_datasets_opens_it(run, tmp_path, form, suffix):
  """Hugging Face's library, which TRL, axolotl and others read with."""
  datasets = pytest.importorskip('datasets')
  path = tmp_path / f'data{suffix}'
  made = export.data(run, 'wc_compute_matched', 'high', form)
  export.write(made, path)
  opened = datasets.load_dataset(
    {'.jsonl': 'json', '.parquet': 'parquet'}[suffix],
    data_files=str(path),
    split='train',
    cache_dir=str(tmp_path / 'cache'),
  )
  assert opened.to_list() == made.rows


def test_an_arm_need_not_be_of_the_config(run):
  made = export.data(run, 'wc_price_matched^2', 'low', 'text')
  assert 0 < len(made.rows) <= 2 * len(run.train)


def test_samples_that_are_not_there_are_named(run):
  budget = dataclasses.replace(run.config.budget, high=20)
  more = layout.Run(dataclasses.replace(run.config, budget=budget), run.data)
  with pytest.raises(selection.SelectionError, match='Run the stage sample'):
    export.data(more, 'se', 'high', 'text')


def test_the_card_says_what_it_is(run):
  card = export.data(run, 'wc_compute_matched', 'high', 'messages').card
  cell = golden.RESULTS.arms['wc_compute_matched']['high']
  assert card.startswith('# wc_distill: WC compute-matched, high budget\n')
  assert f'{cell.examples} solutions of 7 of the 8 training problems' in card
  assert (
    f'Sampled by nano_wc (641 k parameters): {cell.samples_per_problem} of'
    in card
  )
  assert 'At temperature 0.7, top-k 3' in card
  assert "GFLOP by the paper's rule" in card and ' s of a device' in card
  for source in ('the step checker', 'a language model', 'people'):
    assert f'of the samples of right answer, by {source}\n' in card
  assert '0 of 3 test problems share 13 words' in card
  assert '- Solutions of nano_wc: Apache-2.0\n' in card
  people = export.data(run, 'reference', 'high', 'text').card
  assert 'Written by people' in people and 'Nothing that was measured' in people


@pytest.mark.parametrize(
  ('source', 'drawn', 'seeded'),
  [
    ('', True, True),
    ('http://host/v1', True, False),
    ('s3://bucket/rows.jsonl', False, False),  # a file: nobody knows how
  ],
)
def test_the_card_knows_a_server_from_a_file(run, source, drawn, seeded):
  """Whatever had '://' in it was one."""
  (mix,) = (m for m in run.plan.allotments if str(m) == 'se-high')
  config = {**golden.RESULTS.run.config}
  config['external'] = {**config['external'], 'se': source}
  config['arms'] = [arm for arm in config['arms'] if '@' not in arm]
  about = msgspec.structs.replace(golden.RESULTS.run, config=config)
  said = card.render(
    golden.replace(golden.RESULTS, run=about),
    mix,
    form='text',
    examples=1,
    solved=1,
    keep='correct',
    reported={},
  )
  assert ('At temperature' in said) == drawn
  assert (', seed ' in said) == seeded


def test_the_command_writes_rows_and_card(run, capsys):
  assert wcse(run, '--arm=se', '--budget=low') == 0
  said = capsys.readouterr().out
  path = run.data.workdir / 'export' / 'se-low.messages.jsonl'
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  assert said.startswith(f'{path}: {len(rows)} examples; ')
  assert path.with_suffix('.card.md').read_text().startswith('# wc_distill: SE')
  assert wcse(run, '--arm=se', '--budget=low') == 0, 'the same rows are kept'
  path.write_text('mine')
  assert wcse(run, '--arm=se', '--budget=low') == 2
  assert 'exists, with other rows' in capsys.readouterr().err
  assert path.read_text() == 'mine'


@pytest.mark.parametrize(
  ('words', 'why'),
  [
    (['--arm=sse'], "unknown arm 'sse'; did you mean se?"),
    (['--arm=se', '--budget=mid'], 'its budgets are high, low'),
    (['--arm=reference', '--budget=low'], 'its budgets are high'),
    (['--arm=se', '--seed=3'], 'its seeds 0 to 0'),
    (['--arm=se', '--output=data.csv'], 'ends in .jsonl or .parquet'),
    (['--arm=se', '--format=gm'], '--format=gm is of a student'),
    (['--student=se-low'], '--output: name a new folder'),
    (['--student=se-low', '--format=text', '--output=x'], 'is of data'),
    (['--student=se', '--output=x'], 'known are se-low'),
  ],
)
def test_what_cannot_be_written_is_named(run, capsys, words, why):
  assert wcse(run, *words) == 2
  error = capsys.readouterr().err
  assert error.startswith('error: ') and why in error


def test_a_workdir_that_is_none_is_named(tmp_path, capsys):
  assert commands.main(['wcse', 'export', str(tmp_path), '--arm=se']) == 2
  assert 'config.json cannot be read' in capsys.readouterr().err
  assert commands.main(['wcse', 'export', 'gs://b/run', '--arm=se']) == 2
  assert 'is on an object store' in capsys.readouterr().err


def test_an_arm_without_a_right_sample_is_named(run, monkeypatch):
  given = layout.Run.verdicts
  monkeypatch.setattr(
    layout.Run,
    'verdicts',
    lambda self, pool: [
      dataclasses.replace(verdict, verdict='wrong')
      for verdict in given(self, pool)
    ],
  )
  with pytest.raises(selection.NoExamples, match='nothing to train on'):
    export.data(run, 'se', 'low', 'text')


def test_a_student_is_written_as_validation_chose_it(run, tmp_path, capsys):
  out = tmp_path / 'student'
  best = golden.RESULTS.students['se-low'].best_step
  assert export.best(run, 'se-low').name == str(best)
  assert wcse(run, '--student=se-low', f'--output={out}') == 0
  assert models.load(out).name == 'nano_student'
  assert wcse(run, '--student=se-low', f'--output={out}') == 2
  assert 'exists' in capsys.readouterr().err


def test_an_unknown_arm_is_an_error_of_the_config(run):
  with pytest.raises(ConfigError, match='known'):
    export.data(run, 'x', 'low', 'text')
