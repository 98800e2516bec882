import json
import pathlib
import sys
import types

import pytest

import wcse_jax
from wcse_jax import command_line, commands, store
from wcse_jax.commands import run as main
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.runtime import local, replicas

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = '--config=configs/wc_distill.py'


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch):
  monkeypatch.chdir(ROOT)
  # Where ml_collections puts the config file, to be reloaded, not replaced.
  monkeypatch.delitem(sys.modules, 'config_config', raising=False)


@pytest.fixture
def calls(monkeypatch):
  """Replaces pipeline.run, run_all; collects arguments, raises `error`."""
  made = types.SimpleNamespace(configs=[], kwargs=[], error=None)

  def run(config, **kwargs):
    made.configs.append(config)
    made.kwargs.append(kwargs)
    if made.error:
      raise made.error

  fake = types.SimpleNamespace(run=run, run_all=run)
  monkeypatch.setattr(wcse_jax, 'pipeline', fake, raising=False)
  monkeypatch.setitem(sys.modules, 'wcse_jax.pipeline', fake)
  return made


def launch(*arguments: str) -> int:
  return main.main(['launch/main.py', *arguments])


def test_the_default_run(calls):
  assert launch(CONFIG) == 0
  assert calls.configs == [
    scales.replace(config_lib.Config(), scales.BASES['nano'])
  ]
  assert calls.kwargs == [
    {
      'workdir': pathlib.Path('runs/wc_distill-nano'),
      'stages': None,
      'redo': [],
      'reuse': [],
      'command': f'python launch/main.py {CONFIG}',
      'replica': replicas.Spec(),
      'preview': 0,
    }
  ]


@pytest.mark.parametrize(
  ('flags', 'why'),
  [
    (['--preview=0'], '--preview=0'),
    (['--preview=5', '--stages=sample'], 'leave --stages out'),
    (['--preview=5', '--replicas=auto'], 'leave --replicas out'),
    (['--preview=5', '--config=configs/paper.py'], 'one of the experiments'),
  ],
)
def test_a_preview_is_of_one_process_and_one_experiment(
  flags, why, calls, capsys
):
  assert launch(CONFIG, *flags) == 2
  assert why in capsys.readouterr().err and not calls.kwargs
  assert launch(CONFIG, '--preview=5') == 0
  assert calls.kwargs[0]['preview'] == 5


def test_flags_override_fields(calls):
  assert (
    launch(
      f'{CONFIG}:nano_full',
      '--config.sampling.top_k=None',
      "--config.arms=('se','reference')",
      '--config.task.num_train=None',
      '--config.task.num_test=5',
      '--config.evaluate.num_sampled=5',
      '--config.sampling.temperature',
      '1',
      '--config.evaluate.ks=(1, 2)',
      '--workdir=/tmp/w',
      '--stages=prepare,sample',
      '--redo=sample/wc,verify',
    )
    == 0
  )
  (config,), (kwargs,) = calls.configs, calls.kwargs
  assert config.scale == 'nano_full'
  assert config.sampling.top_k is None
  assert config.arms == (config_lib.SE, config_lib.REFERENCE)
  assert (config.task.num_train, config.task.num_test) == (None, 5)
  assert config.sampling.temperature == 1.0
  assert config.evaluate.ks == (1, 2)
  assert kwargs['workdir'] == pathlib.Path('/tmp/w')
  assert kwargs['stages'] == ['prepare', 'sample']
  assert kwargs['redo'] == ['sample/wc', 'verify']
  assert '--config.sampling.top_k=None' in kwargs['command']


def test_the_config_file_may_stand_behind_its_fields(calls):
  assert launch('--config.seed=7', '--config', CONFIG.partition('=')[2]) == 0
  (config,) = calls.configs
  assert config.seed == 7


def test_models_may_be_named_on_the_command_line(calls):
  teacher = '--config.teachers.mid'
  assert launch(
    CONFIG,
    f'{teacher}.model=nano_student',
    f'{teacher}.temperature=0.9',
    f'{teacher}.params=8e9',
    '--config.arms=se,mid_compute_matched,0.5*se+0.5*mid',
  ) == 0  # fmt: skip
  (config,) = calls.configs
  assert config.teacher('mid').model == 'nano_student'
  assert config.teacher('mid').temperature == 0.9
  assert config.teacher('mid').params == 8e9
  assert str(config.arms[2]) == '0.5se+0.5mid_compute_matched'


