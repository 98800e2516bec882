import json
import os
import pathlib
import sys
import types

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from wcse_jax.models import presets, tokenizer
from wcse_jax.store import digests

gguf_package = pytest.importorskip(
  'gguf', reason='needs launch/setup.sh gemma-270m'
)
from wcse_jax.models.formats import gguf  # noqa: E402

TINY = presets.GemmaConfig(
  num_embed=280,
  embed_dim=32,
  hidden_dim=96,
  num_heads=4,
  head_dim=16,
  num_kv_heads=2,
  attention_types=('local', 'global'),
  query_pre_attn_scalar=0.25,
  sliding_window_size=8,
  use_post_attn_norm=True,
  use_post_ffw_norm=True,
  use_qk_norm=True,
  transpose_gating_einsum=True,
)
D, F, N, K, H = 32, 96, 4, 2, 16


def vocabulary() -> list[tuple[str, float, int]]:
  """(piece, score, type) as llama.cpp writes Gemma's."""
  special = ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>']
  words = ['\u2581', 'a', 'b', '\u2581a', 'ab', '1', '2']
  rows = [(piece, -1000.0, 3) for piece in special]
  rows += [('\n', -1000.0, 4), ('  ', -1000.0, 4)]
  rows += [(f'<0x{i:02X}>', 0.0, 6) for i in range(256)]
  rows += [(word, -float(i), 1) for i, word in enumerate(words)]
  unused = TINY.num_embed - len(rows)
  return rows + [(f'<unused{i}>', -1000.0, 3) for i in range(unused)]


def tensors() -> dict[str, np.ndarray]:
  """Weights under llama.cpp's names, matrices as (out, in)."""
  shapes = {'token_embd': (TINY.num_embed, D), 'output_norm': (D,)}
  for i in range(TINY.num_layers):
    layer = {
      'attn_q': (N * H, D),
      'attn_k': (K * H, D),
      'attn_v': (K * H, D),
      'attn_output': (D, N * H),
      'attn_q_norm': (H,),
      'attn_k_norm': (H,),
      'ffn_gate': (F, D),
      'ffn_up': (F, D),
      'ffn_down': (D, F),
      'attn_norm': (D,),
      'post_attention_norm': (D,),
      'ffn_norm': (D,),
      'post_ffw_norm': (D,),
    }
    shapes |= {f'blk.{i}.{name}': shape for name, shape in layer.items()}
  rng = np.random.default_rng(0)
  return {
    f'{name}.weight': rng.normal(size=shape).astype(np.float32)
    for name, shape in shapes.items()
  }


def write_gguf(path: pathlib.Path) -> pathlib.Path:
  writer = gguf_package.GGUFWriter(path, 'gemma3')
  pieces, scores, types_ = zip(*vocabulary(), strict=True)
  writer.add_token_list(list(pieces))
  writer.add_token_scores(list(scores))
  writer.add_token_types(list(types_))
  writer.add_pad_token_id(0)
  writer.add_eos_token_id(1)
  writer.add_bos_token_id(2)
  writer.add_unk_token_id(3)
  for name, array in tensors().items():
    quantized = gguf_package.GGMLQuantizationType.Q8_0
    if name == 'blk.0.attn_q.weight':
      data = gguf_package.quants.quantize(array, quantized)
      writer.add_tensor(name, data, raw_dtype=quantized)
    else:
      writer.add_tensor(name, array)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()
  return path


@pytest.fixture(scope='module')
def tiny_gguf(tmp_path_factory):
  return write_gguf(tmp_path_factory.mktemp('gguf') / 'tiny.gguf')


@pytest.fixture(scope='module')
def reader(tiny_gguf):
  return gguf_package.GGUFReader(tiny_gguf)


@pytest.fixture(scope='module')
def params(reader):
  return gguf.read_params(reader, TINY)


def test_names_and_shapes_are_the_models(params):
  shapes = {name: array.shape for name, array in params.items()}
  assert shapes == TINY.param_shapes()
  assert {array.dtype for array in params.values()} == {np.dtype('float32')}


