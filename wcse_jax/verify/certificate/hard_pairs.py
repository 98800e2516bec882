r"""Hard pairs of answers: the regression file of the `math` grader.

In the styles of MATH's answers, written for this purpose. For each gold answer
what must be accepted and what must not. `TEXTS` are whole solutions: what
counts as the answer. Whoever finds a wrong verdict adds it here.
"""

# gold: (the same, not the same)
ANSWERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
  # Numbers.
  r'\frac{1}{2}': (
    (
      '0.5',
      '.5',
      '1/2',
      r'\dfrac12',
      r'\tfrac{1}{2}',
      r'\frac{2}{4}',
      '2^{-1}',
    ),
    ('0.05', '2', r'-\frac12', '0.50001', r'\frac{1}{3}', '1,2', '(1,2)'),
  ),
  '12,345': (
    ('12345', r'12,\!345', '12{,}345', r'12\,345', '12345.0', r'12{,}345.'),
    ('12', '12.345', '1234', '12,3456', '12, 345'),
  ),
  '-3': (('\u22123', '- 3', r'-\frac{6}{2}', '(-3)'), ('3', '+3', '-3i')),
  r'6\frac{1}{6}': (
    ('37/6', '6 1/6', r'\frac{37}{6}', r'6 + \frac16'),
    ('1', '61/6', '6.17', r'6 \cdot \frac{1}{6}'),
  ),
  r'-2\frac{3}{4}': (('-2.75', '-11/4'), ('-1.25', '2.75')),
  '0.333': (('333/1000',), ('1/3', '0.3333', r'0.\overline{3}')),
  r'0.\overline{3}': (
    ('1/3', r'\frac{1}{3}', r'.\overline{3}'),
    ('0.3', '0.33'),
  ),
  r'0.1\overline{36}': ((r'\frac{3}{22}',), (r'0.\overline{136}', '0.136')),
  r'2^{10}': (('1024', '2^10', r'4^5'), ('20', '1000', r'2 \cdot 10')),
  '10^{20}': (('100000000000000000000',), ('100000000000000000001',)),
  r'\frac{17}{50}': (('0.34', '.340', '34/100'), ('34', '0.34000001')),
  '3.50': (('3.5', r'\frac{7}{2}', r'3\frac12'), ('35', '3.05')),
  r'\frac43': (('4/3', r'\frac{4}3', r'\frac4{3}', r'1\frac13'), ('43', '3/4')),
  '7!': (('5040',), ('7', '49')),
  r'\binom{6}{2}': (('15',), ('3', r'\binom{2}{6}')),
  r'\frac{1}{2004!}': ((r'1/2004!',), ('0', r'\frac{1}{2003!}')),
  # Roots, constants, functions.
  r'2\sqrt{3}': (
    (r'\sqrt{12}', r'2 \cdot \sqrt 3', r'2\sqrt3', r'\frac{6}{\sqrt{3}}'),
    ('3.46', '3.4641016151377544', r'\sqrt{6}', r'3\sqrt{2}', r'\sqrt[3]{12}'),
  ),
  r'\frac{\sqrt{6}-\sqrt{2}}{4}': (
    (r'\sin 15^\circ', r'\frac{1}{\sqrt6+\sqrt2}', r'\cos 75^{\circ}'),
    (r'\frac{\sqrt{6}+\sqrt{2}}{4}', r'\sin 15', '0.2588'),
  ),
  r'\sqrt[3]{4}': (('2^{2/3}', '4^{1/3}'), (r'\sqrt{4}', '2')),
  r'\pi': (('π', r'\frac{2\pi}{2}'), ('3.14', '3.14159265', r'\frac{22}{7}')),
  r'e^{\pi\sqrt{163}}': ((r'\exp(\pi\sqrt{163})',), ('262537412640768744',)),
  r'\frac{3}{4}\pi': ((r'\frac{3\pi}{4}', r'0.75\pi', r'3\pi/4'), ('3/4',)),
  r'\log_2 3': (
    (r'\frac{\ln 3}{\ln 2}', r'\frac{\log 3}{\log 2}'),
    (r'\log_3 2', '1.585', r'\log 3'),
  ),
  r'\ln 2': ((r'-\ln\frac12', r'\frac{1}{2}\ln 4'), (r'\log 2', '0.693')),
  r'\tan 15^\circ': ((r'2-\sqrt{3}',), (r'\tan 15', '0.268')),
  '3 + 4i': (('4i+3', '3+4 i', r'5\cdot\frac{3+4i}{5}'), ('3-4i', '5', '7i')),
  'i': ((r'\sqrt{-1}', '-i^3'), ('-i', '1', '-1')),
  r'\frac{1}{1+\sqrt2}': ((r'\sqrt{2}-1', r'-1+\sqrt2'), (r'1-\sqrt2',)),
  r'\lfloor 3.7 \rfloor': (('3',), ('4', '3.7')),
  '|-5|': (('5',), ('-5',)),
  # Units, percent, currency, degrees.
  r'60\text{ inches}': (
    ('60', '60 inches', r'60\text{ in}', r'60\mbox{ inches}', '60 inch'),
    (r'60\text{ feet}', '5 feet', '6', r'60\text{ cm}'),
  ),
  r'2400 \mbox{ cm}^2': (
    ('2400', r'2400\text{ square centimeters}', r'2400\text{ cm}^2', '2,400'),
    ('24', r'2400\text{ m}^2', '240'),
  ),
  r'12\sqrt{13}\text{ feet}': ((r'12\sqrt{13}', r'\sqrt{1872}'), ('43.27',)),
  '90^\\circ': (
    ('90', '90 degrees', r'90^{\circ}', '90°'),
    (r'\frac{\pi}{2}', '9', r'90\%', r'\$90', '90 feet'),
  ),
  '40\\%': (
    ('40', r'40 \%', '40%', '40 percent'),
    ('0.4', r'\frac{2}{5}', '4', r'40^\circ'),
  ),
  r'\$32.50': (('32.5', r'\$ 32.50', '32.50 dollars', '$32.50$'), ('3250',)),
  r'\$15,\!000': (('15000', '15,000', r'\$15{,}000'), ('15', '1500')),
  r'5.4 \text{ cents}': (('5.4', '5.4 cents'), (r'\$5.4', '0.054')),
  '18\\text{ ways.}': (('18', '18 ways'), ('8', '18!')),
  r'0.56 = 56\%': (('0.56', '56\\%', '56'), ('5.6', '0.056')),
  r'\$\dfrac23 \approx \$0.67': ((r'\frac{2}{3}', '0.67'), ('0.6', '67')),
  '7\\text{ hours}': (('7', '7 hours.'), (r'7\text{ minutes}', '7.5')),
  # Tuples, intervals, sets, lists.
  '(3,-1)': (
    (
      '(3, -1)',
      r'\left( 3, -1 \right)',
      r'\left(\frac{6}{2}, -1\right)',
      '(x,y)=(3,-1)',
      r'\begin{pmatrix} 3 \\ -1 \end{pmatrix}',
      'x=3, y=-1',
    ),
    ('(-1,3)', '3,-1', '[3,-1]', '(3,1)', '(3,-1,0)', '3', r'\{3,-1\}'),
  ),
  '[2,5)': (
    (r'2 \le x < 5', r'\left[2,5\right)', r'x \in [2,5)', r'5 > x \geq 2'),
    ('(2,5)', '[2,5]', '(2,5]', '2,5', r'2 < x < 5', '[2,6)'),
  ),
  r'(-\infty,-2]\cup[2,\infty)': (
    (
      r'[2,\infty) \cup (-\infty,-2]',
      r'x \le -2 \text{ or } x \ge 2',
      r'\left(-\infty,-2\right]\cup\left[2,+\infty\right)',
    ),
    (
      r'(-\infty,-2)\cup(2,\infty)',
      r'[-2,2]',
      r'(-\infty,\infty)',
      r'(-\infty,2]\cup[2,\infty)',
      r'[2,\infty)',
    ),
  ),
  r'(4,\infty)': (('x > 4', '4 < x'), (r'x \ge 4', r'[4,\infty)', '4', 'x<4')),
  r'\{4,5,7\}': (('4,5,7', r'\{7,5,4\}', '7, 4, 5'), ('(4,5,7)', '4,5', '457')),
  '-2, 2': (
    (
      r'\pm 2',
      '2,-2',
      r'x = \pm 2',
      'x=2 or x=-2',
      r'2 \text{ and } -2',
      r'\{-2,2\}',
      '2; -2',
    ),
    ('2', '-2', '(-2,2)', '-2,2,0', r'\pm 3', '[-2,2]'),
  ),
  r'1 \pm \sqrt{19}': (
    (r'1+\sqrt{19}, 1-\sqrt{19}', r'1-\sqrt{19},1+\sqrt{19}'),
    (r'1+\sqrt{19}', r'\pm(1+\sqrt{19})', r'1 \pm \sqrt{18}'),
  ),
  r'\{1\pm\sqrt{5},-2\}': ((r'-2, 1-\sqrt5, 1+\sqrt5',), (r'1\pm\sqrt5',)),
  '6, 8\\text{, and }10': (
    ('6,8,10', '10, 8, 6', r'6, 8 \text{ and } 10'),
    ('6,8',),
  ),
  '12\\text{ and }13': (('12,13', '13 and 12'), ('1213', '12', '25')),
  '(1,2),(3,4)': (('(3,4), (1,2)',), ('(1,2,3,4)', '(1,2)', '(2,1),(3,4)')),
  r'\left( 3, \frac{\pi}{2} \right)': (
    (r'(3,\pi/2)', r'(3,0.5\pi)'),
    ('(3,1.57)',),
  ),
  '(6,31,-1)': (('(6, 31, -1)',), ('(6,31,1)', '6,31,-1', '(6,31)')),
  r'\emptyset': ((r'\varnothing', r'\{\}'), ('0', r'\{0\}')),
  '(2,100)': (('(2, 100)',), ('2100', '2,100', '(2100)')),
  r'\left( \frac{1}{2}, \infty \right)': (
    ('x > 0.5', r'(.5,\infty)'),
    (r'(1,\infty)',),
  ),
  # Vectors and matrices.
  r'\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}': (
    (
      r'\begin{bmatrix}1&2\\3&4\end{bmatrix}',
      r'\begin{pmatrix} 1 & 4/2 \\ 3 & 2^2 \end{pmatrix}',
      r'\left(\begin{array}{cc} 1 & 2 \\ 3 & 4 \end{array}\right)',
    ),
    (
      r'\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}',
      r'\begin{pmatrix} 1 & 2 & 3 & 4 \end{pmatrix}',
      '(1,2,3,4)',
      '-2',
    ),
  ),
  r'\begin{pmatrix} -1/3 \\ 2/3 \\ 5/3 \end{pmatrix}': (
    (
      r'\begin{pmatrix} -\frac13 \\ \frac23 \\ \frac53 \end{pmatrix}',
      r'\left( -\frac{1}{3}, \frac{2}{3}, \frac{5}{3} \right)',
    ),
    (
      r'\begin{pmatrix} 1/3 \\ 2/3 \\ 5/3 \end{pmatrix}',
      r'\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}',
    ),
  ),
  # Expressions with variables.
  'x^2+2x+1': (
    ('(x+1)^2', '1+2x+x^2', '(x+1)(x+1)'),
    ('x^2+2x', '(x-1)^2', 'x'),
  ),
  '(2x+3)(2x-1)': (
    ('4x^2+4x-3', '(2x-1)(2x+3)', '(3+2x)(2x-1)'),
    ('4x^2+4x+3',),
  ),
  r'\frac{8-7x}{6}': ((r'\frac{4}{3}-\frac{7}{6}x', '(8-7x)/6'), ('8-7x/6',)),
  r'\sin^2 t': ((r'1-\cos^2 t', r'(\sin t)^2'), (r'\sin t^2', r'\cos^2 t')),
  '2^{n-1}': ((r'\frac{2^n}{2}',), ('2^n-1', '2^{n+1}')),
  r'\pi a^2': ((r'a^2\pi',), (r'2\pi a', r'\pi^2 a')),
  r'\sqrt{x^2-1}': ((r'\sqrt{(x-1)(x+1)}',), ('x-1', r'\sqrt{x^2+1}')),
  '3 - 2f(x)': (('-2f(x)+3',), ('3+2f(x)', '3-2x')),
  r'a + b + c + 3x': (('3x+a+b+c',), ('a+b+c+x', 'a+b+c')),
  '2B': ((r'2 \cdot B',), ('2b', 'B', '28')),
  'p - q': (('-q+p',), ('q-p', 'p+q')),
  '5m': ((r'5 m', r'm \cdot 5'), ('5', '5n')),
  '-k^2': ((r'-(k^2)',), ('(-k)^2', 'k^2')),
  r'\frac{1}{2}x': (('x/2', r'\frac{x}{2}', '0.5x'), (r'\frac{1}{2x}',)),
  # Equations.
  'x=4': (('4', 'x = 4', '4 = x'), ('y=4', '5', 'x=-4')),
  'y = 2x + 3': (
    ('2x+3', 'y=3+2x', 'y - 2x = 3', '2x - y + 3 = 0', 'y-3=2x'),
    ('y=2x-3', 'y = 3x+2', '2x + y = 3', '3'),
  ),
  'x + 2y - 3z = 0': (
    ('3z - 2y = x', '2x+4y-6z=0', '-x-2y+3z=0'),
    ('x + 2y + 3z = 0', 'x+2y-3z=1', 'x+2y-3z'),
  ),
  r'\frac{x^2}{16} - \frac{y^2}{9} = 1': (
    ('9x^2-16y^2=144', r'\frac{y^2}{9} = \frac{x^2}{16} - 1'),
    (r'\frac{x^2}{16}+\frac{y^2}{9}=1', '9x^2-16y^2=1'),
  ),
  r'AB=12+12\sqrt{3}': ((r'12+12\sqrt3', r'12(1+\sqrt{3})'), ('12', '24')),
  r'-80\leq g(x)\leq 82': (('[-80,82]', r'-80 \le g(x) \le 82'), ('(-80,82)',)),
  'x + y \\le 3': ((r'x+y \leq 3', r'y + x \le 3'), ('x + y < 3', 'x+y=3')),
  # Words, choices, times, ratios, bases.
  r'\text{Evelyn}': (
    ('Evelyn', 'evelyn', r'\textbf{Evelyn}'),
    ('Eve', 'Evelin'),
  ),
  r'\text{(C)}': (
    ('C', '(C)', r'\text{C}', r'\textbf{(C)}', 'c', '(C) 14'),
    ('B', '(CC)', '3', '(B) 14'),
  ),
  r'\text{even}': (('even', r'\textrm{even}', 'Even'), ('odd', 'neve', '2')),
  r'\text{A, C, F}': (
    ('A,C,F', r'\text{F, A, C}', 'A, C and F'),
    ('A,C', 'A,C,E'),
  ),
  r'\text{CBAD}': (('CBAD',), ('ABCD', 'C')),
  r'\text{no solution}': (('no solution', 'No solution.'), ('0', 'solution')),
  r'\mbox{four}': (('4', 'four', 'Four'), ('five', '5')),
  r'\text{13}': (('13',), ('1.3', '31')),
  '5:6': (('5 : 6', '5/6', r'\frac{5}{6}'), ('6:5', '56', '5', '5,6')),
  r'8\!:\!34 \text{ p.m.}': (
    ('8:34 PM', r'8:34\text{ p.m.}'),
    ('8:34 a.m.', '8:43 PM'),
  ),
  r'\text{June 20}': (('June 20', r'\text{june 20}'), ('June 2', 'July 20')),
  '2516_8': (('2516_{8}', '2516'), ('2516_9', '1358', '2156_8')),
  'A5_{11}': (('A5_{11}', r'\text{A5}_{11}'), ('5A_{11}', '115')),
  '28_9': (('28_{9}', '28'), ('26', '28_{10}')),
  r'\overline{CD}': (('CD', r'\overline{CD}'), ('C', 'AB')),
}

