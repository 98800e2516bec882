"""`generate` of transformers, with Gemma 2 in PyTorch."""

import torch
import transformers_model
import turns


def make(case: turns.Sampling) -> turns.Made:
  """See `turns`."""
  model = transformers_model.gemma2(case)
  input_ids = torch.tensor(case.prompts)

  @torch.inference_mode()
  def sample(seed: int) -> list[list[int]]:
    torch.manual_seed(seed)
    output = model.generate(
      input_ids,
      attention_mask=torch.ones_like(input_ids),
      do_sample=True,
      temperature=case.temperature,
      top_k=case.top_k,
      top_p=1.0,
      max_new_tokens=case.max_new_tokens if seed else 2,
      eos_token_id=case.end_tokens or None,
      pad_token_id=0,
    )
    return output[:, input_ids.shape[1] :].tolist()

  with torch.inference_mode():
    logits = model(input_ids[:1]).logits[0, -1]
  return sample, logits.numpy()


turns.serve(make, turns.Sampling)
