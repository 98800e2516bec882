"""Small requests, and their samples by definition: one at a time, no cache."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from wcse_jax import records
from wcse_jax.models import gemma
from wcse_jax.sampling import choosing, engine

PREFIX = 'Q: 1+1?\nA: 2\n\nQ: 2+1?\nA: 3\n\n'  # longer than the window
SETTINGS = {
  'prefix': PREFIX,
  'stop_strings': ['\n', 'ab', *'cdefghijklmnopqrs'],
  'max_new_tokens': 12,
  'max_prompt_tokens': 16,
  'top_k': 40,
  'seed': 7,
}


def make_requests(problems=5, samples=3, temperature=1.0):
  return [
    engine.Request(
      problem_id=f'p{p}',
      sample_index=i,
      prompt=f'Q: {"9" * p}+{p}?\nA:',
      temperature=temperature,
    )
    for p in range(problems)
    for i in range(samples)
  ]


@functools.partial(jax.jit, static_argnums=0)
def forward(module, params, tokens):
  return module.apply({'params': params}, tokens)


def plain(model, request, settings=SETTINGS):
  """Returns (text, tokens, reason, logprob) by the definition."""
  tokenizer, apply = model.tokenizer, gemma.Gemma(model.config).apply
  prompt = tokenizer.encode(settings['prefix'] + request.prompt)
  tokens = [tokenizer.bos, *prompt]
  key = choosing.sample_key(
    settings['seed'],
    'wc',
    request.problem_id,
    request.sample_index,
  )
  sampled, logprob = [], 0.0
  while True:
    padded = np.zeros((1, 80), np.int32)  # what comes later is not seen
    padded[0, : len(tokens + sampled)] = tokens + sampled
    hidden, _ = forward(gemma.Gemma(model.config), model.params, padded)
    last = hidden[:, len(tokens + sampled) - 1]
    logits = apply({'params': model.params}, last, method='logits')
    token, lp = choosing.choose(
      logits,
      choosing.uniform(jnp.array([key]), jnp.array([len(sampled)])),
      jnp.array([request.temperature]),
      top_k=settings['top_k'],
      top_p=settings.get('top_p'),
      num_pieces=len(tokenizer.pieces()),
    )
    sampled.append(int(token[0]))
    logprob += float(lp[0])
    text = tokenizer.decode(sampled)
    cut = records.cut(text, settings['stop_strings'])
    if sampled[-1] == tokenizer.eos:
      return cut, len(sampled), 'eos', logprob
    if cut != text:
      return cut, len(sampled), 'stop', logprob
    if len(sampled) == settings['max_new_tokens']:
      return cut, len(sampled), 'length', logprob


def draw(sampler, requests):
  return {
    (s.problem_id, s.sample_index): s
    for s in sampler.stream(requests, generator='wc')
  }
