"""What is shipped: the wheel, the source distribution, their metadata."""

import email
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import pytest

import wcse_jax

ROOT = pathlib.Path(__file__).parents[1]
SHIPPED = (
  'py.typed',
  'answers/final_answers.toml',
  'answers/numbers.toml',
  'models/nano/nano_se.safetensors',
  'models/nano/nano_student.safetensors',
  'models/nano/nano_wc.safetensors',
  'models/nano/tokenizer.model',
  'models/parameters.toml',
  'models/presets.toml',
  'report/page.css',
  'report/page.html',
  'sampling/judge.txt',
  'tasks/datasets.toml',
  'tasks/gsm8k.txt',
  'tasks/ifeval.txt',
  'tasks/math.txt',
  'tasks/mbpp.txt',
  'tasks/mbpp_sanitized.txt',
  'tasks/nano/problems.txt',
  'tasks/nano/wording.toml',
  'verify/certificate/hard_pairs.toml',
  'verify/certificate/hostile.toml',
  'verify/certificate/hostile_programs.toml',
)


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  """The wheel and the sdist, made of a copy without the rest of the tree."""
  folder = tmp_path_factory.mktemp('dist')
  source = folder / 'source'
  away = shutil.ignore_patterns(
    '.git', '.venv*', '.*_cache', 'build', 'runs', '*.egg-info', '__pycache__'
  )
  shutil.copytree(ROOT, source, ignore=away)
  code = """
    import sys
    from setuptools import build_meta
    folder = sys.argv[1]  # setuptools changes argv
    build_meta.build_sdist(folder)
    build_meta.build_wheel(folder)
  """
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(code), folder],
    cwd=source,
    env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  (wheel,), (sdist,) = folder.glob('*.whl'), folder.glob('*.tar.gz')
  return zipfile.ZipFile(wheel), tarfile.open(sdist)


def _metadata(wheel):
  (name,) = [n for n in wheel.namelist() if n.endswith('.dist-info/METADATA')]
  return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_module_and_the_ladder(built):
  wheel, _ = built
  held = set(wheel.namelist())
  package = ROOT / 'wcse_jax'
  modules = {
    str(path.relative_to(ROOT))
    for path in package.rglob('*.py')
    if '__pycache__' not in path.parts
  }
  assert not modules - held
  assert not {f'wcse_jax/{name}' for name in SHIPPED} - held
  others = {name.split('/')[0] for name in held} - {'wcse_jax'}
  assert {name.rpartition('.')[2] for name in others} == {'dist-info'}


def test_versions_and_extras_are_right(built):
  about = _metadata(built[0])
  assert about['Version'] == wcse_jax.__version__
  assert set(about['Requires-Python'].split(',')) == {'>=3.12', '<3.13'}
  extras = about.get_all('Provides-Extra')
  assert {'tpu', 'gemma-270m', 'test', 'dev', 'bench'} <= set(extras)
  needs = about.get_all('Requires-Dist')
  assert any(n.startswith('jax[tpu]') and 'extra == "tpu"' in n for n in needs)
  bounded = [n for n in needs if 'extra' not in n and '>' not in n]
  assert bounded == [
    n for n in bounded if n in ('importlib_resources', 'protobuf')
  ]


def test_errors_name_commands_that_install(built):
  """`pip install 'wcse_jax[gcs]'` cannot work: it is on no index."""
  extras = _metadata(built[0]).get_all('Provides-Extra')
  named = set()
  for folder in ('wcse_jax', 'launch', 'configs', 'tests'):
    for path in (ROOT / folder).rglob('*.py'):
      text = path.read_text()
      if path != pathlib.Path(__file__):
        assert not re.search(r"""install ['"]?(wcse_jax|jax)\[""", text), path
      named |= set(re.findall(r'launch/setup\.sh ([a-z][\w-]*)', text))
  assert {'tpu', 'gcs', 'gemma-270m'} <= named <= set(extras)


def test_the_sdist_can_be_built_and_tested_from(built):
  _, sdist = built
  root = sdist.getnames()[0].split('/')[0]
  held = {name.removeprefix(f'{root}/') for name in sdist.getnames()}
  for name in (
    *(f'wcse_jax/{name}' for name in SHIPPED),
    'LICENSE',
    'README.md',
    'pyproject.toml',
    'setup.py',
    'Makefile',
    'requirements.lock',
    'requirements.override',
    'configs/wc_distill.py',
    'launch/main.py',
    'launch/setup.sh',
    'docs/DESIGN.md',
    'tests/conftest.py',
    'tests/distribution_test.py',
    '.importlinter',
    '.python-version',
    'launch/colab/1_the_idea.ipynb',
    'mkdocs.yml',
  ):
    assert name in held, name
  assert not [n for n in held if '.venv' in n or n.startswith('runs')]


def test_it_imports_at_once():
  """In at most a second of processor time; the machine may be busy."""
  code = 'import time; t = time.process_time(); import wcse_jax;'
  code += ' print(time.process_time() - t)'
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert float(done.stdout) < 1
