"""What counts as a line of code, and where."""

import pathlib

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'
PYTHON = '''"""A docstring,
of two lines."""

import os  # a comment beside code

# A comment.
TEXT = """one

three"""


class A:
  """A docstring."""

  'a string that is no docstring'
'''


@pytest.fixture
def lines(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import lines

  return lines


@pytest.mark.parametrize(
  'name, text, expected',
  [
    ('a.py', PYTHON, 5),
    ('a.py', '', 0),
    ('a.sh', '#!/bin/bash\n\n  # a comment\nls  # code\n', 1),
    ('a.css', '/* of\n\ntwo */\na {\n  top: 0; /* beside */\n}\n', 3),
    ('a.html', '<!-- of\ntwo -->\n<p>\n\n', 1),
    ('a.md', 'text\n', 0),
  ],
)
def test_blank_lines_comments_and_docstrings_are_no_code(
  lines, name, text, expected
):
  assert lines.code_lines(name, text) == expected


def test_rooms_add_up(lines):
  files = {
    'wcse_jax/a.py': 'x = 1\n',
    'wcse_jax/models/b.py': '# long\n\nx = 1\nx = 2\n',
    'wcse_jax/models/deep/c.py': 'x = 1\n',
    'wcse_jax/models/d.css': 'a {}\n',
    'launch/e.py': 'x = 1\n',
    'tests/f.py': 'x = 1\n',
    'setup.py': 'x = 1\n',
  }
  models = lines.count(files, ['wcse_jax/models'])
  assert (sorted(models.lengths), models.python, models.other) == ([1, 4], 3, 1)
  _, *rows, last = lines.table(files, files).splitlines()
  assert [row.split()[0] for row in rows[:-1]] == [
    'launch', 'tests', 'wcse_jax', 'wcse_jax/models',
  ]  # fmt: skip
  assert rows[-1].split()[-6:] == ['3', '1', '4', '1', '4', '+0.0%']
  assert last.split()[-6:] == ['4', '1', '5', '1', '5', '+0.0%']


def test_long_files_are_listed_longest_first(lines):
  files = {'a.md': 'x\n' * 401, 'b.md': 'x\n' * 400, 'c.py': '\n' * 500}
  assert lines.long_files(files) == {'c.py': 500, 'a.md': 401}


def test_the_working_tree_is_read(lines):
  files = lines.read()
  assert 'x' in files['benchmarks/lines.py']
  assert not any(name.endswith('.safetensors') for name in files)
