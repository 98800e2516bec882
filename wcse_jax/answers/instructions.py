"""What IFEval asks of a response: that it follows its instructions.

Zhou et al. 2023, arXiv 2311.07911, table 1; a response counts if it follows
all of them, strictly (no variants of it are tried). Counting is that of the
paper's own evaluation where that needs no trained model. Where it does (the
ends of sentences, words in capitals, languages), an instruction is decided only
if that does not depend on doubtful cases.
"""

from collections.abc import Callable, Iterable
import functools
import itertools
import json
import operator
import re
import typing
from typing import Annotated, Any, Literal, NamedTuple
import unicodedata

from wcse_jax.answers import languages
from wcse_jax.records import Grade

MAX_TEXT = 100_000  # characters

Relation = Literal['at least', 'less than']
_HOLDS = {'at least': operator.ge, 'less than': operator.lt}


class Instruction(NamedTuple):
  """What a response is asked to do.

  Attributes:
    name: A key of `CHECKERS`.
    arguments: The arguments of the checker of that name.
  """

  name: str
  arguments: dict[str, Any]


def dumps(pairs: Iterable[tuple[str, dict[str, Any]]]) -> str:
  """Instructions, each by its name and arguments, as a problem's `gold`."""
  return json.dumps([*pairs])


def loads(gold: str) -> list[Instruction]:
  """The instructions of a `gold`.

  Raises:
    ValueError: There is none, one is unknown, or its arguments do not fit.
  """
  import msgspec  # late: few need it

  try:
    asked = [Instruction(*pair) for pair in json.loads(gold)]
    for name, arguments in asked:
      msgspec.convert(arguments, _arguments(name))
    if asked:
      return asked
  except (TypeError, KeyError, msgspec.ValidationError):
    pass
  raise ValueError(f'no known instructions: {gold}')


def grade(gold: str, response: str) -> Grade:
  """Whether a response follows all instructions.

  >>> gold = dumps([('punctuation:no_comma', {}), ('startend:quotation', {})])
  >>> grade(gold, '"Yes."')
  Grade(verdict='correct', answer='"Yes."', rule='followed', sound=None)
  >>> grade(gold, 'Yes.').rule
  'startend:quotation'

  Args:
    gold: The instructions, as `dumps` writes them.
    response: What is graded.

  Returns:
    The response is its own answer. The rule: 'followed', 'gold', 'size',
    'empty', or the name of the first instruction that was not followed or not
    decided.
  """
  try:
    asked = loads(gold)
  except ValueError:
    return Grade('unknown', response, 'gold')
  if len(response) > MAX_TEXT:
    return Grade('unknown', '', 'size')
  if not response.strip():
    return Grade('wrong', response, 'empty')
  undecided = ''
  for name, arguments in asked:
    followed = CHECKERS[name](response, **arguments)
    if followed is False:
      return Grade('wrong', response, name)
    if followed is None:
      undecided = undecided or name
  if undecided:
    return Grade('unknown', response, undecided)
  return Grade('correct', response, 'followed')


@functools.cache
def _arguments(name: str) -> Any:
  """The type of an instruction's arguments: none is empty, or below 1."""
  import msgspec

  text = Annotated[str, msgspec.Meta(min_length=1)]
  bounded = {
    int: Annotated[int, msgspec.Meta(ge=1)],
    str: text,
    list[str]: Annotated[list[text], msgspec.Meta(min_length=1)],
  }
  hints = typing.get_type_hints(CHECKERS[name])
  del hints['response'], hints['return']
  fields = [(field, bounded.get(hint, hint)) for field, hint in hints.items()]
  return msgspec.defstruct(name, fields, forbid_unknown_fields=True)


def _compare(
  relation: str, number: int, least: int, most: int | None = None
) -> bool | None:
  """Whether a count holds; None if only some from `least` to `most` do."""
  holds = _HOLDS[relation]
  answer = holds(least, number)
  return answer if most is None or holds(most, number) == answer else None