def test_texts_may_be_given_with_commas_alone(calls):
  """('se,reference',) once was taken for one arm."""
  flags = '--config.arms=se, reference', '--config.evaluate.transfer=gsm8k,math'
  assert launch(CONFIG, *flags) == 0
  (config,) = calls.configs
  assert config.arms == (config_lib.SE, config_lib.REFERENCE)
  assert config.evaluate.transfer == ('gsm8k', 'math')
  assert launch(CONFIG, '--config.arms=se,') == 2
  assert launch(CONFIG, '--config.arms=se,se=all') == 0  # it was no tuple
  assert list(map(str, calls.configs[-1].arms)) == ['se', 'se=all']


@pytest.mark.parametrize(
  ('flag', 'meant'),
  [
    ('--batch_size=4', '--config.finetune.batch_size?'),
    ('--temperature=1', '--config.sampling.temperature?'),
    ('--data', '--config.finetune.layout.data or --config.mesh.data?'),
    ('--stage=plan', '--stages?'),
    ('--sampling.slot=4', '--config.sampling.slots?'),
    ('--zzz', 'see --help'),
  ],
)
def test_what_is_no_flag_is_told_with_the_one_that_is_meant(
  flag, meant, calls, capsys
):
  assert launch(CONFIG, flag) == 2
  said = capsys.readouterr().err
  assert f'{flag.split("=")[0]} is not a flag;' in said
  assert said.rstrip().endswith(meant)
  assert not calls.configs


def test_all_is_no_stage_but_leaving_them_out(calls, capsys):
  assert launch(CONFIG, '--stages=all') == 2
  assert 'leave --stages out to run all' in capsys.readouterr().err
  assert launch(CONFIG, '--stages=al') == 2
  assert 'leave' not in capsys.readouterr().err


def test_the_paper_sets_its_experiments_fields(calls):
  paper = '--config=configs/paper.py:nano_full'
  seeds = '--config.finetune.num_seeds=3'
  assert launch(paper, seeds, '--config.task.num_train=8') == 0
  ((experiments,), (kwargs,)) = calls.configs, calls.kwargs
  assert kwargs['workdir'] == pathlib.Path('runs/paper-nano_full')
  assert set(experiments) >= {'wc_distill', 'weak_to_strong', 'dataset_size'}
  for name, config in experiments.items():
    assert (config.name, config.scale) == (name, 'nano_full')
    assert config.finetune.num_seeds == 3
    assert config.task.num_train == 8
    assert config.task.num_test == 10_000
  assert experiments['weak_to_strong'].student == 'nano_se'
  assert experiments['very_high_budget'].budget.high == 50


def test_a_remote_workdir_is_worked_on_in_the_cache(
  calls, monkeypatch, tmp_path
):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  assert launch(CONFIG, f'--workdir=file://{tmp_path}/bucket/run') == 0
  (kwargs,) = calls.kwargs
  assert kwargs['workdir'].parent == tmp_path / 'cache' / 'workdirs'
  calls.error = KeyboardInterrupt()
  assert launch(CONFIG, f'--workdir=file://{tmp_path}/bucket/run') == 130
  (tmp_path / 'bucket' / 'run' / 'INDEX.json').write_text('{')
  assert launch(CONFIG, f'--workdir=file://{tmp_path}/bucket/run') == 1


def test_what_is_given_is_set_even_where_it_is_the_default(calls, tmp_path):
  paper = '--config=configs/paper.py:gemma2'
  assert (
    launch(paper, '--config.budget.high=10', '--config.checkpoints.wc=x') == 0
  )
  ((experiments,), _) = calls.configs, calls.kwargs
  assert experiments['grid_overlap'].budget.high == 10
  # A student that is the WC model has its weights; others have their own.
  folders = {name: c.checkpoints.student for name, c in experiments.items()}
  assert (folders['wc_self_improve'], folders['wc_distill']) == ('x', '')


