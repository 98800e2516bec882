"""A plain loop of PyTorch over padded batches, with Gemma 2 of transformers."""

import torch
import transformers_model
import turns


def make(case: turns.Training) -> turns.Made:
  """See `turns`."""
  model = transformers_model.gemma2(case)
  with torch.inference_mode():
    prompt = case.examples[0][: case.prompt_tokens[0]]
    logits = model(torch.tensor([prompt])).logits[0, -1]
  model.train()
  is_mixed = case.dtype == 'bfloat16'  # weights and moments are float32
  optimizer = torch.optim.AdamW(model.parameters(), lr=case.learning_rate)

  def train(seed: int) -> list[float]:
    losses = []
    for batch in case.batches(seed):
      with torch.autocast('cpu', torch.bfloat16, enabled=is_mixed):
        loss = model(**_padded(case, batch)).loss
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), case.clip_norm)
      optimizer.step()
      optimizer.zero_grad()
      losses.append(loss.item())
    return losses

  return train, logits.numpy()


def _padded(case: turns.Training, batch: list[int]) -> dict[str, torch.Tensor]:
  """Examples up to the longest of the batch; -100 is no target."""
  pad = lambda rows, value: torch.nn.utils.rnn.pad_sequence(
    rows, batch_first=True, padding_value=value
  )
  rows = [torch.tensor(case.examples[i]) for i in batch]
  labels = [row.clone() for row in rows]
  for row, i in zip(labels, batch, strict=True):
    row[: case.prompt_tokens[i]] = -100
  return {
    'input_ids': pad(rows, 0),
    'attention_mask': pad([torch.ones_like(row) for row in rows], 0),
    'labels': pad(labels, -100),
  }


turns.serve(make, turns.Training)