def test_projections_compute_what_the_gguf_does(params):
  # Each is compared as a function of an input, by the einsum of gm.nn.
  w = tensors()
  rng = np.random.default_rng(1)
  x_D, y_NxH, z_F = (
    rng.normal(size=shape).astype(np.float32) for shape in (D, (N, H), F)
  )

  def same(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)

  for i, tolerance in ((0, 0.1), (1, 1e-5)):  # Q8_0 and float32
    blk = f'blk.{i}.'
    q = np.einsum('d,ndh->nh', x_D, params[f'layer_{i}/attn/q_einsum/w'])
    same(q.ravel(), w[blk + 'attn_q.weight'] @ x_D, tolerance)
    kv = np.einsum('d,ckdh->ckh', x_D, params[f'layer_{i}/attn/kv_einsum/w'])
    same(kv[0].ravel(), w[blk + 'attn_k.weight'] @ x_D)
    same(kv[1].ravel(), w[blk + 'attn_v.weight'] @ x_D)
    o = params[f'layer_{i}/attn/attn_vec_einsum/w']
    same(
      np.einsum('nh,nhd->d', y_NxH, o),
      w[blk + 'attn_output.weight'] @ y_NxH.ravel(),
    )
    gate_up = params[f'layer_{i}/mlp/gating_einsum'] @ x_D
    same(gate_up[0], w[blk + 'ffn_gate.weight'] @ x_D)
    same(gate_up[1], w[blk + 'ffn_up.weight'] @ x_D)
    same(
      z_F @ params[f'layer_{i}/mlp/linear'], w[blk + 'ffn_down.weight'] @ z_F
    )


def test_norms_lose_the_one_that_gguf_adds(params):
  w = tensors()
  pairs = {
    'final_norm': 'output_norm',
    'layer_1/attn/_query_norm': 'blk.1.attn_q_norm',
    'layer_1/attn/_key_norm': 'blk.1.attn_k_norm',
    'layer_1/pre_attention_norm': 'blk.1.attn_norm',
    'layer_1/post_attention_norm': 'blk.1.post_attention_norm',
    'layer_1/pre_ffw_norm': 'blk.1.ffn_norm',
    'layer_1/post_ffw_norm': 'blk.1.post_ffw_norm',
  }
  for ours, theirs in pairs.items():
    np.testing.assert_allclose(
      1 + params[f'{ours}/scale'], w[f'{theirs}.weight'], rtol=1e-5, atol=1e-6
    )


def test_tokenizer_is_rebuilt(reader, tmp_path):
  path = tmp_path / 'tokenizer.model'
  path.write_bytes(gguf.read_tokenizer(reader))
  tokens = tokenizer.Tokenizer(path)
  assert (tokens.pad, tokens.eos, tokens.bos) == (0, 1, 2)
  assert tokens.vocab_size == TINY.num_embed

  def pieces(text):
    return [tokens.pieces()[i] for i in tokens.encode(text)]

  assert pieces('ab a') == [b'ab', b' a']
  assert pieces('12') == [b'1', b'2']
  assert pieces('a\n  b') == [b'a', b'\n', b'  ', b'b']  # user-defined
  assert pieces('\u00e9') == [b'\xc3', b'\xa9']  # byte fallback
  assert pieces('<start_of_turn>') == [b'<start_of_turn>']
  assert tokens.bos not in tokens.encode('<bos>')


@pytest.fixture
def package(monkeypatch, tiny_gguf):
  """Stands in for the package with the weights; counts its use."""
  module = types.ModuleType(gguf.PACKAGE)
  module.content = tiny_gguf.read_bytes()
  module.calls = 0

  def assemble(path):
    module.calls += 1
    path.write_bytes(module.content)
    return path

  module.assemble = assemble
  monkeypatch.setitem(sys.modules, gguf.PACKAGE, module)
  monkeypatch.setattr(gguf, 'SHA256', digests.sha256(tiny_gguf))
  tiny = presets.Preset(config=TINY)
  monkeypatch.setitem(presets.PRESETS, gguf.NAME, tiny)
  return module


def test_convert_writes_what_safetensors_reads(package, params, tmp_path):
  folder = gguf.convert(tmp_path)
  read = safetensors_numpy.load_file(folder / 'params.safetensors')
  assert read.keys() == params.keys()
  for name, array in params.items():
    np.testing.assert_array_equal(read[name], array, err_msg=name)
  tokenizer.Tokenizer(folder / 'tokenizer.model')
  manifest = json.loads((folder / 'MANIFEST.json').read_text())
  assert manifest['files'].keys() == {'params.safetensors', 'tokenizer.model'}
  assert {p.name for p in folder.iterdir()} == {
    *manifest['files'],
    'MANIFEST.json',
  }


def test_convert_happens_once(package, tmp_path):
  assert gguf.convert(tmp_path) == gguf.convert(tmp_path)
  assert package.calls == 1


def test_cache_dir_comes_from_the_environment(package, tmp_path, monkeypatch):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'elsewhere'))
  assert gguf.convert() == tmp_path / 'elsewhere' / 'gemma3_270m'


