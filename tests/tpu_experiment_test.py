import dataclasses
import json

import pytest

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import Config, ConfigError, LayoutSpec
from wcse_jax.experiment.teachers import TeacherSpec
from wcse_jax.tpu import experiment, program, sampling, topology, training

STEP = program.Program(
  argument_bytes=1e9,
  used_bytes={'bfloat16': 1e9},
  result_bytes=0,
  temporary_bytes=1e9,
  flops=1e12,
  moved_bytes=1e9,
  received_bytes={'all-gather': 2e9, 'all-to-all': 0},
  seconds={'flops': 0.1, 'hbm': 0.5, 'links': 0.2},
  compile_s=3,
)


@pytest.fixture
def asked(monkeypatch):
  """What would be compiled, which it is not."""
  asked = []

  def fit(generator, slice_, rows, tensor, slots, whole):
    assert not whole
    asked.append((generator, slice_.name, rows, tensor, slots))
    names = ('prefix', 'question', 'refill', 'decode')
    return sampling.Fit(
      tensor=tensor or 1,
      replicas=8,
      slots=slots or 64,
      peak_bytes=2e9,
      programs=dict.fromkeys(names, STEP),
      weights_plus_kv_bytes=dict.fromkeys(names, 0.5e9),
    )

  def finetune(recipe, slice_, whole):
    asked.append((recipe, slice_.name, whole))
    if slice_.num_chips < 4:
      return None
    return training.Fit(
      topology=slice_.name,
      layout=LayoutSpec(fsdp=4, remat='full'),
      rows=4,
      program=STEP,
    )

  monkeypatch.setattr(
    topology,
    'describe',
    lambda name: topology.Topology(name=name, devices=[None] * 8),
  )
  monkeypatch.setattr(sampling, 'fit', fit)
  monkeypatch.setattr(training, 'fit', finetune)
  return asked


def plan(config=None, **options):
  said = []
  made = experiment.plan(
    config or Config(), experiment.Options(**options), said.append
  )
  json.dumps(made)  # it can be written
  return made, '\n'.join(said)


def test_pools_are_sampled_the_larger_model_first(asked):
  made, said = plan(topology='v5e:2x4', price=2.0, mean_tokens=50)
  (se, where, se_rows, *_), (wc, _, wc_rows, *_) = asked
  assert (se.model, wc.model, where) == ('nano_se', 'nano_wc', 'v5e:2x4')
  # 10 samples of SE for 300 problems, and as many of WC as cost the same.
  assert se_rows == 300 * 10
  assert wc_rows == 300 * made['generators']['wc']['samples']
  assert made['generators']['wc']['samples'] > 20
  assert made['tokens'] == 50 * (se_rows + wc_rows)
  hours = [made['generators'][role]['chip_hours'] for role in ('se', 'wc')]
  assert made['chip_hours'] == sum(hours)
  assert made['cost_usd'] == 2 * made['chip_hours']
  assert made['programs']['wc/decode']['roofline_s'] == 0.5
  assert 'a decode step moves 2.000 x weights + KV' in said
  assert 'training' not in made


def test_equal_chip_time_stands_beside_what_p_may_count(asked):
  made, said = plan(topology='v5e:2x4', mean_tokens=50)
  by = made['matched']['wc']
  assert by['nominal'] == by['non_embedding'] == 1_776_528 / 591_456
  assert by['active'] == 1_850_256 / 640_608
  each = {
    role: of['chip_hours'] / of['samples'] / of['problems']
    for role, of in made['generators'].items()
  }
  assert by['chip_hours'] == each['se'] / each['wc']
  assert (
    '10 samples of se cost what these of wc do, P counting nominal parameters:'
    ' 30.04 by nominal, 30.04 by non_embedding, 28.88 by active;'
  ) in said
  alone, _ = plan(
    dataclasses.replace(Config(), arms=('se',)), topology='v5e:1x1'
  )
  assert alone['matched'] == {}


