import dataclasses
import importlib.util
import json
import pathlib
import subprocess
import sys

from ml_collections import config_dict
import pytest

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.experiment.config import (
  Config,
  ConfigError,
  freeze,
  to_config_dict,
)
from wcse_jax.stages import sizes

CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'


def frozen(**overrides) -> Config:
  """The default config with `section__field` values set as flags set them."""
  values = to_config_dict(Config())
  for name, value in overrides.items():
    values.update_from_flattened_dict({name.replace('__', '.'): value})
  return freeze(values)


def get_config(name: str, *scale: str) -> config_dict.ConfigDict:
  path = CONFIGS / f'{name}.py'
  spec = importlib.util.spec_from_file_location(name, path)
  assert spec is not None
  assert spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(*scale)


def test_freeze_undoes_to_config_dict():
  config = Config(seed=7, arms=('se', 'reference'))
  assert freeze(to_config_dict(config)) == config
  values = to_config_dict(config)
  assert isinstance(values.arms, tuple)
  values.lock()
  assert freeze(values) == config


@pytest.mark.parametrize(
  'path', ['sampling.top_k', 'sampling.top_p', 'task.num_train']
)
def test_optional_fields_go_from_a_number_to_none_and_back(path):
  values = to_config_dict(Config())
  number = 1.0 if path == 'sampling.top_p' else 4
  section, name = path.split('.')
  for value in (number, None, number):
    values[section][name] = value
    assert getattr(getattr(freeze(values), section), name) == value
    assert values[section].get_type(name) is type(number)


def test_equal_experiments_are_equal_json():
  as_int = to_config_dict(Config())
  as_int.sampling.temperature = 1
  as_int.evaluate.ks = [1, 4, 8]
  as_float = to_config_dict(Config())
  as_float.sampling.temperature = 1.0
  one, other = (
    json.dumps(config_lib.to_dict(freeze(v))) for v in (as_int, as_float)
  )
  assert one == other
  assert json.loads(one) == config_lib.to_dict(freeze(as_int))


def test_to_dict_has_every_field():
  fields = config_lib.to_dict(Config())
  assert set(fields) == {f.name for f in dataclasses.fields(Config)}
  assert fields['evaluate']['ks'] == [1, 4, 8]


def test_files_leave_out_what_came_later_and_says_nothing():
  config, words = Config(), {'wc': 'a', 'se': '', 'student': '', 'judge': ''}
  fields = config_lib.to_dict(config)
  del fields['evaluate']['num_sampled']
  del fields['evaluate']['few_shot_base']
  del fields['task']['skip_test'], fields['budget']['pool_per_seed']
  for name in ('file', 'grader', 'split'):
    del fields['task'][name]
  del fields['prompt'], fields['endpoint'], fields['limit']
  del fields['teachers'], fields['budget']['anchor']
  del fields['budget']['right'], fields['budget']['rows']
  assert fields['budget'].pop('params') == 'nominal'
  assert fields['report'].pop('tpu_plan') == ''
  assert fields['sampling'].pop('exact') is True
  assert fields['finetune'].pop('keep') == 'all'
  del fields['external']['judge'], fields['verify']['file']
  assert fields['mesh'].pop('cpu_threads') == 1
  assert fields == config_lib.saved(config) | {'tokenizers': words | {'wc': ''}}
  own = dataclasses.replace(config.tokenizers, wc='a')
  mesh = dataclasses.replace(config.mesh, cpu_threads=2)
  more = dataclasses.replace(config, tokenizers=own, mesh=mesh)
  assert config_lib.saved(more)['tokenizers'] == words
  assert config_lib.saved(more)['mesh']['cpu_threads'] == 2


