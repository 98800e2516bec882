"""Notation: reading expressions, and refusing what is none."""

import fractions

import pytest

from wcse_jax.answers import expressions, notation


@pytest.mark.parametrize(
  ('text', 'value'),
  [
    ('007', '7'),
    ('-.5', '-1/2'),
    ('0.1\\overline{36}', '3/22'),
    ('\\frac43', '4/3'),
    ('6\\frac{1}{6}', '37/6'),
    ('-6\\frac16', '-37/6'),
    ('2\\frac{4}{3}', '8/3'),  # no mixed number: a product
    ('2^10', '1024'),
    ('2^{-1} \\cdot 3', '3/2'),
    ('-3^2', '-9'),
    ('2 \\cdot -3', '-6'),
    ('1/2/2', '1/4'),
    ('\\sqrt{\\frac{9}{4}}', '3/2'),
    ('5!', '120'),
    ('\\binom{5}{2}', '10'),
    ('|-7|', '7'),
    ('|1-|2-5||', '2'),
    ('\\lfloor -1/2 \\rfloor', '-1'),
    ('(1+2)(3+4)', '21'),
  ],
)
def test_rational(text, value):
  node = notation.parse(text)
  assert expressions.rational(node) == fractions.Fraction(value)


@pytest.mark.parametrize(
  'text',
  ['', '(', ')', '1+', '\\frac{1}', '2 3', 'x2', '\\foo', '1..2', '٣', 'a;b'],
)
def test_unreadable(text):
  with pytest.raises(expressions.Undecided):
    notation.parse(text)