@pytest.mark.parametrize(
  ('config', 'flags', 'wanted'),
  [
    ('wc_self_improve', {'wc': 'x'}, ('x', '')),
    ('wc_self_improve', {'wc': 'x', 'student': 'y'}, ('y', '')),
    ('wc_self_improve', {'se': 'x'}, ('', '')),
    ('weak_to_strong', {'wc': 'x', 'se': 'z'}, ('z', '')),
    ('wc_distill', {'wc': 'x', 'se': 'z'}, ('', '')),
    ('judge_verifier:gemma2', {'wc': 'x', 'se': 'z'}, ('', 'z')),
    ('judge_verifier:gemma2', {'se': 'z', 'judge': 'y'}, ('', 'y')),
  ],
)
def test_a_student_or_judge_that_samples_has_those_weights(
  config, flags, wanted
):
  """Through configs/paper.py it had, through its own config it had not."""
  file, _, scale = config.partition(':')
  given = [f'--config.checkpoints.{r}={path}' for r, path in flags.items()]
  path = f'--config=configs/{file}.py:{scale or "nano"}'
  folders = command_line.parse(['main.py', path, *given]).config.checkpoints
  assert (folders.student, folders.judge) == wanted
  if not scale:
    paper = command_line.parse(['main.py', '--config=configs/paper.py', *given])
    own = paper.experiments[file].checkpoints
    # A student's own checkpoint there is of the students of most experiments.
    if 'student' not in flags:
      assert own == folders
    else:
      assert own.student == flags['wc']
      assert paper.experiments['wc_distill'].checkpoints.student == 'y'


EXPERIMENT_FILES = {
  'empty': ('', 'get_config'),
  'broken': ('import nothing_of_that_name', 'nothing_of_that_name'),
  'odd': ('def get_config(): pass', 'argument'),
  'other': (
    'from wcse_jax.experiment import config\n'
    'def get_config(scale):\n'
    '  return config.to_config_dict(config.at_scale({}, scale))',
    '(experiment other)',
  ),
  'nested': (
    (ROOT / 'configs' / 'paper.py').read_text(),
    'nested has experiments itself',
  ),
}


@pytest.mark.parametrize('name', EXPERIMENT_FILES)
def test_a_faulty_experiment_is_named(calls, capsys, tmp_path, name):
  text, said = EXPERIMENT_FILES[name]
  (tmp_path / f'{name}.py').write_text(text)
  (tmp_path / 'all.py').write_text((ROOT / 'configs' / 'paper.py').read_text())
  named = f"--config.experiments=('{name}',)"
  assert launch(f'--config={tmp_path / "all.py"}', named) == 2
  captured = capsys.readouterr()
  assert said in captured.err and name in captured.err
  assert len(captured.err.splitlines()) <= 3
  assert not calls.configs


