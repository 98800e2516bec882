"""Languages: told by their script, or by the detector's first guess."""

from answers_instructions_test import ENGLISH, HINDI, MARATHI
import pytest

from wcse_jax.answers import languages


def test_a_language_is_the_same_each_time():
  text = f'{HINDI} {ENGLISH}'
  found = {languages.is_in('hi', text) for _ in range(20)}
  assert len(found) == 1


@pytest.mark.parametrize(
  'language, text',
  [
    *[('bn', 'হ্যাঁ'), ('pa', 'ਹਾਂ'), ('ta', 'ஆம்'), ('te', 'అవును'), ('th', 'ใช่')],
    *[('ko', '네, 그래요.'), ('ja', '東京です'), ('he', 'כן'), ('el', 'ναι')],
    ('ko', 'Seoul is 서울특별시입니다'),
    ('ta', '1. ஆம் (yes)'),
  ],
)
def test_a_script_of_one_language_decides(language, text):
  """However short; fewer than 50 letters were 'unknown'."""
  assert languages.is_in(language, text) is True
  assert languages.is_in('en', text) is False
  assert languages.is_in('hi', text) is False


@pytest.mark.parametrize(
  'language, text',
  [
    *[('hi', 'नमस्ते, आप कैसे हैं?'), ('mr', 'मी मराठी बोलतो'), ('hi', HINDI)],
    *[('ar', 'مرحبا بك'), ('fa', 'سلام، حال شما چطور است؟'), ('mr', MARATHI)],
    *[('ur', 'آپ کیسے ہیں؟'), ('bg', 'Здравейте, как сте?')],
    *[('en', 'The fox sleeps.'), ('fr', "Je ne sais pas, c'est bien.")],
  ],
)
def test_else_the_detectors_first_guess_does(language, text):
  assert languages.is_in(language, text) is True
  others = {'hi', 'mr', 'ar', 'fa', 'ur', 'bg', 'en', 'fr'} - {language}
  assert not any(languages.is_in(other, text) for other in others)


def test_signs_of_vowels_are_letters():
  """Three letters with two signs against four Latin ones."""
  assert languages._written('abc किसी') == {'hi', 'mr', 'ne'}


@pytest.mark.parametrize('text', ['', '12 + 34 = 46', '?!', '𓀀𓀁𓀂𓀃'])
def test_without_a_letter_nothing_is_told(text):
  assert languages.is_in('en', text) is None
