"""The sampler of google-tunix, with cache and padding as short as can be."""

from tunix.generate import sampler as sampler_lib
import tunix_model
import turns


def make(case: turns.Sampling) -> turns.Made:
  """See `turns`."""
  model = tunix_model.gemma2(case)
  length = len(case.prompts[0])
  sampler = sampler_lib.Sampler(
    transformer=model,
    tokenizer=_Tokenizer(),
    cache_config=sampler_lib.CacheConfig(
      cache_size=length + case.max_new_tokens,
      num_layers=len(model.layers),
      num_kv_heads=case.config['num_kv_heads'],
      head_dim=case.config['head_dim'],
    ),
  )
  prompts = [turns.spell(ids[1:]) for ids in case.prompts]  # it adds BOS

  def sample(seed: int) -> list[list[int]]:
    output = sampler(
      prompts,
      max_generation_steps=case.max_new_tokens,
      max_prompt_length=length,
      eos_tokens=case.end_tokens or [-1],
      temperature=case.temperature,
      top_p=1.0,
      top_k=case.top_k,
      seed=seed,
    )
    return [row.tolist() for row in output.tokens]

  return sample, tunix_model.logits(model, case.prompts[0])


class _Tokenizer(turns.Ids):
  """As much of a tokenizer as the sampler uses."""

  def bos_id(self) -> int:
    return 2

  def eos_id(self) -> int:
    return 1

  def pad_id(self) -> int:
    return 0


turns.serve(make, turns.Sampling)
