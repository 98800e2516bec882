"""IFEval's instructions: followed, not followed, undecided."""

import json

import clock
import pytest

from wcse_jax import verify
from wcse_jax.answers import instructions

ENGLISH = 'the weather was fine and we walked along the river for an hour'
FRENCH = 'la pluie tombe sur la ville depuis hier matin, et tous dorment'
HINDI = (
  'आज मौसम बहुत अच्छा है और हम नदी के किनारे घूमने गए थे, सबको बहुत मज़ा आया।'
  ' शाम को हम सब घर लौट आए और माँ ने गरम चाय बनाई।'
)
MARATHI = (
  'आज हवामान खूप छान होते आणि आम्ही एक तास नदीच्या काठी फिरलो, सर्वांना मजा'
  ' आली. मग आम्ही घरी परतलो आणि आईने गरम चहा केला.'
)
LIST = ' such as: 1. apples 2. pears'

# Name, arguments, responses that follow, that do not, and that are doubtful.
CASES = [
  (
    'keywords:existence',
    {'keywords': ['Rain', 'a.c']},
    ['A trained a.C', 'RAIN a.c'],
    ['rain abc', 'a.c'],
    [],
  ),
  (
    'keywords:frequency',
    {'keyword': 'Sea', 'relation': 'at least', 'frequency': 2},
    ['sea Season', 'SEASEA'],
    ['sea', 'se a'],
    [],
  ),
  (
    'keywords:frequency',
    {'keyword': 'sea', 'relation': 'less than', 'frequency': 2},
    ['sea', '-'],
    ['sea sea'],
    [],
  ),
  (
    'keywords:forbidden_words',
    {'forbidden_words': ['cat', 'c++']},
    ['concatenate cats', 'c+'],
    ['my Cat.', 'cat', 'c++ too'],
    [],
  ),
  (
    'keywords:letter_frequency',
    {'letter': 'E', 'let_relation': 'at least', 'let_frequency': 3},
    ['eEe', 'e e e e'],
    ['ee', 'é'],
    [],
  ),
  (
    'keywords:letter_frequency',
    {'letter': '#', 'let_relation': 'less than', 'let_frequency': 2},
    ['#'],
    ['##'],
    [],
  ),
  (
    'language:response_language',
    {'language': 'hi'},
    [HINDI],
    [ENGLISH, MARATHI * 2 + HINDI],
    ['1234567890 ' * 9, '𓀀𓀁𓀂𓀃' * 20],
  ),
  (
    'length_constraints:number_sentences',
    {'relation': 'at least', 'num_sentences': 2},
    ['It rains. We stay.', '"Go!" "Why?"', 'One.\n\nTwo', 'Yes! No! '],
    ['It rains.', 'A list\n* one\n* two', 'a.b.c', '...'],
    ['Dr. Who', 'See p. 3 there', f'A list{LIST}', 'No! he said', 'हाँ। नहीं।'],
  ),
  (
    'length_constraints:number_sentences',
    {'relation': 'less than', 'num_sentences': 2},
    ['Only this one.', 'no end at all'],
    ['It rains. We stay.', 'A? B C? D'],
    ['The U.S. is large.', 'Wait... What'],
  ),
  (
    'length_constraints:number_words',
    {'relation': 'at least', 'num_words': 3},
    ['a b c', "don't go", 'well-known 3'],
    ['a b', '... - !', 'आज मौसम'],  # signs of vowels part no words
    [],
  ),
  (
    'length_constraints:number_paragraphs',
    {'num_paragraphs': 2},
    ['a\n***\nb', '***\na\n***\nb\n***', 'a *** b'],
    ['a\n\nb', 'a\n***\nb\n***\nc', 'a\n***\n\n***\nb', 'a'],
    [],
  ),
  (
    'length_constraints:nth_paragraph_first_word',
    {'num_paragraphs': 2, 'nth_paragraph': 2, 'first_word': 'Elm'},
    ['A.\n\nelm, oak', 'A.\n\n"Elm" is', 'A.\n\n\n\n  elm'],
    ['elm\n\nA', 'A.\n\nelms', 'A.\n\nelm\n\nB', 'A.\nelm', 'elm'],
    [],
  ),
  (
    'detectable_content:number_placeholders',
    {'num_placeholders': 2},
    ['[name] and [date]', '[a][b][c]'],
    ['[name]', '[[name]]', 'name] [date'],
    [],
  ),
  (
    'detectable_content:postscript',
    {'postscript_marker': 'P.S.'},
    ['Bye.\nP.S. Call me', 'p. s. call'],
    ['PS call', 'Bye.'],
    [],
  ),
  (
    'detectable_content:postscript',
    {'postscript_marker': 'P.P.S'},
    ['Bye.\nP.P.S. Call me', 'p. p. s call', 'P.P.S Call'],
    ['P.S. Call'],
    [],
  ),
  (
    'detectable_format:number_bullet_lists',
    {'num_bullets': 2},
    ['* a\n* b', 'So:\n  - a\n\n  - b\nDone', '- a\n* b'],
    ['* a', '* a\n* b\n* c', '**a**\n**b**', 'a * b\n* c', '• a\n• b'],
    [],
  ),
  (
    'detectable_format:constrained_response',
    {},
    ['My answer is yes.', 'Well. My answer is maybe.\n'],
    ['Yes.', 'My answer is yes', 'my answer is no.'],
    [],
  ),
  (
    'detectable_format:number_highlighted_sections',
    {'num_highlights': 2},
    ['*a* and *b c*', '**a** *b*', '**a**\n**b**', '**Here *a* *b*'],
    ['*a*', '**a**', '* a\n* b', '** **  * *', '***a***'],
    [],
  ),
  (
    'detectable_format:multiple_sections',
    {'section_spliter': 'Day', 'num_sections': 2},
    ['Day 1\nSea\nDay 2\nHome', 'Day1 Day2', 'Day 1 Day 2 Day 3'],
    ['Day 1\nSea', 'day 1\nday 2', 'Day one, Day two'],
    [],
  ),
  (
    'detectable_format:json_format',
    {},
    ['{"a": [1, null]}', '```json\n{"a": 1}\n```', '```\n[]```', '1' * 9000],
    ['{a: 1}', 'So: {}', '{"a": 1', '```json', '[' * 90_000],
    [],
  ),
  (
    'detectable_format:title',
    {},
    ['<<Rain>>\nIt falls', 'A <<b c>> d', '<<a < b>>'],
    ['<Rain>', '<<>>', '<< >>', '<<Rain\n>>', 'a >> b << c'],
    [],
  ),
  (
    'combination:two_responses',
    {},
    ['One\n******\nTwo', '******A******B******'],
    ['One', 'One\n******\nOne', 'A****** ******B', 'A******B******C', 'A***B'],
    [],
  ),
  (
    'combination:repeat_prompt',
    {'prompt_to_repeat': 'Write a poem.\n'},
    ['write a poem. Here: ...', '\nWrite a poem.'],
    ['Here: Write a poem.', 'Write  a poem.'],
    [],
  ),
  (
    'startend:end_checker',
    {'end_phrase': 'That is all.'},
    ['So. That is all.', '"So. that is ALL."\n'],
    ['That is all. Bye', 'That is all'],
    [],
  ),
  (
    'startend:quotation',
    {},
    ['"Well"', ' "a" b "c"\n'],
    ['Well', '"', '“Well”', '"Well'],
    [],
  ),
  (
    'change_case:capital_word_frequency',
    {'capital_relation': 'at least', 'capital_frequency': 2},
    ['THE NASA', 'I AM', '(NO) [WAY]'],
    ['Nasa', 'NASA', 'a b c'],
    ['The U.S. only', "I don't; NASA's", "DON'T"],
  ),
  (
    'change_case:capital_word_frequency',
    {'capital_relation': 'less than', 'capital_frequency': 2},
    ['NASA', 'none'],
    ['NASA ESA'],
    ['The U.S. only'],
  ),
  (
    'change_case:english_capital',
    {},
    [ENGLISH.upper(), f'{ENGLISH.upper()} 1!'],
    [ENGLISH, ENGLISH.upper() + ' x', '123', HINDI],
    [],
  ),
  (
    'change_case:english_lowercase',
    {},
    [ENGLISH, f'{ENGLISH}, 2 times.'],
    [
      ENGLISH.title(),
      '123',
      FRENCH,
    ],
    [],
  ),
  (
    'punctuation:no_comma',
    {},
    ['a; b', '1 000'],
    ['a, b', '1,000'],
    [],
  ),
]


