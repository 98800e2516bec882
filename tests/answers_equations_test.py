"""The equation check: true, false, rounded, and what is no equation."""

import json
import os
import pathlib

import clock
import pytest

from wcse_jax.answers import equations


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('He has 3 + 4 = 7 eggs.', True),
    ('He has 3 + 4 = 8 eggs.', False),
    ('48/2 = <<48/2=24>>24 clips', True),
    ('48/2 = <<48/2=23>>24 clips', False),
    ('3 x $5 = $15', True),
    ('3 × 5 = 16', False),
    (r'$2 \times 3 = 6$ and $\frac{6}{4} = 1.5$', True),
    (r'$\frac{6}{4} = 1.6$', False),
    ('2 + 3 * 4 = 14', True),
    ('(2 + 3) * 4 = 20 = 10 + 10', True),
    ('(2 + 3) * 4 = 20 = 10 + 11', False),
    ('1,200 - 1 = 1,199', True),
    ('20% * 50 = 10', True),
    ('10 / 3 = 3.33', True),
    ('2 / 3 = 0.67', True),
    ('10 / 3 = 3.5', False),
    ('100 / 8 = 13', True),  # of 12.5, to a whole number
    ('12 + 5 = 17.4', False),
    ('<<580/110=5.2727272727272725>>', True),  # floats, as programs write them
    ('<<1.1*3=3.3000000000000003>>', True),
    ('<<10-9.9=0.09999999999999964>>', True),
    ('<<2.2*5=11.000000000000002>>', True),
    ('<<580/110=5.2727272827272725>>', False),
    ('<<1.1*3=3.3001>>', False),
    ('5 - 8 = -3', True),
    ('5 \u2212 8 = \u22123', True),
    ('The answer is 7.', None),
    ('x = 7', None),
    ('7 = 7', None),
    ('2x + 3 = 7', None),  # algebra
    ('a + 3 = 7', None),
    ('3 + 4 = 7a', None),
    ('2^3 + 1 = 9', None),
    ('4 / 0 = 0', None),
    ('1 + ' * 99 + '1 = 7', None),
    ('', None),
  ],
)
def test_check(text, expected):
  assert equations.check(text) is expected


def test_hostile_texts_are_quick():
  for text in ('1' * 100_000, '(' * 100_000, '1+' * 50_000, '=' * 100_000,
               '1 = ' * 30_000, '1,' * 50_000, '((1' * 30_000, '- ' * 50_000,
               '+-' * 50_000 + '1=1', '1 ' * 50_000):  # fmt: skip
    with clock.quick(text):
      equations.check(text)


def test_reference_solutions_of_gsm8k_hold():
  """8,792 of them: 37 fail, by slips of their own and units that change."""
  if not (data := os.environ.get('WCSE_DATA_DIR')):
    pytest.skip('WCSE_DATA_DIR is not set: no GSM8K')
  folder = pathlib.Path(data, 'gsm8k')
  verdicts = [
    equations.check(json.loads(line)['answer'].rpartition('####')[0])
    for name in ('train', 'test')
    for line in (folder / f'{name}.jsonl').read_text().splitlines()
  ]
  assert verdicts.count(True) >= 8_568 and verdicts.count(False) <= 37
