"""A run in turns, from samples to a student that is asked in the same."""

import dataclasses

import made_chat
import pyarrow.parquet as pq
import pytest

from wcse_jax import pipeline, store
from wcse_jax.experiment.config import (
  BudgetSpec,
  CheckpointSpec,
  Config,
  ConfigError,
  CurateSpec,
  EvaluateSpec,
  ExternalSpec,
  FinetuneSpec,
  ReportSpec,
  SamplingSpec,
  TaskSpec,
  TeacherSpec,
  TokenizerSpec,
)
from wcse_jax.models.tokenizer import Tokenizer
from wcse_jax.records import Sample
from wcse_jax.stages import chat, sources
from wcse_jax.stages.layout import Run
from wcse_jax.tasks.turns import GEMMA3

STAGES = ('prepare', 'sample', 'verify', 'curate', 'finetune', 'evaluate')


@pytest.fixture(name='words', scope='module')
def _words(tmp_path_factory):
  return made_chat.tokenizer(tmp_path_factory.mktemp('words'))


@pytest.fixture(name='config', scope='module')
def _config(tmp_path_factory, words):
  prompt = tmp_path_factory.mktemp('prompt') / 'chat.toml'
  prompt.write_text(made_chat.PROMPT)
  path = str(words)
  return Config(
    arms=('wc_number_matched',),
    prompt=str(prompt),
    tokenizers=TokenizerSpec(wc=path, se=path, student=path),
    task=TaskSpec(num_train=4, num_validation=2, num_test=2),
    budget=BudgetSpec(low=1, high=2),
    sampling=SamplingSpec(max_new_tokens=16, slots=8),
    curate=CurateSpec(keep='all'),
    finetune=FinetuneSpec(
      batch_size=2, steps_low=1, steps_high=2, num_checkpoints=1, row_tokens=512
    ),
    evaluate=EvaluateSpec(num_samples=1, ks=(1,)),
    report=ReportSpec(bootstrap_samples=50),
  )


@pytest.fixture(name='run', scope='module')
def _run(tmp_path_factory, config):
  workdir = tmp_path_factory.mktemp('run')
  pipeline.run(config, workdir, STAGES)
  return Run(config, store.Store(workdir))


def test_samples_and_examples_are_in_turns(run, words):
  tokens = Tokenizer(words)
  opens, closes = map(tokens.piece_id, made_chat.MARKS)
  (pool,) = run.pools
  samples = run.samples(pool)
  assert len(samples) == 4 * 2
  says = lambda p: f'{p.question} End with "The answer is" and the number.'
  asked = {
    p.problem_id: GEMMA3.turn('user', says(p)) + GEMMA3.reply for p in run.train
  }
  assert {p.problem_id: p.prompt for p in run.train} == asked
  # BOS, two turns before the question, and what is asked: 3 + 2 marks each.
  prefix = run.num_prefix_tokens('wc')
  for sample in samples:
    inner = asked[sample.problem_id].removeprefix(GEMMA3.opens)
    inner, *_ = inner.split(GEMMA3.closes)
    own = len(tokens.encode(inner)) + len(tokens.encode('\n'))
    own += len(tokens.encode('model\n')) + 3
    assert sample.num_prompt_tokens == prefix + own
  (mix, *_) = run.plan.mixes
  stage = run.curate_stage(mix)
  packed = stage.read_parts()
  targets = packed['targets'].to_pylist()
  weights = packed['loss_weights'].to_pylist()
  learned = [
    [t for t, w in zip(row, weighs, strict=True) if w]
    for row, weighs in zip(targets, weights, strict=True)
  ]
  assert all(opens not in row and tokens.eos not in row for row in learned)
  rows = pq.read_table(stage.path / 'examples.parquet').to_pylist()
  assert sum(row.count(closes) for row in learned) == len(rows) > 0
  assert {row['prompt'] for row in rows} <= set(asked.values())


