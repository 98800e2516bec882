"""config.json of Hugging Face's Gemma 1 to 4: each field read or refused.

A field is one of three: it tells architectures apart, and is compared; it
changes no logits, and stands in `config_fields` with the reason; or the file is
refused. What a file leaves out is what transformers takes for it.
"""

from collections.abc import Mapping, Sequence
import math
import pathlib
from typing import Any

from wcse_jax.models import presets
from wcse_jax.models.formats import config_gemma4
from wcse_jax.models.formats.config_fields import (
  COUNTS,
  DEFAULTS,
  FREE,
  GEMMA3N,
  HARMLESS,
  NUMBERS,
  USUAL,
  Says,
)
from wcse_jax.models.formats.folder import CheckpointError, read_json

CLASSES = {
  'gemma': 'GemmaForCausalLM',
  'gemma2': 'Gemma2ForCausalLM',
  'gemma3_text': 'Gemma3ForCausalLM',
  'gemma4_text': 'Gemma4ForCausalLM',
}
# Those that see or hear have the text model in `text_config`.
_SEES = {'gemma3': 'gemma3_text', 'gemma4': 'gemma4_text'}
_TWO_ROPES = 'gemma3_text', 'gemma4_text'
_LAYERS = {'local': 'sliding_attention', 'global': 'full_attention'}
_CAPS = 'attn_logit_softcapping', 'final_logit_softcapping'
_FIXED = (  # none of our models has another
  'hidden_activation',
  'rms_norm_eps',
  'attention_bias',
  'tie_word_embeddings',
  'use_bidirectional_attention',
  'rope_scaling',
)
_FIXED_IN = {
  'gemma': (),
  'gemma2': (),
  # transformers does not apply that cap in Gemma 3.
  'gemma3_text': ('rope_local_scaling', 'attn_logit_softcapping'),
  'gemma4_text': ('rope_local_scaling',),
}


def read(path: pathlib.Path) -> Says:
  """Reads a config.json, spelled in one way, with nothing left out.

  Args:
    path: The file, as transformers 4 or 5 writes it, or as it is published.

  Raises:
    CheckpointError: It is of another family, or has a field of which it is not
      known what it changes, or contradicts itself.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   path = pathlib.Path(folder, 'config.json')
    ...   _ = path.write_text('{"model_type": "gemma2", "sliding_window": 7}')
    ...   says = read(path)
    >>> says['sliding_window'], says['final_logit_softcapping']
    (7, 30.0)
  """
  outer = read_json(path)
  kind, text = outer.get('model_type'), outer.get('text_config')
  reads = _SEES.get(str(kind))
  if reads and isinstance(text, dict):
    inner = text.get('model_type', reads)
    kind = inner if inner == reads else f'{kind} of {inner}'
  else:
    text = outer
  if str(kind).startswith('gemma3n'):
    raise CheckpointError(f'{path} is of {GEMMA3N}')
  if outer.get('quantization_config'):
    raise CheckpointError(
      f'{path} is quantised (quantization_config): name the one in bfloat16'
    )
  if not isinstance(kind, str) or kind not in CLASSES:
    raise CheckpointError(
      f'{path} is of another architecture, {kind!r}: name a folder'
      f' with one of {", ".join(CLASSES)}'
    )
  try:
    whole = _whole(kind, text)
    other = _whole(kind, text | outer)
  except _Unknown as e:
    raise CheckpointError(
      f'{path} has {e}, which changes what is computed as far as is known: name'
      ' a checkpoint without it'
    ) from e
  except (
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
  ) as e:
    raise CheckpointError(
      f'{path} has a field of another shape ({e}): fetch it again'
    ) from e
  whole['tie_word_embeddings'] &= other['tie_word_embeddings']
  for name in sorted(whole.keys() - set(FREE)):
    if whole[name] != other[name] and name != 'tie_word_embeddings':
      raise CheckpointError(
        f'{path} has {name} = {whole[name]!r} and {other[name]!r}: it'
        ' contradicts itself; fetch it again'
      )
  return whole


