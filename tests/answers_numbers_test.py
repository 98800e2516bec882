"""Final answers: extraction, equivalence, and the hard pairs."""

import os
import re

import clock
import pytest

from wcse_jax.answers import numbers, prose
from wcse_jax.tasks import datasets
from wcse_jax.tasks import gsm8k as gsm8k_problems


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('She makes 9 * 2 = $18.\n#### 18', '18'),
    ('The answer is 18.', '18'),
    ('So the answer is: 18', '18'),
    ('The answer is $18.', '18'),
    ('The answer is \\$18', '18'),
    ('The answer is **18**.', '18'),
    ('The answer is 1,234.00.', '1234'),
    ('The answer is $1{,}234$.', '1234'),
    ('The answer is .5', '1/2'),
    ('The answer is 0.50.', '1/2'),
    ('The answer is 10%.', '10'),
    ('The answer is -5.', '-5'),
    ('The answer is -$5.', '-5'),
    ('The answer is $-5.', '-5'),
    ('The answer is \u22125.', '-5'),
    ('The answer is 6/4.', '3/2'),
    ('The answer is 1 1/2 cups.', '3/2'),
    ('The answer is 18 dollars.', '18'),
    ('The answer is that Janet makes $18 a day.', '18'),
    ('The answer is 3 + 4 = 7.', '7'),
    ('The answer is 7 = 3 + 4.', '7'),
    ('The answer is 18. She has 3 + 16 = 19.', '18'),
    ('The answer is 5-year bonds.', '5'),
    ('Thus \\boxed{18}.', '18'),
    ('\\boxed{\\frac{1}{2}}', '1/2'),
    ('\\boxed{18\\text{ dollars}}', '18'),
    ('\\boxed{x = 18}', '18'),
    ('The answer is 3. No: the answer is 4.', '4'),
    ('#### 3\n\\boxed{4}', '4'),
    ('The answer is 3.\n#### 4', '4'),
    ('The answer is:\n\n18', '18'),
    ('Answer: 18', '18'),
    ('### Final Answer\n\n18', '18'),
    ('The answer is 18. So the answer is clear.', '18'),
    ('The answer is 18. I do not think the answer is 20.', '18'),
    ('The answer is 5 million.', '5000000'),
    ('The answer is negative 5.', '-5'),
    ('The answer is 2½.', '5/2'),
    ('The answer is 18 since 9 + 9 = 18.', '18'),
    ('The answer is 18 = 9 + 9.', '18'),
    ('The answer is five.', '5'),
    ('The answer is eighteen.', '18'),
    ('The answer is 5. The answer is 6?', '5'),
    ('The answer is 5. No one pays more.', '5'),
    ('The answer is 5. It is not the only one.', '5'),
    ('The answer is that he runs .5 miles.', '1/2'),
    # No answer, or more than one.
    ('', ''),
    ('18', ''),
    ('The answer is', ''),
    ('The answer is unknown.\n18', ''),
    ('The answer is 3 + 4.', ''),
    ('The answer is 3-4.', ''),
    ('The answer is 12:30.', ''),
    ('The answer is 5, 6.', ''),
    ('The answer is 5 or 6.', ''),
    ('The answer is 1,23.', ''),
    ('The answer is 1.2.3.', ''),
    ('The answer is 2^10.', ''),
    ('The answer is 5².', ''),
    ('The answer is √5.', ''),
    ('The answer is 10 minus 5.', ''),
    ('The answer is 10 dollars and 50 cents.', ''),
    ('The answer is 18 = 9 + 8.', ''),
    ('The answer is >= 5.', ''),
    ('\\boxed{18} or \\boxed{20}', ''),
    ('The answer is 1e9.', ''),
    ('The answer is 1/0.', ''),
    ('\\boxed{18', ''),
    (f'The answer is {"9" * 5000}.', ''),
  ],
)
def test_extract_gsm8k(text, expected):
  assert numbers.extract(text, 'gsm8k') == expected


