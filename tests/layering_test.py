"""Imports go down only, and light modules stay light."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

MODULES = [
  '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix(
    '.__init__'
  )
  for path in sorted((ROOT / 'wcse_jax').rglob('*.py'))
]
# All others do without JAX; only the former may bring TensorFlow.
WITH_TENSORFLOW = re.compile(r'wcse_jax\.seqio_tasks\..*')
WITH_JAX = re.compile(
  r'wcse_jax\.('
  r'(tpu|testing)\b.*|finetuning\.(?!packing|batches).*'
  r'|sampling\.(?!external|schedule).*'
  r'|models\.(?!presets|tokenizer|formats$|formats\.folder).*)'
)
HEAVY = ('flax', 'gemma', 'jax', 'kauldron', 'seqio', 'tensorflow')

# Prints, for each module in turn, the heavy packages that it was first to pull.
PROBE = """
import importlib, sys
heavy = set(sys.argv[1].split(','))
for name in sys.argv[2:]:
  before = heavy & sys.modules.keys()
  importlib.import_module(name)
  pulled = (heavy & sys.modules.keys()) - before
  if pulled:
    print(name, 'pulls', *sorted(pulled))
"""


def pulled(modules, heavy):
  done = subprocess.run(
    [sys.executable, '-c', PROBE, ','.join(heavy), *modules],
    capture_output=True,
    text=True,
    cwd=ROOT,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


def without(*patterns):
  return [m for m in MODULES if not any(p.fullmatch(m) for p in patterns)]


def test_light_modules_import_neither_jax_nor_tensorflow():
  light = without(WITH_JAX, WITH_TENSORFLOW)
  assert {'wcse_jax', 'wcse_jax.report', 'wcse_jax.tasks'} <= {*light}
  assert pulled(light, HEAVY) == ''


def test_probe_notices_a_heavy_import():
  assert pulled(['wcse_jax', 'jax'], HEAVY) == 'jax pulls jax\n'


def test_tensorflow_is_imported_in_seqio_tasks_alone():
  assert pulled(without(WITH_TENSORFLOW), ('seqio', 'tensorflow')) == ''


def test_imports_go_down_only():
  done = subprocess.run(
    [
      sys.executable,
      '-c',
      'import sys; from importlinter import cli;'
      ' sys.exit(cli.lint_imports(".importlinter", no_cache=True))',
    ],
    capture_output=True,
    text=True,
    cwd=ROOT,
    check=False,
  )
  assert done.returncode == 0, done.stdout + done.stderr
