"""Teachers by name: any number, any of them as the anchor, mixed by shares."""

import json
import shutil

import pytest
import small_run

from wcse_jax import command_line, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import hosts, scales
from wcse_jax.experiment.config import Config, ConfigError, TeacherSpec
from wcse_jax.records import Problem
from wcse_jax.stages import check, export, sizes
from wcse_jax.stages.layout import Run
from wcse_jax.store import Store

PROBLEM = Problem(
  problem_id='p', split='train', question='1+{x}?', prompt='Q: 1+{x}?',
  solution='', gold='', level=0,
)  # fmt: skip
CONFIG = f'--config={small_run.ROOT}/configs/wc_distill.py:tiny'
FIELDS = {
  'budget.low': 2,
  'budget.high': 4,
  'teachers.mid.model': 'nano_student',
  'teachers.mid.temperature': 0.9,
}
LLAMA = {
  'wc': 'llama-8b',
  'se': 'llama-70b',
  'arms': ('se', 'wc_compute_matched'),
}


def changed(**fields):
  return scales.replace(
    Config(), {k.replace('__', '.'): v for k, v in fields.items()}
  )


def test_wc_and_se_are_short_for_two_teachers():
  long = changed(
    teachers__wc__model='gemma2_9b',
    teachers__wc__checkpoint='/weights/9b',
    teachers__wc__tokenizer='/words',
    teachers__se__model='gemma2_27b',
    teachers__se__external='se.jsonl',
  )
  short = changed(
    wc='gemma2_9b',
    checkpoints__wc='/weights/9b',
    tokenizers__wc='/words',
    se='gemma2_27b',
    external__se='se.jsonl',
  )
  assert long == short
  assert config_lib.saved(long) == config_lib.saved(short)
  assert long.teacher('wc') == TeacherSpec(
    model='gemma2_9b', checkpoint='/weights/9b', tokenizer='/words'
  )


def test_two_words_for_one_thing_are_refused():
  with pytest.raises(ConfigError) as error:
    changed(wc='gemma2_2b', teachers__wc__model='gemma2_9b')
  assert error.value.field == 'teachers.wc.model'
  assert "config.wc = 'gemma2_2b' is the same" in str(error.value)


@pytest.mark.parametrize(
  ('fields', 'field', 'said'),
  [
    ({'teachers__student__model': 'x'}, 'teachers', 'taken'),
    ({'teachers__a_matched__model': 'x'}, 'teachers', 'taken'),
    ({'teachers__x' + 'y' * 40 + '__model': 'x'}, 'teachers', '40 letters'),
    ({'budget__anchor': 'mid'}, 'budget.anchor', 'known: wc, se'),
    ({'budget__anchor': 'wc'}, 'arms', "unknown arm 'se'"),
    ({'arms': ('0.2*se+0.7*wc',)}, 'arms', 'sum to 1'),
    ({'arms': ('0.2*se+wc_compute_matched',)}, 'arms', 'sum to 1'),
    ({'arms': ('0*se+1*wc',)}, 'arms', 'sum to 1'),
    ({'arms': ('0.5*se+0.5*no',)}, 'arms', 'unknown arm'),
    (
      {'arms': ('0.5*se+0.5*mid',), 'teachers__mid__prompt': 'x'},
      'teachers.mid.model',
      'needs a model',
    ),
    (
      {'teachers__mid__external': 'http://', 'teachers__mid__model': 'm'},
      'teachers.mid.external',
      'WCSE_MID_API_KEY',
    ),
  ],
)  # fmt: skip
def test_what_cannot_be_is_named(fields, field, said):
  with pytest.raises(ConfigError) as error:
    changed(**fields)
  assert error.value.field == field and said in str(error.value)


@pytest.mark.parametrize(
  'name', ['items', 'get', '_x', '1b', 'gpt-4o', 'llama3.1', 'both', 'judge']
)
def test_a_name_that_cannot_be_is_told_as_such(name):
  """`items` ended in a traceback, and `gpt-4o` in "no such field"."""
  flag = f'--config.teachers.{name}.model=nano_wc'
  with pytest.raises(ConfigError, match='name a model by up to 40') as error:
    command_line.parse(['main.py', CONFIG, flag])
  assert error.value.value == name


def test_what_is_short_is_also_written_long():
  flag = '--config.teachers.wc.model=nano_student'
  made = command_line.parse(['main.py', CONFIG, flag])
  assert made.config.wc == 'nano_student' and not made.config.teachers
  paper = f'--config={small_run.ROOT}/configs/paper.py:tiny'
  made = command_line.parse(['main.py', paper, flag])
  assert {of.wc for of in made.experiments.values()} == {'nano_student'}
  # A flag says otherwise than the file.
  llama = f'--config={small_run.ROOT}/configs/llama_pair.py:gemma2'
  assert command_line.parse(['main.py', llama, flag]).config.wc == (
    'nano_student'
  )