def test_room_is_made_as_the_engine_makes_it(asked):
  plan(topology='v5e:2x4', prompt_tokens=30, prefix_tokens=77, slots=24)
  generator, *_, slots = asked[0]
  assert generator.prompt_tokens == 32  # whole tiles
  assert generator.max_new_tokens == 80
  assert generator.prefix_tokens == 77
  assert slots == 24


def test_the_whole_recipe_of_a_student(asked):
  made, said = plan(train_topology='v5e', example_tokens=64, price=3.0)
  assert [where for _, where, _ in asked] == ['v5e:1x1', 'v5e:2x2']
  recipe = asked[0][0]
  # 3.5 examples in a row of 256, so 2 rows for 8.
  assert recipe.rows == 2
  student = made['training']['nano_student']
  assert student['topology'] == 'v5e:2x2'
  assert student['batches'] == {'low': 18, 'high': 172}  # 15, 150 x 8 / 7
  step_hours = 4 * 0.5 / 3600
  assert student['chip_hours_of_a_student'] == pytest.approx(
    {'low': 18 * step_hours, 'high': 172 * step_hours}
  )
  assert student['students_per_budget'] == {'low': 3, 'high': 4}
  hours = (3 * 18 + 4 * 172) * step_hours
  assert student['chip_hours'] == pytest.approx(hours)
  assert student['cost_usd'] == pytest.approx(3 * student['chip_hours'])
  assert student['roofline_s_by']['hbm'] == 0.5
  assert 'all-gather 2.00' in said and 'all-to-all' not in said
  assert '--config.finetune.layout.remat=full' in said


def test_all_learning_rates_and_seeds_are_students(asked):
  spec = dataclasses.replace(
    Config().finetune, learning_rates=(1e-5, 1e-4), num_seeds=3
  )
  config = dataclasses.replace(Config(), finetune=spec)
  made, _ = plan(config, train_topology='v5e:2x2')
  students = made['training']['nano_student']['students_per_budget']
  assert students == {'low': 3 * 2 * 3, 'high': 4 * 2 * 3}


def test_a_slice_that_is_too_small_is_refused(asked):
  with pytest.raises(topology.PlanError, match=r'nano_student.*v5e:1x1'):
    plan(train_topology='v5e:1x1')


def test_weights_need_not_be_there_but_models_must(asked):
  large = dataclasses.replace(Config(), wc='gemma2_2b', se='gemma2_9b')
  plan(large, topology='v5e:2x4')
  wrong = dataclasses.replace(Config(), wc='gemma_9b')
  with pytest.raises(ConfigError, match='gemma2_9b'):
    plan(wrong, topology='v5e:2x4')


def test_every_task_says_how_many_problems_it_has(asked):
  for name in ('gsm8k', 'math', 'nano_arithmetic'):
    task = config_lib.TaskSpec(name=name, num_train=None)
    made, _ = plan(dataclasses.replace(Config(), task=task), topology='v5e:2x4')
    assert made['generators']['se']['problems'] > 1000


def test_a_pool_at_another_temperature_is_of_the_same_model(asked):
  config = dataclasses.replace(Config(), arms=('se', 'se@1.3'))
  made, _ = plan(config, topology='v5e:2x4')
  assert set(made['slots']) == {'se', 'se@1.3'}
  assert {generator.model for generator, *_ in asked} == {'nano_se'}


def test_a_teacher_asked_in_its_own_way_has_a_prefix_of_its_own(
  asked, tmp_path
):
  path = tmp_path / 'short.toml'
  path.write_text("turns = 'gemma3'\n")
  config = Config(teachers={'wc': TeacherSpec(prompt=str(path))})
  _, said = plan(config, topology='v5e:2x4')
  (se, *_), (wc, *_) = asked
  assert wc.prefix_tokens == 1 < se.prefix_tokens
  assert wc.stop_states < se.stop_states
  assert said.count('prefix of') == 2
