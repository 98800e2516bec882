"""GSM8K as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import gsm8k as gsm8k_problems
from wcse_jax.tasks import source_files


class WcseGsm8k(seqio_task.Builder):
  """Grade-school word problems; 500 of train are the validation split."""

  HOMEPAGE = 'https://github.com/openai/grade-school-math'

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    train, test = (
      gsm8k_problems.read(source.path(gsm8k_problems.URL + name), name)
      for name in ('train.jsonl', 'test.jsonl')
    )
    official = {'train': train, 'validation': train, 'test': test}
    return {
      split: gsm8k_problems.problems(rows, split)
      for split, rows in official.items()
    }


task = functools.partial(seqio_task.task, WcseGsm8k)