def test_a_student_takes_no_other_models_weights():
  """It took the last teacher's of its name."""
  fields = {
    'wc': 'gemma2_9b',
    'checkpoints__wc': '/a',
    'student': 'gemma2_9b',
    'teachers__tuned__model': 'gemma2_9b',
  }
  assert changed(**fields).checkpoints.student == '/a'
  with pytest.raises(ConfigError) as error:
    changed(**fields, teachers__tuned__checkpoint='/b')
  assert error.value.field == 'checkpoints.student'


def test_an_arm_that_is_accepted_can_be_read_again():
  names = [f'teacher_number_{letter}_of_four' for letter in 'abcd']
  teachers = {f'teachers__{name}__model': 'nano_wc' for name in names}
  arm = '+'.join(f'0.25*{name}' for name in names)
  with pytest.raises(ConfigError, match='has 179 characters'):
    changed(arms=(arm,), **teachers)


@pytest.mark.parametrize(
  ('field', 'value'), [('temperature', 0.1), ('prompt', 'prompt.txt')]
)
def test_samples_of_a_file_are_drawn_already(field, value):
  of_file = {'model': 'x', 'external': 'few.jsonl', field: value}
  with pytest.raises(ConfigError, match='are drawn already') as error:
    changed(**{f'teachers__mid__{of}': said for of, said in of_file.items()})
  assert error.value.field == f'teachers.mid.{field}'


def test_hosts_may_have_a_teachers_files_elsewhere():
  of = lambda folder: hosts.shared(
    changed(teachers__mid__model='x', teachers__mid__checkpoint=folder)
  )
  assert of('/a') == of('/b')


def test_a_size_that_is_given_matches_models_from_elsewhere(tmp_path):
  files = {f'external__{role}': str(tmp_path / role) for role in ('wc', 'se')}
  unknown = changed(**LLAMA, **files)
  with pytest.raises(ConfigError, match=r'--config.teachers.\w\w.params=8e9'):
    check.check(unknown)
  known = changed(
    **LLAMA, **files, teachers__wc__params=8e9, teachers__se__params=70e9
  )
  assert list(sizes.plan(known).pools.values()) == [10, 87]
  assert sizes.plan(known).params_active == {'wc': 8e9, 'se': 70e9}


@pytest.mark.parametrize(
  ('matching', 'what', 'values', 'number'),
  [
    ('measured', 'tokens', (100.0, 150.0), 45),  # 10 x 1.5 x 3.004 in size
    ('wall_clock', 'seconds', (0.2, 0.5), 25),
  ],
)
def test_samples_match_by_what_earlier_ones_took(
  matching, what, values, number
):
  arms = 'se', f'wc_{matching}_matched'
  with pytest.raises(ConfigError) as error:
    sizes.plan(changed(arms=arms))
  assert error.value.field == f'teachers.se.{what}'
  names = [f'teachers__{role}__{what}' for role in ('wc', 'se')]
  given = dict(zip(names, values, strict=True))
  plan = sizes.plan(changed(arms=arms, **given))
  assert {str(pool): n for pool, n in plan.pools.items()} == {
    'se': 10,
    'wc': number,
  }


def test_any_model_may_be_the_anchor():
  config = changed(
    budget__anchor='mid',
    budget__low=4,
    teachers__mid__model='nano_wc',
    arms=('mid', 'se_compute_matched', 'wc_number_matched'),
  )
  pools = {str(pool): n for pool, n in sizes.plan(config).pools.items()}
  assert pools == {'mid': 10, 'se': 3, 'wc': 10}
  assert str(config.anchor) == 'mid'


def test_a_share_is_of_the_budget():
  config = changed(arms=('se', '0.2*se+0.8*wc'), budget__low=5, wc='nano_se')
  plan = sizes.plan(config)
  drawn = {
    mix.budget: [*allotment.samples.values()]
    for mix, allotment in plan.allotments.items()
    if mix.arm.draws[0].share
  }
  assert drawn == {'low': [1, 4], 'high': [2, 8]}
  thirds = changed(
    arms=('0.333333*se+0.666667*wc',),
    budget__low=3,
    budget__high=3,
    wc='nano_se',
  )
  assert [*sizes.plan(thirds).pools.values()] == [1, 2]
  assert not sizes.plan(thirds).notes


def test_a_prompt_is_one_teachers_alone(tmp_path):
  file = tmp_path / 'prompt.txt'
  file.write_text('Be brief.\n\nProblem: {question}\nAnswer:')
  config = changed(
    teachers__mid__model='nano_wc', teachers__mid__prompt=str(file)
  )
  run = Run(config, Store(tmp_path / 'run'))
  assert run.task_for('mid').prefix == 'Be brief.\n\n'
  assert run.task_for('wc') == run.task_for('student') == run.task
  problem = PROBLEM
  (asked,) = run.asked('mid', [problem])
  assert asked.prompt == f'Problem: {problem.question}\nAnswer:'
  assert run.asked('wc', [problem]) == [problem]