# --- keywords, letters --------------------------------------------------------


def _has_keywords(response: str, *, keywords: list[str]) -> bool:
  return all(word.lower() in response.lower() for word in keywords)


def _keyword_frequency(
  response: str, *, keyword: str, relation: Relation, frequency: int
) -> bool | None:
  found = response.lower().count(keyword.lower())
  return _compare(relation, frequency, found)


def _lacks_words(response: str, *, forbidden_words: list[str]) -> bool:
  return not any(
    re.search(rf'(?<!\w){re.escape(word)}(?!\w)', response, re.IGNORECASE)
    for word in forbidden_words
  )


def _letter_frequency(
  response: str, *, letter: str, let_relation: Relation, let_frequency: int
) -> bool | None:
  found = response.lower().count(letter.lower())
  return _compare(let_relation, let_frequency, found)


def _capital_words(
  response: str, *, capital_relation: Relation, capital_frequency: int
) -> bool | None:
  # NASA's, DON'T and U.S. are how many?
  least = sum(map(str.isupper, response.split()))
  most = sum(map(str.isupper, re.findall(r'\w+', response)))
  return _compare(capital_relation, capital_frequency, least, max(least, most))


def _is_upper(response: str) -> bool | None:
  return response.isupper() and languages.is_in('en', response)


def _is_lower(response: str) -> bool | None:
  return response.islower() and languages.is_in('en', response)


def _lacks_commas(response: str) -> bool:
  return ',' not in response


def _language(response: str, *, language: str) -> bool | None:
  return languages.is_in(language, response)


# --- lengths ------------------------------------------------------------------

_CLOSING = '"\'”’)]*_'
_MAYBE_NO_END = re.compile(  # an ellipsis, an abbreviation, 1.
  r'.*\.\.|\W*(?:\w|\d+|(?:\w+\.)+\w+|mrs?|ms|drs?|prof|st|vs|etc|jr|sr|inc|ltd|corp'
  r'|co|no|vol|fig|dept|approx|mt|gen|sen|rep|hon|rev|capt|lt|col|sgt|ave|est'
  r'|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)?\.',
  re.IGNORECASE,
)


def _sentences(
  response: str, *, relation: Relation, num_sentences: int
) -> bool | None:
  words = response.split()
  least = most = bool(words)  # the last one
  for word, following in itertools.pairwise(words):
    body = word.rstrip(_CLOSING)
    if body.endswith(('.', '!', '?')):
      most += 1
      doubtful = _MAYBE_NO_END.fullmatch(body) or following[0].islower()
      least += not doubtful
  most += len(re.findall('[।。！？]', response))
  return _compare(relation, num_sentences, least, most)


def _words(response: str, *, relation: Relation, num_words: int) -> bool | None:
  # In some scripts a word has marks, which are no letters.
  text = ''.join(c for c in response if unicodedata.category(c)[0] != 'M')
  return _compare(relation, num_words, len(re.findall(r'\w+', text)))


def _parts(response: str, divider: str) -> list[str]:
  """What stands between dividers; nothing if two have nothing between them."""
  parts = [part.strip() for part in re.split(divider, response)]
  return [part for part in parts if part] if all(parts[1:-1]) else []


def _paragraphs(response: str, *, num_paragraphs: int) -> bool:
  return len(_parts(response, r'\s?\*\*\*\s?')) == num_paragraphs


def _first_word(
  response: str,
  *,
  num_paragraphs: int,
  nth_paragraph: int,
  first_word: str,
) -> bool:
  parts = [part for part in response.split('\n\n') if part.strip()]
  if len(parts) != num_paragraphs or nth_paragraph > len(parts):
    return False
  start = parts[nth_paragraph - 1].lstrip().lstrip('\'"')
  word = re.split(r'[\s.,?!\'"]', start, maxsplit=1)[0]
  return word.lower() == first_word.lower()