def test_students_are_asked_in_the_turns_that_they_learned(run):
  student = run.students[0]
  stage = run.evaluate_stage(student, 'test')
  rows = store.from_table(stage.read_parts(), Sample)
  assert len(rows) == 2 * 2, 'a greedy solution and a sample of each'
  test = run.problems['test']
  assert all(p.prompt.startswith(GEMMA3.opens) for p in test)
  assert stage.spec['turns'] == 'gemma3'
  assert stage.spec['prompt_format'] == run.task.prompt_format
  for other in (run.pool_stage(next(iter(run.pools))), run.problems_stage()):
    assert other.spec['turns'] == 'gemma3'
  (mix, *_) = run.plan.mixes
  assert run.curate_stage(mix).spec['turns'] == 'gemma3'


@pytest.mark.parametrize(
  ('old', 'new'),
  [
    ('sells 6', 'sells 5'),  # an example
    ('End with', 'Finish with'),  # the instruction
    ('[[examples]]', '[[examples]]\nquestion="a"\nsolution="b"\n[[examples]]'),
  ],
)
def test_what_a_user_changes_is_another_pool(run, tmp_path, old, new):
  path = tmp_path / 'chat.toml'
  assert old in made_chat.PROMPT
  path.write_text(made_chat.PROMPT)
  same = Run(dataclasses.replace(run.config, prompt=str(path)), run.data)
  (pool,) = run.pools
  fingerprint = run.pool_stage(pool).fingerprint
  assert same.pool_stage(pool).fingerprint == fingerprint
  path.write_text(made_chat.PROMPT.replace(old, new))
  other = Run(same.config, run.data)
  assert other.pool_stage(pool).fingerprint != fingerprint


def test_a_prompt_that_spells_the_marks_as_text_is_another_pool(run, tmp_path):
  """Its questions may become marks, and its solutions end otherwise."""
  path = tmp_path / 'chat.txt'
  path.write_text(run.task.prompt_format)
  other = Run(dataclasses.replace(run.config, prompt=str(path)), run.data)
  assert other.task.turns is None
  (pool,) = run.pools
  theirs = other.pool_stage(pool)
  assert theirs.fingerprint != run.pool_stage(pool).fingerprint
  assert 'turns' not in theirs.spec


def test_a_server_is_sent_no_marks(config):
  served = ExternalSpec(wc='http://localhost:1/v1')
  config = dataclasses.replace(config, external=served)
  task = sources.task(config, 'wc')
  assert sources.task(config, 'student').turns == GEMMA3
  assert task.turns is None and '_of_turn' not in task.prefix


def test_missing_marks_name_the_field_and_the_remedy(config):
  with pytest.raises(ConfigError) as caught:
    chat.check(
      dataclasses.replace(config, tokenizers=TokenizerSpec()), ['sample']
    )
  assert caught.value.field == 'prompt'
  assert 'no token <start_of_turn>' in str(caught.value)
  assert 'ask in plain text' in str(caught.value)
  four = config.prompt.replace('.toml', '4.toml')
  with open(four, 'w') as file:
    file.write("turns = 'gemma4'")
  teachers = {'wc': TeacherSpec(prompt=four)}
  with pytest.raises(ConfigError) as caught:
    chat.check(dataclasses.replace(config, teachers=teachers), ['sample'])
  assert caught.value.field == 'teachers.wc.prompt'
  assert 'write turns = "gemma3"' in str(caught.value)


def test_a_prompt_for_models_of_the_other_kind_warns(
  config, words, tmp_path, capsys
):
  chat.check(config, ['sample'])
  said = capsys.readouterr().out
  assert 'warning: wc (nano_wc) seems to be pretrained alone' in said
  assert said.count('warning') == 1, 'none of the student, which will learn it'
  folder = tmp_path / 'tuned-it'
  made_chat.tokenizer(folder)
  made_chat.weights(folder)
  tuned = dataclasses.replace(
    config, checkpoints=CheckpointSpec(wc=str(folder)), student=''
  )
  chat.check(tuned, ['sample'])
  assert capsys.readouterr().out == ''
  plain = dataclasses.replace(tuned, prompt='')
  chat.check(plain, ['sample'])
  said = capsys.readouterr().out
  assert 'seems to be chat-tuned, and is asked in plain text' in said
  assert 'config.prompt, docs/howto/chat.md' in said
