"""What determines a stage."""

import dataclasses
import json

import pytest

from wcse_jax import store, tasks, testing
from wcse_jax.experiment import config as config_lib
from wcse_jax.models import checkpoint, export
from wcse_jax.stages import check
from wcse_jax.stages.layout import Run


def test_what_else_ends_samples_determines_them_and_no_student(tmp_path):
  folder = tmp_path / 'hf'
  export.export('nano_wc', folder, 'huggingface')
  values = config_lib.to_config_dict(config_lib.Config())
  roles = {'student': 'nano_wc'} | {
    f'checkpoints.{role}': str(folder) for role in ('wc', 'student')
  }
  values.update_from_flattened_dict(roles)

  def fingerprints(ends):
    path = folder / 'generation_config.json'
    path.write_text(json.dumps({'eos_token_id': ends}))
    run = Run(config_lib.freeze(values), store.Store(tmp_path))
    return run.model_identity('student'), run._sampler_identity('student')

  base, one = fingerprints(1), fingerprints([1, 7])
  assert base[0] == base[1] == one[0]
  assert one[1] == one[0] | {'ends': '7'}


def test_a_tokenizer_may_be_named_apart(tmp_path):
  checkpoint.write(tmp_path / 'params.safetensors', testing.tiny_model().params)
  values = config_lib.to_config_dict(config_lib.Config())
  values.update_from_flattened_dict({'checkpoints.wc': str(tmp_path)})
  run = Run(config_lib.freeze(values), store.Store(tmp_path))
  with pytest.raises(checkpoint.CheckpointError, match='config.tokenizers'):
    run.model_identity('wc')
  with pytest.raises(config_lib.ConfigError, match='tokenizer.model'):
    check.check(run.config)
  for words in ('nano_se', str(checkpoint.NANO)):
    values.update_from_flattened_dict({'tokenizers.wc': words})
    run = Run(config_lib.freeze(values), store.Store(tmp_path))
    check.check(run.config)
    assert run.model_files('wc')[-1] == checkpoint.NANO / 'tokenizer.model'
    assert run.num_prefix_tokens('wc') == run.num_prefix_tokens('se')


def test_an_own_task_is_what_its_module_and_its_data_are(tmp_path, monkeypatch):
  monkeypatch.syspath_prepend(str(tmp_path))
  module = tmp_path / 'task_of_a_test.py'
  module.write_text(
    'from wcse_jax import tasks\nTASK = tasks.find("nano_arithmetic")\n'
  )

  def fingerprints(data_dir):
    values = config_lib.to_config_dict(config_lib.Config())
    values.update_from_flattened_dict(
      {'task.name': 'task_of_a_test', 'task.data_dir': data_dir}
    )
    run = Run(config_lib.freeze(values), store.Store(tmp_path))
    return {
      stage.name: stage.fingerprint
      for stage in (run.problems_stage(), *run.costly())
    }

  one, two = fingerprints('one'), fingerprints('two')
  assert not {n for n in one if one[n] == two[n]}
  module.write_text(module.read_text() + '# another grader\n')
  three = fingerprints('one')
  same = {name for name in one if one[name] == three[name]}
  assert same == {'sample/se', 'sample/wc'}


def test_verdicts_are_those_of_a_version_of_the_grader(tmp_path, monkeypatch):
  """A built-in grader that changed kept the verdicts that it gave before."""
  config = config_lib.Config(
    evaluate=config_lib.EvaluateSpec(transfer=('gsm8k',))
  )

  def stages():
    run = Run(config, store.Store(tmp_path))
    return {stage.name: stage for stage in run.costly()}

  before, find = stages(), tasks.find
  own = [s for name, s in before.items() if 'gsm8k' not in name]
  assert own and not any('grader_version' in stage.spec for stage in own)
  for name in ('nano_arithmetic', 'gsm8k'):
    version = find(name).grader_version + 1
    newer = dataclasses.replace(find(name), grader_version=version)
    monkeypatch.setattr(
      tasks,
      'find',
      lambda n, name=name, newer=newer: newer if n == name else find(n),
    )
    after = stages()
    changed = {
      n for n in before if before[n].fingerprint != after[n].fingerprint
    }
    wanted = {
      'nano_arithmetic': lambda n: (
        n.startswith(('verify', 'curate', 'finetune'))
        or (n.startswith('evaluate') and 'base/gsm8k' not in n)
      ),
      'gsm8k': lambda n: n.endswith('/gsm8k'),
    }[name]
    assert changed - {n for n in before if 'reference' in n} == {
      n for n in before if wanted(n) and 'reference' not in n
    }
    stage = before['evaluate/nano_student-base/gsm8k']
    stage.finish()
    if name == 'gsm8k':
      versions = f'grader_version: {version - 1} -> {version}'
      with pytest.raises(store.StoreError, match=versions):
        after[stage.name].is_complete()
    else:
      assert after[stage.name].is_complete()