def differences(has: Says, config: presets.GemmaConfig) -> list[str]:
  """Returns in what a config.json does not fit a model.

  Args:
    has: What `read` gave of it.
    config: The model.
  """
  said = says(config)
  wanted = _whole(said['model_type'], said)
  return [
    f'{name} = {has.get(name)!r}, the model {wanted.get(name)!r}'
    for name in dict.fromkeys([*wanted, *has])
    if name not in FREE and has.get(name) != wanted.get(name)
  ]


def architecture(has: Says, path: pathlib.Path) -> presets.GemmaConfig:
  """Returns the model that a config.json is of.

  Args:
    has: What `read` gave of it.
    path: The file, for messages.

  Raises:
    CheckpointError: It is none that is known here.
  """
  for name, value in has.items():
    known = int if name in COUNTS else (int, float)
    if name not in (*COUNTS, *NUMBERS, *_CAPS):
      continue
    none = value is None and name in _CAPS
    if not none and not (isinstance(value, known) and 0 < value < 2**31):
      raise CheckpointError(f'{path} has {name} = {value!r}: fetch it again')
  kind, scale, share = has['model_type'], 1.0, 1.0
  form, _, factor = (has['rope_scaling'] or '').partition(', ')
  fourth = kind == config_gemma4.KIND
  if fourth and form in ('', 'proportional'):
    share = float(factor or 1)
    has = has | {'rope_scaling': DEFAULTS[kind]['rope_scaling']}
  if not fourth and form == 'linear' and factor != 'None':
    scale = float(factor)
    has = has | {'rope_scaling': None}
  for name in _FIXED + _FIXED_IN[kind]:
    if has[name] != (usual := DEFAULTS[kind][name]):
      raise CheckpointError(
        f'{path} has {name} = {has[name]!r}; here it can be {usual!r} alone:'
        ' name another checkpoint'
      )
  fields: dict[str, Any] = {
    'num_embed': has['vocab_size'],
    'embed_dim': has['hidden_size'],
    'hidden_dim': has['intermediate_size'],
    'num_heads': has['num_attention_heads'],
    'head_dim': has['head_dim'],
    'num_kv_heads': has['num_key_value_heads'],
    'attention_types': ('global',) * has['num_hidden_layers'],
    'query_pre_attn_scalar': has['head_dim'] ** -0.5,
    'local_base_frequency': has['rope_theta'],
    'global_base_frequency': has['rope_theta'],
    'local_scale_factor': scale,
    'global_scale_factor': scale,
    'context_length': has['max_position_embeddings'],
  }
  if 'query_pre_attn_scalar' in has:
    fields['query_pre_attn_scalar'] = has['query_pre_attn_scalar'] ** -0.5
  if kind != 'gemma':
    names = {theirs: ours for ours, theirs in _LAYERS.items()}
    fields |= {
      'attention_types': tuple(names[layer] for layer in has['layer_types']),
      'attn_logits_soft_cap': has.get('attn_logit_softcapping'),
      'final_logit_softcap': has['final_logit_softcapping'],
      'sliding_window_size': has['sliding_window'],
      'use_post_attn_norm': True,
      'use_post_ffw_norm': True,
    }
  if kind in _TWO_ROPES:
    fields |= {
      'use_qk_norm': True,
      'transpose_gating_einsum': True,
      'local_base_frequency': has['rope_local_base_freq'],
      'local_scale_factor': 1.0,
    }
  if fourth:
    fields |= config_gemma4.architecture(has, share)
  return presets.GemmaConfig(**fields)


