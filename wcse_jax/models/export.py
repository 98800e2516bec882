r"""Writes a model for use elsewhere: `python -m wcse_jax.models.export`.

  python -m wcse_jax.models.export --format=huggingface --to=student \
    --from=runs/x/finetune/gemma2_9b-wc_low/checkpoints/400 \
    --tokenizer=/data/gemma-2-9b

`gm` is what `gemma.gm.ckpts.load_params` reads, `huggingface` what
`AutoModelForCausalLM.from_pretrained` of transformers does.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib
import sys
from typing import Any, cast

import jax

from wcse_jax import models
from wcse_jax.models import checkpoint, presets
from wcse_jax.models.encoding import Encoding
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats import gm, huggingface
from wcse_jax.models.formats.folder import CheckpointError, partial
from wcse_jax.models.tokenizer import Tokenizer, TokenizerError
from wcse_jax.tasks.turns import Turns

FORMATS = ('gm', 'huggingface')


def export(
  source: str | pathlib.Path,
  to: str | pathlib.Path,
  form: str,
  *,
  preset: str = '',
  tokenizer: str | pathlib.Path = '',
  base: str | pathlib.Path = '',
  dtype: str = 'bfloat16',
  turns: Turns | None = None,
) -> checkpoint.Model:
  """Writes a checkpoint to a folder, for use elsewhere.

  Args:
    source: A folder or a preset, as for `wcse_jax.models.load`.
    to: A folder that does not exist; it appears whole or not at all.
    form: 'gm' or 'huggingface'.
    preset: As for `wcse_jax.models.load`.
    tokenizer: As for `wcse_jax.models.load`.
    base: As for `wcse_jax.models.load`.
    dtype: Type to write the weights in.
    turns: How turns are marked that the model was finetuned in: what ends them
      then ends what it writes elsewhere, too.

  Returns:
    What was written: the text model alone, also of one that `sees`.

  Raises:
    CheckpointError: It cannot be read, the format has no such architecture, or
      the folder exists or cannot be written.
    TokenizerError: The tokenizer does not fit.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   _ = export(
    ...     'nano_wc', f'{folder}/out', 'huggingface', dtype='float32'
    ...   )
    ...   models.load(f'{folder}/out').name
    'nano_wc'
  """
  _check(pathlib.Path(to))  # before what takes long
  model = models.load(
    source, dtype=dtype, preset=preset, tokenizer=tokenizer, base=base
  )
  ends = (*model.ends, *Encoding(model.tokenizer, turns).ends)
  model = dataclasses.replace(model, ends=tuple(dict.fromkeys(ends)))
  write(model, to, form)
  return model


def write(model: checkpoint.Model, to: str | pathlib.Path, form: str) -> None:
  """Writes a model; the folder appears whole or not at all.

  What stood beside the weights or the tokenizer is kept: chat template,
  generation_config.json and the like; `eos_token_id` is what ends samples here.

  Args:
    model: With a tokenizer that is a file, as `models.load` gives it.
    to: A folder that does not exist.
    form: One of `FORMATS`.

  Raises:
    CheckpointError: The format has no such architecture, or the folder exists
      or cannot be written.
  """
  _check(to := pathlib.Path(to))
  tokens = cast(Tokenizer, model.tokenizer)
  homes = checkpoint.homes(model.folder, tokens)
  fields: dict[str, Any] = {
    'eos_token_id': [tokens.eos, *model.ends] if model.ends else tokens.eos
  }
  if version := folder_lib.said('transformers_version', homes)[0]:
    fields['transformers_version'] = version
  try:
    with partial(to) as folder:
      made = folder / to.name
      if form == 'gm':
        preset = presets.PRESETS.get(model.name)
        config = preset.config if preset else model.config
        gm.write(made, model.params, config, tokens)
      else:
        huggingface.write(
          made, model.params, model.config, tokens, fields=fields
        )
      if form != 'gm' or model.ends:  # which `gm` itself does not read
        special = {'bos_token_id': tokens.bos, 'pad_token_id': tokens.pad}
        folder_lib.write_json(made / folder_lib.GENERATION, special | fields)
      folder_lib.keep(homes, made)
      made.rename(to)
  except CheckpointError:
    raise
  except Exception as e:  # orbax and tensorstore raise all kinds
    raise CheckpointError(
      f'{to} cannot be written ({e}): make room, or name another folder'
    ) from e


def _check(to: pathlib.Path) -> None:
  if to.exists():
    raise CheckpointError(f'{to} exists: name another folder, or remove it')


def main(argv: Sequence[str] | None = None) -> None:
  """Exports what the command line says."""
  parser = argparse.ArgumentParser(
    prog='python -m wcse_jax.models.export',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  add = parser.add_argument
  add(
    '--from',
    dest='source',
    required=True,
    help="a folder with a checkpoint, e.g. a student's, or a preset's name",
  )
  add('--to', required=True, help='a new folder')
  add('--format', dest='form', required=True, choices=FORMATS)
  add(
    '--preset',
    default='',
    choices=presets.PRESETS,
    metavar='NAME',
    help='of wcse_jax.models.presets; by default the one that fits',
  )
  add(
    '--tokenizer',
    default='',
    help='a SentencePiece file, a folder with one, or the name of a preset that'
    ' comes with one; by default the one in or beside the folder',
  )
  add(
    '--base',
    default='',
    help='what adapters (LoRA) are added to, as for --from; by default what'
    ' they were trained beside',
  )
  add('--dtype', default='bfloat16', choices=('bfloat16', 'float32'))
  said = parser.parse_args(argv)
  jax.config.update('jax_platforms', 'cpu')  # nothing is computed
  try:
    model = export(**vars(said))
  except (CheckpointError, TokenizerError) as e:
    sys.exit(f'error: {e}')
  print(f'wrote {said.to}')
  if model.left_out:
    names = ', '.join(model.left_out)
    print(f'It reads alone: {names} of {said.source} is left out.')


if __name__ == '__main__':
  main()