@pytest.mark.parametrize(
  'text',
  [
    'The answer is not 5.',
    'I do not think that the answer is 5.',
    'If she pays, the answer is 5.',
    'It could be that the answer is 5.',
    'The answer is 5 if she pays.',
    'The answer is 5, which is wrong.',
    'The answer is at least 5.',
    'The answer is 5 tenths.',
    'The answer is 10 feet 600 inches.',
    'The answer is twenty five.',
    'It is not \\boxed{5}.',
    'The answer is 5. Wait, that is wrong.',
    'The answer is 5.\nNo, it is 6.',
    'The answer is 5. Wrong!',
    'The answer is 5?',
    '\\boxed{5} is wrong.',
    '\\boxed{5}. I made a mistake.',
  ],
)
def test_words_that_make_a_number_another(text):
  with pytest.raises(prose.Unreadable):
    numbers.extract(text, 'gsm8k')


@pytest.mark.parametrize(
  'answer',
  [
    'thus she earns $3 + $4 = $7 in two days',
    'if each costs $3, they cost $3 + $4 = $7',
    'when she pays, she has 10 - 3 = 7',
    'since he did not pay, 10 - 3 = 7 are left over',
    'so if he would agree, he would earn $3 + $4 = $7',
    'he has 3 + 4 = 7 tablespoons of salt to make 80 meatballs',
    'there are 3 + 4 = 7 shirts with no buttons',
    'there are 10 - 3 = 7 more shirts than trousers',
    'he makes 3 + 4 = $7 from selling lemonade for 6 hours',
    '28 points / 4 tests = 7 points on average',
    '$14/2 = $7/hour',
    'he sold 10 cups - 3 cups = 7 cups on the third day',
    '7 as 3 + 4 = 7',
    'Mr. Smith has 7 apples',
    'Ann walks 7 miles farther than Tom',
    'the 2 boys have 3 + 4 = 7 together',
    'in 10 days she has 3 + 4 = 7',
    'Tom has 3 and Ann has 4 for a total of 3 + 4 = 7',
    'after giving 3 to Ann there are 10 - 3 = 7',
    'it is 1(3 + 4) = 7',
    'dividing both sides by 2 we get x = 7',
    'it runs 7. miles because 14 / 2 = 7',
    'he has 2 boys, and since each eats 3.5, he needs 2 * 3.5 = 7',
    'the room is 3 sq. ft. + 4 sq. ft. = 7 sq. ft.',
    'there are seven of them',
    '7 more apples than Ann',
  ],
)
def test_sentences_that_state_a_number(answer):
  assert numbers.extract(f'The answer is that {answer}.', 'gsm8k') == '7'


@pytest.mark.parametrize(
  'answer',
  [
    '5 if x>0 and 3 + 4 = 7 otherwise',
    'if it rains, 3 + 4 = 7, and if not, 8',
    '3 + 4 = 7 if it rains',
    '3 + 4 = 7 unless it rains',
    '3 + 4 = 7 million',
    '14 / 2 = 7 dozen eggs',
    '3 + 4 = 7 minus 2',
    '3 + 4 = 7 or 8',
    '3 + 4 = 7 and a half',
    '3 + 4 = 7 to 8',
    '3 + 4 = 7 feet 6 inches',
    '3 + 4 = 7 for Tom and 8 for Ann',
    '3 + 4 = 7 for x>0',
    '3 + 4 = 7 to the power of 2',
    '3 + 4 = 7 to the fourth',
    '3 + 4 = 7 in base 8',
    '3 + 4 = 7 in thousands',
    '3 + 4 = 7 at least',
    '3 + 4 = 7 from 10',
    '3 + 4 = 7 more than five',
    '3 + 4 = 7 but 9 in the end',
    '3 + 4 = 7, of which 2 are gone',
    '3 + 4 = 7 before subtracting 2',
    '14 / 2 = 7% of 30',
    'it is not true that 3 + 4 = 7',
    'at least 3 + 4 = 7',
    'up to 3 + 4 = 7',
    '5 more than 3 + 4 = 7',
    'half of 3 + 4 = 7',
    '10 minus 3 + 4 = 7',
    '8 or 3 + 4 = 7',
    '8 as 3 + 4 = 7',
    '8 when 3 + 4 = 7',
    '8 instead of 3 + 4 = 7',
    '7 more than 5',
    '7 more apples than twice as many',
    # A number that the words before an equation refer to it.
    'she ran 3 less than her goal of 3 + 4 = 7',
    'he needs 2 more to have 3 + 4 = 7',
    'he needs 2 more for a total of 3 + 4 = 7',
    'he has 10, which is 3 more than 3 + 4 = 7',
    'Tom has 20 while Ann has 3 + 4 = 7',
    '20 where x = 7',
    '20 for x = 7',
    '20 is the number such that x = 7',
    '20; 3 + 4 = 7',
    'when it rains 8, when it snows 3 + 4 = 7',
    # What an equation is a part of.
    '20 - (3 + 4 = 7)',
    '3*(3 + 4 = 7)',
    '14 - 7 = 7 of the total, which is 30',
    'x + 7',
    'x/7',
    '7 - x',
    '2x = 7',
    'x + 2 = 7',
    '3 + 5 = 7',
    '7 because 3 + 5 = 8',
    '.7 because 2.1 / 3 = .7',
    'he has 7 boys, so since each eats 2, he needs 7 * 2 = 14',
    '7M',
    '7? No, 8',
    '7! = 5040',
    '7 in binary',
    '7 apples more than that',
  ],
)
def test_sentences_that_state_another_number(answer):
  try:
    found = numbers.extract(f'The answer is that {answer}.', 'gsm8k')
  except prose.Unreadable:
    found = ''
  assert found != '7'


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('2 + 3 = 5. The answer is 5.', '5'),
    ('The answer is -5.\n', '-5'),
    ('The answer is 4. The answer is 5', '5'),
    ('The answer is 007.', '7'),
    ('The answer is 5.0.', ''),
    ('The answer is 5 apples.', '5'),
    ('The answer is 5apples.', ''),
    ('The answer is five.', ''),
    ('The answer is 5. The answer is ', ''),
    ('5', ''),
  ],
)
def test_extract_nano(text, expected):
  assert numbers.extract(text, 'nano') == expected


