r"""Finding what a mathematical solution in TeX gives as its final answer."""

import re

from wcse_jax import data_files
from wcse_jax.answers import beside, denials, prose
from wcse_jax.answers.final_answers import MAX_LENGTH

_PATTERNS = data_files.patterns(__file__)
_MOST = 20  # phrases that are looked at
_REACH = 40  # characters after a box that may change it


def boxed(solution: str, question: str) -> str:
  r"""What the last `\boxed{}` of an official solution holds; '' without one.

  `\fbox{}` and `\boxed 2` are taken too. Boxes before it that 'and', 'or' or a
  comma joins to it belong to it. Any of them is right, and they stay in boxes,
  where the question asks for one ('not both'), or where they are joined by 'or'
  and it does not ask for all.

  >>> boxed(r'\boxed{3}, no: \boxed{\frac{1}{2}}', '')
  '\\frac{1}{2}'
  >>> boxed(r'It is $\boxed{3}$ or $\boxed{4}$.', 'Find all $x$.')
  '3\\text{ or }4'
  >>> boxed(r'It is $\boxed{28}$ or $\boxed{28_9}$.', 'What is $3^3-1$?')
  '\\boxed{28}\\text{ or }\\boxed{28_9}'
  """
  boxes = list(_PATTERNS['box'].finditer(solution))
  if not boxes:
    return ''
  parts = _joined(solution, boxes)
  is_either = _PATTERNS['asks_for_one'].search(question) or (
    any(' or ' in words for words in parts[1::2])
    and not _PATTERNS['asks_for_all'].search(question)
  )
  if is_either and len(parts) > 1:
    parts[::2] = [f'\\boxed{{{content}}}' for content in parts[::2]]
  return ''.join(parts)


def alternatives(gold: str) -> list[str]:
  r"""The answers of which any is right, and last all of them, see `boxed`.

  >>> alternatives(r'\boxed{28}\text{ or }\boxed{28_9}')
  ['28', '28_9', '28\\text{ or }28_9']
  >>> alternatives('28')
  ['28']
  """
  if '\\boxed' not in gold:
    return [gold]
  parts = _joined(gold, list(_PATTERNS['box'].finditer(gold)))
  return [*parts[::2], ''.join(parts)]


def _joined(text: str, boxes: list[re.Match[str]]) -> list[str]:
  """What the last box and those joined to it hold, and what joins them."""
  *others, last = boxes
  parts, start = [_content(text, last.end())[0]], last.start()
  for box in reversed(others):
    content, end = _content(text, box.end())
    joint = _PATTERNS['between_boxes'].fullmatch(text, end, max(end, start))
    if not joint:
      break
    words = re.sub(r'\\text|[{}$]', '', joint[0])
    parts[:0] = content, f'\\text{{{words}}}'
    start = box.start()
  return parts


def _content(text: str, start: int) -> tuple[str, int]:
  """What a box holds, and where it ends."""
  if not text.startswith('{', start):
    content = re.split(r'[\s$.,]', text[start:], maxsplit=1)[0]
    return content, start + len(content)
  depth = 0
  for match in re.compile(r'\\.|[{}]', re.DOTALL).finditer(text, start):
    depth += (match[0] == '{') - (match[0] == '}')
    if not depth and match[0] == '}':
      return text[start + 1 : match.start()].strip(), match.end()
  return '', len(text)


def extract(text: str, question: str = '') -> str:
  r"""What a solution gives as its final answer; '' if it gives none.

  The last of `\boxed{...}`, 'the answer is ...' and '#### ...' counts; boxes
  joined by 'and', 'or' or a comma are one answer. After a box, 'the answer is'
  counts if mathematics follows: 'the answer is correct' is none. What is taken
  back does not count, and then alone an earlier phrase does: what follows the
  last may be words. Dollar signs go; words between formulas are `\text{}`.

  >>> extract(r'So \boxed{3}. The answers are $2$ and $5$. Done.')
  '2\\text{ and }5'
  >>> extract(r'So \boxed{3}. I do not think that the answer is $5$.')
  '3'

  Args:
    text: The solution.
    question: Where it counts in millions, those after a box are no part of it.

  Raises:
    Unreadable: All that it gives is taken back.
  """
  boxes = list(_PATTERNS['box'].finditer(text))
  denied = False
  may_have = '####' in text or 'answer' in text.lower()
  phrases = list(_PATTERNS['phrase'].finditer(text)) if may_have else []
  for phrase in phrases[: -_MOST - 1 : -1]:
    if boxes and boxes[-1].start() >= phrase.end():
      break
    tail = text[phrase.end() :][: 2 * MAX_LENGTH]
    end = len(_sentence(tail))
    if denials.taken_back(text, phrase.start()) or tail.startswith('?', end):
      denied = True
      continue
    if denials.taken_back_later(tail, end):
      raise prose.Unreadable('the answer is taken back later')
    short = phrase['strong'] and len(_sentence(tail).split()) <= 2
    if boxes and not short and not _PATTERNS['math_start'].match(tail):
      break
    return _from_tail(tail)
  if boxes:
    return from_box(text, boxes[-1].start(), question)
  if denied:
    raise prose.Unreadable('the answer is taken back')
  return ''


