"""Imports go down only, and light modules stay light."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]

LIGHT = (
  'wcse_jax',
  'wcse_jax.records',
  'wcse_jax.config',
  'wcse_jax.budget',
  'wcse_jax.metrics',
  'wcse_jax.curation',
  'wcse_jax.store',
  'wcse_jax.report',
  'wcse_jax.verify',
  'wcse_jax.verify.answers',
  'wcse_jax.verify.graders',
  'wcse_jax.verify.pool',
  'wcse_jax.verify.steps',
  'wcse_jax.verify.worker',
  'wcse_jax.tasks',
  'wcse_jax.models.presets',
  'wcse_jax.models.tokenizer',
)
HEAVY = ('flax', 'gemma', 'jax', 'kauldron', 'seqio', 'tensorflow')
JAX_ONLY = ('wcse_jax.sampling', 'wcse_jax.finetuning')

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


def test_light_modules_import_neither_jax_nor_tensorflow():
  assert pulled(LIGHT, HEAVY) == ''


def test_probe_notices_a_heavy_import():
  assert pulled(['wcse_jax', 'jax'], HEAVY) == 'jax pulls jax\n'


@pytest.mark.parametrize('package', JAX_ONLY)
def test_sampling_and_finetuning_do_without_tensorflow(package):
  folder = ROOT / package.replace('.', '/')
  modules = [
    f'{package}.{path.stem}' for path in sorted(folder.glob('[!_]*.py'))
  ]
  assert modules
  assert pulled(modules, ('seqio', 'tensorflow')) == ''


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