@pytest.mark.parametrize(
  ('path', 'value'),
  [
    ('name', ''),
    ('name', 'a/b'),
    ('scale', '../x'),
    ('seed', -1),
    ('seed', 2**32),
    ('seed', True),
    ('wc', ''),
    ('se', ''),
    ('arms', ()),
    ('arms', ('se', 'se')),
    ('arms', ('wc',)),
    ('arms', ('se', 'wcc')),
    ('arms', ('se@hot',)),
    ('arms', ('se~0',)),
    ('arms', ('se+se',)),
    ('arms', (1,)),
    ('task.name', ''),
    ('task.num_train', 0),
    ('task.num_validation', 0),
    ('task.num_test', -1),
    ('budget.low', 0),
    ('budget.high', 0),
    ('sampling.temperature', -0.1),
    ('sampling.temperature', float('nan')),
    ('sampling.temperature', float('inf')),
    ('sampling.top_k', 0),
    ('sampling.top_p', 0.0),
    ('sampling.top_p', 1.1),
    ('sampling.max_new_tokens', 0),
    ('sampling.slots', 0),
    ('sampling.shard_rows', 0),
    ('sampling.dtype', 'float16'),
    ('verify.workers', 0),
    ('verify.timeout_s', 0.0),
    ('finetune.batch_size', 0),
    ('finetune.steps_low', 9),
    ('finetune.steps_high', 9),
    ('finetune.learning_rates', (0.0,)),
    ('finetune.warmup_fraction', 1.0),
    ('finetune.weight_decay', -1.0),
    ('finetune.clip_norm', 0.0),
    ('finetune.row_tokens', 80),
    ('finetune.num_checkpoints', 0),
    ('finetune.dtype', ''),
    ('finetune.keep', 'none'),
    ('evaluate.num_samples', 0),
    ('evaluate.ks', ()),
    ('evaluate.ks', (0, 1)),
    ('evaluate.ks', (4, 1)),
    ('evaluate.ks', (1, 9)),
    ('report.bootstrap_samples', 0),
    ('report.confidence', 1.0),
    ('report.usd_per_device_hour', 0.0),
    ('mesh.data', -1),
    ('mesh.tensor', 0),
  ],
)
def test_impossible_values_name_the_field_and_a_remedy(path, value):
  with pytest.raises(ConfigError) as caught:
    frozen(**{path.replace('.', '__'): value})
  # A field may be blamed through the one that contradicts it.
  assert caught.value.field.split('.')[0] == path.split('.')[0]
  assert caught.value.remedy
  assert len(str(caught.value).splitlines()) <= 3


def test_edges_are_allowed():
  frozen(
    sampling__temperature=0.0,
    sampling__top_k=1,
    sampling__top_p=1.0,
    task__num_test=None,
    evaluate__ks=(8,),
    budget__high=1,
    finetune__warmup_fraction=0.0,
    finetune__row_tokens=97,
  )


def test_without_a_student_there_may_be_no_test_problems():
  no_test = {'task__num_validation': 0, 'task__num_test': 0}
  assert frozen(student='', **no_test).task.num_test == 0
  with pytest.raises(ConfigError, match=r'task\.num_validation'):
    frozen(**no_test)
  with pytest.raises(ConfigError, match=r'task\.num_train'):
    frozen(student='', task__num_train=0)


def test_a_lone_generator_needs_no_other_model():
  assert frozen(wc='', arms=('se', 'reference')).wc == ''
  assert frozen(se='', arms=('wc_number_matched',)).se == ''


@pytest.mark.parametrize(
  ('path', 'said'),
  [
    ('sampling.temprature', 'did you mean sampling.temperature?'),
    ('temperature', 'did you mean sampling.temperature?'),
    ('sampel.temperature', 'did you mean sampling.temperature?'),
    ('sampling.zzz', 'known: sampling.temperature, '),
    ('zzz', 'known: name, scale, '),
    ('task', 'set its fields: task.name, '),
    ('seed.x', 'did you mean'),
  ],
)
def test_unknown_fields_get_a_suggestion(path, said):
  with pytest.raises(ConfigError) as caught:
    config_lib.check_field(path, 1)
  if path != 'seed.x':
    assert said in caught.value.remedy


def test_freeze_refuses_unknown_and_missing_fields():
  values = to_config_dict(Config())
  values.sampling.temprature = 0.9
  with pytest.raises(ConfigError, match=r'config\.sampling\.temprature = 0\.9'):
    freeze(values)
  values = to_config_dict(Config())
  del values.sampling.slots
  with pytest.raises(ConfigError, match=r'sampling\.slots'):
    freeze(values)
  values = to_config_dict(Config())
  del values.sampling
  values.sampling = 3
  with pytest.raises(ConfigError, match=r'config\.sampling = 3'):
    freeze(values)


def test_unknown_arm_gets_a_suggestion():
  with pytest.raises(ConfigError, match='did you mean wc_compute_matched'):
    Config(arms=('se', 'wc_compute_match'))


