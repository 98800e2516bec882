"""Every field of a config has a meaning, which the lists and pages show."""

import dataclasses

import pytest

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import fields, rules
from wcse_jax.experiment.config import Config, TeacherSpec

FIELDS = list(fields.of(Config))


def test_all_fields_are_told_with_their_defaults():
  assert [f.path for f in FIELDS] == [path for path, *_ in rules.leaves(Config)]
  one = dataclasses.replace(Config(), teachers={'NAME': TeacherSpec()})
  flat = config_lib.flatten(one)
  assert {f.path: f.default for f in FIELDS} == flat
  assert all('teachers.' not in path for path in config_lib.flatten(Config()))


@pytest.mark.parametrize('field', FIELDS, ids=lambda field: field.path)
def test_each_has_a_type_and_a_meaning(field):
  assert field.kind and field.meaning.endswith('.')
  assert '  ' not in field.meaning and '\n' not in field.meaning


def test_a_default_is_written_as_a_flag_writes_it():
  text = {f.path: f.text for f in FIELDS}
  assert text['task.name'] == 'nano_arithmetic'
  assert text['sampling.top_p'] == 'None'
  assert text['arms'].startswith("('se', 'wc_compute_matched'")
