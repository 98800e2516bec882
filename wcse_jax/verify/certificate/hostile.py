r"""Hostile solutions: what must neither hang a grader nor fill the memory.

Generated, with a fixed seed: towers of powers, unclosed braces, megabytes,
huge sums, NUL bytes, recursive TeX, right-to-left and look-alike digits.
"""

import random

_MEGABYTE = 10**6


def inputs() -> list[tuple[str, str, str]]:
  """(family, gold, text), at least 200."""
  families = (_towers, _braces, _megabytes, _sums, _bytes, _recursion, _digits)
  families += (_functions, _lists, _phrases, _noise, _backtracking, _golds)
  return [
    (family.__name__[1:], gold, text)
    for family in families
    for gold, text in family()
  ]


def _box(*answers: str, gold: str = '5') -> list[tuple[str, str]]:
  return [(gold, f'\\boxed{{{answer}}}') for answer in answers]


def _towers() -> list[tuple[str, str]]:
  towers = []
  for height in (3, 4, 5, 8, 50):
    towers.append('9^{' * height + '9' + '}' * height)
    towers.append('^'.join(['9'] * height))
    towers.append('2^{' * height + 'x' + '}' * height)
    towers.append('\\sqrt{' * height + '2' + '}' * height)
  towers += [
    '10^{10^{10}}',
    '(10^{100000})!',
    '9!!!!!!',
    '(((9!)!)!)!',
    '99999^{99999}',
    '(1+10^{-100})^{10^{100}}',
    'x^{10^{10}} - 1 \\le y',
    '2^{2^{2^{2^{2^{2}}}}} \\bmod 7',
    '\\binom{10^9}{5 \\cdot 10^8}',
    '1000000000^{-1000000000}',
    '0^{-1}',
    '0^0',
  ]
  return _box(*towers)


def _braces() -> list[tuple[str, str]]:
  texts = [
    '\\boxed{' * 1000,
    '\\boxed{' + '{' * 5000,
    '\\boxed{' + '}' * 5000,
    '\\boxed{5' + '}' * 5000,
    '\\boxed{' + '(' * 900 + '}',
    '\\boxed{' + '(' * 450 + '5' + ')' * 450 + '}',
    '\\boxed{' + '[' * 900 + '}',
    '\\boxed{' + '|' * 900 + '}',
    '\\boxed{' + '{' * 450 + '5' + '}' * 450 + '}',
    '\\boxed{\\left( \\right]}',
    '\\boxed{)(}',
    '\\boxed{\\{\\}\\{\\}}',
    '\\boxed{\\begin{pmatrix} 1 & 2}',
    '\\boxed{\\end{pmatrix}}',
    '\\boxed{\\begin{pmatrix}' + '1 & ' * 400 + '\\end{pmatrix}}',
    '\\boxed',
    '\\boxed{}',
    '\\boxed ',
    '\\boxed{\\boxed{\\boxed{',
    '$' * 1000,
    '\\boxed{' + '\\text{' * 200 + '}',
  ]
  return [('5', text) for text in texts]


