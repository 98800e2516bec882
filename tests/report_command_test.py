"""`python -m wcse_jax.report`: pages of results as they are."""

import json

import golden_results as golden
import pytest

from wcse_jax import report
from wcse_jax.report import __main__ as command


def plain(name):
  """Results without figures."""
  few = golden.replace(
    golden.RESULTS,
    arms={},
    students={},
    **dict.fromkeys(('comparisons', 'winners', 'break_even'), ()),
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