# --- content and format -------------------------------------------------------


def _placeholders(response: str, *, num_placeholders: int) -> bool:
  return len(re.findall(r'\[[^\[\]\n]*\]', response)) >= num_placeholders


def _postscript(response: str, *, postscript_marker: str) -> bool:
  pattern = {'P.P.S': r'p\.\s?p\.\s?s', 'P.S.': r'p\.\s?s\.'}.get(
    postscript_marker, re.escape(postscript_marker)
  )
  return bool(re.search(pattern, response, re.IGNORECASE))


def _bullets(response: str, *, num_bullets: int) -> bool:
  lines = map(str.lstrip, response.split('\n'))
  return sum(bool(re.match(r'-|\*[^*]', line)) for line in lines) == num_bullets


def _constrained(response: str) -> bool:
  return any(
    f'My answer is {word}.' in response for word in ('yes', 'no', 'maybe')
  )


def _highlights(response: str, *, num_highlights: int) -> bool:
  found = re.findall(r'\*\*[^\n*]+\*\*|\*\*|\*[^\n*]+\*', response)
  return sum(bool(f.strip('* ')) for f in found) >= num_highlights


def _sections(
  response: str, *, section_spliter: str, num_sections: int
) -> bool:
  pattern = rf'{re.escape(section_spliter)}\s?\d'
  return len(re.findall(pattern, response)) >= num_sections


def _is_json(response: str) -> bool:
  text = re.sub(r'^```(?:json)?', '', response.strip(), flags=re.IGNORECASE)
  try:
    json.loads(text.removesuffix('```'), parse_int=str)
  except (ValueError, RecursionError):
    return False
  return True


def _has_title(response: str) -> bool:
  for line in response.split('\n'):
    _, _, rest = line.partition('<<')
    if rest.rpartition('>>')[0].strip('<> \t'):
      return True
  return False


# --- combinations, start, end -------------------------------------------------


def _two_responses(response: str) -> bool:
  parts = _parts(response, r'\*{6}')
  return len(parts) == 2 and parts[0] != parts[1]


def _repeats_prompt(response: str, *, prompt_to_repeat: str) -> bool:
  start = prompt_to_repeat.strip().lower()
  return response.strip().lower().startswith(start)


def _ends_with(response: str, *, end_phrase: str) -> bool:
  end = end_phrase.strip().lower()
  return response.strip().strip('"').lower().endswith(end)


def _is_quoted(response: str) -> bool:
  text = response.strip()
  return len(text) > 1 and text[0] == text[-1] == '"'


# Whether a response follows an instruction; None if that cannot be decided.
CHECKERS: dict[str, Callable[..., bool | None]] = {
  'keywords:existence': _has_keywords,
  'keywords:frequency': _keyword_frequency,
  'keywords:forbidden_words': _lacks_words,
  'keywords:letter_frequency': _letter_frequency,
  'language:response_language': _language,
  'length_constraints:number_sentences': _sentences,
  'length_constraints:number_paragraphs': _paragraphs,
  'length_constraints:number_words': _words,
  'length_constraints:nth_paragraph_first_word': _first_word,
  'detectable_content:number_placeholders': _placeholders,
  'detectable_content:postscript': _postscript,
  'detectable_format:number_bullet_lists': _bullets,
  'detectable_format:constrained_response': _constrained,
  'detectable_format:number_highlighted_sections': _highlights,
  'detectable_format:multiple_sections': _sections,
  'detectable_format:json_format': _is_json,
  'detectable_format:title': _has_title,
  'combination:two_responses': _two_responses,
  'combination:repeat_prompt': _repeats_prompt,
  'startend:end_checker': _ends_with,
  'startend:quotation': _is_quoted,
  'change_case:capital_word_frequency': _capital_words,
  'change_case:english_capital': _is_upper,
  'change_case:english_lowercase': _is_lower,
  'punctuation:no_comma': _lacks_commas,
}
