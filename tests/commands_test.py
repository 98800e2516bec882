"""`wcse`: each command is there, says what it does, and names what is wrong."""

import contextlib
import importlib
import json
import subprocess
import sys

import pytest

from wcse_jax import commands, tasks
from wcse_jax.experiment import config, fields
from wcse_jax.models import presets


def wcse(*words):
  return commands.main(['wcse', *words])


def test_help_names_every_command(capsys):
  for words in ([], ['--help'], ['help']):
    assert wcse(*words) == 0
    said = capsys.readouterr().out
    assert all(f'\n  {name} ' in said for name in commands.COMMANDS)
  assert wcse('--version') == 0
  assert capsys.readouterr().out.startswith('wcse_jax 0.')


@pytest.mark.parametrize('name', commands.COMMANDS)
def test_each_command_has_help(name, capsys):
  module = importlib.import_module(f'wcse_jax.commands.{name}')
  with contextlib.suppress(SystemExit):  # of argparse
    assert module.main(['wcse', '--help']) == 0
  said = capsys.readouterr().out
  assert f'wcse {name}' in said and len(said.splitlines()) > 3


def test_an_unknown_command_is_named(capsys):
  assert wcse('exprot') == 2
  assert 'did you mean export?' in capsys.readouterr().err
  assert wcse('zzz') == 2
  assert 'give run, plan,' in capsys.readouterr().err


def test_it_is_installed_and_needs_no_jax_to_answer():
  code = 'import sys; from wcse_jax.commands import main; main();'
  code += " assert not {'jax', 'tensorflow', 'pyarrow'} & {*sys.modules}"
  done = subprocess.run(
    [sys.executable, '-c', code, 'list', 'config'],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert 'finetune.batch_size = 8  (whole number)' in done.stdout


def listed(capsys, *words):
  assert wcse('list', *words) == 0
  lines = capsys.readouterr().out.splitlines()
  assert max(map(len, lines)) <= 120
  return [line for line in lines if not line.startswith(' ')]


def test_lists_are_whole(capsys):
  names = lambda lines: [line.split('  ')[0] for line in lines]
  assert names(listed(capsys, 'tasks')) == [*tasks.TASKS]
  assert names(listed(capsys, 'models')) == [*presets.PRESETS]
  found = [line.split(' = ')[0] for line in listed(capsys, 'config')]
  assert found == [field.path for field in fields.of(config.Config)]
  for line in listed(capsys, 'arms'):
    text = line.split('  ')[0]
    assert line == f'{text}  ({config.arm(text).label})'


def test_a_mixture_says_what_a_token_is_multiplied_by(capsys):
  (moe,) = listed(capsys, 'models', 'gemma4_26b_a4b')
  assert '25,233,141,790 parameters, 3,822,526,990 of them active' in moe
  (dense,) = listed(capsys, 'models', 'gemma2_9b')
  assert 'active' not in dense


def test_a_word_chooses_of_a_list(capsys):
  assert all('mesh.' in line for line in listed(capsys, 'config', 'mesh'))
  assert wcse('list', 'tasks', 'nothing') == 1


def test_one_solution_is_graded(capsys):
  assert wcse('grade', '--task=math', '--gold=1/2', r'So \boxed{0.5}.') == 0
  assert json.loads(capsys.readouterr().out)['verdict'] == 'correct'
  assert wcse('grade', '--task=gsm8k', '--gold=5', 'The answer is 6.') == 1
  assert json.loads(capsys.readouterr().out) == {
    'verdict': 'wrong', 'answer': '6', 'rule': 'numeric', 'sound': None
  }  # fmt: skip


def test_a_file_of_solutions_is_graded(capsys, tmp_path):
  file = tmp_path / 'solutions.jsonl'
  rows = [{'gold': '5', 'text': f'The answer is {n}.', 'of': n} for n in (5, 6)]
  file.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  assert wcse('grade', '--task=gsm8k', f'--file={file}') == 1
  said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [row['verdict'] for row in said] == ['correct', 'wrong']
  assert [row['of'] for row in said] == [5, 6]


@pytest.mark.parametrize(
  ('lines', 'why'),
  [
    ('', 'it is empty'),
    ('{"gold": "5"', ':1: not JSON'),
    ('{"gold": "5", "text": "x"}\n[]', ':2: not an object with fields'),
    ('{"gold": 5, "text": "x"}', ":1: it has no text 'gold'"),
    ('{"gold": "5", "text": "x", "question": 1}', "no text 'question'"),
  ],
)
def test_a_bad_file_of_solutions_is_named(capsys, tmp_path, lines, why):
  file = tmp_path / 'solutions.jsonl'
  file.write_text(lines)
  assert wcse('grade', '--task=gsm8k', f'--file={file}') == 2
  error = capsys.readouterr().err
  assert error.startswith(f'error: {file}') and why in error


@pytest.mark.parametrize(
  ('words', 'why'),
  [
    (['--task=gsm8k', 'x'], '--gold: give the right answer'),
    (['--task=gsm8k'], 'give a solution with --gold, or --file'),
    (['--task=gsm8k', '--file=no.jsonl'], 'No such file'),
    (['--task=gsm9k', '--gold=1', 'x'], "'gsm9k' is none of nano_arithmetic"),
  ],
)
def test_bad_arguments_of_grade_are_named(capsys, words, why):
  assert wcse('grade', *words) == 2
  assert why in capsys.readouterr().err


def test_the_doctor_says_what_is_there(capsys, monkeypatch, tmp_path):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  (tmp_path / 'gsm8k').mkdir()
  monkeypatch.setenv('WCSE_DATA_DIR', str(tmp_path))
  assert wcse('doctor') == 0
  lines = capsys.readouterr().out.splitlines()
  assert {line[:8].strip() for line in lines} <= {'ok', 'without'}
  said = '\n'.join(lines)
  assert 'JAX computes on 1 x cpu' in said and 'cores' in said
  assert f'ok      gsm8k: files in {tmp_path}/gsm8k' in said
  assert 'without mbpp: is downloaded when it is needed' in said


def test_the_doctor_fails_where_a_run_would(capsys, monkeypatch):
  from wcse_jax.commands import doctor
  from wcse_jax.tpu import devices

  def fail():
    raise devices.DeviceError('this machine has 4 TPU chips, but\nno libtpu')

  monkeypatch.setattr(devices, 'check', fail)
  monkeypatch.setattr(doctor.os, 'access', lambda *_: False)
  assert wcse('doctor') == 1
  said = capsys.readouterr().out
  assert 'lacks   this machine has 4 TPU chips, but no libtpu' in said
  assert 'which cannot be written: set WCSE_CACHE_DIR' in said
