"""Models written for use elsewhere."""

import jax
import numpy as np
import pytest

from wcse_jax import models
from wcse_jax.models import checkpoint, export
from wcse_jax.models.formats import gm, huggingface


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


@pytest.mark.parametrize('form, module', [
  ('gm', gm), ('huggingface', huggingface),
])  # fmt: skip
def test_a_full_disk_leaves_nothing(form, module, tmp_path, monkeypatch):
  model = models.load('nano_student')

  def full(folder, *_):
    folder.mkdir()
    (folder / 'half').write_bytes(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(module, 'write', full)
  with pytest.raises(checkpoint.CheckpointError, match='No space left'):
    export.write(model, tmp_path / 'out', form)
  assert not list(tmp_path.iterdir())