@pytest.mark.parametrize(
  ('gold', 'answer', 'same'),
  [
    ('1,234', '1234', True),
    ('0.1', '1/10', True),
    ('0.3333', '1/3', False),
    ('10%', '0.1', False),
    ('9007199254740993', '9007199254740992', False),  # equal as floats
    ('1/3', '3333333333333333/10000000000000000', False),  # equal as floats
    ('5', '', False),
    ('5', '-5', False),
  ],
)
def test_equivalent(gold, answer, same):
  assert numbers.equivalent(gold, answer) == same


def test_unparsable_gold_is_an_error():
  with pytest.raises(ValueError, match='x\\^2'):
    numbers.equivalent('x^2', '1')


def test_hostile_text_is_fast():
  for piece in ('The answer is ', '1,', '\\boxed{', '#### -', '1 ', '1 1/'):
    with clock.quick(piece):
      numbers.extract('The answer is ' + piece * 20_000, 'gsm8k')


def test_the_test_of_hostile_text_can_fail():
  with (
    pytest.raises(AssertionError, match=r'CPU time for .1,'),
    clock.quick('1,'),
  ):
    re.search(r'(1*)*$', '1' * 26 + ',')  # 2**26 ways


def test_gsm8k_gold_and_reference_solutions():
  """Certificate: all official answers are read right, and only those."""
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip('needs WCSE_DATA_DIR with gsm8k/{train,test}.jsonl')
  source = datasets.Source('gsm8k')
  rows = [
    row['answer'] for name in gsm8k_problems.FILES for row in source.rows(name)
  ]
  assert len(rows) == 8792
  golds = [gsm8k_problems.gold(row) for row in rows]
  for row, gold, other in zip(rows, golds, golds[1:] + golds[:1], strict=True):
    assert numbers.equivalent(gold, gold)
    same = gold.replace(',', '') == other.replace(',', '')
    assert numbers.equivalent(gold, other) == same
    for text in (row, gsm8k_problems.reference_solution(row)):
      assert numbers.equivalent(gold, numbers.extract(text, 'gsm8k')), text


def test_last_sentences_of_official_solutions_state_their_answer():
  """Real sentences: what is refused to be safe is to stay little."""
  folder = os.environ.get('WCSE_DATA_DIR')
  if not folder:
    pytest.skip('no official files')
  source = datasets.Source('gsm8k', os.path.join(folder, 'gsm8k'))
  right = wrong = 0
  for row in source.rows('test.jsonl'):
    gold = gsm8k_problems.gold(row['answer'])
    sentence = gsm8k_problems.reference_solution(row['answer']).split('\n')[-2]
    text = f'The answer is that {sentence.strip()}'
    verdict = gsm8k_problems.grade(gold, text, row['question']).verdict
    right += verdict == 'correct'
    wrong += verdict == 'wrong'
  assert right >= 1255
  assert wrong <= 15
