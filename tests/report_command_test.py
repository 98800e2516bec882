"""`python -m wcse_jax.report`: pages of results as they are."""

import json
import random

import golden_results as golden
import pytest

from wcse_jax import report, store
from wcse_jax.report import __main__ as command
from wcse_jax.results import types


def plain(name):
  """Results without figures."""
  few = golden.replace(
    golden.RESULTS,
    arms={},
    students={},
    **dict.fromkeys(('comparisons', 'ranking', 'winners', 'break_even'), ()),
  )
  return golden.run(few, name=name)


@pytest.fixture
def workdirs(tmp_path):
  """Of two experiments, as arguments."""
  names = ('weak_to_strong', 'wc_distill')
  for name in names:
    report.write(plain(name), tmp_path / name / 'report')
  return [str(tmp_path / name) for name in names]


def names(directory):
  text = (directory / 'results.json').read_text()
  return list(json.loads(text)['experiments'])


def test_the_command_writes_pages_anew(tmp_path, workdirs):
  assert command.main([str(tmp_path / 'all'), *workdirs]) == 0
  assert names(tmp_path / 'all') == ['weak_to_strong', 'wc_distill']
  assert command.main([str(tmp_path / 'one'), workdirs[1]]) == 0
  for name in ('index.html', 'results.json'):
    again = (tmp_path / 'one' / name).read_bytes()
    assert again == (tmp_path / 'wc_distill' / 'report' / name).read_bytes()


def test_bad_workdirs_are_named(tmp_path, workdirs, capsys):
  out = str(tmp_path / 'out')
  assert command.main([out, workdirs[0], str(tmp_path)]) == 1
  assert 'run the stage report there first' in capsys.readouterr().err
  assert command.main([out, 'gs://b/run']) == 1
  assert 'of its run and --stages=report' in capsys.readouterr().err
  assert command.main([out, *workdirs, *workdirs]) == 0
  assert command.main([out, *workdirs[:1] * 3]) == 1
  assert 'give each once' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'schema_version': 1}, 'its schema_version is 1, not 2'),
    ({'run': {'name': 'x'}}, 'missing required field `scale` - at `$.run`'),
    (
      {'comparisons': [{'a': 1}]},
      r'`str`, got `int` - at `$.comparisons[0].a`',
    ),
  ],
)
def test_results_of_another_shape_are_refused(
  tmp_path, workdirs, changes, message, capsys
):
  path = tmp_path / 'wc_distill' / 'report' / 'results.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))
  assert command.main([str(tmp_path / 'out'), *workdirs]) == 1
  error = capsys.readouterr().err
  assert str(path) in error and message in error
  assert '--stages=report' in error


def test_the_command_takes_a_workdir_of_many_experiments_apart(
  tmp_path, workdirs
):
  """That of configs/paper.py has the results of all in one file."""
  results = {name: plain(name) for name in ('weak_to_strong', 'wc_distill')}
  report.write_all(results, tmp_path / 'paper' / 'report')
  report.write(plain('demo'), tmp_path / 'demo' / 'report')
  paper, demo = (str(tmp_path / name) for name in ('paper', 'demo'))
  assert command.main([str(tmp_path / 'one'), paper]) == 0
  for name in ('index.html', 'results.json', 'RESULTS.md'):
    again = (tmp_path / 'one' / name).read_bytes()
    assert again == (tmp_path / 'paper' / 'report' / name).read_bytes()
  assert command.main([str(tmp_path / 'all'), paper, demo]) == 0
  assert names(tmp_path / 'all') == ['weak_to_strong', 'wc_distill', 'demo']


def mutations(value, path=()):
  """A file with each of its values made another, one at a time."""
  others = [[], {}, None, -1, 'x', [[[]]], 10**400, float('nan'), 1e300]
  if isinstance(value, dict):
    for key, child in value.items():
      yield path, {k: v for k, v in value.items() if k != key}
      yield from mutations(child, (*path, key))
  elif isinstance(value, list) and value:
    yield path, value * 2
    yield from mutations(value[0], (*path, 0))
  for other in others:
    yield path, other


def changed(whole, path, value):
  if not path:
    return value
  key, *rest = path
  inner = changed(whole[key], rest, value)
  if isinstance(whole, dict):
    return whole | {key: inner}
  return [inner, *whole[1:]]


def test_no_results_of_any_shape_end_in_a_traceback(tmp_path):
  """61 of 424 bad inputs ended in a traceback."""
  path = tmp_path / 'run' / 'report' / 'results.json'
  path.parent.mkdir(parents=True)
  whole = json.loads(types.encode(golden.RESULTS))
  for name in ('arms', 'students'):
    whole[name] = dict([*whole[name].items()][:2])
  whole['comparisons'] = [
    of
    for of in whole['comparisons']
    if of['a'].rpartition('-')[0] in whole['arms']
    and of['b'].rpartition('-')[0] in whole['arms']
  ][:2]
  whole['break_even'], whole['winners'] = [], whole['winners'][:1]
  (order, *_) = whole['ranking']
  known = [row for row in order['rows'] if row['arm'] in whole['arms']]
  whole['ranking'] = [order | {'rows': known}]
  rest = [*mutations(whole)]
  random.Random(0).shuffle(rest)
  said = []
  for where, value in rest[:400]:
    path.write_text(json.dumps(changed(whole, where, value)))
    try:
      command.read([tmp_path / 'run'])
    except store.StoreError as error:
      said.append(str(error))
  assert len(said) > 200
  assert all(str(path) in of and '--stages=report' in of for of in said)


@pytest.mark.parametrize(
  'text',
  [
    *(b'', b'[]', b'1', b'{}', b'\xff', b'[' * 100_000),
    b'{"schema_version": [2]}',
    b'{"schema_version": 99}',
    b'{"schema_version": NaN}',
  ],
)
def test_what_is_no_results_json_is_named(tmp_path, capsys, text):
  path = tmp_path / 'run' / 'report' / 'results.json'
  path.parent.mkdir(parents=True)
  path.write_bytes(text)
  assert command.main([str(tmp_path / 'out'), str(tmp_path / 'run')]) == 1
  error = capsys.readouterr().err
  assert str(path) in error and '--stages=report' in error


def test_names_are_text_in_markdown(tmp_path):
  """RESULTS.md wrote raw HTML from names."""
  name = '<img src=x>|*a*\n# [x](http://y)'
  hostile = golden.run(plain(name), command='x\n```\n<script>', task='<b>')
  report.write_all({name: hostile, 'b': plain('b')}, tmp_path)
  text = (tmp_path / 'RESULTS.md').read_text()
  prose, fence, _ = text.partition('````bash')
  assert fence and '<img' not in prose and '<b>' not in prose
  assert '&lt;img src=x&gt;\\|\\*a\\* # [x]\\(http://y)' in prose
