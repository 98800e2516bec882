"""Do models here compute what transformers computes? Writes docs/PARITY.md.

  python benchmarks/parity.py
  python benchmarks/parity.py --write=docs/PARITY.md

Small Gemmas of every family, with random weights, are written in every layout,
type and spelling of config.json that is known. Each is read here and by
transformers, in an environment of its own (PyTorch for the CPU), and the logits
of 2 x 17 tokens are compared, three windows long; so are greedy samples, their
ends and log-probabilities. A folder that is read must give what transformers
computes; any other must be refused by name. The logits of every architecture
are compared with those of gm.nn, too. Exits with 1 if anything is otherwise,
with 75 if that environment cannot be made.
"""

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import opponents
import parity_cells
from parity_cells import Cell, gm_nn

from wcse_jax import sampling
from wcse_jax.models.formats.folder import CheckpointError

# The largest difference, relative to the norm; bfloat16 has 8 bits.
BOUNDS = {'float32': 2.5e-5, 'bfloat16': 3e-2}
_PATIENCE_S = 1800


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What transformers is asked of a folder.

  Attributes:
    folder: What it reads.
    dtype: What it computes in.
    tokens: Ids [B, T] whose logits are asked for.
    text: A text whose ids are asked for; '' if none is.
    prompt: Ids to go on from; [] if no sample is asked for.
    new: How many tokens a sample may have.
    save: Where it saves what it read; '' if nowhere.
  """

  folder: str
  dtype: str
  tokens: list[list[int]]
  text: str
  prompt: list[int]
  new: int
  save: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """What came out of a cell.

  Attributes:
    cell: The cell.
    ok: Whether it is as it must be.
    says: The difference, or what was refused, or what is wrong.
  """

  cell: Cell
  ok: bool
  says: str


def main(argv: Sequence[str] | None = None) -> int:
  """Compares all cells, prints them, and returns the exit code."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--write', type=pathlib.Path, help='a document to write')
  args = parser.parse_args(argv)
  try:
    rows = compared()
  except opponents.PeerError as error:
    print(f'error: transformers cannot be asked: {error}', file=sys.stderr)
    return os.EX_TEMPFAIL
  wrong = [row for row in rows if not row.ok]
  differences = {name: gm_nn.difference(name) for name in gm_nn.CASES}
  far = [name for name, error in differences.items() if error > gm_nn.MOST]
  print(table(rows), gm_table(differences), sep='\n\n')
  for row in wrong:
    cell = row.cell
    print(f'{cell.family}, {cell.group}, {cell.what}: {row.says}')
  for name in far:
    print(f'{name}: {differences[name]:.1e} from gm.nn')
  print(f'{len(rows)} folders, {len(wrong)} wrong; {len(far)} unlike gm.nn')
  if args.write and not wrong and not far:
    args.write.write_text(document(rows, differences))
  return bool(wrong or far)


def compared() -> list[Row]:
  """Writes the folders, asks transformers, and compares.

  Raises:
    PeerError: There is no transformers, or it fails.
  """
  python = opponents.interpreter(
    'transformers', opponents.ENVIRONMENTS['transformers']
  )
  with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    cells = parity_cells.cells(folder)
    jobs = [_job(cell) for cell in cells]
    (folder / 'jobs.json').write_text(
      json.dumps([dataclasses.asdict(job) for job in jobs])
    )
    asked = subprocess.run(
      [python, opponents.SCRIPTS / 'transformers_logits.py', folder],
      capture_output=True,
      text=True,
      timeout=_PATIENCE_S,
      check=False,
    )
    if asked.returncode:
      raise opponents.PeerError(asked.stderr.strip()[-300:])
    return [row(cell, folder / f'{i}.npz') for i, cell in enumerate(cells)]


def _job(cell: Cell) -> Job:
  return Job(
    folder=str(cell.theirs),
    dtype=cell.dtype,
    tokens=parity_cells.small.tokens().tolist(),
    text=parity_cells.PROMPT if cell.tokenized else '',
    prompt=parity_cells.prompt(cell.load()) if cell.sampled else [],
    new=parity_cells.NEW,
    save=str(cell.ours) if cell.saved else '',
  )


