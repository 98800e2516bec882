"""Every error of the project is an `Error`; others are bugs."""

import importlib
import pathlib
import pickle
import re

import pytest

from wcse_jax import errors
from wcse_jax.experiment import config

ROOT = pathlib.Path(__file__).parents[1]
CLASSES = [
  ('.'.join(path.relative_to(ROOT).with_suffix('').parts), name)
  for path in sorted((ROOT / 'wcse_jax').rglob('*.py'))
  # The jail is a program of its own, which imports nothing of the project.
  if path.name != 'errors.py' and path.parent.name != 'jail'
  for name in re.findall(r'^class (\w+Error)\b', path.read_text(), re.M)
]


@pytest.mark.parametrize(('module', 'name'), CLASSES)
def test_errors_have_one_base(module, name):
  found = getattr(importlib.import_module(module), name)
  assert issubclass(found, errors.Error)


def test_a_remedy_follows_the_message():
  error = errors.Error('part-0 is cut short', 'run it again')
  assert str(error) == 'part-0 is cut short\nrun it again'
  assert error.remedy == 'run it again'
  assert str(errors.Error('alone')) == 'alone'


def test_an_error_survives_pickling():
  error = config.ConfigError('wc', 'x', 'known: y')
  again = pickle.loads(pickle.dumps(error))
  assert (str(again), again.remedy) == (str(error), 'known: y')
  assert str(pickle.loads(pickle.dumps(errors.Error('a', 'b')))) == 'a\nb'