# (gold, text, whether it is right)
TEXTS: tuple[tuple[str, str, bool], ...] = (
  ('4', r'First \boxed{3}, no: \boxed{4}.', True),
  ('3', r'First \boxed{3}, no: \boxed{4}.', False),
  ('4', r'So \boxed{\boxed{4}}', True),
  ('4', r'So \fbox{4}.', True),
  ('4', r'So $\boxed 4$.', True),
  ('4', r'So \boxed{4', False),
  ('4', r'So \boxed{3}. Final Answer: The final answer is $4$.', True),
  ('24', 'Final Answer: The final answer is $24$. I hope it is correct.', True),
  ('24', 'Hm.\nProblem:\nWhat?\n\nSolution:\n\\boxed{24}', False),
  ('24', '\\boxed{24}\n\nProblem:\nWhat?\n\nSolution:\n\\boxed{7}', True),
  ('[2,5)', 'The final answer is $[2,5)$. I hope it is correct.', True),
  (
    r'\frac{2}{3}',
    r'The final answer is $\frac23$. I hope it is correct.',
    True,
  ),
  ('3.5', 'The answer is 3.5. Done.', True),
  ('3.5', 'The answer is $3.5$ because $7/2=3.5$.', True),
  ('18', r'The answer is \$18.', True),
  ('18', 'The answer is **18**.', True),
  ('18', 'The answer is: 18 dollars', True),
  ('2,3', 'The answers are $2$ and $3$.', True),
  ('2,3', r'The answer is $2$. Or $3$.', False),
  (r'\text{Friday}', 'The answer is Friday.', True),
  ('5', r'It is \boxed{5}. Since the answer is positive, we are done.', True),
  ('5', r'Is the answer 5? It is \boxed{6}.', False),
  ('5', '5', False),
  ('5', '', False),
  ('5', 'The answer is unclear.', False),
  ('10', '#### 10', True),
  ('.3', 'The final answer is $.3$. I hope it is correct.', True),
  (r'\frac{1}{2}', r'\boxed{x = \frac{1}{2}}', True),
  ('8', r'\boxed{2^3 = 8}', True),
  ('9', r'\boxed{2^3 = 9}', True),
  ('8', r'\boxed{2^3 = 9}', False),
  (r'\frac{2}{3}', r'\boxed{\frac{2}{3} \approx 0.667}', True),
  ('320', r'\boxed{3 \text{ hours } 20 \text{ minutes}}', False),
  ('7', r'\boxed{5 \approx 7}', True),
  ('5', r'\boxed{5 \approx 7}', False),
)


def pairs() -> list[tuple[str, str, bool]]:
  """All of them as (gold, text, whether it is right)."""
  found = []
  for gold, (same, other) in ANSWERS.items():
    for answers, right in ((same, True), (other, False)):
      found += [(gold, f'\\boxed{{{answer}}}', right) for answer in answers]
  return found + list(TEXTS)


# Golds of unlike problems that a certificate found to be the same, and that
# are, when looked at: numbers with and without a unit, and ways to write one.
EQUAL_GOLDS: tuple[tuple[str, str], ...] = (
  ('18', r'18\text{ hours}'),
  ('20', r'20\text{ square units}'),
  ('25', r'25^\circ'),
  ('36', r'36^\circ'),
  ('4', r'4 \text{ feet}'),
  ('60', r'60^\circ'),
  ('6', r'6^{\circ}'),
  ('90', r'90\text{ units}'),
  ('7', r'7^\circ'),
  ('5', r'\$ 5'),
  ('65', r'65\%'),
  ('10', 'x = 10'),
  ('1', r'\frac{3}{3}'),
  (r'\frac{1}{2}', '0.5'),
  (r'\text{D}', r'\text{(D)}'),
)
