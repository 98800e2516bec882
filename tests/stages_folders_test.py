"""A folder alone names a model: its config.json says which it is."""

import json

import pytest

from wcse_jax.experiment import scales
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.models.formats import config_json
from wcse_jax.stages import folders


def _folder(path, name, **changes):
  path.mkdir()
  says = config_json.says(presets.PRESETS[name].config) | changes
  (path / 'config.json').write_text(json.dumps(says))
  return str(path)


@pytest.mark.parametrize('name', [
  'gemma3_1b', 'gemma3_4b', 'gemma3_12b', 'gemma3_27b', 'gemma4_e2b',
  'gemma4_e4b', 'gemma4_31b', 'gemma4_26b_a4b',
])  # fmt: skip
def test_a_folder_is_of_the_preset_that_it_says(name, tmp_path):
  folder = _folder(tmp_path / 'one', name)
  config = folders.named(scales.replace(Config(), {'wc': folder}))
  assert config.model('wc')[:2] == (name, folder)
  assert config.model('se') == Config().model('se')


def test_what_fits_no_preset_names_the_nearest(tmp_path):
  other = _folder(tmp_path / 'one', 'gemma4_e4b', intermediate_size=10_241)
  config = scales.replace(Config(), {'wc': other})
  with pytest.raises(ConfigError, match='nearest is gemma4_e4b.*10241'):
    folders.named(config)
  (tmp_path / 'none').mkdir()
  config = scales.replace(Config(), {'student': str(tmp_path / 'none')})
  with pytest.raises(ConfigError, match='no config.json.*config.checkpoints'):
    folders.named(config)
