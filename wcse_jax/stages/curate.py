"""The stage `curate`: the packed training table of every mix."""

from wcse_jax import store
from wcse_jax.experiment.plan import Mix
from wcse_jax.records import Example
from wcse_jax.stages import selection
from wcse_jax.stages.layout import Run, kept


def make(run: Run) -> None:
  """Commits each mix's examples, and the rows that they are packed into.

  Raises:
    SelectionError: A mix has no example, or none that fits a row.
  """
  import pyarrow as pa
  import pyarrow.parquet as pq

  from wcse_jax.finetuning import packing
  from wcse_jax.models.tokenizer import Tokenizer

  row_tokens = run.config.finetune.row_tokens
  for mix in run.mixes:
    stage = run.curate_stage(mix)
    if kept(stage):
      continue
    examples = _examples(run, mix)
    sink = pa.BufferOutputStream()
    pq.write_table(store.to_table(examples, store.EXAMPLES), sink)
    path = stage.path / 'examples.parquet'
    store.commit(path, sink.getvalue().to_pybytes())
    tokenizer = Tokenizer(run.model_files('student')[-1])
    texts = ((e.prompt, e.completion) for e in examples)
    pairs = packing.encode(texts, tokenizer)
    packed = packing.pack(pairs, row_tokens, bos=tokenizer.bos)
    if not packed.examples:
      raise selection.SelectionError(
        f'{path}: none of {packed.dropped} examples of the mix {mix} fits '
        f'config.finetune.row_tokens = {row_tokens}; raise that'
      )
    for old in stage.path.glob('part-*.parquet'):
      old.unlink()  # of a run that was killed here
    table = packed.table()
    stage.write_part(table, table.schema)
    stage.finish(**packed.counts())
    print(
      f'{stage.name}: {packed.examples:,} examples'
      f' in {packed.counts()["rows"]:,} rows'
      + (f', {packed.dropped} too long' if packed.dropped else '')
    )


def _examples(run: Run, mix: Mix) -> list[Example]:
  keep = run.keep(mix)
  decide = run.judgements if keep == 'judge' else run.verdicts
  drawn = run.drawn(mix)
  return selection.select(
    mix,
    drawn,
    [sample for pool in drawn for sample in run.samples(pool)],
    [verdict for pool in drawn for verdict in decide(pool)],
    run.train,
    keep=keep,
  )