def grade(response, *pairs):
  gold = instructions.dumps(pairs)
  return verify.grade('ifeval', gold=gold, text=response)


@pytest.mark.parametrize(
  ('name', 'arguments', 'followed', 'not_followed', 'doubtful'), CASES
)
def test_instruction(name, arguments, followed, not_followed, doubtful):
  for verdict, responses in (
    ('correct', followed),
    ('wrong', not_followed),
    ('unknown', doubtful),
  ):
    for response in responses:
      gold = instructions.dumps([(name, arguments)])
      rule = 'followed' if verdict == 'correct' else name
      found = instructions.grade(gold, response)
      assert found == (verdict, response, rule, None), response[:99]


def test_every_type_has_its_cases():
  assert {name for name, *_ in CASES} == instructions.CHECKERS.keys()
  assert len(instructions.CHECKERS) == 25


def test_all_instructions_must_be_followed():
  comma, quote = ('punctuation:no_comma', {}), ('startend:quotation', {})
  assert grade('"a"', comma, quote) == ('correct', '"a"', 'followed', None)
  assert grade('a', comma, quote)[::2] == ('wrong', quote[0])
  assert grade('"a,"', comma, quote)[::2] == ('wrong', comma[0])
  # What is not followed decides, whatever else is in doubt.
  doubtful = ('length_constraints:number_sentences', {})
  doubtful[1].update(relation='at least', num_sentences=2)
  assert grade('Dr. Who', doubtful, comma)[::2] == ('unknown', doubtful[0])
  assert grade('Dr. Who,', doubtful, comma)[::2] == ('wrong', comma[0])