def test_identity_is_files_and_never_a_name_or_a_path(tmp_path):
  """A teacher under another name samples anew, but is the same model."""
  config = changed(teachers__a__model='nano_wc', teachers__b__model='nano_wc')
  run = Run(config, Store(tmp_path))
  assert run.model_identity('a') == run.model_identity('b')
  assert run.model_identity('a') == run.model_identity('wc')


@pytest.fixture(scope='module')
def three(tmp_path_factory):
  """Three teachers, each by itself, and two of them mixed; no student."""
  workdir = tmp_path_factory.mktemp('three') / 'run'
  done = small_run.run(
    workdir,
    '--config.student=',
    **FIELDS,
    arms='se,wc_compute_matched,mid_number_matched,0.5*se+0.5*wc',
  )
  assert done.returncode == 0, done.stderr[-2000:]
  return workdir


def test_three_teachers_are_compared_in_one_run(three):
  found = json.loads((three / 'report' / 'results.json').read_text())
  assert {*found['models']} == {'wc', 'se', 'mid'}
  assert {*found['ledger']} == {'wc', 'se', 'mid'}
  cells = {arm: row['high'] for arm, row in found['arms'].items()}
  assert cells['mid_number_matched']['samples_per_problem'] == 4
  assert cells['0.5se+0.5wc_compute_matched']['samples_per_problem'] == 8
  assert cells['0.5se+0.5wc_compute_matched']['label'] == (
    '50% SE + 50% WC compute-matched'
  )
  (high,) = [of for of in found['ranking'] if of['budget'] == 'high']
  assert (high['matching'], high['metric']) == ('compute', 'coverage')
  assert len(high['rows']) == 3
  assert high['confidence'] == pytest.approx(1 - 0.05 / 3)
  values = [row['value'] for row in high['rows']]
  assert values == sorted(values, reverse=True)
  page = (three / 'report' / 'index.html').read_text()
  assert 'nano_wc (WC), nano_student (mid) against nano_se (SE)' in page
  assert '<h2 id="ranking">Ranking</h2>' in page
  assert {of['other'] for of in found['winners']} == {'wc', 'mid'}
  assert 'mid: coverage' in page and 'WC: coverage' in page
  assert 'Of 3 arms of the high budget, by the rule 2PW, by coverage: ' in page
  made = export.data(
    Run(config_lib.restore(store.read_config(three)), Store(three)),
    arm='mid_number_matched=all',
    budget='high',
    form='messages',
  )
  assert 'At temperature 0.9' in made.card
  settings = json.loads(
    (three / 'sample' / 'mid' / '_MANIFEST.json').read_text()
  )
  assert settings['spec']['temperature'] == 0.9


def test_two_are_ranked_beside_an_anchor_that_is_none_of_them(three, tmp_path):
  """They were compared with nothing, and the page spoke of SE."""
  shutil.copytree(three, tmp_path / 'run')
  done = small_run.run(
    tmp_path / 'run',
    '--config.student=',
    '--stages=report',
    **FIELDS,
    **{
      'budget.anchor': 'mid',
      'arms': 'se_number_matched,wc_number_matched',
    },
  )
  assert done.returncode == 0, done.stderr[-2000:]
  said = ' '.join(done.stdout.split())
  assert 'Of 2 arms of the high budget, as many samples of each, UNMATCHED' in (
    said
  )
  page = (tmp_path / 'run' / 'report' / 'index.html').read_text()
  assert 'Same cost as mid' in page and 'Same cost as SE' not in page


def test_as_many_samples_do_not_cost_the_same(three, tmp_path):
  """They were ranked at a cost of 100%."""
  shutil.copytree(three, tmp_path / 'run')
  arms = 'se,wc_number_matched,mid_number_matched'
  flags = '--config.student=', '--stages=report'
  done = small_run.run(tmp_path / 'run', *flags, **FIELDS, arms=arms)
  assert done.returncode == 0, done.stderr[-2000:]
  found = json.loads((tmp_path / 'run/report/results.json').read_text())
  (row,) = [
    row
    for row in found['ranking'][-1]['rows']
    if row['arm'] == 'wc_number_matched'
  ]
  assert row['cost'] == pytest.approx(0.333, abs=0.001)


def test_a_preview_shows_the_prompt_that_was_sent(tmp_path):
  """It showed the task's own."""
  prompt = tmp_path / 'prompt.txt'
  prompt.write_text('Be brief.\n\nMID ASKS: {question}\nAnswer:')
  done = small_run.run(
    tmp_path / 'run',
    '--preview=2',
    **FIELDS,
    **{'teachers.mid.prompt': prompt, 'arms': 'se,mid_number_matched'},
  )
  assert done.returncode == 0, done.stderr[-2000:]
  assert 'before each prompt:\nBe brief.' in done.stdout
  assert done.stdout.count(', prompt:\nMID ASKS: ') == 1
  assert done.stdout.count(', prompt:\nProblem: ') == 1
