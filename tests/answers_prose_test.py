"""Words beside a value: those that are read, and those that end an answer."""

import pytest

from wcse_jax.answers import denials, marking, prose, restatements, signs


def _core(text, **options):
  return prose.read(marking.mark(text), **options).core.strip()


@pytest.mark.parametrize(
  ('text', 'core'),
  [
    ('5\\text{ million}', '5·1000000'),
    ('\\text{negative }5', '-5'),
    ('5 squared', '5 ^2'),
    ('5 plus seven', '5 + 7'),
    ('5\\text{ feet per second}', '5'),
    ('5\\,\\mathrm{m/s}', '5\\,'),
    ('5\\text{ apples}', '5'),
    ('5\\text{ distinct integers}', '5'),
    ('1\\text{ apple}', '1'),
    ('5^{\\text{th}}', '5'),
    ('5 since 2+3=5', '5'),
    ('\\text{Area} = 5', '= 5'),
    ('2 \\text{ and } 3', '2    ,  3'),
    ('5, \\text{ not }7', '5,'),
  ],
)
def test_words_are_read_or_dropped(text, core):
  assert ''.join(_core(text).split()) == ''.join(core.split())


@pytest.mark.parametrize(
  'text',
  [
    '\\text{not }5',
    '5\\text{ if }n=1',
    '\\text{at least }5',
    '5\\text{ or more}',
    '5\\text{ tenths}',
    '\\text{the reciprocal of }5',
    '5\\text{ less than }x',
    '5\\text{ feet }\\sqrt{3}',
    '5\\text{ fnord}',
    '5\\text{, which is wrong}',
    '5\\text{ minus}',
  ],
)
def test_words_that_make_a_value_another_are_unreadable(text):
  with pytest.raises(prose.Unreadable):
    _core(text)


def test_words_of_the_question_are_things():
  assert _core('5\\text{ fnord}', context='How many fnord?') == '5'
  with pytest.raises(prose.Unreadable):  # a denial is one in any question
    _core('5\\text{ not}', context='What is not prime?')
  with pytest.raises(prose.Unreadable):  # 5, or 5,000,000
    _core('5\\text{ million}', context='How many million?')


def test_sentences_have_any_words_before_the_value():
  assert _core('Janet makes 5 dollars a day', sentence=True) == '5'
  with pytest.raises(prose.Unreadable):
    _core('Janet makes 5 dollars a day')
  with pytest.raises(prose.Unreadable):
    _core('Janet makes at least 5 dollars', sentence=True)
  with pytest.raises(prose.Unreadable):
    _core('5 dollars, so 7', sentence=True)


@pytest.mark.parametrize(
  ('text', 'plain'),
  [
    ('3\\mathrm{i}', '3i'),
    ('3\\text{x}', '3x'),
    ('2xy', '2xy'),
    ('\\sin x', '\\sin x'),
    ('\\begin{pmatrix}1\\end{pmatrix}', '\\begin{pmatrix}1\\end{pmatrix}'),
  ],
)
def test_letters_are_no_words(text, plain):
  assert marking.mark(text) == plain


def test_units_are_told():
  assert prose.read(marking.mark('5\\text{ feet}')).units == {'foot'}
  assert prose.read(marking.mark('30^\\circ C')).units == {'celsius'}


@pytest.mark.parametrize(
  ('before', 'taken_back'),
  [
    ('I do not think that ', True),
    ("I don't believe ", True),
    ('It is false that ', True),
    ('If n is odd, ', True),
    ('Suppose ', True),
    ('As 3 is not even, ', False),
    ('It is not hard to see that ', False),
    ('If so, fine. ', False),
    ('', False),
  ],
)
def test_what_denies_or_supposes_an_answer(before, taken_back):
  text = f'{before}the answer is 7.'
  assert denials.taken_back(text, len(before)) == taken_back


@pytest.mark.parametrize(
  ('after', 'taken_back'),
  [
    ('. Wait, that is wrong.', True),
    ('$? No, it is 8.', True),
    ('}. This cannot be right.', True),
    (' is not the answer.', True),
    ('. But I made a mistake.', True),
    ('. This is not the only one.', False),
    ('. No one has more.', False),
    ('. This cannot be simplified.', False),
    ('.', False),
  ],
)
def test_what_takes_an_answer_back_later(after, taken_back):
  text = f'The answer is 7{after}'
  assert denials.taken_back_later(text, len('The answer is 7')) == taken_back


@pytest.mark.parametrize(
  ('gold', 'answer', 'question', 'restated'),
  [
    ('12', '3 \\cdot 4', 'What is $3\\times 4$?', True),
    ('12', '2 \\cdot 6', 'What is $3\\times 4$?', False),
    ('12', '3 \\cdot 4', '', False),
    ('7', '3+4', 'What is $13+4$?', False),
    ('7', 'x = 7', 'Where is $x = 7$?', False),
    ('0.5', '\\frac{1}{2}', 'What is $\\frac{1}{2}$ as a decimal?', False),
    ('x+1', '1+x', 'What is $1+x$?', False),
  ],
)
def test_restatements(gold, answer, question, restated):
  assert restatements.is_one(gold, answer, question) == restated


@pytest.mark.parametrize(
  ('text', 'plain'),
  [
    ('2√13', '2\\sqrt{13}'),
    ('√(x+1)', '\\sqrt(x+1)'),
    ('2½', '2\\frac{1}{2}'),
    ('x²³', 'x^{23}'),
    ('2\\*3', '2*3'),
    ('1,2,...', '1,2,\\ldots '),
    ('1..2', '1..2'),
  ],
)
def test_signs(text, plain):
  assert signs.plain(text) == plain
