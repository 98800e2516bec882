"""Weights in eight bits: products near those of floats, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax import store, testing
from wcse_jax.experiment import config
from wcse_jax.models import attention, gemma, int8, presets
from wcse_jax.sampling import Sampler, engine, lowering
from wcse_jax.stages import check, layout, sources
from wcse_jax.tpu import sampling


@pytest.mark.parametrize(
  ('equation', 'x', 'w', 'axes'),
  [
    ('BTD,DF->BTF', (2, 3, 64), (64, 5), (0,)),
    ('BTD,ED->BTE', (2, 1, 64), (7, 64), (1,)),
    ('BTNH,NHD->BTD', (2, 3, 4, 16), (4, 16, 9), (0, 1)),
    ('BTD,DLP->BTLP', (2, 3, 64), (64, 2, 5), (0,)),
    ('TD,VD->TV', (3, 64), (11, 64), (1,)),
  ],
)
def test_products_are_near_those_of_floats(equation, x, w, axes):
  """Whatever the size of a row, and of an output's weights."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=x) * 10.0 ** rng.integers(
    -3, 4, (x[0], *[1] * len(x[1:]))
  )
  w = rng.normal(size=w) * 10.0 ** rng.integers(-3, 4, 1)
  exact = np.einsum(equation, x, w)
  made = int8.einsum(
    equation,
    jnp.asarray(x, jnp.float32),
    int8.quantized(jnp.asarray(w, jnp.float32), axes),
  )
  for row, of in zip(np.asarray(made), exact, strict=True):
    assert np.linalg.norm(row - of) / np.linalg.norm(of) < 0.02


def test_zeros_are_zeros():
  w = int8.quantized(jnp.zeros((4, 2)), (0,))
  assert not int8.einsum('TD,DF->TF', jnp.ones((1, 4)), w).any()
  w = int8.quantized(jnp.ones((4, 2)), (0,))
  assert not int8.einsum('TD,DF->TF', jnp.zeros((1, 4)), w).any()


def run_of(model, **changes):
  sampler = Sampler(model, max_new_tokens=8, slots=4, dtype='int8')
  return dataclasses.replace(sampler._programs, prompt_columns=16, **changes)


@pytest.mark.parametrize('name', ['tiny', 'gemma4_e2b'])
def test_every_weight_of_a_product_is_stored_in_eight_bits(name):
  """Norms and scales are not; the logits are near those of floats."""
  import gm_nn

  model = testing.tiny_model()
  if name != 'tiny':
    config = dataclasses.replace(gm_nn.small(name), num_embed=512)
    params = gm_nn.params_of(config)
    model = dataclasses.replace(model, name=name, config=config, params=params)
  run = run_of(model)
  floats = dataclasses.replace(run, int8=False, dtype=jnp.dtype('float32'))
  stored, whole = run.layout(model.params), floats.layout(model.params)
  types = {
    '/'.join(str(getattr(k, 'key', k)) for k in path): leaf.dtype
    for path, leaf in jax.tree.leaves_with_path(stored)
  }
  left = {p for p, of in types.items() if of == jnp.bfloat16}
  in_floats = ('scale', 'mlp/linear')
  assert all(path.endswith(in_floats) for path in left), left
  assert (
    sum(of == jnp.int8 for of in types.values()) > 4 * model.config.num_layers
  )
  tokens = gm_nn.tokens_of(model.config)
  made = [
    gemma.logits(of.model, params, gemma.forward(of.model, params, tokens)[0])
    for of, params in ((run, stored), (floats, whole))
  ]
  error = np.linalg.norm(made[0] - made[1]) / np.linalg.norm(made[1])
  assert 1e-4 < error < 0.15


def test_what_int8_cannot_hold_is_named():
  import gm_nn

  model = testing.tiny_model()
  config = dataclasses.replace(gm_nn.small('gemma4_26b_a4b'), num_embed=512)
  mixes = dataclasses.replace(model, name='mixture', config=config)
  with pytest.raises(
    engine.SamplingError, match='mixture: its experts are not'
  ):
    Sampler(mixes, dtype='int8')
  one_head = presets.PRESETS['gemma3_270m'].config
  assert 'lower mesh.tensor' in presets.no_int8(one_head, merged=False)


