"""Bad files: of a finished workdir, from outside, of checkpoints."""

import collections
from collections.abc import Iterator
import json
import pathlib
import shlex
import shutil
from typing import cast

from bad_values import CONTENTS, VALUES, Case, damaged

from wcse_jax.errors import Error

ROOT = pathlib.Path(__file__).resolve().parents[1]
_WORKDIR = ROOT / 'tests' / 'golden_workdir'
# One file of each kind.
_KINDS = (
  'seconds.json',
  'config.json',
  'labels.json',
  'report/results.json',
  'problems/nano_arithmetic/MANIFEST.json',
  'problems/nano_arithmetic/part-00000.parquet',
  'sample/wc/MANIFEST.json',
  'sample/wc/part-00000.parquet',
  'verify/wc/MANIFEST.json',
  'verify/wc/part-00000.parquet',
  'judge/se/MANIFEST.json',
  'judge/se/part-00000.parquet',
  'curate/se-low/MANIFEST.json',
  'curate/se-low/part-00000.parquet',
  'finetune/nano_student-se-low/MANIFEST.json',
  'finetune/nano_student-se-low/CLAIM.json',
  'evaluate/nano_student-base/nano_arithmetic/MANIFEST.json',
  'evaluate/nano_student-base/nano_arithmetic/part-00000.parquet',
  'evaluate/nano_student-base/nano_arithmetic/metrics.json',
)


def of_files(folder: pathlib.Path) -> Iterator[Case]:
  """One file of each kind in a finished workdir, then all that reads it."""
  from wcse_jax import command_line, store
  from wcse_jax.experiment import config as config_lib
  from wcse_jax.results import labels
  from wcse_jax.results.types import decode
  from wcse_jax.stages import check, committed, layout
  from wcse_jax.stages.journal import Journal

  workdir = folder / 'run'
  shutil.copytree(_WORKDIR, workdir)
  words = (workdir / 'COMMAND').read_text()
  _, _, flag, *others = shlex.split(words)
  flag = flag.replace('=configs', f'={ROOT}/configs')
  config = command_line.parse(['main.py', flag, *others]).config
  Journal(workdir, '').write_config(config)

  def read(name: str) -> None:
    run = layout.Run(config, store.Store(workdir))
    top = name.split('/')[0]
    if top == 'config.json':
      config_lib.restore(store.read_config(workdir))
    elif top == 'seconds.json':
      _ = Journal(workdir, '').seconds
    elif top == 'report':
      decode((workdir / name).read_bytes())
    elif top == 'labels.json':
      labels.read(workdir / name, committed.labels_of(run), [])
    else:
      check.check_settings(run, config_lib.STAGES)
      for stage in run.costly():
        if name.startswith(stage.name + '/'):
          stage.read_parts()
          stage.infos()
          if name.endswith('CLAIM.json'):
            stage.claim()
      committed.read(run, command='', device='', started='', seconds={},
                     versions={}, git='')  # fmt: skip

  for name in _KINDS:
    path = workdir / name
    before = path.read_bytes() if path.exists() else None
    for what, content in damaged(path, before):

      def call(path=path, content=content, before=before, name=name):
        path.write_bytes(content)
        try:
          read(name)
        finally:
          path.unlink() if before is None else path.write_bytes(before)

      yield Case(f'{name}: {what}', call)


