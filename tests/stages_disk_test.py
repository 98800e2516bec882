"""The disk that a run takes: told before it does what costs."""

import collections
import re
import shutil

import golden_results as golden
import pytest
import small_run

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.experiment.config import STAGES
from wcse_jax.stages import disk, layout

Usage = collections.namedtuple('Usage', 'free')


@pytest.fixture
def fresh(tmp_path):
  """Returns the golden run's problems, with nothing sampled of them."""
  shutil.copytree(golden.WORKDIR / 'problems', tmp_path / 'run' / 'problems')

  def make(**fields):
    config = scales.replace(golden.config(), fields)
    return layout.Run(config, store.Store(tmp_path / 'run'))

  return make


def needs(run, keep='all', processes=1, wanted=STAGES):
  return disk._needs(run, processes, wanted)[keep]


def test_keeping_the_best_takes_less_and_replicas_have_their_own(fresh):
  fields = {'finetune.num_checkpoints': 5, 'finetune.steps_high': 5}
  fields['finetune.steps_low'] = 5
  run = fresh(**fields, **{'finetune.learning_rates': (1e-3, 2e-3)})
  params, moments = disk._sizes(run)
  number = len(run.students)
  parts = lambda need: need.checkpoints / disk._ON_DISK
  kept, saved = parts(needs(run)), 2 * moments
  assert kept == pytest.approx(number * 10 * params + saved)
  best = parts(needs(run, 'best'))
  assert best == pytest.approx((number + 9) * params + saved)
  two = parts(needs(run, 'best', processes=2))
  assert two == pytest.approx((number + 18) * params + 2 * saved)
  # Without tests nothing is chosen, and nothing deleted.
  untested = needs(run, 'best', wanted=['finetune'])
  assert parts(untested) == pytest.approx(kept)
  assert untested.samples == 0 and needs(run).samples > 0 < needs(run).logs


def test_what_was_begun_is_not_to_be_written_again(fresh):
  """Who made room where a run had filled the disk was asked for more."""
  run = fresh()
  before = needs(run).checkpoints
  for name in ('nano_student-se-low', '.nano_student-se-high.draft-1'):
    step = run.data.workdir / 'finetune' / name / 'checkpoints' / '1'
    step.mkdir(parents=True)
    (step / 'array').write_bytes(b'0' * 1000)
  assert needs(run).checkpoints == before - 2000


def test_adapters_are_small(fresh):
  small, large = (
    disk._sizes(fresh(**{'finetune.lora_rank': rank})) for rank in (1, 0)
  )
  assert 20 * small[0] < large[0]
  adafactor = {'finetune.optimizer': 'adafactor', 'finetune.lora_rank': 0}
  assert disk._sizes(fresh(**adafactor))[1] < large[0] < large[1]


def test_what_is_done_takes_no_more(monkeypatch):
  run = layout.Run(golden.config(), store.Store(golden.WORKDIR))
  assert sum(needs(run)) == 0
  monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(0))
  assert not [*disk.foretold(run, 1, STAGES)]


def test_what_will_not_fit_is_an_error_before_it_costs(fresh, monkeypatch):
  fields = {'finetune.num_checkpoints': 2, 'finetune.steps_low': 2}
  run, best = fresh(**fields), fresh(**fields, **{'finetune.keep': 'best'})
  need = sum(needs(run))
  monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(need - 1))
  with pytest.raises(disk.DiskError) as refused:
    [*disk.foretold(run, 1, STAGES)]
  assert str(run.data.workdir) in str(refused.value)
  assert 'or give --config.finetune.keep=best' in str(refused.value)
  assert [*disk.foretold(best, 1, STAGES)]
  with pytest.raises(disk.DiskError) as refused:
    disk.check(run, 9, ['finetune'])  # where nothing is deleted
  assert 'keep' not in str(refused.value)
  disk.check(run, 1, ['sample'])
  told, warned = disk.foretold(run, 1, ['prepare', 'plan'])
  assert 'config.finetune.keep=best takes' in told
  assert warned.startswith('warning: ') and '--config.finetune.keep' in warned
  monkeypatch.setattr(shutil, 'disk_usage', lambda _: Usage(need))
  assert len([*disk.foretold(run, 1, STAGES)]) == 1


def test_models_that_are_not_there_are_planned(fresh):
  (told,) = disk.foretold(
    fresh(
      student='gemma_7b',
      **{'finetune.num_checkpoints': 1, 'finetune.lora_rank': 1},
    ),
    1,
    ['plan'],
  )
  assert told.startswith('about ')


def test_it_is_what_a_run_takes(finished, tmp_path):
  """Within a tenth for checkpoints; of text, which here is files of few rows,
  by the order of magnitude."""
  workdir = finished[0]
  config = config_lib.restore(store.read_config(workdir))
  shutil.copytree(workdir / 'problems', tmp_path / 'problems')
  need = needs(layout.Run(config, store.Store(tmp_path)))

  def size(*patterns):
    found = (p for pattern in patterns for p in workdir.glob(pattern))
    return sum(path.stat().st_size for path in found if path.is_file())

  run = layout.Run(config, store.Store(tmp_path))
  saving = 2 * disk._ON_DISK * disk._sizes(run)[1]
  left = size('finetune/*/checkpoints/**/*')
  assert need.checkpoints - saving == pytest.approx(left, rel=0.1)
  text = size('sample/**/*', 'verify/**/*', 'evaluate/**/*')
  assert text / 10 < need.samples < text * 10
  said = small_run.run(tmp_path / 'other', '--stages=prepare,plan')
  assert re.search(r'plan: about \d+ MB of disk: ', said.stdout)
