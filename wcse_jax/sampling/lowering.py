"""The programs lowered for devices that may be only described, e.g. TPUs."""

import functools

import jax
import numpy as np

from wcse_jax.models import gemma, int8, sharding
from wcse_jax.sampling.programs import QUESTIONS, Programs
from wcse_jax.sampling.shapes import whole_tiles
from wcse_jax.sampling.slots import Refill


def lower(
  run: Programs, prefix_tokens: int, stop_states: int
) -> dict[str, jax.stages.Lowered]:
  """Lowers what samples for a mesh; no weight is needed.

  Args:
    run: The programs, with their mesh.
    prefix_tokens: Length of the few-shot prefix, BOS included.
    stop_states: Number of states of the stop strings' automaton.

  Returns:
    'prefix', 'question', 'refill' and 'decode'; `.compile()` them for memory
    and cost.

  Example:
    >>> from wcse_jax import testing
    >>> run = Programs(
    ...   config=testing.TINY, dtype=np.dtype('float32'),
    ...   mesh=sharding.make_mesh(1, 1), slots=4, prompt_columns=16,
    ...   max_new_tokens=20, eos=1, top_k=3, top_p=None,
    ... )
    >>> lowered = lower(run, prefix_tokens=20, stop_states=1)
    >>> state, _ = lowered['decode'].out_info
    >>> state.tokens_BxR.shape, state.cache.layers[0][0].shape
    ((4, 24), (4, 2, 40, 16))
  """

  def array(dtype, *shape):
    return run.struct(dtype, (None,) * len(shape), *shape)

  params = sharding.params_shapes(run.config, run.dtype)
  if run.merged:
    merge = functools.partial(gemma.merge_layer, config=run.config)
    params = {
      name: jax.eval_shape(merge, part) if name.startswith('layer_') else part
      for name, part in params.items()
    }
  if run.int8:
    params = jax.eval_shape(int8.stored, params)
  params = sharding.laid_out(params, run.mesh, sharding.DECODE, run.config)
  prompt = array(np.int32, 1, whole_tiles(prefix_tokens))
  computed = Programs.prefix.lower(run, params, prompt, array(np.int32))
  prefix = jax.tree.map(
    lambda a: (
      run.struct(a.dtype, ('kv_heads', None, None)[: a.ndim], *a.shape)
      if a.ndim > 1
      else array(a.dtype, *a.shape)
    ),
    computed.out_info,
  )
  state = run.state_shapes()
  refill = jax.tree.map(lambda a: array(a.dtype, *a.shape), Refill.none(0))
  questions = QUESTIONS, run.prompt_columns
  level = run.level_shapes(*questions)
  tokens, length = array(np.int32, *questions), array(np.int32, QUESTIONS)
  table = array(np.int32, stop_states, run.config.num_embed)
  return {
    'prefix': computed,
    'question': Programs.question.lower(run, params, prefix, tokens, length),
    'refill': Programs.refill.lower(run, state, level, refill),
    'decode': Programs.decode.lower(run, params, prefix, table, state),
  }
