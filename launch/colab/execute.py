"""Executes the notebooks of this folder, from start to end, and keeps outputs.

  python launch/colab/execute.py           # writes the outputs into them
  python launch/colab/execute.py --check   # only tells whether they run

Each runs in a folder of its own, with this Python. Says how long each took, and
on what: the run times in docs/howto/colab.md.
"""

import argparse
import os
import pathlib
import tempfile
import time

import nbclient
import nbformat

FOLDER = pathlib.Path(__file__).parent


def execute(path: pathlib.Path) -> nbformat.NotebookNode:
  """The notebook with the outputs of a run.

  Raises:
    nbclient.exceptions.CellExecutionError: A cell failed.
  """
  notebook = nbformat.read(path, as_version=4)
  with tempfile.TemporaryDirectory() as folder:
    nbclient.NotebookClient(
      notebook,
      timeout=600,  # seconds, of a cell
      startup_timeout=180,
      kernel_name='python3',
      resources={'metadata': {'path': folder}},
      record_timing=False,
      coalesce_streams=True,
    ).execute()
  return notebook


def tidy(notebook: nbformat.NotebookNode) -> None:
  """Takes out what differs from run to run and tells nothing."""
  notebook.metadata.pop('widgets', None)
  notebook.metadata['language_info'] = {'name': 'python'}
  for cell in notebook.cells:
    kept = []
    for output in cell.get('outputs', []):
      if output.get('name') == 'stderr':  # progress bars
        continue
      data = output.get('data', {})
      data.pop('application/vnd.jupyter.widget-view+json', 0)
      if 'text/plain' in data:  # the same, and short
        data.pop('text/html', 0)
      if 'image/png' in data:
        data.pop('text/plain', 0)  # only the figure's address in memory
      kept.append(output)
    if cell.cell_type == 'code':
      cell.outputs = kept


def device(notebook: nbformat.NotebookNode) -> str:
  """What it ran on, as it says itself: 'JAX 0.12.0 on cpu'."""
  printed = [
    output.text.strip()
    for cell in notebook.cells
    for output in cell.get('outputs', [])
    if output.get('name') == 'stdout'
  ]
  return next(text for text in printed if text.startswith('JAX '))


def main() -> None:
  """Executes all of them."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--check', action='store_true', help='write nothing')
  check = parser.parse_args().check
  for path in sorted(FOLDER.glob('*.ipynb')):
    start = time.monotonic()
    notebook = execute(path)
    print(
      f'{path.name}: {time.monotonic() - start:.0f} s with {os.cpu_count()}'
      f' CPU cores, {device(notebook)}'
    )
    if not check:
      tidy(notebook)
      nbformat.write(notebook, path)


if __name__ == '__main__':
  main()
