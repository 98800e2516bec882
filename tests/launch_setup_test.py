"""The set-up of the environment, where this and that is missing."""

import launch_tree
from launch_tree import alone, calls, program, run
import pytest


@pytest.fixture
def tree(tmp_path):
  return launch_tree.make(tmp_path)


UV = """#!/bin/bash
echo "uv $*" >> calls
case "$1 $2" in 'venv -q') mkdir -p .venv/bin
  printf '#!/bin/bash\\n%s\\n' \\
    '[[ "$*" != *import* ]] || [ ! -e "no-${2#import }" ]' \\
    > .venv/bin/python
  chmod +x .venv/bin/python;; esac
"""


@pytest.fixture
def bare(tree):
  """A system whose Python is old, without ensurepip, but with pip."""
  (tree / 'bin' / 'gcloud').unlink()
  (tree / 'uv.sh').write_text(UV)
  program(
    tree,
    'python3',
    '#!/bin/bash\necho "python3 $*" >> calls\ncase "$*" in\n'
    '  *--version) ;;\n  *--target\\ build/uv\\ uv) mkdir -p build/uv/bin;'
    ' cp uv.sh build/uv/bin/uv; chmod +x build/uv/bin/uv;;\n  *) exit 1;; esac',
  )
  program(tree, 'python3.12', '#!/bin/bash\nexit 127\n')
  return tree


def test_setup_without_python_312_or_ensurepip(bare):
  run(bare, script='setup.sh', path=alone(bare))
  made = calls(bare)
  assert 'python3 -m pip install -q --target build/uv uv' in made
  assert 'uv venv -q --python 3.12 .venv' in made
  assert made[-2].startswith('uv pip sync')
  assert made[-1].endswith('--no-deps --no-build-isolation -e .')


def test_setup_without_uv_or_pip_says_what_to_install(bare):
  program(bare, 'python3', '#!/bin/bash\nexit 1\n')
  done = run(bare, script='setup.sh', path=alone(bare), code=1)
  assert 'sudo apt-get install -y python3-pip' in done.stderr


def test_an_extra_stays(bare):
  """`make test` after `make demo EXTRA=tpu` once took libtpu away again."""
  path = alone(bare)
  run(bare, 'tpu', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[tpu]')
  run(bare, script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[tpu]')
  run(bare, 'bench', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[bench,tpu]')
  run(bare, 'gcs,dev', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[bench,dev,gcs,tpu]')


@pytest.mark.parametrize('extra', ['tpuu', 'TPU', 'tpu,tset', '.*'])
def test_an_extra_that_is_none_is_told_before_anything(bare, extra):
  done = run(bare, extra, script='setup.sh', path=alone(bare), code=1)
  assert f"no extra is called '{extra.removeprefix('tpu,')}'" in done.stderr
  known = 'gcs, tpu, cuda, gemma-270m, test, docs, bench, dev'
  assert f'has: {known}' in done.stderr
  assert not calls(bare) and not (bare / '.venv').exists()
  run(bare, script='setup.sh')
  assert calls(bare)[-1].endswith('-e .'), 'and nothing is left of it'


def test_two_extras_are_one_word(bare):
  done = run(bare, 'tpu', 'gcs', script='setup.sh', code=1)
  assert 'commas' in done.stderr
  assert not calls(bare)


def test_an_extra_that_did_not_install_does_not_stay(bare):
  path = alone(bare)
  (bare / 'no-libtpu').touch()
  run(bare, 'tpu', script='setup.sh', path=path, code=1)
  calls(bare)
  (bare / '.venv' / '.extras').write_text('tpuu\ngcs\n')  # once accepted
  run(bare, script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[gcs]')


def test_a_tpu_without_libtpu_is_not_ready(bare):
  (bare / 'no-libtpu').touch()
  done = run(bare, 'tpu', script='setup.sh', path=alone(bare), code=1)
  assert 'libtpu did not install' in done.stderr


def test_a_gpu_without_its_plugin_is_not_ready(bare):
  (bare / 'no-jax_cuda12_plugin').touch()
  path = alone(bare)
  done = run(bare, 'cuda', script='setup.sh', path=path, code=1)
  assert 'CUDA plugin did not install' in done.stderr
  assert not (bare / '.venv' / '.extras').exists()
  (bare / 'no-jax_cuda12_plugin').unlink()
  run(bare, 'cuda', script='setup.sh', path=path)
  assert calls(bare)[-1].endswith('-e .[cuda]')
