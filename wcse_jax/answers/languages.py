"""Whether a text is in a language, where that is beyond doubt."""

import functools

from wcse_jax.answers import symbolic

_MIN_LETTERS = 50  # fewer do not tell a language
_MAX_LETTERS = 10_000  # more need not be looked at
_SURE = 0.9


def is_in(language: str, text: str) -> bool | None:
  """Whether a text is in a language; None if that cannot be said.

  >>> text = 'The quick brown fox jumps over the lazy dog, and then it sleeps.'
  >>> is_in('en', text), is_in('de', text), is_in('en', 'The fox.')
  (True, False, None)

  Args:
    language: Its ISO 639-1 code.
    text: The text; capitals do not matter.
  """
  if sum(map(str.isalpha, text)) < _MIN_LETTERS:
    return None
  import langdetect  # late: few need it

  factory = _detectors()
  if language not in factory.get_lang_list():
    return None
  detector = factory.create()
  detector.append(text[:_MAX_LETTERS].lower())  # it takes capitals for names
  try:
    found = {each.lang: each.prob for each in detector.get_probabilities()}
  except langdetect.LangDetectException:  # letters that it does not know
    return None
  share = found.get(language, 0.0)
  return share > 0.5 if max(share, 1 - share) >= _SURE else None


@functools.cache
def _detectors():
  import langdetect

  symbolic.announce('loading')  # it reads a megabyte of profiles
  factory = langdetect.DetectorFactory()
  factory.load_profile(langdetect.PROFILES_DIRECTORY)
  factory.set_seed(0)
  symbolic.announce('ready')
  return factory