BAD_INPUT = [
  ([], ['--config', 'configs/wc_distill.py']),
  (['--config'], ['--config', 'configs/wc_distill.py']),
  (['--config=configs/no.py'], ['configs/no.py', 'no such file']),
  ([f'{CONFIG}:huge'], ['scale', 'huge', 'nano_full']),
  ([CONFIG, '--config.sampling.topk=1'], ['topk', "'1'", 'sampling.top_k?']),
  ([CONFIG, '--config.seed=abc'], ['config.seed', 'abc', 'whole number']),
  ([CONFIG, '--config.budget.low=1.5'], ['config.budget.low', '1.5', 'whole']),
  ([CONFIG, '--config.seed=None'], ['config.seed', 'None', 'whole number']),
  ([CONFIG, '--config.seed'], ['config.seed', 'value']),
  ([CONFIG, '--config.sampling.top_p=2'], ['sampling.top_p', '2.0', 'at most']),
  ([CONFIG, '--config.task=gsm8k'], ['config.task', 'gsm8k', 'task.name']),
  ([CONFIG, '--config.arms=se,wc'], ['config.arms', "'se', 'wc'", 'reference']),
  ([CONFIG, '--config.evaluate.ks=(1,99)'], ['evaluate.ks', '99', 'samples']),
  ([CONFIG, '--config.arms=("se",'], ['config.arms', '("se",', 'quotes']),
  (
    [CONFIG, '--config.teachers.mid.modell=x'],
    ['config.teachers.mid.modell', 'teachers.NAME.model?'],
  ),
  (
    [CONFIG, '--config.teachers.mid.temperature=hot'],
    ['config.teachers.mid.temperature', 'hot'],
  ),
  ([CONFIG, '--config.teachers=mid'], ['config.teachers', 'teachers.NAME.']),
  ([CONFIG, '--config.teachers.a.b.model=x'], ["config.teachers = 'a.b'"]),
  (
    [CONFIG, '--config.teachers.mid.model=nano_wc', '--config.arms=mid'],
    ["unknown arm 'mid'", 'mid_'],
  ),
  ([CONFIG, '--config.wrokdir=x'], ['no such field']),
  ([CONFIG, '--wrokdir=x'], ['wrokdir', 'workdir']),
  ([CONFIG, '--stages=sampel'], ['sampel', 'sample, ']),
  ([CONFIG, '--workdir=gs:/b/run'], ['--workdir=gs:/b/run', 'gs://']),
  (
    [CONFIG, '--workdir=gs://b/run', '--replicas=2'],
    ['gs://b/run', '--replicas', 'folder'],
  ),
  (
    [CONFIG, '--replicas=2', '--coordinator=host-a'],
    ['--coordinator=host-a', 'HOST:PORT', 'auto'],
  ),
  (
    [CONFIG, '--replicas=2', '--coordinator=host-a:99999'],
    ['--coordinator=host-a:99999', 'HOST:PORT'],
  ),
  (
    [CONFIG, '--stages=finetune', '--coordinator=host-a:1234'],
    ['--coordinator=host-a:1234', '--replicas', '--replica'],
  ),
  (
    [CONFIG, '--replicas=2', '--coordinator=auto'],
    ['--coordinator=auto', '--stages=finetune'],
  ),
  (
    [CONFIG, '--replicas=2', '--coordinator=auto', '--stages=curate,finetune'],
    ['--coordinator=auto', '--stages=finetune'],
  ),
  ([CONFIG, '--redo=sampel/wc'], ['sampel/wc', 'sample, ', 'judge']),
  ([CONFIG, '--stages=sample/wc'], ['sample/wc', 'sample, ']),
  ([CONFIG, '--stages=judge'], ["'judge'", 'verify']),
  ([CONFIG, '--reuse=/no/where'], ['--reuse=/no/where', 'no such folder']),
  ([CONFIG, '--reuse=configs,'], ['--reuse=', 'no such folder']),
  (['--config=configs/paper.py', '--replicas=2'], ['--replicas=2', 'one host']),
  ([CONFIG, '--replicas=all'], ['--replicas=all', 'number', 'auto']),
  ([CONFIG, '--replicas=auto', '--replica=0'], ['--replica', 'leave']),
  (
    [CONFIG, '--replicas=auto', '--coordinator=auto', '--stages=finetune'],
    ['--coordinator', 'leave'],
  ),
  (
    ['--config=configs/paper.py', '--config.scale=gemma2'],
    ['--config.scale', 'paper.py:SCALE'],
  ),
  (
    ['--config=configs/paper.py', '--config.experiments=("report",)'],
    ['config.experiments', 'report'],
  ),
  (
    ['--config=configs/paper.py', '--config.experiments=("no",)'],
    ['config.experiments', "'no'", 'configs/no.py'],
  ),
  (
    ['--config=configs/paper.py', '--config.experiments=("../x",)'],
    ['config.experiments', 'beside this one'],
  ),
  ([CONFIG, 'config.seed=3'], ['config.seed=3', '--help']),
]


@pytest.mark.parametrize(('arguments', 'said'), BAD_INPUT)
def test_bad_input_is_three_lines_and_exit_code_2(
  calls, capsys, arguments, said
):
  assert launch(*arguments) == 2
  assert not calls.configs
  captured = capsys.readouterr()
  assert not captured.out
  assert captured.err.startswith('error: ')
  assert len(captured.err.splitlines()) <= 3, captured.err
  for text in said:
    assert text in captured.err


