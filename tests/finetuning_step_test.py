"""The train step: what the loss sees, and that its layout changes nothing."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wcse_jax import testing
from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.finetuning import FinetuneError, step
from wcse_jax.models import gemma, layers, sharding

SPEC = FinetuneSpec(row_tokens=24)
ONE_LAYER = dataclasses.replace(testing.TINY, attention_types=('local',))


@pytest.fixture(autouse=True, scope='module')
def quick_compile():
  """Compiling takes longer than running, here."""
  jax.config.update('jax_disable_most_optimizations', True)
  jax.clear_caches()  # what was compiled with another setting would be used
  yield
  jax.config.update('jax_disable_most_optimizations', False)
  jax.clear_caches()


def table(rows=9, tokens=24, seed=0):
  """Rows of two segments; of each, the last half is completion."""
  rng = np.random.default_rng(seed)
  targets = rng.integers(4, 260, (rows, tokens)).astype(np.int32)
  half = tokens // 2 - 1  # the last two places of a row are empty
  segment = np.array([1] * half + [2] * half + [0, 0], np.int32)
  position = np.array([*range(half), *range(half), 0, 0], np.int32)
  inputs = np.roll(targets, 1, axis=1)
  inputs[:, [0, half]] = 2  # BOS
  weight = np.array([i >= half // 2 for i in position], np.float32)
  fill = lambda a: np.broadcast_to(a * (segment > 0), targets.shape).copy()
  return {
    'tokens': fill(inputs),
    'targets': fill(targets),
    'loss_weights': fill(weight).astype(np.float32),
    'positions': fill(position),
    'segment_ids': fill(segment),
  }


def train_step(config=testing.TINY, max_logits=2**26, layout=None, **changes):
  spec = dataclasses.replace(
    SPEC, layout=dataclasses.replace(SPEC.layout, **layout or {}), **changes
  )
  return step.TrainStep(config, spec, sharding.train_mesh(1, 1, 1), max_logits)


@functools.cache
def compiled(made):
  return jax.jit(made.gradient)


def one_layer():
  """Parameters, and loss and gradient of the table."""
  params = testing.tiny_model(attention_types=('local',)).params
  return params, compiled(train_step(ONE_LAYER))(params, table())


def assert_alike(one, other, rtol):
  """Trees are equal, relative to the largest entry of each array."""
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    np.testing.assert_allclose(a, b, rtol, rtol * float(np.abs(b).max()))


def test_loss_is_that_of_each_completion_alone():
  """Packing, padding and prompts leave no trace in the loss."""
  model, packed = testing.tiny_model(), table()
  losses, count = 0.0, 0
  net = gemma.Gemma(model.config)

  @jax.jit
  def alone(tokens, targets):
    hidden, _ = gemma.forward(net, model.params, tokens[None])
    return optax.softmax_cross_entropy_with_integer_labels(
      gemma.logits(net, model.params, hidden)[0], targets
    )

  for row in range(9):
    for segment in (1, 2):
      at = packed['segment_ids'][row] == segment
      weights = packed['loss_weights'][row, at]
      each = alone(packed['tokens'][row, at], packed['targets'][row, at])
      losses += float(jnp.sum(each * weights))
      count += weights.sum()
  got = jax.jit(train_step().loss)(model.params, packed, count)
  assert float(got) == pytest.approx(losses / count, rel=1e-5)


def test_segments_give_each_other_no_gradient():
  """By the gradient of one segment's output in the other's embeddings."""
  model, packed = testing.tiny_model(), table(rows=1)
  segment = packed['segment_ids']
  # Each place has a token of its own, and so a row of the embedding.
  tokens = jnp.arange(4, 28)[None]

  @jax.jit
  @jax.grad
  def gradient(embedding, of):
    params = {**model.params, 'embedder': {'input_embedding': embedding}}
    hidden, _ = gemma.forward(
      gemma.Gemma(model.config),
      params,
      tokens,
      jnp.where(segment > 0, packed['positions'], -1),
      segments_BxT=segment,
    )
    return jnp.sum(jnp.sin(hidden) * (segment == of)[..., None])

  for of in (1, 2):
    seen = gradient(model.params['embedder']['input_embedding'], of)
    np.testing.assert_array_equal(
      seen[tokens[0]].any(axis=-1), segment[0] == of
    )


def test_targets_of_prompts_and_of_empty_places_do_not_count():
  packed = table()
  packed['targets'][packed['loss_weights'] == 0] = 5
  params, made = one_layer()
  other = compiled(train_step(ONE_LAYER))(params, packed)
  jax.tree.map(np.testing.assert_array_equal, made, other)


def test_golden_train_step():
  """If a change is meant to alter training, put the new numbers here."""
  made = train_step(clip_norm=1.0)
  state, _ = made.init(testing.tiny_model().params, 0)
  for _ in range(3):
    state, metrics = made(state, table(), 1e-2)
  got = [float(metrics['loss']), float(metrics['grad_norm'])]
  np.testing.assert_allclose(got, [3.82784, 1.262435], rtol=1e-3)


@pytest.mark.parametrize(
  'layout', [{'accumulation': 4, 'remat': 'dots'}, {'remat': 'full'}], ids=str
)
def test_layout_does_not_change_the_gradient(layout):
  """Parts of 9 rows (and 3 empty ones), activations computed again."""
  made = train_step(ONE_LAYER, layout=layout)
  batch = made.put(table())
  assert len(batch['tokens']) == (12 if 'accumulation' in layout else 9)
  params, (loss, grads) = one_layer()
  loss_2, grads_2 = compiled(made)(params, batch)
  assert float(loss_2) == pytest.approx(float(loss), rel=1e-6)
  assert_alike(grads_2, grads, 1e-5)


def test_dots_computes_no_product_with_a_weight_again():
  def products(remat, dtype):
    made = train_step(ONE_LAYER, layout={'remat': remat}, dtype=dtype)
    return made.lower(9).as_text().count('dot_general')

  none, dots, full = (products(r, 'float32') for r in ('none', 'dots', 'full'))
  assert none < dots < full
  assert products('dots', 'bfloat16') == dots


def test_logits_in_chunks_give_the_same_gradient_in_less_memory():
  vocabulary = 8192
  config = dataclasses.replace(ONE_LAYER, num_embed=vocabulary)
  params = testing.tiny_model(
    num_embed=vocabulary, attention_types=('local',)
  ).params
  made, memory = {}, {}
  for places in (24, 2):
    one = train_step(config, places * 9 * vocabulary)
    program = jax.jit(one.gradient).lower(params, table()).compile()
    memory[places] = program.memory_analysis().temp_size_in_bytes
    made[places] = program(params, table())
  assert_alike(made[2], made[24], 1e-5)
  logits = 9 * 24 * vocabulary * 4
  assert memory[24] > logits
  assert memory[2] < memory[24] - logits / 2


@pytest.mark.parametrize(
  ('tokens', 'most', 'chunks'), [(22, 5, 5), (22, 11, 2), (26, 1, 26)]
)
def test_places_that_do_not_divide_make_no_more_chunks(tokens, most, chunks):
  """A prime number of them was done a place at a time, in 9 times the time."""
  params = testing.tiny_model(attention_types=('local',)).params
  batch = table(rows=2, tokens=tokens)
  one, other = (
    train_step(ONE_LAYER, n * 2 * ONE_LAYER.num_embed, row_tokens=tokens)
    for n in (tokens, most)
  )
  assert f'length={chunks}' in str(
    jax.make_jaxpr(other.gradient)(params, batch)
  )
  got, wanted = (compiled(of)(params, batch) for of in (other, one))
  assert_alike(got, wanted, 1e-5)


def test_bfloat16_computes_and_float32_adds_up():
  params, (loss, grads) = one_layer()
  made = train_step(ONE_LAYER, dtype='bfloat16', layout={'accumulation': 3})
  loss_2, grads_2 = compiled(made)(params, table())
  assert float(loss_2) == pytest.approx(float(loss), rel=2e-2)
  error = optax.tree.norm(jax.tree.map(jnp.subtract, grads_2, grads))
  assert 0 < error < 0.05 * optax.tree.norm(grads)
  state = made.state_shapes()
  assert {s.dtype for s in jax.tree.leaves(state) if s.ndim} == {
    jnp.dtype(jnp.float32)
  }
  results = jax.eval_shape(made, state, table(), 1e-2)
  assert {s.dtype for s in jax.tree.leaves(results) if s.ndim} == {
    jnp.dtype(jnp.float32)
  }
  assert {s.dtype for s in jax.tree.leaves((loss_2, grads_2))} == {
    jnp.dtype(jnp.float32)
  }


def test_gradients_of_bfloat16_products_are_added_up_in_float32():
  """Rounded, the parts of several devices would be added up in bfloat16."""
  rng = np.random.default_rng(0)
  x, g = (jnp.array(rng.normal(size=(64, 8, n)), 'bfloat16') for n in (16, 24))
  w = jnp.array(rng.normal(size=(16, 24)), 'float32')
  product = lambda x, w: layers.product('BTD,DF->BTF', x, w)
  y, back = jax.vjp(product, x, w)
  assert y.dtype == jnp.bfloat16
  exact = np.einsum('BTD,BTF->DF', x.astype('float32'), g.astype('float32'))
  x_bar, w_bar = back(g)
  np.testing.assert_allclose(w_bar, exact, rtol=1e-4, atol=1e-4)
  rounded = np.asarray(jnp.array(exact, 'bfloat16'), 'float32')
  assert np.abs(rounded - exact).max() > 1e-2, 'what is told apart'
  whole = jax.vjp(product, x.astype('float32'), w)[1](g.astype('float32'))
  assert x_bar.dtype == jnp.bfloat16
  assert_alike(x_bar.astype('float32'), whole[0], 2e-2)


@pytest.mark.parametrize('name', ['adamw', 'adafactor'])
def test_optimizers_are_those_of_optax(name):
  """With clipping and decay, on arrays that Adafactor factors and others."""
  own = {
    'adamw': optax.adamw(1e-2, b2=0.95, weight_decay=0.1),
    'adafactor': optax.chain(
      optax.adafactor(None, multiply_by_parameter_scale=False),
      optax.scale(-1),
      optax.add_decayed_weights(0.1),
      optax.scale(-1e-2),
    ),
  }
  reference = optax.chain(optax.clip_by_global_norm(0.5), own[name])
  made = train_step(optimizer=name, weight_decay=0.1, clip_norm=0.5).optimizer
  rng = np.random.default_rng(0)
  draw = lambda: {
    'factored': rng.normal(size=(128, 160)).astype(np.float32),
    'whole': rng.normal(size=(3, 32)).astype(np.float32),
  }
  params = draw()
  states = [made.init(params), reference.init(params)]
  for _ in range(3):
    grads = draw()
    ours, states[0] = made.update(grads, states[0], params)
    theirs, states[1] = reference.update(grads, states[1], params)
    assert_alike(jax.tree.map(lambda u: -1e-2 * u, ours), theirs, 1e-6)
    params = optax.apply_updates(params, theirs)


def test_a_mesh_that_does_not_divide_the_model_is_named():
  mesh = jax.sharding.AbstractMesh((1, 1, 3), ('data', 'fsdp', 'tensor'))
  with pytest.raises(FinetuneError, match=r'tensor = 3 .* num_heads = 4'):
    step.TrainStep(testing.TINY, SPEC, mesh)
  with pytest.raises(ValueError, match=r'layout.* needs 998 devices'):
    sharding.train_mesh(2, 499, 1)


@pytest.mark.parametrize('where', [np.asarray, jnp.array])
def test_what_is_given_stays_as_it_is(where):
  """The state is donated; the model's own arrays are not."""
  params = jax.tree.map(where, testing.tiny_model().params)
  before = jax.tree.map(np.array, params)
  made = train_step(clip_norm=1.0)  # as compiled above
  state, _ = made.init(params, 0)
  for _ in range(2):
    state, _ = made(state, table(), 1e-1)
  jax.tree.map(np.testing.assert_array_equal, params, before)