def says(c: presets.GemmaConfig) -> Says:
  """Returns the config.json of an architecture.

  Raises:
    CheckpointError: transformers has no such one.
  """
  kind = 'gemma'
  if c.use_post_attn_norm:
    kind = 'gemma3_text' if c.use_qk_norm else 'gemma2'
  if c.gemma4:
    kind = config_gemma4.KIND
  scalar = round(c.query_pre_attn_scalar**-2)  # has to be an int
  same: dict[str, Any] = {
    'query_pre_attn_scalar': scalar**-0.5,
    'use_post_ffw_norm': c.use_post_attn_norm,
  }
  if kind != 'gemma3_text':
    same |= {
      'use_qk_norm': False,
      'local_scale_factor': c.global_scale_factor,
      'local_base_frequency': c.global_base_frequency,
    }
  else:
    same |= {'local_scale_factor': 1.0, 'attn_logits_soft_cap': None}
  if kind == 'gemma':
    same |= {
      'query_pre_attn_scalar': c.head_dim**-0.5,
      'attention_types': ('global',) * c.num_layers,
      'attn_logits_soft_cap': None,
      'final_logit_softcap': None,
    }
  if c.gemma4:
    same = config_gemma4.has_to_be(c)
  for field, value in same.items():
    if (given := getattr(c, field)) != value:
      raise CheckpointError(
        f'transformers has no {kind} with {field} = {given!r}: use the format'
        ' gm'
      )
  said: Says = {
    'architectures': [CLASSES[kind]],
    'model_type': kind,
    'vocab_size': c.num_embed,
    'hidden_size': c.embed_dim,
    'intermediate_size': c.hidden_dim,
    'num_hidden_layers': c.num_layers,
    'num_attention_heads': c.num_heads,
    'num_key_value_heads': c.num_kv_heads,
    'head_dim': c.head_dim,
    'hidden_act': USUAL,
    'hidden_activation': USUAL,
    'max_position_embeddings': c.context_length,
    'rms_norm_eps': 1e-6,
    'rope_theta': float(c.global_base_frequency),
    'rope_scaling': None,
    'attention_bias': False,
    'tie_word_embeddings': True,
  }
  if (factor := c.global_scale_factor) != 1:
    said['rope_scaling'] = {'rope_type': 'linear', 'factor': factor}
  if kind == 'gemma':
    return said
  said |= {
    'sliding_window': c.sliding_window_size,
    'layer_types': [_LAYERS[kind] for kind in c.attention_types],
    'final_logit_softcapping': c.final_logit_softcap,
  }
  if c.gemma4:
    del said['rope_theta'], said['rope_scaling']
    return said | config_gemma4.says(c)
  said |= {
    'query_pre_attn_scalar': scalar,
    'attn_logit_softcapping': c.attn_logits_soft_cap,
  }
  if kind == 'gemma3_text':
    said['rope_local_base_freq'] = float(c.local_base_frequency)
  return said


class _Unknown(Exception):
  """A field, with its value, of which it is not known what it changes."""


def _whole(kind: str, given: Mapping[str, Any]) -> Says:
  """Returns what a config.json says, spelled in one way, nothing left out."""
  left = {n: v for n, v in given.items() if n not in HARMLESS}
  if kind == config_gemma4.KIND:
    layers = left.get('num_hidden_layers', DEFAULTS[kind]['num_hidden_layers'])
    types = left.get('layer_types') or _repeated(6, layers)
    left = config_gemma4.flattened(left, types)
  whole = {'model_type': kind} | DEFAULTS[kind] | _rope(kind, left)
  # Of old 'gelu' stood for the usual one, in this field alone.
  act = left.pop('hidden_act', None)
  act = None if act == 'gelu' else act
  acts = {act or USUAL, left.pop('hidden_activation', None) or USUAL}
  whole['hidden_activation'] = next(iter(acts - {USUAL}), USUAL)
  for name in ('attention_bias', 'tie_word_embeddings'):
    whole[name] = bool(left.pop(name, whole[name]))
  name = 'use_bidirectional_attention'
  whole[name] = left.pop(name, None) or False
  if 'layer_types' in whole:
    layers = left.get('num_hidden_layers', whole['num_hidden_layers'])
    whole['layer_types'] = _layer_types(whole['layer_types'], layers, left)
    window = left.pop('sliding_window_size', None)  # its other name
    if window not in (None, left.get('sliding_window', window)):
      raise _Unknown(f'sliding_window_size = {window!r} beside sliding_window')
  for name, value in left.items():
    if name not in whole:
      if value is None:  # says nothing
        continue
      raise _Unknown(f'{name} = {value!r}')
    whole[name] = value
  return whole


