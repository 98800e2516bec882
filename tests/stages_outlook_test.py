"""How long a run will take, told at its start."""

import shutil

import golden_results as golden
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import store
from wcse_jax.experiment import scales
from wcse_jax.experiment.config import STAGES
from wcse_jax.models import presets
from wcse_jax.runtime import progress
from wcse_jax.stages import layout, outlook
from wcse_jax.stages.machine import Machine


@pytest.fixture
def told(tmp_path, monkeypatch):
  """Returns a function that tells the seconds of a config in a copied run."""
  shutil.copytree(golden.WORKDIR, tmp_path / 'run')
  monkeypatch.setattr(outlook, '_rate', lambda *_: 1e9)

  def tell(processes=1, forget=(), wanted=STAGES, **fields):
    for name in forget:
      shutil.rmtree(tmp_path / 'run' / name)
    config = scales.replace(golden.config(), fields)
    run = layout.Run(config, store.Store(tmp_path / 'run'))
    found = {}
    monkeypatch.setattr(progress, 'foretell', found.update)
    outlook.tell(run, Machine(config), processes, wanted)
    return found

  return tell


def test_a_run_that_is_done_takes_no_time(told):
  assert told() == {'sample': 0, 'finetune': 0, 'evaluate': 0}


def test_it_is_in_proportion_to_what_is_left(told):
  some = told(forget=['sample', 'finetune', 'evaluate'])
  assert all(seconds > 0 for seconds in some.values())
  assert told(processes=2) == pytest.approx({s: t / 2 for s, t in some.items()})
  rates = told(**{'finetune.learning_rates': (1e-3, 2e-3)})
  assert rates['finetune'] == pytest.approx(2 * some['finetune'])
  assert some['evaluate'] < rates['evaluate'] < 2 * some['evaluate']
  assert told(**{'evaluate.num_samples': 90})['evaluate'] > some['evaluate']


def test_what_is_committed_is_not_to_do(told, tmp_path):
  (tmp_path / 'run/sample/se/part-00000.parquet').unlink()
  some = told()['sample']
  assert some > 0
  assert told(forget=['sample'])['sample'] > 1.2 * some


def test_lengths_are_those_of_the_samples_that_are_there(told, tmp_path):
  """Those of people's solutions were taken, though models may write more."""
  path = tmp_path / 'run/sample/se/part-00000.parquet'
  more = {'wanted': ['sample'], 'budget.high': 30}
  some = told(**more)['sample']
  table = pq.read_table(path)
  tokens = pa.array([1000] * len(table), table['num_tokens'].type)
  at = table.schema.get_field_index('num_tokens')
  pq.write_table(table.set_column(at, 'num_tokens', tokens), path)
  path.with_name('MANIFEST.json').unlink()
  assert told(**more)['sample'] > 5 * some


def test_more_than_is_asked_for_is_no_less_than_nothing_to_do(told):
  again = {'forget': ['finetune', 'evaluate', 'curate'], 'budget.high': 2}
  assert told(**again)['sample'] == 0


def test_stages_that_nobody_wants_are_not_looked_at(told):
  """Their students may be of other settings, and their devices not be here."""
  assert told(wanted=['prepare', 'sample']) == {'sample': 0}
  other = {'finetune.learning_rates': (3e-3,), 'mesh.tensor': 64}
  assert told(wanted=['prepare', 'plan', 'report'], **other) == {}


def test_a_run_that_is_only_planned_is_told_whole(told):
  some = told(forget=['sample', 'finetune', 'evaluate'])
  assert told(wanted=['plan']) == told(wanted=['prepare', 'plan']) == some
  assert told(wanted=['plan'], **{'mesh.tensor': 64}) == {}, 'not this machine'


def test_nothing_is_told_of_models_that_are_not_there(told):
  assert told(student='gemma_7b') == {}


def test_samples_from_a_file_take_no_time(told, tmp_path):
  rows = tmp_path / 'rows.jsonl'
  rows.write_text('')
  both = told(forget=['sample', 'finetune', 'evaluate'])['sample']
  one = told(**{'external.wc': str(rows)})['sample']
  assert 0 < one < both


def test_the_rate_is_one_that_a_machine_can_have():
  run = layout.Run(golden.config(), store.Store(golden.WORKDIR))
  assert 1e7 < outlook._rate(outlook._model(run, 'wc'), 16, 'float32') < 1e16


def test_it_is_said_in_minutes(capsys):
  progress.foretell({'sample': 90, 'finetune': 0, 'evaluate': 1_000})
  said = capsys.readouterr().out
  assert said == 'about 18 min to compute: sample 1.5, evaluate 17\n'
  progress.foretell({'sample': 0.0})
  assert not capsys.readouterr().out


def test_a_mixture_takes_what_a_token_is_multiplied_by():
  flops = lambda name: outlook._flops(presets.PRESETS[name].config, 0)
  assert flops('gemma4_26b_a4b') == 2 * 3_822_526_990
  assert flops('gemma2_9b') == 2 * 9_242_164_736


def test_attention_is_as_wide_as_each_layer_has_it():
  """Of Gemma 4 E2B 28 local layers have heads of 256, 7 global ones of 512."""
  config = presets.PRESETS['gemma4_e2b'].config
  more = outlook._flops(config, 1000) - outlook._flops(config, 0)
  assert more == 4 * 1000 * 8 * (28 * 256 + 7 * 512)
