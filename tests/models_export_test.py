"""Models written for use elsewhere."""

import dataclasses
import inspect
import json

import jax
import made_chat
import numpy as np
import pytest

from wcse_jax import models
from wcse_jax.models import checkpoint, export, tokenizer
from wcse_jax.models.formats import gm, huggingface
from wcse_jax.models.tokenizer import Tokenizer
from wcse_jax.tasks.turns import GEMMA3


def test_from_one_format_to_the_other_and_back(tmp_path, capsys):
  folders = [tmp_path / 'new' / 'hf', tmp_path / 'gm', tmp_path / 'again']
  source = 'nano_student'
  for folder, form in zip(
    folders, ('huggingface', 'gm', 'huggingface'), strict=True
  ):
    export.main([f'--from={source}', f'--to={folder}', f'--format={form}'])
    assert str(folder) in capsys.readouterr().out
    source = folder
  assert sorted(f.name for f in tmp_path.iterdir()) == ['again', 'gm', 'new']
  want = models.load('nano_student', dtype='bfloat16')
  for folder in folders:
    model = models.load(folder, dtype='bfloat16')
    assert (model.name, model.config) == (want.name, want.config)
    jax.tree.map(np.testing.assert_array_equal, model.params, want.params)
    assert model.tokenizer.pieces() == want.tokenizer.pieces()


@pytest.mark.parametrize('flags, said', [
  (['--from=nano_wc', '--to={}'], 'exists'),
  (['--from=gemma2_9b', '--to={}/x'], 'gemma2_9b has no weights'),
  (['--from={}', '--to={}/x'], 'holds no checkpoint'),
  (['--from=nano_wc', '--preset=nano_se', '--to={}/x'], 'nano_se'),
  (['--from=nano_wc', '--tokenizer={}', '--to={}/x'], 'tokenizer.model'),
])  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(flags, said, tmp_path):
  flags = [flag.format(tmp_path) for flag in flags]
  with pytest.raises(SystemExit) as error:
    export.main([*flags, '--format=gm'])
  assert str(error.value).startswith('error: ')
  assert said in str(error.value)
  assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize('left_out', [('audio_tower', 'vision_tower'), ()])
def test_an_export_that_drops_what_sees_says_so(
  left_out, tmp_path, monkeypatch, capsys
):
  model = dataclasses.replace(models.load('nano_wc'), left_out=left_out)
  monkeypatch.setattr(models, 'load', lambda *_, **__: model)
  export.main(['--from=nano_wc', f'--to={tmp_path / "to"}', '--format=gm'])
  said = capsys.readouterr().out
  assert ('audio_tower, vision_tower of nano_wc' in said) == bool(left_out)


def test_both_ways_to_load_take_the_same_in_the_same_order():
  orders = [
    [n for n in inspect.signature(load).parameters if n in ('mesh', 'dtype')]
    for load in (models.load, checkpoint.load)
  ]
  assert orders[0] == orders[1] == ['mesh', 'dtype']


CHAT = '{% for message in messages %}{{ message.content }}{% endfor %}'


@pytest.fixture(scope='module')
def chat(tmp_path_factory):
  """A chat-tuned folder: 7 ends a turn."""
  folder = tmp_path_factory.mktemp('chat') / 'hf'
  export.export('nano_wc', folder, 'huggingface')
  config = json.loads((folder / 'config.json').read_text())
  files = {
    'config.json': config | {'transformers_version': '4.51.3'},
    'generation_config.json': {'eos_token_id': [1, 7], 'top_k': 64},
    'chat_template.jinja': CHAT,
    'tokenizer_config.json': {'chat_template': CHAT, 'add_bos_token': True},
    'special_tokens_map.json': {'eos_token': '<eos>'},
  }
  for name, text in files.items():
    text = text if isinstance(text, str) else json.dumps(text)
    (folder / name).write_text(text)
  return folder


def _json(folder, name):
  return json.loads((folder / name).read_text())