def of_external(folder: pathlib.Path) -> Iterator[Case]:
  """External samples, prices, data sets' official files."""
  import pyarrow as pa
  import pyarrow.parquet as pq

  from wcse_jax import tasks
  from wcse_jax.experiment import prices
  from wcse_jax.sampling import external
  from wcse_jax.tasks import datasets

  row = {'problem_id': 'p', 'model': 'm', 'text': 't', 'num_tokens': 1,
         'num_prompt_tokens': 1, 'sample_index': 0, 'finish_reason': 'eos',
         'logprob': -1.0}  # fmt: skip

  def sampled(name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    external.first_model(path)
    samples, bad = external.read(path, 'm', 'wc', ['p'])
    external.require(samples, 'wc', ['p'], 1)
    if bad:
      raise external.ExternalError(bad[0])

  def case(name: str, what: str, content: bytes) -> Case:
    return Case(f'{name}: {what}', lambda: sampled(name, content))

  for what, content in CONTENTS.items():
    for name in ('rows.jsonl', 'rows.parquet', 'rows.csv'):
      yield case(name, what, content)
  for key in row:
    for what, value in VALUES.items():
      line = json.dumps({**row, key: value}).encode()
      yield case('rows.jsonl', f'{key} is {what}', line)
    line = json.dumps(row)[:-1] + f', "{key}": 1}}'
    yield case('rows.jsonl', f'{key} twice', line.encode())
    for what, column in (
      ('far', pa.array([2**62], pa.timestamp('ms'))),
      ('bytes', pa.array([b'\xff'])),
      ('null', pa.nulls(1)),
      ('nan', pa.array([float('nan')])),
      ('large', pa.array([2**63], pa.uint64())),
      ('lists', pa.array([[1]])),
    ):
      others = {k: [v] for k, v in row.items()}
      sink = pa.BufferOutputStream()
      pq.write_table(pa.table({**others, key: column}), sink)
      content = sink.getvalue().to_pybytes()
      yield case('rows.parquet', f'{key} is {what}', content)

  def priced(name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    prices.read(folder / name)

  for what, content in CONTENTS.items():
    for name in ('prices.json', 'prices.toml'):
      yield Case(f'{name}: {what}', lambda n=name, c=content: priced(n, c))
  price = {'model': 'm', 'date': '2024-01-01',
           'usd_per_million_output_tokens': 1.0,
           'usd_per_million_input_tokens': 1.0, 'source': ''}  # fmt: skip
  for key in price:
    for what, value in VALUES.items():
      content = json.dumps([{**price, key: value}]).encode()
      yield Case(
        f'prices.json: {key} is {what}', lambda c=content: priced('p.json', c)
      )

  def official(task: str, name: str, content: bytes) -> None:
    place = folder / 'data' / task
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    try:
      for problems in tasks.load(task, 'problems')(str(place)).values():
        collections.deque(problems, maxlen=0)
    finally:
      (place / name).unlink()

  for task, dataset in datasets.DATASETS.items():
    names = ['train.jsonl', 'MATH.tar', 'train.parquet'] * (task == 'math')
    for name in [*dataset.sha256, *names]:
      for what in ('empty', 'garbage', 'a number', 'null', 'deep'):
        yield Case(
          f'{task}/{name}: {what}',
          lambda t=task, n=name, c=CONTENTS[what]: official(t, n, c),
        )


def of_checkpoints(folder: pathlib.Path) -> Iterator[Case]:
  """Folders of this project and of Hugging Face."""
  import safetensors.numpy

  from wcse_jax import models
  from wcse_jax.models import checkpoint
  from wcse_jax.models.formats import huggingface
  from wcse_jax.models.tokenizer import Tokenizer

  nano = checkpoint.load('nano_wc')
  tokens = cast(Tokenizer, nano.tokenizer)
  theirs, ours = folder / 'hf', folder / 'own'
  huggingface.write(theirs, nano.params, nano.config, tokens, 10**6)
  ours.mkdir()
  shutil.copy(tokens.path, ours)
  checkpoint.write(ours / 'params.safetensors', nano.params, 'bfloat16')

  def load(path: pathlib.Path, content: bytes) -> None:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
      models.load(path.parent)
    finally:
      path.write_bytes(before)

  for place in (theirs, ours):
    for path in sorted(place.iterdir()):
      for what, content in damaged(path, path.read_bytes()):
        yield Case(
          f'{place.name}/{path.name}: {what}',
          lambda p=path, c=content: load(p, c),
        )
  tensors = safetensors.numpy.load_file(ours / 'params.safetensors')
  for kind in ('int32', 'bool', 'int8', 'uint16'):
    other = {name: a.astype(kind) for name, a in tensors.items()}
    content = safetensors.numpy.save(other)
    yield Case(
      f'weights of {kind}',
      lambda c=content: load(ours / 'params.safetensors', c),
    )
  for kind in ('int32', '', 'x'):
    yield Case(
      f'load(dtype={kind!r})',
      lambda k=kind: models.load('nano_wc', dtype=k),
      (Error, ValueError),
    )