def _layer_types(every: int, layers: Any, left: Says) -> Sequence[str]:
  """Takes from `left` what it says of the kinds of layers."""
  types = left.pop('layer_types', None)
  pattern = left.pop('sliding_window_pattern', None)
  if type(layers) is not int:
    raise _Unknown(f'num_hidden_layers = {layers!r}')
  made = types or _repeated(every if pattern is None else pattern, layers)
  if pattern is not None and _repeated(pattern, layers) != made:
    raise _Unknown(f'sliding_window_pattern = {pattern!r} beside layer_types')
  if len(made) != layers or not set(made) <= set(_LAYERS.values()):
    raise _Unknown(f'layer_types = {made!r} for {layers} layers')
  return made


def _repeated(every: Any, layers: int) -> list[str]:
  """Returns kinds of layers, of which every so manieth is global."""
  if type(every) is not int or every < 1:
    raise _Unknown(f'sliding_window_pattern = {every!r}')
  kinds = _LAYERS['local'], _LAYERS['global']
  return [kinds[(i + 1) % every == 0] for i in range(layers)]


def _rope(kind: str, left: Says) -> Says:
  """Takes from `left` what it says of rotary wavelengths.

  transformers 5 has `rope_parameters`, 4 has `rope_theta` and `rope_scaling`.
  """
  defaults, made = DEFAULTS[kind], {}
  if kind == config_gemma4.KIND and not left.get('rope_parameters'):
    return {}  # whole, or not at all
  scaling = _object('rope_scaling', left)
  parameters = _object('rope_parameters', left)
  parts = {'': ('rope_theta', 'rope_scaling', parameters | scaling)}
  if kind in _TWO_ROPES:
    local = _object('sliding_attention', parameters)
    full = _object('full_attention', parameters)
    for name, value in parameters.items():
      raise _Unknown(f'{name} = {value!r} in rope_parameters')
    parts = {
      'full_attention.': ('rope_theta', 'rope_scaling', full | scaling),
      'sliding_attention.': (
        'rope_local_base_freq',
        'rope_local_scaling',
        local,
      ),
    }
  for where, (base, scale, part) in parts.items():
    bases = part.pop('rope_theta', None), left.pop(base, None), defaults[base]
    made[base] = next(value for value in bases if value is not None)
    old = part.pop('type', None)
    form = part.pop('rope_type', None) or old or 'default'
    factor = part.pop('factor', None)
    share = part.pop('partial_rotary_factor', None)
    if form == 'proportional' and factor in (None, 1):
      form, factor = (form, share) if share not in (None, 1) else ('default', 1)
      share = None
    if share is not None:
      part['partial_rotary_factor'] = share
    for name, value in part.items():
      if value is not None:
        raise _Unknown(f'{where}{name} = {value!r} of rotary wavelengths')
    if form == 'default' or (form == 'linear' and factor == 1):
      made[scale] = None
    elif factor is None or (
      isinstance(factor, (int, float)) and 0 < factor < math.inf
    ):
      made[scale] = f'{form}, {factor and float(factor)}'
    else:
      raise _Unknown(f'{where}factor = {factor!r}')
  return made


def _object(name: str, left: Says) -> Says:
  """Takes from `left` what has to be an object, or nothing."""
  value = left.pop(name, None)
  if value is not None and not isinstance(value, dict):
    raise _Unknown(f'{name} = {value!r}')
  return dict(value or {})