@pytest.mark.parametrize(
  ('source', 'said'),
  [
    ('1 +', 'SyntaxError'),
    ('import no_such_module', 'no_such_module'),
    ('x = 1', 'get_config'),
    (
      'def get_config():\n  return 1 / 0',
      'ZeroDivisionError: division by zero',
    ),
    ('def get_config():\n  return 1 / 0', '.py:2)'),
    ('def get_config():\n  return int("x")', 'int()'),
    ('import json\ndef get_config():\n  return json.loads("{")', '.py:3)'),
    (
      'def get_config():\n  return open("/no/file")',
      "'/no/file' (broken.py:2)",
    ),
    ('def get_config():\n  return [] + 1', '(broken.py:2)'),
    ('def get_config():\n  return None', 'returns no ConfigDict'),
  ],
)
def test_a_broken_config_file_is_told_in_three_lines(
  tmp_path, capsys, source, said
):
  path = tmp_path / 'broken.py'
  path.write_text(source)
  assert launch(f'--config={path}') == 2
  error = capsys.readouterr().err
  assert said in error
  assert 'config' in error
  assert len(error.splitlines()) <= 3


def test_errors_of_the_run(calls, capsys):
  for error, code, said in (
    (
      store.StoreError('part-00000.parquet is truncated'),
      1,
      'error: part-00000',
    ),
    (config_lib.ConfigError('wc', 'x', 'known: y'), 2, "config.wc = 'x'"),
    (KeyboardInterrupt(), 130, 'stopped; run the same command to continue'),
  ):
    calls.error = error
    assert launch(CONFIG) == code
    assert said in capsys.readouterr().err
  calls.error = ZeroDivisionError()  # a bug keeps its traceback
  with pytest.raises(ZeroDivisionError):
    launch(CONFIG)


def test_replicas_finetune_together(calls, monkeypatch):
  checked = []
  monkeypatch.setattr(
    main.devices,
    'check',
    lambda *args, **kwargs: checked.append((args, kwargs)),
  )
  words = ['--replicas=4', '--replica=3', '--stages=finetune']
  assert launch(CONFIG, *words, '--coordinator=host-a:1234') == 0
  assert calls.kwargs[0]['replica'] == replicas.Spec(
    index=3, count=4, coordinator='host-a:1234'
  )
  assert checked == [((4,), {'together': True})]


@pytest.fixture
def started(monkeypatch):
  """Five cores; collects what would be started on them, which returns 7."""
  made = []

  def run(words, workdir, count, again, experiments):
    made.append((words, workdir, count, again, *experiments))
    return 7

  monkeypatch.setattr(local, 'run', run)
  monkeypatch.setattr(local.signs, 'cores', lambda: [*range(5)])
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  return made


def test_auto_starts_a_replica_for_each_core(calls, started):
  words = [CONFIG, '--replicas', 'auto', '--workdir=/tmp/w']
  assert launch(*words) == 7
  more = [*words, '--config.mesh.cpu_threads=2', '--redo=sample/wc']
  assert launch(*more) == 7
  typed = ['launch/main.py', *words]
  assert started[0] == (typed, pathlib.Path('/tmp/w'), 5, True)
  assert started[1][2:] == (2, False), 'nothing is forgotten twice'
  assert launch('--config=configs/paper.py', '--replicas=auto') == 7
  assert {'wc_distill', 'weak_to_strong'} <= {*started.pop()[4:]}
  assert launch(CONFIG, '--replicas=auto', '--config.mesh.cpu_threads=5') == 0
  assert calls.kwargs[0]['replica'] == replicas.Spec(), 'alone'


def test_a_replica_of_auto_knows_what_was_typed(calls):
  typed = [CONFIG, '--replicas=auto']
  assert launch(*typed, '--workdir=w', '--replicas=2', '--replica=1') == 0
  (kwargs,) = calls.kwargs
  assert kwargs['replica'] == replicas.Spec(index=1, count=2)
  assert kwargs['workdir'] == pathlib.Path('w')
  assert kwargs['command'] == f'python launch/main.py {" ".join(typed)}'


def test_auto_on_an_object_store_has_one_process_keep_the_copy(
  started, monkeypatch, tmp_path
):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  url = f'file://{tmp_path}/bucket/run'
  assert launch(CONFIG, '--replicas=auto', f'--workdir={url}') == 7
  assert started[0][1].parent == tmp_path / 'cache' / 'workdirs'