def test_wc_distill_scales():
  tiny, nano, full, gemma2 = (
    freeze(get_config('wc_distill', *scale))
    for scale in (('tiny',), (), ('nano_full',), ('gemma2',))
  )
  assert tiny.task.num_train < Config().task.num_train
  assert (full.wc, nano.wc) == (tiny.wc, tiny.wc)
  # The same rate for every arm, or arms would differ by it.
  assert nano.finetune.learning_rates == full.finetune.learning_rates == (1e-3,)
  assert nano.budget.high >= 4 * nano.budget.low
  assert nano.task.num_validation >= 500 and full.task.num_validation >= 2_000
  assert full.evaluate.ks == gemma2.evaluate.ks == (1, 4, 8, 16)
  # Both budgets of the paper's Gemma-7B row: 19.2k and 192k examples.
  f = gemma2.finetune
  assert f.batch_size * f.steps_low == 19_200
  assert f.batch_size * f.steps_high == 192_000
  with pytest.raises(ConfigError, match='tiny, nano, nano_full, gemma2'):
    get_config('wc_distill', 'gema2')


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')))
def test_every_config_freezes(path):
  assert freeze(get_config(path.stem)).name == path.stem


@pytest.mark.parametrize('name', freeze(get_config('paper')).experiments)
def test_each_of_the_papers_experiments_is_on_math_too(name):
  math, gsm8k = (
    freeze(get_config(name, scale)) for scale in ('gemma2_math', 'gemma2')
  )
  assert math.task.name == 'math'
  task = dataclasses.replace(math.task, name=gsm8k.task.name)
  assert dataclasses.replace(math, scale='gemma2', task=task) == gsm8k
  assert freeze(get_config('paper', 'gemma2_math')).experiments


@pytest.mark.parametrize(
  ('name', 'tasks'),
  [
    ('judge_verifier', ('gsm8k',)),
    ('functional_math_transfer', ('math', 'functional_math')),
    ('code_mbpp', ('mbpp', 'humaneval')),
    ('instruction_following', ('ifeval',)),
  ],
)
def test_a_config_refuses_a_scale_that_makes_no_sense(name, tasks):
  made = freeze(get_config(name))
  assert made.scale == 'gemma2'
  assert (made.task.name, *made.evaluate.transfer) == tasks
  for scale in ('tiny', 'nano', 'nano_full'):
    with pytest.raises(ConfigError, match=rf'{scale}.*\n.*gemma2'):
      get_config(name, scale)


@pytest.mark.parametrize(
  ('scale', 'samples'),
  [
    ('gemma3', {'se': 10, 'wc': 30}),
    ('gemma3_large', {'se': 10, 'wc': 22}),  # 2.25 to 1
    ('gemma4', {'se': 10, 'wc': 66, 'a4b': 80}),  # by active parameters
  ],
)
def test_later_models_are_matched_by_compute(scale, samples):
  pools = sizes.plan(freeze(get_config('wc_distill', scale))).pools
  assert {pool.generator: number for pool, number in pools.items()} == samples


@pytest.mark.parametrize('scale', scales.BASES)
def test_a_config_changes_its_scale_and_no_other(scale):
  ours = freeze(get_config('weak_to_strong', scale))
  base = scales.replace(Config(), scales.BASES[scale])
  assert ours.student == base.se
  changed = {'name', 'student'} | (
    {'finetune'} if scale in scales.LARGE else set()
  )
  assert {
    field
    for field, value in vars(ours).items()
    if value != getattr(base, field)
  } == changed
  f = ours.finetune  # as many examples as the smaller student sees
  assert f.batch_size * f.steps_low == (
    base.finetune.batch_size * base.finetune.steps_low
  )


def test_variants_refuse_what_is_no_field():
  with pytest.raises(ConfigError, match=r'did you mean budget\.low'):
    scales.variants('x', {'budget.lo': 2})


def test_config_imports_neither_jax_nor_tensorflow():
  code = (
    'import sys, wcse_jax.experiment.config;'
    "sys.exit(bool({'jax', 'tensorflow', 'numpy'} & set(sys.modules)))"
  )
  subprocess.run([sys.executable, '-c', code], check=True)


def test_what_files_have_is_the_same_config_again():
  """`launch/split.py` refused every workdir for want of `tokenizers`."""
  config = Config()
  own = dataclasses.replace(config.tokenizers, wc='a')
  mesh = dataclasses.replace(config.mesh, cpu_threads=2)
  more = dataclasses.replace(config, tokenizers=own, mesh=mesh)
  for given in (config, more):
    assert config_lib.restore(config_lib.saved(given)) == given
  fields = config_lib.saved(config)
  del fields['evaluate']
  with pytest.raises(ConfigError, match='config.evaluate'):
    config_lib.restore(fields)
