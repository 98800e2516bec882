"""What transformers computes of folders: logits, greedy tokens, what it saves.

Usage: transformers_logits.py FOLDER, in which jobs.json is a list of objects
with the fields of `parity.Job`; the answers are N.npz, or N.txt with an error.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import transformers


def answer(job: dict) -> dict[str, np.ndarray]:
  """Returns logits [B, T, V], and what else is asked for.

  Of a text its ids; of a prompt the tokens [N] that follow, and their logprob.
  """
  model = transformers.AutoModelForCausalLM.from_pretrained(
    job['folder'],
    dtype=getattr(torch, job['dtype']),
    attn_implementation='eager',
  ).eval()
  with torch.no_grad():
    logits = model(torch.tensor(job['tokens'])).logits
    found = {'logits': logits.float().numpy()}
    if job['text']:
      tokenizer = transformers.AutoTokenizer.from_pretrained(job['folder'])
      found['ids'] = np.array(tokenizer(job['text']).input_ids)
    if job['prompt']:
      prompt = torch.tensor([job['prompt']])
      whole = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=job['new'],
        do_sample=False,
      )
      new = whole[0, prompt.shape[1] :]
      before = model(whole[:, :-1]).logits[0, prompt.shape[1] - 1 :]
      logprob = torch.log_softmax(before.float(), -1)
      found['tokens'] = new.numpy()
      found['logprob'] = logprob[torch.arange(len(new)), new].sum().numpy()
  if job['save']:
    model.save_pretrained(job['save'])
  return found


def main(folder: pathlib.Path) -> None:
  """Answers all jobs of a folder."""
  transformers.logging.set_verbosity_error()
  for i, job in enumerate(json.loads((folder / 'jobs.json').read_text())):
    try:
      np.savez(folder / f'{i}.npz', **answer(job))
    except Exception as error:
      (folder / f'{i}.txt').write_text(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
