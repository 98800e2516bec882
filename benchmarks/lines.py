"""How much code there is: lines by room, and files that are too long.

    python benchmarks/lines.py
    python benchmarks/lines.py --rev=v0.1.0
    python benchmarks/lines.py --base=v0.1.0

counts the working tree, or a commit, or the first beside the second. A line of
code is one that holds more than white space, a comment or a docstring. A room
is a folder of `wcse_jax`, or one beside it.
"""

import argparse
import ast
from collections.abc import Collection, Iterator, Mapping
import dataclasses
import io
import pathlib
import re
import statistics
import subprocess
import tarfile
import tokenize

ROOT = pathlib.Path(__file__).parents[1]
MOST = 400  # lines of any kind, in a file
BESIDE = ('launch', 'configs', 'benchmarks')  # rooms beside the package
# Files that nobody writes by hand, or that are what they are.
ASIDE = re.compile(r'LICENSE|.*\.lock|.*\.(safetensors|model|npz|png)')
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_NO_CODE = (
  tokenize.COMMENT,
  tokenize.NL,
  tokenize.NEWLINE,
  tokenize.INDENT,
  tokenize.DEDENT,
  tokenize.ENDMARKER,
)
_COMMENTS = {
  '.sh': re.compile(r'^\s*#.*$', re.MULTILINE),
  '.css': re.compile(r'/\*.*?\*/', re.DOTALL),
  '.html': re.compile(r'<!--.*?-->', re.DOTALL),
}


def code_lines(name: str, text: str) -> int:
  """Returns how many lines of code a file has; 0 if it is of no known kind.

  Args:
    name: The file's name, whose suffix says what it is.
    text: All that it holds.
  """
  suffix = pathlib.PurePath(name).suffix
  if suffix == '.py':
    return _python_lines(text)
  if suffix not in _COMMENTS:
    return 0
  code = _COMMENTS[suffix].sub('', text)
  return sum(bool(line.strip()) for line in code.splitlines())


def _python_lines(text: str) -> int:
  lines = set()
  for token in tokenize.generate_tokens(io.StringIO(text).readline):
    if token.type not in _NO_CODE:
      lines.update(range(token.start[0], token.end[0] + 1))
  for node in ast.walk(ast.parse(text)):
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
      docstring = node.body[0]
      lines.difference_update(
        range(docstring.lineno, (docstring.end_lineno or 0) + 1)
      )
  rows = text.split('\n')
  return sum(bool(rows[number - 1].strip()) for number in lines)


def room(path: str) -> str:
  """Returns the room that a file belongs to; '' for those of no room."""
  top, *rest = path.split('/')
  if top == 'wcse_jax':
    return f'{top}/{rest[0]}' if len(rest) > 1 else top
  return top if rest and top in (*BESIDE, 'tests') else ''


def read(rev: str = '') -> dict[str, str]:
  """Returns the text of each file that git knows, by path; of text files only.

  Args:
    rev: A commit; '' is the working tree, new files included.
  """
  return dict(_texts(_committed(rev) if rev else _present()))


def _committed(rev: str) -> Iterator[tuple[str, bytes]]:
  with tarfile.open(fileobj=io.BytesIO(_git('archive', rev))) as archive:
    for member in archive:
      if file := archive.extractfile(member) if member.isfile() else None:
        yield member.name, file.read()


def _present() -> Iterator[tuple[str, bytes]]:
  listed = _git('ls-files', '-co', '--exclude-standard').decode()
  for name in listed.splitlines():
    path = ROOT / name
    if path.is_file() and not path.is_symlink():
      yield name, path.read_bytes()


def _texts(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
  for name, data in files:
    if b'\0' not in data:
      yield name, data.decode(errors='replace')


def _git(*arguments: str) -> bytes:
  done = subprocess.run(
    ['git', *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE
  )
  return done.stdout


@dataclasses.dataclass(frozen=True)
class Count:
  """What some rooms hold.

  Attributes:
    lengths: Lines of any kind of each Python file.
    python: Lines of code of these files, in all.
    other: Lines of code in other languages.
  """

  lengths: list[int]
  python: int
  other: int


def count(files: Mapping[str, str], rooms: Collection[str]) -> Count:
  """Returns what the rooms hold.

  Args:
    files: Texts by path, as `read` returns them.
    rooms: As `room` names them.
  """
  inside = {name: text for name, text in files.items() if room(name) in rooms}
  python = {name for name in inside if name.endswith('.py')}
  code = {name: code_lines(name, text) for name, text in inside.items()}
  return Count(
    lengths=[len(inside[name].splitlines()) for name in python],
    python=sum(code[name] for name in python),
    other=sum(code[name] for name in inside.keys() - python),
  )


def table(now: Mapping[str, str], before: Mapping[str, str] | None) -> str:
  """Returns the lines of each room, and their sums, for people.

  Args:
    now: Texts by path, as `read` returns them.
    before: Those to compare with; None compares with nothing.
  """
  names = sorted({room(name) for name in {**now, **(before or {})}} - {''})
  package = [name for name in names if name.split('/')[0] == 'wcse_jax']
  groups = {name: [name] for name in names}
  groups['wcse_jax, all'] = package
  groups[', '.join(['wcse_jax', *BESIDE])] = [*package, *BESIDE]
  head = f'{"":38}{"files":>7}{"median":>7}{"Python":>8}{"other":>7}'
  rows = [head + ('' if before is None else f'{"before":>8}{"change":>8}')]
  for title, rooms in groups.items():
    here = count(now, rooms)
    row = (
      f'{title:38}{len(here.lengths):7,}'
      f'{statistics.median(here.lengths or [0]):7.0f}'
      f'{here.python:8,}{here.other:7,}'
    )
    if before is not None:
      past = count(before, rooms).python
      change = f'{here.python / past - 1:+.1%}' if past else 'new'
      row += f'{past:8,}{change:>8}'
    rows.append(row)
  return '\n'.join(rows)


def long_files(files: Mapping[str, str]) -> dict[str, int]:
  """Returns the lines of any kind of files that have more than `MOST` of them.

  Args:
    files: Texts by path, as `read` returns them.
  """
  lengths = {name: len(text.splitlines()) for name, text in files.items()}
  ordered = sorted(lengths.items(), key=lambda item: -item[1])
  return {name: length for name, length in ordered if length > MOST}


def main() -> None:
  """The command line."""
  parser = argparse.ArgumentParser(prog='lines.py')
  parser.add_argument('--rev', default='', help='count this commit')
  parser.add_argument('--base', default='', help='compare with this commit')
  arguments = parser.parse_args()
  files = read(arguments.rev)
  print(table(files, read(arguments.base) if arguments.base else None))
  print(f'\nFiles of more than {MOST} lines of any kind:')
  for name, length in long_files(files).items():
    aside = ' (not written by hand)' if ASIDE.fullmatch(name) else ''
    print(f'{length:7,}  {name}{aside}')


if __name__ == '__main__':
  main()