def test_auto_is_refused_where_it_cannot_be(started, monkeypatch, capsys):
  words = [CONFIG, '--replicas=auto']
  assert launch(*words, '--config.mesh.cpu_threads=6') == 2
  assert 'this machine has 5: give 5 or less' in capsys.readouterr().err
  assert not started


def test_auto_is_one_process_on_an_accelerator(calls, started, monkeypatch):
  monkeypatch.setattr(main.devices, 'accelerator', lambda: 'a TPU')
  assert launch(CONFIG, '--replicas=auto') == 0
  assert not started
  assert calls.kwargs[0]['replica'] == replicas.Spec()


def test_describe_keeps_three_lines():
  text = command_line.describe(config_lib.ConfigError('a', 'b\nc', 'd'))
  assert text == "config.a = 'b\\nc'\nd"
  long = ValueError('\n'.join('abcde'))
  assert command_line.describe(long).splitlines() == ['a', 'b', 'e']
  assert command_line.describe(long, 9).splitlines() == list('abcde')


def test_a_replica_out_of_range_is_named(calls, capsys):
  assert launch(CONFIG, '--replicas=2', '--replica=2') == 2
  assert (
    '--replica=2: with --replicas=2, give 0 to 1' in capsys.readouterr().err
  )
  assert launch(CONFIG, '--replicas=2', '--replica=1') == 0
  assert calls.kwargs[0]['replica'] == replicas.Spec(index=1, count=2)


def test_wcse_run_is_the_same_and_says_so(calls, started):
  assert commands.main(['/env/bin/wcse', 'run', CONFIG]) == 0
  assert calls.kwargs[0]['command'] == f'wcse run {CONFIG}'
  auto = ['/env/bin/wcse', 'run', CONFIG, '--replicas=auto']
  assert commands.main(auto) == 7
  assert started[0][0] == auto, 'a replica is started by the same words'


@pytest.fixture
def former(tmp_path):
  """The workdir of a run at tiny with another temperature."""
  config = scales.replace(
    config_lib.Config(), {**scales.BASES['tiny'], 'sampling.temperature': 0.9}
  )
  written = {'config': config_lib.saved(config)}
  (tmp_path / 'config.json').write_text(json.dumps(written))
  return tmp_path, config


@pytest.mark.parametrize('name', ['', 'config.json'])
def test_a_resolved_config_can_be_given_back(calls, former, name):
  workdir, config = former
  given = f'--config_from={workdir / name}'
  assert launch(given) == 0
  assert (
    launch(given, '--config.sampling.top_k=None', '--config.seed', '7') == 0
  )
  same, other = calls.configs
  assert same == config
  assert other == scales.replace(config, {'sampling.top_k': None, 'seed': 7})
  assert calls.kwargs[0]['workdir'] == pathlib.Path('runs/wc_distill-tiny')


@pytest.mark.parametrize(
  ('words', 'why'),
  [
    (['--config_from={}/no'], 'no config.json of a run'),
    (['--config_from={}', CONFIG], 'give it, or --config, and not both'),
    (['--config_from={}', '--config.sed=1'], 'did you mean seed?'),
    (['--config_from={}', '--config.seed=x'], 'config.seed'),
    (['--config_from={}/other.json'], 'no config.json of a run'),
  ],
)
def test_what_is_no_resolved_config_is_named(calls, former, capsys, words, why):
  workdir, _ = former
  (workdir / 'other.json').write_text('{}')
  assert launch(*(word.format(workdir) for word in words)) == 2
  assert why in capsys.readouterr().err


@pytest.mark.parametrize(
  ('written', 'why'),
  [
    ('{', 'cannot be read'),
    ('{"config": 1}', 'has no config'),
    ('{"config": {"seed": -1}}', 'config'),
  ],
)
def test_a_damaged_resolved_config_is_named(
  calls, tmp_path, capsys, written, why
):
  (tmp_path / 'config.json').write_text(written)
  assert launch(f'--config_from={tmp_path}') == 2
  error = capsys.readouterr().err
  assert why in error and len(error.splitlines()) <= 3
