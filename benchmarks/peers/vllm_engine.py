"""vLLM's build for CPUs: compiled, prefixes cached, stopping at strings."""

import os

import turns


def make(case: turns.Sampling) -> turns.Made:
  """See `turns`."""
  cores = sorted(os.sched_getaffinity(0))
  os.environ |= {
    'HF_HUB_OFFLINE': '1',
    'VLLM_CPU_KVCACHE_SPACE': '2',  # GiB
    'VLLM_CPU_OMP_THREADS_BIND': ','.join(map(str, cores)),
    'VLLM_ENABLE_V1_MULTIPROCESSING': '0',
  }
  import vllm  # looks at these

  longest = max(map(len, case.prompts)) + case.max_new_tokens
  engine = vllm.LLM(
    case.folder,
    dtype=case.dtype,
    max_model_len=-(-longest // 1024) * 1024,  # seldom another: it compiles
    block_size=32,  # larger ones share less of a prefix
    enable_prefix_caching=True,
    max_logprobs=-1,
    logprobs_mode='raw_logits',
  )
  prompts = [{'prompt_token_ids': ids} for ids in case.prompts]
  settings = vllm.SamplingParams(
    temperature=case.temperature,
    top_k=case.top_k if case.temperature else 0,
    max_tokens=case.max_new_tokens,
    stop=case.stop_strings,
    ignore_eos=not case.end_tokens,
  )

  def sample(seed: int) -> list[list[int]]:
    engine.reset_prefix_cache()
    asked = prompts if seed else prompts[:16]
    outputs = engine.generate(asked, settings, use_tqdm=False)
    return [list(output.outputs[0].token_ids) for output in outputs]

  first = vllm.SamplingParams(temperature=0, max_tokens=1, logprobs=-1)
  (output,) = engine.generate(prompts[:1], first, use_tqdm=False)
  (found,) = output.outputs[0].logprobs
  return sample, [found[token].logprob for token in range(len(found))]


turns.serve(make, turns.Sampling)