@pytest.mark.parametrize(
  'gold',
  [
    '',
    'null',
    '[]',
    '{}',
    '["x"]',
    '[["punctuation:no_commas", {}]]',
    '[["punctuation:no_comma"]]',
    '[["punctuation:no_comma", {"n": 1}]]',
    '[["punctuation:no_comma", null]]',
    '[["keywords:existence", {}]]',
    '[["keywords:existence", {"keywords": "ab"}]]',
    '[["keywords:existence", {"keywords": []}]]',
    '[["keywords:existence", {"keywords": ["a", ""]}]]',
    '[["length_constraints:number_paragraphs", {"num_paragraphs": 0}]]',
    '[["length_constraints:number_paragraphs", {"num_paragraphs": "2"}]]',
    '[["length_constraints:number_paragraphs", {"num_paragraphs": true}]]',
    '[["length_constraints:number_words",'
    ' {"relation": "at most", "num_words": 3}]]',
    '[["punctuation:no_comma", {}], ["unheard:of", {}]]',
  ],
)
def test_unknown_instructions_and_arguments_are_unknown(gold):
  for response in ('a', ''):
    assert instructions.grade(gold, response)[:3:2] == (
      'unknown',
      'gold',
    )


def test_an_unknown_language_is_unknown():
  assert grade(ENGLISH, (CASES[6][0], {'language': 'tlh'})).verdict == 'unknown'


def test_no_response_follows_nothing():
  for response in ('', ' \n'):
    assert grade(response, ('punctuation:no_comma', {}))[::2] == (
      'wrong',
      'empty',
    )


_PIECES = (
  'a', 'A', ' ', '\n', '*', '* a', '**', '[', '<<', '"', '```json', '{"a":',
  '.', 'a.', 'A. b', '-', '\x00', '\u202e', 'a@', 'http://', 'p.', '******',
)  # fmt: skip


def test_hostile_responses_end():
  """All instructions on the longest texts that are looked at, and beyond.

  None backtracks: that would take hours.
  """
  asked = {name: arguments for name, arguments, *_ in CASES}.items()
  for piece in _PIECES:
    text = piece * (instructions.MAX_TEXT // len(piece))
    for pair in asked:
      with clock.quick((pair, text)):
        graded = instructions.grade(instructions.dumps([pair]), text)
      assert graded.verdict in ('correct', 'wrong', 'unknown')
      assert graded.rule in (pair[0], 'followed', 'empty')
  megabyte = 'a' * 10**6
  assert grade(megabyte, *asked) == ('unknown', '', 'size', None)
  assert json.loads(instructions.dumps(asked))
