"""Languages: told, or left open."""

from answers_instructions_test import ENGLISH, HINDI

from wcse_jax.answers import languages


def test_a_language_is_the_same_each_time():
  text = f'{HINDI} {ENGLISH}'
  found = {languages.is_in('hi', text) for _ in range(20)}
  assert len(found) == 1
