"""Lists tasks, models, arms, or the fields of a config.

  wcse list tasks
  wcse list config sampling

A word behind it keeps those whose name has it.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
import textwrap

from wcse_jax import tasks
from wcse_jax.experiment import arms, config, fields
from wcse_jax.models import presets
from wcse_jax.tasks import datasets

# A name, what stands beside it, and what it means.
Row = tuple[str, str, str]


def main(argv: Sequence[str]) -> int:
  """Prints what the command line asks for.

  Args:
    argv: The program, and the arguments.

  Returns:
    The exit code: 0, or 1 if there is no such thing.
  """
  parser = argparse.ArgumentParser(
    'wcse list',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument('what', choices=LISTS)
  parser.add_argument('word', nargs='?', default='')
  said = parser.parse_args(argv[1:])
  found = [row for row in LISTS[said.what]() if said.word in row[0]]
  for name, beside, meaning in found:
    print(f'{name}  {beside}'.rstrip())
    for line in textwrap.wrap(meaning, 74):
      print(f'    {line}')
  return int(not found)


def _tasks() -> Iterator[Row]:
  for name in tasks.TASKS:
    dataset = datasets.DATASETS[name]
    sizes = ', '.join(f'{n:,} {split}' for split, n in dataset.sizes.items())
    yield name, sizes, f'{dataset.description} {dataset.licence}.'


def _models() -> Iterator[Row]:
  where = {
    'package': 'Its weights come with this project.',
    'gguf': 'Its weights come with the extra gemma-270m.',
    '': 'Name the folder of its weights in config.checkpoints.',
  }
  for name, preset in presets.PRESETS.items():
    size = f'{preset.config.num_params:,} parameters'
    if preset.config.active < preset.config.num_params:
      size += f', {preset.config.active:,} of them active'
    yield name, size, f'{where[preset.source]} {preset.licence}.'


def _arms() -> Iterator[Row]:
  for text, meaning in arms.EXAMPLES.items():
    yield text, f'({config.arm(text).label})', meaning


def _config() -> Iterator[Row]:
  for field in fields.of(config.Config):
    yield f'{field.path} = {field.text}', f'({field.kind})', field.meaning


LISTS: dict[str, Callable[[], Iterator[Row]]] = {
  'tasks': _tasks,
  'models': _models,
  'arms': _arms,
  'config': _config,
}
