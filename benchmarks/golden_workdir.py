"""What a workdir holds, as plain values that can be compared.

Read with the libraries that wrote it, and with nothing of wcse_jax: what is
compared is what anybody finds in the files.
"""

from collections.abc import Callable, Iterable, Mapping
import hashlib
import html
import json
import pathlib
import re
from typing import Any
import warnings

import numpy as np
import pyarrow.parquet as pq

# Files of one moment or one machine: hidden ones, such as locks, times, events
# for TensorBoard, what terminals showed; and what problems were made from.
SKIPPED = re.compile(
  r'(^|.*/)(\..*|log\.txt|seconds\.json|replicas/.*|events\.out.*|tfds/.*)'
)
_EVENTS = re.compile(r'(events\.out\.tfevents)[\w.-]*')
_CHECKPOINT = re.compile(r'.*/checkpoints/\d+')
# Pools, whose rows have names: their order tells only who came first.
_KEY = ('generator', 'problem_id', 'sample_index')


def read(workdir: pathlib.Path, *, ordered: bool = True) -> dict[str, Any]:
  """Returns everything that a workdir's runs committed, by relative path.

  Args:
    workdir: A folder; the parts of each folder in it are read as one table.
    ordered: Whether the order of a pool's samples counts, and what each part's
      metadata say of its making; verdicts are sorted in any case.
  """
  files: dict[str, list[pathlib.Path]] = {}
  for path in sorted(workdir.rglob('*')):
    name = path.relative_to(workdir).as_posix()
    if not path.is_file() or SKIPPED.fullmatch(name):
      continue
    if inside := _CHECKPOINT.match(name):
      name = f'{inside[0]}/arrays'
      path = workdir / inside[0]
    elif re.fullmatch(r'part-\d+\.parquet', path.name):
      name = f'{path.parent.relative_to(workdir).as_posix()}/rows'
    name = re.sub(r'/_(\w+\.json)$', r'/\1', name)  # older ones have no '_'
    files.setdefault(name, []).append(path)
  found: dict[str, Any] = {}
  for name, paths in files.items():
    if name.endswith('/rows'):
      found[name] = _rows(paths, ordered and '/verify/' not in f'/{name}')
      found[f'{name} made as'] = _about(paths, ordered)
    else:
      found[name] = _reader(paths[0])(paths[0])
  return found


def _reader(path: pathlib.Path) -> Callable[[pathlib.Path], Any]:
  if path.is_dir():
    return _arrays
  readers = {
    '.json': _json,
    '.jsonl': _json_lines,
    '.parquet': lambda path: _rows([path], True),
    '.html': lambda path: text(path.read_text()),
    '.md': lambda path: path.read_text().splitlines(),
  }
  return readers.get(path.suffix, _digest)


def _digest(path: pathlib.Path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(path: pathlib.Path) -> Any:
  value = named(json.loads(_EVENTS.sub(r'\1', path.read_text())))
  if path.name.endswith('MANIFEST.json'):
    del value['sha256']  # of its time, too
    value.pop('digests', None)  # of files that are compared themselves
  return value


def _json_lines(path: pathlib.Path) -> list[Any]:
  return [json.loads(line) for line in path.read_text().splitlines()]


def named(value: Any) -> Any:
  """Returns JSON in which rows with a `matching` are told by it, not counted.

  So a path can say that a row compares seconds, which differ in every run.
  """
  if isinstance(value, dict):
    return {key: named(item) for key, item in value.items()}
  if isinstance(value, list):
    if value and all(isinstance(v, dict) and 'matching' in v for v in value):
      return {v['matching']: named(v) for v in value}
    return [named(item) for item in value]
  return value


def text(page: str) -> list[str]:
  """Returns the lines of an HTML page that a reader sees, and its figures."""
  page = re.sub(r'<(style|script)\b.*?</\1>', '', page, flags=re.DOTALL)
  images = [
    f'image {hashlib.sha256(data.encode()).hexdigest()}'
    for data in re.findall(r'src="data:([^"]*)"', page)
  ]
  page = re.sub(r'</t[dh]>\s*<t[dh][^>]*>', ' | ', page)
  page = re.sub(r'<[^>]*>', '\n', page)
  lines = (line.strip() for line in html.unescape(page).splitlines())
  return [line for line in lines if line] + images


def _rows(paths: Iterable[pathlib.Path], ordered: bool) -> dict[str, Any]:
  """The columns of several files, as one table."""
  columns: dict[str, list[Any]] = {}
  for path in paths:
    for name, values in pq.read_table(path).to_pydict().items():
      columns.setdefault(name, []).extend(values)
  if not ordered and set(_KEY) <= set(columns):
    keys = list(zip(*(columns[name] for name in _KEY), strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    columns = {name: [v[i] for i in order] for name, v in columns.items()}
  return columns


def _about(paths: Iterable[pathlib.Path], whole: bool) -> Any:
  """What the metadata of parts say: by whom, with which settings."""
  said = [
    {key.decode(): json.loads(value) for key, value in metadata.items()}
    for path in paths
    if (metadata := dict(pq.read_schema(path).metadata or {}))
  ]
  if whole:
    return said
  texts = {json.dumps(_without_info(one), sort_keys=True) for one in said}
  return [json.loads(one) for one in sorted(texts)]


def _without_info(said: Mapping[str, Any]) -> dict[str, Any]:
  return {
    key: {name: v for name, v in of.items() if name != 'info'}
    for key, of in said.items()
  }


def _arrays(step: pathlib.Path) -> dict[str, Any]:
  """What a checkpoint holds: each item's arrays, or its JSON."""
  import jax
  import orbax.checkpoint as ocp

  found: dict[str, Any] = {}
  for item in sorted(path for path in step.iterdir() if path.is_dir()):
    if not (item / '_METADATA').exists():
      found[item.name] = {
        path.name: _digest(path)
        for path in sorted(item.glob('[!_.]*'))
        if path.name != 'commit_success.txt'  # says when
      }
      continue
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # that they are restored as they were
      tree = ocp.PyTreeCheckpointer().restore(item)
    for keys, value in jax.tree_util.tree_leaves_with_path(tree):
      name = jax.tree_util.keystr(keys, simple=True, separator='/')
      found[f'{item.name}/{name}'] = np.asarray(value)
  return found
