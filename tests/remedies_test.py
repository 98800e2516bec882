"""What messages tell people to type is what the commands take.

The messages are collected from the source: a new one is tried, too.
"""

import ast
import itertools
import pathlib
import re

import pytest

from wcse_jax import command_line, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import rules
from wcse_jax.experiment.config import STAGES
from wcse_jax.stages import forget

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = pathlib.Path(__file__).parent / 'golden_workdir'
STAGE_NAMES = sorted(
  path.parent.relative_to(GOLDEN).as_posix()
  for path in GOLDEN.rglob('MANIFEST.json')
)
# What stands for an expression in a message that proposes flags.
VALUES = {
  'self.name': [
    {n.split('/')[0]: n for n in STAGE_NAMES}['judge'],
    'problems/x',
  ],
  "','.join(redo)": [','.join(STAGE_NAMES)],
  'name': STAGES,  # of `complete.need`
  'index': [1],
  'spec.count': [2],
  'here.index': [1],
  'here.count': [2],
  'role': ['wc', 'se'],
  'field': ['wc', 'teachers.mid.model'],
  'model': ['gemma2_9b'],
  'path': [ROOT / 'configs' / 'wc_distill.py'],
  'values.replicas': [3],
  'layout.fsdp': [4],
  'layout.tensor': [2],
  'layout.remat': ['dots'],
}
# Flags of the project's other commands, which their own tests try.
OF_OTHERS = {
  '--other',
  *('--by', '--budget', '--json', '--slots', '--topology', '--models'),
  *('--train_topology', '--prefix_tokens', '--prompt_tokens', '--mean_tokens'),
  *('--example_tokens', '--help', '--data_dir', '--from', '--teachers'),
  *('--arm', '--student', '--format', '--output', '--gold', '--file'),
  '--whole',
}


def texts(path):
  """The strings of a file, an expression in them as {expression}."""
  tree = ast.parse(path.read_text())
  within = {
    id(part)
    for node in ast.walk(tree)
    if isinstance(node, ast.JoinedStr)
    for part in ast.walk(node)
    if part is not node
  }
  docs = {
    id(node.body[0].value)
    for node in ast.walk(tree)
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    and node.body
    and isinstance(node.body[0], ast.Expr)
  }
  for node in ast.walk(tree):
    if id(node) in within | docs:
      continue
    if isinstance(node, ast.JoinedStr):
      yield ''.join(
        part.value
        if isinstance(part, ast.Constant)
        else f'{{{ast.unparse(part.value)}}}'
        for part in node.values
      )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
      yield node.value


def proposals():
  """By message, the flags that it proposes: those it quotes end with ':'."""
  flag = re.compile(
    r'(?<![\w-])--[a-z][\w.]*(?:\{[^}]*\})?(?:=(?:\{[^}]*\}|[^\s{}])+)?'
  )
  for folder in ('wcse_jax', 'launch'):
    for path in sorted((ROOT / folder).rglob('*.py')):
      for text in texts(path):
        found = [m.rstrip('.,;)') for m in flag.findall(text)]
        found = [
          f for f in found if not f.endswith(':') and f != '--redo={why[name]}'
        ]
        # A flag alone is where a command defines it.
        if found and found != [text]:
          yield path.relative_to(ROOT).as_posix(), text, tuple(found)


PROPOSALS = sorted(set(proposals()))


def test_the_messages_are_found():
  files = {path for path, *_ in PROPOSALS}
  assert {
    'wcse_jax/store/stage.py',
    'wcse_jax/stages/check.py',
    'wcse_jax/stages/complete.py',
  } <= files


@pytest.mark.parametrize(
  ('path', 'text', 'proposed'),
  PROPOSALS,
  ids=[f'{path}-{i}' for i, (path, *_) in enumerate(PROPOSALS)],
)
def test_every_remedy_is_taken(path, text, proposed, monkeypatch):
  """`--redo=judge/wc` and `--redo=problems/...` were printed, and refused."""
  monkeypatch.chdir(ROOT)
  given = []
  for flag in proposed:
    name = flag.split('=')[0]
    if name in OF_OTHERS:
      continue
    assert re.fullmatch(r'--config(\..*)?', name) or (
      name[2:] in command_line._FLAGS
    ), f'{path} proposes {name}, which no command has: {text!r}'
    if '=' in flag:
      given.append(flag)
  holes = sorted(set(re.findall(r'\{([^}]*)\}', ' '.join(given))))
  unknown = set(holes) - set(VALUES)
  assert not unknown, f'say in VALUES what stands for {unknown}: {text!r}'
  for values in itertools.product(*(VALUES[hole] for hole in holes)):
    filled = given
    for hole, value in zip(holes, values, strict=True):
      filled = [flag.replace(f'{{{hole}}}', str(value)) for flag in filled]
    filled = [
      flag.replace('<experiment>', 'wc_distill').replace(':SCALE', ':tiny')
      for flag in filled
    ]
    if not any(flag.startswith('--config=') for flag in filled):
      filled.insert(0, '--config=configs/wc_distill.py:tiny')
    command_line.parse(['launch/main.py', *filled])


def test_fields_that_messages_name_exist():
  wrong = []
  fields = [path for path, *_ in rules.leaves(config_lib.Config)]
  for path in sorted((ROOT / 'wcse_jax').rglob('*.py')):
    for text in texts(path):
      said = re.sub(r'\{[^}]*\}', '{}', text)
      for name in re.findall(r'(?<![\w./])config\.([a-z_]+(?:\.\w+)*)', said):
        if name not in ('json', 'num_embed') and not any(
          f.startswith(name) for f in fields
        ):
          wrong.append(f'{path}: config.{name}')
  assert not wrong


def test_every_stage_can_be_forgotten():
  recorded = store.Store(GOLDEN).identities()
  for name in (*STAGE_NAMES, 'prepare/nano_arithmetic', 'sample/wc/'):
    assert forget.named(recorded, name), name
  for name in (*STAGES, *config_lib.FOLDERS):
    found = forget.named(recorded, name)
    assert found or name in ('plan', 'report'), name  # they are made anew
  assert not forget.named(recorded, 'sample/w')
  assert not forget.named(recorded, 'sample/../problems')