def test_interrupted_conversion_leaves_nothing(package, tmp_path, monkeypatch):
  with monkeypatch.context() as patch:
    patch.setattr(gguf, 'read_params', _interrupt)
    with pytest.raises(KeyboardInterrupt):
      gguf.convert(tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ['gemma3_270m.lock']
  gguf.convert(tmp_path)


def test_remains_of_a_killed_conversion_are_replaced(package, tmp_path):
  partial = tmp_path / 'gemma3_270m.partial'
  partial.mkdir()
  (partial / 'params.safetensors').write_bytes(b'half')
  gguf.convert(tmp_path)
  assert not partial.exists()


def test_altered_package(package, tmp_path):
  package.content = package.content[:-1] + bytes([package.content[-1] ^ 1])
  with pytest.raises(
    gguf.CheckpointError, match=r'do not have the sha256.*reinst'
  ):
    gguf.convert(tmp_path)
  assert not (tmp_path / 'gemma3_270m').exists()


@pytest.mark.parametrize('name', ['params.safetensors', 'tokenizer.model'])
@pytest.mark.parametrize('damage', ['shorter', 'a bit'])
def test_altered_cache(package, tmp_path, name, damage):
  """The sum was stored, but once only sizes were compared."""
  path = gguf.convert(tmp_path) / name
  data = bytearray(path.read_bytes())
  if damage == 'shorter':
    del data[-1]
  else:
    data[-1] ^= 1
  path.write_bytes(data)
  with pytest.raises(
    gguf.CheckpointError, match='gemma3_270m was altered.*delete'
  ):
    gguf.convert(tmp_path)


def test_missing_package(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, gguf.PACKAGE, None)
  with pytest.raises(
    gguf.CheckpointError, match=r'launch/setup\.sh gemma-270m'
  ):
    gguf.convert(tmp_path)


def test_cache_that_cannot_be_written(package, tmp_path):
  path = tmp_path / 'file'
  path.touch()
  with pytest.raises(gguf.CheckpointError, match=r'file.*WCSE_CACHE_DIR'):
    gguf.convert(path)


def _interrupt(reader, config):
  raise KeyboardInterrupt


@pytest.fixture(scope='module')
def gemma_270m():
  """The real model, converted into the default cache if it is not there."""
  pytest.importorskip(gguf.PACKAGE, reason='needs launch/setup.sh gemma-270m')
  return gguf.convert()


def test_real_tokenizer(gemma_270m):
  tokens = tokenizer.Tokenizer(gemma_270m / 'tokenizer.model')
  assert (tokens.pad, tokens.eos, tokens.bos) == (0, 1, 2)
  assert tokens.vocab_size == 262_144
  pieces = tokens.pieces()
  assert [i for i, piece in enumerate(pieces) if not piece] == [0, 1, 2, 3]
  assert tokens.encode('Hello world') == [9259, 1902]
  assert tokens.encode('\n\n') == [108]
  assert [pieces[i] for i in tokens.encode('48 + 5')] == [
    *(b'4', b'8', b' +', b' ', b'5')
  ]
  data = os.environ.get('WCSE_DATA_DIR')
  if not data:
    pytest.skip('WCSE_DATA_DIR is not set: GSM8K is not round-tripped')
  for name in ('train', 'test'):
    path = pathlib.Path(data, 'gsm8k', f'{name}.jsonl')
    for line in path.read_text().splitlines():
      for text in json.loads(line).values():
        assert tokens.decode(tokens.encode(text)) == text


@pytest.mark.filterwarnings('ignore')  # kauldron and TensorFlow on import
def test_real_weights_in_gm_nn(gemma_270m):
  """2.47 nats a token; every wrong mapping gives more than 7."""
  from gemma import gm
  import jax
  import jax.numpy as jnp

  flat = safetensors_numpy.load_file(gemma_270m / 'params.safetensors')
  assert sum(array.size for array in flat.values()) == 268_098_176
  tree = {}
  for name, array in flat.items():
    *path, last = name.split('/')
    node = tree
    for part in path:
      node = node.setdefault(part, {})
    node[last] = jnp.asarray(array)
  model = gm.nn.Gemma3_270M(dtype=jnp.float32)
  tokens = tokenizer.Tokenizer(gemma_270m / 'tokenizer.model')

  # The first training problem of GSM8K (MIT licence).
  text = (
    'Question: Natalia sold clips to 48 of her friends in April, and then she'
    ' sold half as many clips in May. How many clips did Natalia sell'
    ' altogether in April and May?\nAnswer: Natalia sold 48/2 = <<48/2=24>>24'
    ' clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether in'
    ' April and May.\n#### 72'
  )
  ids = [tokens.bos, *tokens.encode(text)]
  apply = jax.jit(lambda params, x: model.apply({'params': params}, x).logits)
  logits = apply(tree, jnp.asarray([ids]))[0]
  logprobs = jax.nn.log_softmax(logits[:-1])[jnp.arange(len(ids) - 1), ids[1:]]
  assert -logprobs.mean() == pytest.approx(2.465, abs=0.01)

  # Even a model this small copies the result it has just read.
  start = len(tokens.encode(text[: text.index('>>72 clips')]))
  greedy = logits[start : start + 4].argmax(axis=-1).tolist()
  assert tokens.decode(greedy) == '>>72 clips'
