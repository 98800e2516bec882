"""Choosing a token: one uniform number and the inverse CDF."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np


def sample_key(
  seed: int, generator: str, problem_id: str, sample_index: int
) -> np.ndarray:
  """Returns the random key of a sample, a function of nothing but its name.

  Args:
    seed: The seed of the experiment.
    generator: Name of the pool.
    problem_id: The problem's id.
    sample_index: Which of the problem's samples it is.

  Returns:
    Threefry key data, uint32 of shape [2].

  Example:
    >>> sample_key(0, 'wc', 'p1', 3)
    array([2299721585,  427876098], dtype=uint32)
  """
  name = f'{seed}\0{generator}\0{problem_id}\0{sample_index}'
  digest = hashlib.sha256(name.encode()).digest()
  return np.frombuffer(digest[:8], np.uint32)


def uniform(keys_Bx2: jax.Array, index_B: jax.Array) -> jax.Array:
  """Draws one number per row, a function of the row's key and index alone.

  Args:
    keys_Bx2: Key data of each row's sample, as `sample_key` gives it.
    index_B: Number of the token within the sample, from 0 on.

  Returns:
    float32 in [0, 1), of shape [B].

  Example:
    >>> key = sample_key(0, 'wc', 'p1', 3)
    >>> numbers = uniform(jnp.array([key, key]), jnp.array([0, 1]))
    >>> [round(float(number), 4) for number in numbers]
    [0.9381, 0.0995]
  """

  def draw(key_data, index):
    key = jax.random.wrap_key_data(key_data, impl='threefry2x32')
    return jax.random.uniform(jax.random.fold_in(key, index))

  return jax.vmap(draw)(keys_Bx2, index_B)


def choose(
  logits_BxV: jax.Array,
  uniform_B: jax.Array,
  temperature_B: jax.Array,
  *,
  top_k: int | None,
  top_p: float | None,
  num_pieces: int | None = None,
) -> tuple[jax.Array, jax.Array]:
  """Chooses one token per row.

  The candidates are the `top_k` likeliest tokens, of them those before which
  less than `top_p` of the probability (at this temperature) has been passed;
  the token is drawn from softmax(logits / temperature) over the candidates.

  Args:
    logits_BxV: The model's logits, float32.
    uniform_B: Random numbers in [0, 1), see `uniform`.
    temperature_B: What logits are divided by; 0 takes the likeliest token.
    top_k: Largest number of candidates; None is all of the vocabulary.
    top_p: Probability at which candidates end; None is 1.
    num_pieces: How many tokens, the first ones, may be chosen; None is all.

  Returns:
    The tokens, int32 of shape [B], and their log-probabilities in nats under
    softmax(logits) of all rows, whatever the temperature and the candidates,
    float32 [B].

  Example:
    >>> logits = jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4]] * 3))
    >>> token, logprob = choose(
    ...   logits, jnp.array([0.5, 0.6, 0.6]), jnp.array([1.0, 1.0, 0.0]),
    ...   top_k=2, top_p=None,
    ... )
    >>> token.tolist(), [round(float(p), 4) for p in jnp.exp(logprob)]
    ([3, 2, 3], [0.4, 0.3, 0.4])
  """
  all_BxV = logits_BxV
  if num_pieces is not None and num_pieces < logits_BxV.shape[-1]:
    known_V = jnp.arange(logits_BxV.shape[-1]) < num_pieces
    logits_BxV = jnp.where(known_V, logits_BxV, -jnp.inf)
  greedy_B = temperature_B == 0
  scale_B = 1 / jnp.where(greedy_B, 1, temperature_B)
  if top_k is None and top_p is None:
    candidates_BxC, values_BxC = None, logits_BxV
    best_B = jnp.argmax(logits_BxV, axis=-1)
  else:
    # The likeliest first; with top_p alone, this sorts the vocabulary.
    size = logits_BxV.shape[-1]
    values_BxC, candidates_BxC = jax.lax.top_k(
      logits_BxV, min(top_k or size, size)
    )
    best_B = jnp.zeros_like(greedy_B, jnp.int32)
  probs_BxC = jax.nn.softmax(values_BxC * scale_B[:, None], axis=-1)
  if top_p is not None:
    passed_BxC = jnp.cumsum(probs_BxC, axis=-1) - probs_BxC
    probs_BxC = jnp.where(passed_BxC < top_p, probs_BxC, 0)
  cdf_BxC = jnp.cumsum(probs_BxC, axis=-1)
  # The first candidate whose CDF exceeds the number drawn: never one of
  # probability 0, whatever the rounding of the sum.
  target_B = uniform_B * cdf_BxC[:, -1]
  exceeds_BxC = (cdf_BxC > target_B[:, None]) & (probs_BxC > 0)
  pick_B = jnp.where(greedy_B, best_B, jnp.argmax(exceeds_BxC, axis=-1))
  take = lambda a: jnp.take_along_axis(a, pick_B[:, None], axis=-1)[:, 0]
  token_B = pick_B if candidates_BxC is None else take(candidates_BxC)
  logprob_B = take(values_BxC) - jax.nn.logsumexp(all_BxV, axis=-1)
  return token_B.astype(jnp.int32), logprob_B