def row(cell: Cell, answer: pathlib.Path) -> Row:
  """Compares one cell with what transformers answered."""
  try:
    model = None if cell.logits else cell.load()
  except CheckpointError as error:
    said = bool(cell.refused) and cell.refused in str(error)
    says = f'refused: {cell.refused}' if said else f'refused: {error}'
    return Row(cell=cell, ok=said, says=says)
  if cell.refused:
    return Row(cell=cell, ok=False, says=f'read, in spite of {cell.refused}')
  if not answer.exists():
    said = answer.with_suffix('.txt').read_text()
    return Row(cell=cell, ok=False, says=f'transformers: {said}')
  theirs = np.load(answer)
  small = parity_cells.small
  ours = cell.logits() if cell.logits else small.logits(model)
  error = float(small.difference(ours, theirs['logits']))
  ok = error <= BOUNDS[cell.dtype]
  says = f'{error:.1e}'
  if cell.tokenized and model is not None:
    same = theirs['ids'].tolist() == parity_cells.prompt(model)
    ok, says = (
      ok and same,
      f'{says}; ids of texts {"equal" if same else "differ"}',
    )
  if cell.sampled and model is not None:
    agrees, more = _sampled(model, theirs)
    ok, says = ok and agrees, f'{says}; {more}'
  return Row(cell=cell, ok=ok, says=says)


def _sampled(model, theirs) -> tuple[bool, str]:
  """Compares a greedy sample, its end, and its log-probability."""
  sampler = sampling.Sampler(model, max_new_tokens=parity_cells.NEW, slots=4)
  ((ours,),) = sampler.sample([parity_cells.PROMPT], temperature=0)
  tokens = theirs['tokens'].tolist()
  ended = len(tokens) < parity_cells.NEW
  text = model.tokenizer.decode(tokens[:-1] if ended else tokens)
  error = abs(ours.logprob / float(theirs['logprob']) - 1)
  same = (ours.text, ours.num_tokens, ours.finish_reason == 'eos') == (
    text, len(tokens), ended,
  )  # fmt: skip
  says = f'{len(tokens)} tokens, log-probability {error:.1e}'
  if not same:
    says = f'{ours!r} is not {text!r} of {len(tokens)} tokens'
  return same and error <= BOUNDS['float32'], says


def table(rows: Sequence[Row]) -> str:
  """Returns a Markdown table: one line per form, one column per family."""
  families = parity_cells.FAMILIES
  groups = list(dict.fromkeys(row.cell.group for row in rows))
  lines: dict[tuple[str, str], dict[str, str]] = {}
  for row in sorted(rows, key=lambda row: groups.index(row.cell.group)):
    line = lines.setdefault((row.cell.group, row.cell.what), {})
    line[row.cell.family] = row.says if row.ok else f'**{row.says}**'
  head = ['', 'Form', *families.values()]
  body = [
    [group, f'`{what}`' if group == 'config.json' else what,
     *(line.get(family, '') for family in families)]
    for (group, what), line in lines.items()
  ]  # fmt: skip
  return '\n'.join(
    f'| {" | ".join(line)} |' for line in (head, ['---'] * len(head), *body)
  )


def gm_table(differences: Mapping[str, float]) -> str:
  """Returns a Markdown table: one line per architecture."""
  lines = [
    f'| {name} | {gm_nn.options(name)} | {error:.1e} |'
    for name, error in differences.items()
  ]
  return '\n'.join(
    ['| Architecture | Options | Difference |', '| --- | --- | --- |', *lines]
  )


def document(rows: Sequence[Row], differences: Mapping[str, float]) -> str:
  """Returns the text of docs/PARITY.md."""
  requirements = opponents.ENVIRONMENTS['transformers'].requirements
  return f"""# Parity with transformers

Written by `make parity` ({', '.join(requirements)}; CPU): {len(rows)} folders,
small Gemmas with random weights, read here and by transformers. A number is the
difference of the logits of 2 x 17 tokens, relative to their norm, at a sliding
window of 5; it may be {BOUNDS['float32']} where both compute in float32, and
{BOUNDS['bfloat16']} in bfloat16. Samples have the same tokens and the same end;
their log-probability may differ by {BOUNDS['float32']}, too. What is refused
would be computed otherwise, and the message names the field.

{table(rows)}

## Against gm.nn

The same difference, in float32, from the `gm.nn` of gemma
{importlib.metadata.version('gemma')}, where it may be {gm_nn.MOST}. Of each
architecture a small size, with all that its models have.

{gm_table(differences)}
"""


if __name__ == '__main__':
  sys.exit(main())
