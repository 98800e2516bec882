"""The stage `curate`: the packed training table of every mix."""

import dataclasses

from wcse_jax import store
from wcse_jax.experiment.plan import Mix
from wcse_jax.records import Example
from wcse_jax.stages import selection
from wcse_jax.stages.complete import kept
from wcse_jax.stages.layout import Run


def make(run: Run) -> None:
  """Commits each mix's examples, and the rows that they are packed into.

  A mix without any is committed as such: it gets no student, the others do.

  Raises:
    SelectionError: No mix has an example, or a sample or verdict is missing.
  """
  import pyarrow as pa
  import pyarrow.parquet as pq

  from wcse_jax.finetuning import packing
  from wcse_jax.models.tokenizer import Tokenizer

  row_tokens, left_out = run.config.finetune.row_tokens, {}
  for mix in run.plan.mixes:
    stage = run.curate_stage(mix)
    if kept(stage):
      left_out[mix] = run.left_out(mix)
      continue
    made, left_out[mix] = examples(run, mix)
    sink = pa.BufferOutputStream()
    pq.write_table(store.to_table(made, store.EXAMPLES), sink)
    path = stage.path / 'examples.parquet'
    store.commit(path, sink.getvalue().to_pybytes())
    tokenizer = Tokenizer(run.model_files('student')[-1])
    texts = ((e.prompt, e.completion) for e in made)
    pairs = packing.encode(texts, tokenizer, run.task.turns)
    packed = packing.pack(pairs, row_tokens, bos=tokenizer.bos)
    if made and not packed.examples:
      left_out[mix] = (
        f'{mix.arm} at budget {mix.budget}: none of its {packed.dropped}'
        f' examples fits config.finetune.row_tokens = {row_tokens}. Raise that.'
      )
    for old in stage.path.glob('part-*.parquet'):
      old.unlink()  # of a run that was killed here
    table = packed.table()
    stage.write_part(table, table.schema)
    why = {'left_out': left_out[mix]} if left_out[mix] else {}
    stage.finish(**packed.counts(), **why)
    print(
      f'{stage.name}: {packed.examples:,} examples'
      f' in {packed.counts()["rows"]:,} rows'
      + _too_long(packed.dropped, len(made), row_tokens)
    )
  for mix, why in left_out.items():
    if why:
      print(f'curate/{mix}: left out, no student: {why}')
  if all(left_out.values()):
    raise selection.SelectionError(
      'No arm has anything to train on.\n' + '\n'.join(left_out.values())
    )


def _too_long(dropped: int, examples: int, row_tokens: int) -> str:
  if not dropped:
    return ''
  return (
    f'; {dropped:,} of {examples:,} are left out, longer than'
    f' config.finetune.row_tokens = {row_tokens}'
  )


def examples(run: Run, mix: Mix) -> tuple[list[Example], str]:
  """Returns the examples of a mix; or none, and why.

  Args:
    run: The experiment, whose samples have verdicts.
    mix: The arm and the budget.

  Raises:
    SelectionError: A sample or its verdict is missing.
    StoreError: A stage is damaged.
  """
  keep = run.keep(mix)
  decide = run.judgements if keep == 'judge' else run.verdicts
  drawn = run.plan.drawn(mix)
  try:
    chosen = selection.select(
      mix,
      drawn,
      [sample for pool in drawn for sample in run.samples(pool)],
      [verdict for pool in drawn for verdict in decide(pool)],
      run.train,
      keep=keep,
      seed=run.config.seed,
      enough=run.enough,
    )
  except selection.NoExamples as e:
    return [], str(e)
  if run.task.turns:  # a turn begins and ends with its text
    strip = lambda e: dataclasses.replace(e, completion=e.completion.strip())
    chosen = [*map(strip, chosen)]
  return chosen, ''