def test_rows_do_not_depend_on_their_neighbours():
  """As in every format: a sample is a function of its name."""
  sampler = Sampler(
    testing.tiny_model(), max_new_tokens=8, slots=4, dtype='int8'
  )
  prompts = ['1+1=', '2+7=', 'What is 3?']
  together = sampler.sample(prompts, n=2)
  alone = [sampler.sample([prompt], n=2)[0] for prompt in prompts]
  assert together == alone
  assert sampler._programs.int8


def test_programs_are_lowered_for_weights_in_eight_bits():
  """What plans and what samples have the same shapes."""
  model = testing.tiny_model()
  run = run_of(model)
  lowered = lowering.lower(run, prefix_tokens=20, stop_states=1)
  params, *_ = lowered['decode'].in_avals[0]
  stored = jax.tree.map(jax.typeof, run.layout(model.params))
  shape = lambda a: (a.shape, a.dtype)
  assert jax.tree.map(shape, params) == jax.tree.map(shape, stored)


def test_a_pool_in_eight_bits_is_another_pool(tmp_path):
  made = {}
  for dtype in ('float32', 'bfloat16', 'int8'):
    spec = dataclasses.replace(config.SamplingSpec(), dtype=dtype)
    of = dataclasses.replace(config.Config(), sampling=spec)
    run = layout.Run(of, store.Store(tmp_path))
    made[dtype] = sources.sampling(of, run.task)
  assert len({str(spec) for spec in made.values()}) == 3


def test_a_config_of_a_mixture_in_eight_bits_is_refused_early():
  spec = dataclasses.replace(config.SamplingSpec(), dtype='int8')
  of = dataclasses.replace(config.Config(), wc='gemma4_26b_a4b', sampling=spec)
  with pytest.raises(config.ConfigError, match='gemma4_26b_a4b: its experts'):
    check.check(of)
  elsewhere = dataclasses.replace(of.external, wc='http://127.0.0.1:1/v1')
  arms = ('se', 'wc_number_matched')
  check.check(dataclasses.replace(of, external=elsewhere, arms=arms))


@pytest.mark.parametrize('cap', [None, 50.0])
def test_attention_to_stored_levels_is_that_to_what_they_stand_for(cap):
  """Shared and of each row, beside tokens at hand in floats."""
  draw = np.random.default_rng(0).normal
  array = lambda *shape: jnp.asarray(draw(size=shape), jnp.float32)
  shapes = (2, 7, 16), (3, 2, 5, 16), (3, 2, 1, 16)
  mask = lambda s: jnp.asarray(draw(size=(3, 1, s[-2])) > -1)
  floats = [(array(*s), 3 * array(*s), mask(s)) for s in shapes]
  stored = [(int8.rows(k), int8.rows(v), m) for k, v, m in floats[:2]]
  whole = lambda r: r.values * r.scale[..., None]
  meant = [(whole(k), whole(v), m) for k, v, m in stored]
  q = array(3, 2, 4, 1, 16)
  made, expected, exact = (
    attention._attend(q, levels, cap)
    for levels in ([*stored, floats[2]], [*meant, floats[2]], floats)
  )
  np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
  error = np.linalg.norm(made - exact) / np.linalg.norm(exact)
  assert 1e-4 < error < 0.02


def test_caches_are_stored_in_eight_bits():
  """Of 16 numbers in float32, a quarter and a scale: the plan's bytes."""
  model = testing.tiny_model()
  run = run_of(model)
  floats = dataclasses.replace(run, int8=False, dtype=jnp.dtype('float32'))
  size = lambda tree: sum(a.nbytes for a in jax.tree.leaves(tree))
  own, whole = (of.empty().cache.layers for of in (run, floats))
  assert size(own) / size(whole) == (16 + 4) / (4 * 16)
  columns = own[0][0].shape[2]
  generator = sampling.Generator(
    model='gemma2_2b',
    prefix_tokens=20,
    prompt_tokens=16,
    max_new_tokens=8,
    stop_states=1,
    dtype='int8',
  )
  wide = dataclasses.replace(generator, dtype='bfloat16')
  width = model.config.kv_layers[0].head_dim
  assert width == 16 and columns == 16 + run.own_columns
  assert generator.kv_bytes(9) / wide.kv_bytes(9) == (256 + 4) / (2 * 256)
  params = run.layout(model.params)
  shared = run.prefix(params, jnp.ones((1, 32), jnp.int32), 2)
  assert {k.values.dtype for pair in shared.layers for k in pair} == {
    jnp.dtype('int8')
  }
