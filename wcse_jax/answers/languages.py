"""Whether a text is in a language: by its script, else by its words."""

import collections
import functools
import unicodedata

from wcse_jax.answers import symbolic

_MAX_LETTERS = 10_000  # more need not be looked at

# Scripts, by the first word of the Unicode names of their letters, and the
# languages that are written in each, of those that can be told. All others are
# written in Latin.
_SCRIPTS = {
  'ARABIC': {'ar', 'fa', 'ur'},
  'BENGALI': {'bn'},
  'CJK': {'ja', 'zh-cn', 'zh-tw'},
  'CYRILLIC': {'bg', 'mk', 'ru', 'uk'},
  'DEVANAGARI': {'hi', 'mr', 'ne'},
  'GREEK': {'el'},
  'GUJARATI': {'gu'},
  'GURMUKHI': {'pa'},
  'HANGUL': {'ko'},
  'HEBREW': {'he'},
  'HIRAGANA': {'ja'},
  'KANNADA': {'kn'},
  'KATAKANA': {'ja'},
  'MALAYALAM': {'ml'},
  'TAMIL': {'ta'},
  'TELUGU': {'te'},
  'THAI': {'th'},
}
_NOT_LATIN = set().union(*_SCRIPTS.values())


def is_in(language: str, text: str) -> bool | None:
  """Whether a text is in a language; None if that cannot be said.

  Most of its letters decide where their script is that of one language, or not
  that of the language; else it is what the detector takes for likeliest, as in
  the paper's own evaluation of IFEval.

  >>> text = 'The quick brown fox jumps over the lazy dog, and then it sleeps.'
  >>> is_in('en', text), is_in('de', text), is_in('ko', 'Korean: 한국어입니다')
  (True, False, False)
  >>> is_in('th', 'ใช่'), is_in('ja', '東京です'), is_in('en', '1 + 1 = 2')
  (True, True, None)

  Args:
    language: Its ISO 639-1 code.
    text: The text; capitals do not matter.
  """
  text = text[:_MAX_LETTERS]
  if text.isupper():  # the detector takes capitals for names
    text = text.lower()
  written = _written(text)
  if not written or language not in _languages():
    return None
  if language not in written:
    return False
  return len(written) == 1 or _likeliest(text, written) == language


def _written(text: str) -> set[str]:
  """Languages that are written in the script of most letters; may be none."""
  scripts = collections.Counter(map(_script, text))
  del scripts['']
  japanese = scripts['HIRAGANA'] + scripts['KATAKANA']
  if japanese:  # has Chinese letters as well
    scripts['HIRAGANA'] = japanese + scripts.pop('CJK', 0)
  for script, _ in scripts.most_common(1):
    return _SCRIPTS.get(script) or {*_languages()} - _NOT_LATIN
  return set()


def _script(letter: str) -> str:
  """The script of a letter, or of a sign that belongs to one; '' is none."""
  if unicodedata.category(letter)[0] not in 'LM':
    return ''
  word = unicodedata.name(letter, '').partition(' ')[0]
  return word if word in _SCRIPTS or word == 'LATIN' else ''


def _likeliest(text: str, languages: set[str]) -> str:
  """What the detector takes a text for, of some languages; '' if for none."""
  import langdetect  # late: few need it

  detector = _detectors().create()
  detector.append(text)
  try:
    found = [each.lang for each in detector.get_probabilities()]
  except langdetect.LangDetectException:  # letters that it does not know
    return ''
  return next((each for each in found if each in languages), '')


@functools.cache
def _languages() -> frozenset[str]:
  return frozenset(_detectors().get_lang_list())


@functools.cache
def _detectors():
  import langdetect

  symbolic.announce('loading')  # it reads a megabyte of profiles
  factory = langdetect.DetectorFactory()
  factory.load_profile(langdetect.PROFILES_DIRECTORY)
  factory.set_seed(0)
  symbolic.announce('ready')
  return factory