def from_box(text: str, start: int, question: str = '') -> str:
  """What a box gives as the answer, with the words around it that change it.

  Args:
    text: The solution.
    start: Where the box starts.
    question: Where it counts in millions, those after a box are no part of it.

  Raises:
    Unreadable: It is taken back, or what is beside it computes with it.
  """
  boxes = [m for m in _PATTERNS['box'].finditer(text) if m.start() <= start]
  _, end = _content(text, boxes[-1].end())
  if denials.taken_back_beside(text, start):
    raise prose.Unreadable('the box is denied')
  if denials.taken_back_later(text, end):
    raise prose.Unreadable('the box is taken back')
  parts = _joined(text, boxes)
  first = boxes[-(len(parts) + 1) // 2].start()
  answer = ''.join(parts)
  if (
    beside.changed(text, first, end)
    and not answer.startswith('\\text')
    and not beside.is_named(text, first, end, answer)
  ):
    raise prose.Unreadable('mathematics beside the box changes it')
  return answer + _words_after(text[end : end + _REACH], question)


def _words_after(after: str, question: str) -> str:
  """The words after a box that make its value another, as a part of it."""
  match = _PATTERNS['after_box'].match(after)
  if not match or match['word'] in question:
    return ''
  word, rest = match['word'], after[match.end() :]
  if prose.is_suffix(word):
    return f'\\text{{ {word} }}'
  if prose.adds(word) and (operand := re.match('[0-9]+', rest)):
    return f'\\text{{ {word} }}{operand[0]}'
  is_case = word in denials.CONDITIONS
  if is_case and ('$' in match['next'] or re.match(r'[a-z]\b', rest)):
    return f'\\text{{ {word} }}'
  return ''


def _from_tail(tail: str) -> str:
  if hope := _PATTERNS['hope'].search(tail):
    tail = tail[: hope.start()]
  if formulas := _formulas(tail):
    return formulas
  if tail.startswith(('\\[', '\\(', '$')) and not tail.startswith('$$'):
    tail = tail.removeprefix('$')  # of money, or never closed
  return _sentence(tail).strip().strip('*').strip()


def _formulas(tail: str) -> str:
  r"""A sentence with formulas, as one: '$2$ and $3$' is `2\text{ and }3`."""
  pieces: list[str] = []
  at = 0
  while match := _PATTERNS['math'].search(tail, at):
    gap = tail[at : match.start()]
    words, ends = _words(gap)
    if ends:
      return ''.join([*pieces, words]) if pieces else ''
    inner = next(part for part in match.groups() if part is not None)
    pieces += [words or (', ' if pieces else ''), inner.strip().rstrip('.')]
    at = match.end()
    if match[0].rstrip('$)]\\ ').endswith('.') and tail[at : at + 1].isspace():
      return ''.join(pieces)
  return ''.join([*pieces, _words(tail[at:])[0]]) if pieces else ''


def _words(gap: str) -> tuple[str, bool]:
  r"""What is between formulas, as `\text{}`; whether the answer ends there."""
  words = _sentence(gap)
  ends = len(words) < len(gap)
  if (at := prose.reason(words)) is not None:
    words, ends = words[:at], True
  if not re.search('[a-zA-Z]', words) or '\\' in words:
    return words.strip(' \n*'), ends
  return f'\\text{{{re.sub("[{}*$]", "", words)}}}', ends


def _sentence(tail: str) -> str:
  at = 0
  while match := _PATTERNS['sentence_end'].search(tail, at):
    if not _PATTERNS['abbreviation'].search(
      tail[max(0, match.start() - 4) : match.start()]
    ):
      return tail[: match.start()]
    at = match.end()
  return tail