def _megabytes() -> list[tuple[str, str]]:
  pieces = (
    '1', '1,', ' ', '\n', '\\', '$', '{', '}', '\\boxed{', '\\boxed{1}',
    'The answer is ', 'The answer is 1. ', '#### ', '#### 1\n', '^', '_{', '(',
    '\\frac', '\\text{', '.', '-', 'a', 'é', '\u202e', '\x00',
  )  # fmt: skip
  texts = []
  for piece in pieces:
    long = piece * (_MEGABYTE // len(piece))
    texts += [
      long,
      f'\\boxed{{{long[:90_000]}}}',
      f'The answer is {long[:900]}',
    ]
  return [('5', text) for text in texts]


def _sums() -> list[tuple[str, str]]:
  return _box(
    '+'.join(['1'] * 499),
    '+'.join(['x'] * 499),
    '*'.join(['x'] * 499),
    '-' * 900 + '5',
    '\\sum_{k=1}^{10^{12}} k',
    '\\sum_{k=1}^{\\infty} \\frac{1}{k^3}',
    '\\prod_{k=1}^{10^9} k',
    '\\int_0^{10^9} e^{x^2} dx',
    '\\int \\int \\int \\int x^x dx dx dx dx',
    '\\lim_{x \\to 0} \\frac{\\sin x^{x^x}}{x}',
    '(' + '+'.join('abcdefgh') + ')^{60}',
    '(x+y+z+w)^{200} - (w+x+y+z)^{200}',
    '\\frac{' * 200 + '1' + '}{2}' * 200,
    '/'.join(['7'] * 400),
    '9' * 999,
    '0.' + '3' * 990,
    '0.\\overline{' + '3' * 900 + '}',
    '10^{9999}+1',
    'x^{9999} + x^{9998} \\le 0',
    '\\sqrt[99999]{2}',
  )


def _bytes() -> list[tuple[str, str]]:
  marks = (
    '\x00', '\x01', '\x1b[2J', '\x7f', '\ufeff', '\u2028', '\ud800', '\uffff',
    '\r', '\x0b', '\x85', '\u200b', '\u0301', '\U0010ffff',
  )  # fmt: skip
  return [
    *(('5', f'\\boxed{{5{mark}}}') for mark in marks),
    *(('5', f'{mark}The answer is {mark}6') for mark in marks),
  ]


def _recursion() -> list[tuple[str, str]]:
  return _box(
    '\\def\\x{\\x\\x}\\x',
    '\\newcommand{\\x}{\\x\\x}\\x',
    '\\let\\x\\x\\x',
    '\\input{/dev/zero}',
    '\\loop\\iftrue\\repeat',
    '\\csname x\\endcsname',
    '\\write18{sleep 100}',
    '\\begin{cases}' * 100,
    '\\sin ' * 200 + 'x',
    '\\log_{' * 60 + '2' + '} 3' * 60,
    '-(' * 200 + '1' + ')' * 200,
    'f(' * 200 + 'x' + ')' * 200,
    '\\left\\{' * 100 + '1' + '\\right\\}' * 100,
    '__import__("time").sleep(100)',
    'exec("while 1: pass")',
    'lambda: (yield)',
    '{0.__class__.__mro__}',
    '%s%s%s%n',
  )


def _digits() -> list[tuple[str, str]]:
  return [
    *_box(
      '\u0665',  # Arabic-Indic five
      '\uff15',  # full-width five
      '\u2464',  # circled five
      '\u2075',  # superscript five
      '\u06f5',  # extended Arabic-Indic five
      '\U0001d7d3',  # bold five
      '\u4e94',  # CJK five
      '\u2164',  # Roman numeral five
      '\u202e5',
      '\u200f5\u200f',
      '1\u066c000',
      '\u0437',  # Cyrillic, looks like 3
      'О',  # Cyrillic, looks like 0
      '½',
      '5\u0338',
    ),
    *_box('\u0665 + \u0665', '\uff18 \\le x', '²', gold='10'),
  ]


def _functions() -> list[tuple[str, str]]:
  return _box(
    '\\sin(10^{40})',
    '\\tan 90^\\circ',
    '\\tan\\frac{\\pi}{2}',
    '\\ln 0',
    '\\log_1 5',
    '\\frac{1}{0}',
    '\\frac{0}{0}',
    '\\arcsin 2',
    '\\sqrt[0]{5}',
    '\\Gamma(10^{10})',
    '\\zeta(3)',
    'e^{e^{e^{e^{e}}}}',
    '\\exp(\\exp(\\exp(100)))',
    '\\cosh(10^{10})',
    '(-1)^{0.5 + 10^{30} i}',
    'i^{i^{i^{i}}}',
    '\\lfloor 10^{60} \\pi \\rfloor',
    '\\gcd(10^{1000}, 7)',
    '10^{1000000} \\equiv 3 \\pmod 7',
    'x = x = x = x',
    '1 < 2 > 3 < 4',
    'x \\in x \\in x',
  )


def _lists() -> list[tuple[str, str]]:
  return _box(
    ','.join(map(str, range(200))),
    ','.join(['1'] * 60),
    ','.join(['x+1'] * 60),
    ', '.join(f'x_{i}={i}' for i in range(60)),
    '(' + ','.join(['1'] * 400) + ')',
    '\\cup'.join(['(0,1)'] * 60),
    '\\pm 1 \\pm 2 \\pm 3',
    ','.join(['\\pm 1'] * 60),
    gold=','.join(['1+x'] * 60),
  )


def _phrases() -> list[tuple[str, str]]:
  return [
    ('5', text)
    for text in (
      'The answer is',
      'The answer is ' * 5000,
      'Final Answer: The final answer is $' * 1000,
      'The answer is $' + '\\frac{' * 300,
      'The answer is ' + 'and ' * 300,
      'The answer is ' + '$1$ and ' * 120,
      'the answer is ' + '9' * 1900,
      'I hope it is correct. ' * 3000,
      '####' * 20_000,
      'answer:' * 10_000,
      '\nProblem:' * 10_000,
    )
  ]


def _noise() -> list[tuple[str, str]]:
  rng = random.Random(0)
  alphabet = ['\\frac', '\\sqrt', '{', '}', '(', ')', '^', '_', '1', 'x', '+']
  alphabet += ['\\le', '=', ',', '\\text{', '&', '\\\\', '|', '!', '\\sin', '-']
  answers = [
    ''.join(rng.choices(alphabet, k=rng.randrange(2, 60))) for _ in range(40)
  ]
  return _box(*(f'{answer} ' for answer in answers))


def _backtracking() -> list[tuple[str, str]]:
  """Long runs that end with what does not fit, for regular expressions."""
  pieces = ('a', 'a ', 'a.', '1', '1,', ' ', ', ', '-', '(', ':', '1:', '1/')
  return [
    (gold, f'{start}{piece * 440}{end}')
    for piece in pieces
    for gold, start, end in (
      ('5', '\\boxed{5 ', '!7}'),
      ('a', 'The answer is $', '\x01'),
    )
  ]


def _golds() -> list[tuple[str, str]]:
  golds = ('', ' ', '\\boxed{', '9^{9^{9^9}}', '\x00', '(' * 500, 'x' * 5000)
  return [(gold, '\\boxed{5}') for gold in golds]
