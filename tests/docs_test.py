"""The documentation: its commands run, its examples hold, its site builds.

A page's blocks run in order, in a folder of its own beside `launch` and
`configs`: `bash` as it stands; `python` as a doctest or, if it has a title, as
a file of that name. A comment before a block excuses it:

  <!-- tpu -->      needs a TPU (or an account where there are some)
  <!-- minutes -->  takes minutes: it is only checked that it would start
"""

import doctest
import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
from typing import NamedTuple

import pytest

import command_line

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / 'docs'
PAGES = sorted(
  page
  for page in DOCS.rglob('*.md')
  if '```' in page.read_text() and page.name not in ('DESIGN.md',)
)
_BLOCK = re.compile(
  r'^(?:<!-- (?P<mark>.+?) -->\n)?'
  r'```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n'
  r'(?P<body>.*?)^```$',
  re.MULTILINE | re.DOTALL,
)
# Pages that compute for a while.
_SLOW = {
  DOCS / f'{name}.md'
  for name in (
    'index',
    'howto/own_task',
    'howto/own_model',
    'howto/own_samples',
    'howto/pilot',
    'howto/several_hosts',
    'howto/colab',
  )
}
_slow = pytest.mark.skipif(
  'WCSE_SLOW' not in os.environ, reason='takes a while; WCSE_SLOW=1 runs it'
)
# Modules whose docstrings have examples.
EXAMPLES = ('wcse_jax.verify.answers',)


class Block(NamedTuple):
  mark: str | None
  language: str
  title: str | None
  body: str


def blocks(page):
  return [Block(*m.groups()) for m in _BLOCK.finditer(page.read_text())]


def _id(page):
  return str(page.relative_to(DOCS).with_suffix(''))


@pytest.fixture
def place(tmp_path, monkeypatch):
  """The page's folder; in it the project's, as in a clone."""
  for name in ('launch', 'configs', 'wcse_jax'):
    (tmp_path / name).symlink_to(ROOT / name)
  path = [os.path.dirname(sys.executable), os.environ['PATH']]
  monkeypatch.setenv('PATH', os.pathsep.join(path))
  monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), str(tmp_path)]))
  monkeypatch.chdir(tmp_path)
  return tmp_path


@pytest.mark.parametrize(
  'page',
  [
    pytest.param(p, marks=_slow if p in _SLOW else (), id=_id(p)) for p in PAGES
  ],
)
def test_a_page_does_what_it_says(page, place):
  examples, error = [], ''
  for block in blocks(page):
    assert block.language in ('bash', 'python', 'text', 'toml'), block
    assert block.mark in (None, 'tpu', 'minutes'), block
    if block.title:
      (place / block.title).write_text(block.body)
      if block.language == 'python':
        assert block.body.count('\n') <= 60, f'{block.title} is long'
    elif block.mark:
      _would_start(block.body, place)
    elif block.language == 'bash':
      _doctests(examples, page)
      error = _bash(block.body, place)
    elif block.language == 'text' and error:
      assert block.body == error  # is shown as it was printed
      error = ''
    elif block.language == 'python':
      examples.append(block.body)
  _doctests(examples, page)


def _bash(body, place):
  """Runs it, and returns the error of a command that must fail (`! ...`)."""
  done = subprocess.run(
    ['bash', '-euo', 'pipefail', '-c', body],
    cwd=place,
    capture_output=True,
    text=True,
    timeout=1200,
    check=False,
  )
  assert done.returncode == 0, body + done.stdout + done.stderr
  assert body.startswith('! ') == done.stderr.startswith('error: ')
  return done.stderr if body.startswith('! ') else ''


def _doctests(examples, page):
  """Runs the examples so far, in a process of their own: they import JAX."""
  if not examples:
    return
  script = pathlib.Path('examples.txt')
  script.write_text('\n'.join(examples))
  done = subprocess.run(
    [sys.executable, '-m', 'doctest', '-o', 'ELLIPSIS', script],
    capture_output=True,
    text=True,
    timeout=1200,
    check=False,
  )
  assert done.returncode == 0, f'{page}\n{done.stdout}{done.stderr}'
  examples.clear()


def _would_start(body, place):
  """Checks a command as far as that costs nothing."""
  for line in body.replace('\\\n', ' ').splitlines():
    words = shlex.split(os.path.expandvars(line))
    program, *arguments = words
    if program == 'make':
      dry = ['make', '-n', '-C', str(ROOT), *arguments]
      subprocess.run(dry, check=True, capture_output=True)
    elif program == 'launch/tpu_vm.sh':
      at = arguments.index('--') if '--' in arguments else len(arguments)
      arguments.insert(at, '--dry-run')
      subprocess.run([ROOT / program, *arguments], check=True, text=True)
    elif program == 'launch/setup.sh':
      (extra,) = arguments
      assert f"'{extra}': [" in (ROOT / 'setup.py').read_text(), line
    elif arguments[0] == 'launch/main.py':
      command_line.parse(arguments)
    elif arguments[0] == 'launch/plan.py':
      import plan

      plan._parse(arguments)
    else:
      assert program == 'gcloud', line


def test_what_the_readme_starts_on_a_tpu_would_start(place):
  marked = [block for block in blocks(ROOT / 'README.md') if block.mark]
  assert marked
  for block in marked:
    _would_start(block.body, place)


@pytest.mark.parametrize('module', EXAMPLES)
def test_docstrings_examples_hold(module):
  failed, tried = doctest.testmod(importlib.import_module(module))
  assert tried and not failed


def test_a_wrong_page_fails(place):
  """The tests above can fail."""
  page = place / 'page.md'
  page.write_text('```python\n>>> 1 + 1\n3\n\n```\n')
  with pytest.raises(AssertionError, match='Got:'):
    test_a_page_does_what_it_says(page, place)
  page.write_text('```bash\nfalse\n```\n')
  with pytest.raises(AssertionError):
    test_a_page_does_what_it_says(page, place)
  page.write_text('<!-- minutes -->\n```bash\nmake dmeo\n```\n')
  with pytest.raises(subprocess.CalledProcessError):
    test_a_page_does_what_it_says(page, place)
  page.write_text('<!-- soon -->\n```bash\ntrue\n```\n')
  with pytest.raises(AssertionError, match='soon'):
    test_a_page_does_what_it_says(page, place)


def test_the_site_builds_without_a_warning(tmp_path):
  pytest.importorskip('mkdocs')
  pytest.importorskip('material')
  pytest.importorskip('mkdocstrings')
  done = subprocess.run(
    [sys.executable, '-m', 'mkdocs', 'build', '-q', '--strict', '-d', tmp_path],
    cwd=ROOT,
    env=os.environ | {'NO_MKDOCS_2_WARNING': '1'},  # the theme's own news
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert 'WARNING' not in done.stderr, done.stderr
  assert (tmp_path / 'index.html').is_file()