def test_a_chat_tuned_folder_survives(chat, tmp_path):
  """Its ends, its template and who wrote it, through every format."""
  source = chat
  for i, form in enumerate(('huggingface', 'gm', 'huggingface')):
    export.export(source, tmp_path / str(i), form)
    source = tmp_path / str(i)
    assert models.load(source).ends == (7,)
    generation = _json(source, 'generation_config.json')
    assert generation['eos_token_id'] == [1, 7]
    assert generation['top_k'] == 64
    assert (source / 'chat_template.jinja').read_text() == CHAT
    words = _json(source, 'tokenizer_config.json')
    assert words['chat_template'] == CHAT
    assert words['add_bos_token']
    assert _json(source, 'special_tokens_map.json') == {'eos_token': '<eos>'}
    if form == 'huggingface':
      says = _json(source, 'config.json')
      assert says['eos_token_id'] == [1, 7]
      assert says['transformers_version'] == '4.51.3'


def test_a_student_stops_elsewhere_as_here(chat, tmp_path):
  """A step has weights alone: the rest is where the tokenizer is."""
  step = tmp_path / 'step'
  step.mkdir()
  checkpoint.write(
    step / 'params.safetensors', models.load('nano_wc').params, 'bfloat16'
  )
  assert models.load(step, tokenizer=chat).ends == (7,)
  export.export(step, tmp_path / 'hf', 'huggingface', tokenizer=chat)
  assert _json(tmp_path / 'hf', 'generation_config.json')['eos_token_id'] == [
    1,
    7,
  ]
  assert (tmp_path / 'hf' / 'chat_template.jinja').read_text() == CHAT


def test_a_student_finetuned_in_turns_ends_with_its_turn_elsewhere(tmp_path):
  words = made_chat.tokenizer(tmp_path / 'words')
  to = tmp_path / 'hf'
  made = export.export(
    'nano_wc', to, 'huggingface', tokenizer=words, turns=GEMMA3
  )
  closes = Tokenizer(words).piece_id(GEMMA3.closes)
  assert made.ends == (closes,)
  ends = _json(to, 'generation_config.json')['eos_token_id']
  assert ends == [1, closes]


def test_a_base_model_ends_at_eos_alone(tmp_path):
  export.export('nano_wc', tmp_path / 'hf', 'huggingface')
  assert models.load(tmp_path / 'hf').ends == ()
  for name in ('config.json', 'generation_config.json'):
    assert _json(tmp_path / 'hf', name)['eos_token_id'] == 1
  assert _json(tmp_path / 'hf', 'config.json')['transformers_version']
  assert not (tmp_path / 'hf' / 'chat_template.jinja').exists()


@pytest.mark.parametrize('files, ends', [
  ({'generation_config.json': {'eos_token_id': [1, 7, 9]}}, (7, 9)),
  ({'generation_config.json': {'eos_token_id': 7}}, (7,)),
  ({'generation_config.json': {'top_k': 64}}, (8,)),
  ({'generation_config.json': {'eos_token_id': [1]}}, ()),
  ({}, (8,)),
  ({'config.json': {'text_config': {'eos_token_id': [1, 7]}}}, (7,)),
  ({'config.json': {'eos_token_id': None}}, ()),
])  # fmt: skip
def test_ends_are_those_of_transformers(files, ends, tmp_path):
  words = tokenizer.Tokenizer(checkpoint.NANO / 'tokenizer.model')
  copy = tmp_path / 'tokenizer.model'
  copy.write_bytes(words.path.read_bytes())
  files = {'config.json': {'eos_token_id': [1, 8]}} | files
  for name, says in files.items():
    (tmp_path / name).write_text(json.dumps(says))
  assert checkpoint.ends('nano_wc', str(tmp_path)) == ends


@pytest.mark.parametrize('ends', ['7', [1, None], [[1]], -1, 1.5, True])
def test_ends_that_are_none_are_named(ends, tmp_path):
  path = tmp_path / 'generation_config.json'
  path.write_text(json.dumps({'eos_token_id': ends}))
  with pytest.raises(checkpoint.CheckpointError, match='eos_token_id') as error:
    checkpoint.ends('nano_wc', str(tmp_path), 'nano_wc')
  assert str(path) in str(error.value)


@pytest.mark.parametrize('form, module', [
  ('gm', gm), ('huggingface', huggingface),
])  # fmt: skip
def test_a_full_disk_leaves_nothing(form, module, tmp_path, monkeypatch):
  model = models.load('nano_student')

  def full(folder, *_, **__):
    folder.mkdir()
    (folder / 'half').write_bytes(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(module, 'write', full)
  with pytest.raises(checkpoint.CheckpointError, match='No space left'):
    export.write(model, tmp_path / 'out', form)
  assert not list(tmp_path.iterdir())
