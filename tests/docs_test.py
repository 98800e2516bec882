"""The documentation: its commands run, its examples hold, its site builds.

The README is a page, too. A page's blocks run in order, in a folder of its own
beside `launch` and `configs`: `bash` as it stands; `python` as a doctest if it
has prompts, else as a script or, if it has a title, as a file of that name. A
comment before a block excuses it:

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

from wcse_jax import command_line
from wcse_jax.verify import __main__ as verify

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / 'docs'
PAGES = [
  ROOT / 'README.md',
  *sorted(
    page
    for page in DOCS.rglob('*.md')
    if '```' in page.read_text() and page.name not in ('DESIGN.md',)
  ),
]
_BLOCK = re.compile(
  r'^(?:<!-- (?P<mark>.+?) -->\n)?'
  r'```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n'
  r'(?P<body>.*?)^```$',
  re.MULTILINE | re.DOTALL,
)
# Pages that compute for a while.
_SLOW = {
  ROOT / f'{name}.md'
  for name in (
    'README',
    'docs/index',
    'docs/howto/index',
    'docs/howto/accepted_rows',
    'docs/howto/own_problems',
    'docs/howto/own_task',
    'docs/howto/own_model',
    'docs/howto/own_samples',
    'docs/howto/own_server',
    'docs/howto/another_machine',
    'docs/howto/pilot',
    'docs/howto/several_hosts',
    'docs/howto/teachers',
    'docs/howto/colab',
    'docs/reference/report',
  )
}
# Modules whose docstrings have examples.
EXAMPLES = [
  '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix(
    '.__init__'
  )
  for path in sorted((ROOT / 'wcse_jax').rglob('*.py'))
  if re.search(r'^ *>>> ', path.read_text(), re.MULTILINE)
]


class Block(NamedTuple):
  mark: str | None
  language: str
  title: str | None
  body: str


def blocks(page):
  return [Block(*m.groups()) for m in _BLOCK.finditer(page.read_text())]


def _id(page):
  return str(page.relative_to(ROOT).with_suffix(''))


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
    pytest.param(p, marks=pytest.mark.slow if p in _SLOW else (), id=_id(p))
    for p in PAGES
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
    elif block.language == 'python' and '>>> ' in block.body:
      examples.append(block.body)
    elif block.language == 'python':
      _python(['-c', block.body], page)
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
  _python(['-m', 'doctest', '-o', 'ELLIPSIS', script], page)
  examples.clear()


def _python(arguments, page):
  done = subprocess.run(
    [sys.executable, *arguments],
    capture_output=True,
    text=True,
    timeout=1200,
    check=False,
  )
  assert done.returncode == 0, f'{page}\n{done.stdout}{done.stderr}'


def _would_start(body, place):
  """Checks a command as far as that costs nothing."""
  for line in body.replace('\\\n', ' ').splitlines():
    words = shlex.split(os.path.expandvars(line), comments=True)
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
    elif program == 'wcse' and arguments[0] == 'run':
      command_line.parse(['wcse', *arguments[1:]])
    elif arguments[0] == 'launch/main.py':
      command_line.parse(arguments)
    elif arguments[:2] == ['-m', 'wcse_jax.verify']:
      verify.parse(arguments[2:])
    elif arguments[0].startswith('benchmarks/'):
      script, *given = arguments
      asked = [sys.executable, ROOT / script, '--help']
      told = subprocess.run(asked, check=True, capture_output=True, text=True)
      assert all(flag.split('=')[0] in told.stdout for flag in given), line
    elif arguments[0] == 'launch/plan.py':
      from wcse_jax.commands import plan

      plan._parse(arguments)
    else:
      assert program == 'gcloud', line


def test_what_the_readme_marks_would_start(place):
  marked = [block for block in blocks(ROOT / 'README.md') if block.mark]
  assert marked
  for block in marked:
    _would_start(block.body, place)


@pytest.mark.parametrize('page', PAGES, ids=_id)
def test_no_command_goes_unchecked(page):
  """Only fenced blocks are found, and only those with a language."""
  text = page.read_text()
  fences = re.findall(r'^```(\w*)', text, re.MULTILINE)
  assert all(fences[::2]) and len(fences) % 2 == 0, page
  assert len(blocks(page)) == len(fences) // 2, page
  outside = _BLOCK.sub('', text)
  assert not re.search(r'^    (make|python|launch/)', outside, re.MULTILINE)
  shown = [b.body for b in blocks(page) if b.language == 'text']
  assert not any(re.match(r'(make|python|launch/)', body) for body in shown)


def test_the_quick_start_shows_what_the_readme_shows():
  shown = (ROOT / 'README.md').read_text().splitlines()
  (table,) = [
    block.body
    for block in blocks(ROOT / 'docs' / 'index.md')
    if block.body.startswith('Data ')
  ]
  assert set(table.splitlines()) - set(shown) <= {'...'}


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
  page.write_text('```python\n1 / 0\n```\n')
  with pytest.raises(AssertionError, match='ZeroDivisionError'):
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
  page = (tmp_path / 'index.html').read_text()
  assert page.count(' no-copy"') == 2  # what commands print has no button
  assert re.findall('data-copy="(.*?)"', page)[0].startswith('python launch/')
  for page in tmp_path.rglob('*.html'):  # prompts, once
    assert '<blockquote>' not in page.read_text(), page
  page = (tmp_path / 'reference' / 'verify.html').read_text()
  copied = re.findall('data-copy="(.*?)"', page)
  assert any(text.startswith('grade(&#x27;gsm8k') for text in copied)
  assert not any('&gt;&gt;&gt;' in text or 'Grade(' in text for text in copied)
