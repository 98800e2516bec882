"""A file of samples as a pool: from config to report, and what is refused."""

import json
import pathlib
import runpy

import pytest

from wcse_jax import pipeline, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import hosts
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.records import Sample
from wcse_jax.sampling import external
from wcse_jax.stages import check, sizes
from wcse_jax.stages.layout import Run
from wcse_jax.tasks.nano import problems as nano_problems
from wcse_jax.verify import given

PROBLEMS = 5
SAMPLES = {'large': 2, 'small': 9}
PRICES = """
  [[prices]]
  model = "large"
  date = 2026-10-01
  usd_per_million_output_tokens = 2.0

  [[prices]]
  model = "small"
  date = 2026-10-01
  usd_per_million_output_tokens = 0.5
"""
DATA = ('plan', 'sample', 'verify', 'report')


def rows(model):
  """Solutions of which every third is wrong."""
  for i in range(PROBLEMS):
    problem = nano_problems.problem('train', i)
    for index in range(SAMPLES[model]):
      wrong = (i + index) % 3 == 0
      yield {
        'problem_id': problem.problem_id,
        'model': model,
        'text': ' The answer is 1000.' if wrong else problem.solution,
        'num_tokens': 7,
        'num_prompt_tokens': 50,
      }


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Files of samples and prices, and a workdir with problems."""
  monkeypatch.chdir(tmp_path)
  for model in SAMPLES:
    write(model, rows(model))
  (tmp_path / 'prices.toml').write_text(PRICES)
  splits = {'train': PROBLEMS, 'validation': 1, 'test': 1}
  problems = [
    nano_problems.problem(split, i)
    for split, number in splits.items()
    for i in range(number)
  ]
  stage = _stages(config()).problems_stage()
  stage.write_part(store.to_table(problems, store.PROBLEMS), store.PROBLEMS)
  stage.finish(rows=splits)
  return tmp_path


def write(model, lines):
  with open(f'{model}.jsonl', 'w', encoding='utf-8') as file:
    file.writelines(f'{json.dumps(line)}\n' for line in lines)


def config(**changes) -> Config:
  values = config_lib.to_config_dict(Config())
  values.update_from_flattened_dict(
    {
      'arms': ('se', 'wc_price_matched'),
      'wc': 'small',
      'se': 'large',
      'student': '',
      'prices': 'prices.toml',
      'external.wc': 'small.jsonl',
      'external.se': 'large.jsonl',
      'task.num_train': PROBLEMS,
      'task.num_validation': 1,
      'task.num_test': 1,
      'budget.high': 2,
      'report.bootstrap_samples': 100,
      **{name.replace('__', '.'): value for name, value in changes.items()},
    }
  )
  return config_lib.freeze(values)


def _stages(made: Config) -> Run:
  return Run(made, store.Store(pathlib.Path('run')))


def test_files_are_sampled_verified_and_reported(folder, capsys):
  pipeline.run(config(), folder / 'run', DATA)
  made = _stages(config())
  pool = store.from_table(made.pool_stage(Pool('wc')).read_parts(), Sample)
  assert len(pool) == 8 * PROBLEMS  # of 9: only what is planned
  texts = [row['text'] for row in rows('small')]
  assert [s.text for s in pool if s.sample_index == 3] == texts[3::9]
  results = json.loads((folder / 'run/report/results.json').read_text())
  cells = results['arms']['wc_price_matched']
  assert [cells[b]['samples_per_problem'] for b in ('low', 'high')] == [4, 8]
  right = sum('1000' not in text for text in texts)
  kept = sum(v.verdict == 'correct' for v in made.verdicts(Pool('wc')))
  dropped = sum('1000' not in text for text in texts[8::9])
  assert kept == right - dropped
  assert cells['high']['matched'] and cells['high']['cost_flops'] is None
  cost = cells['high']['cost']
  assert cost['tokens'] == 7 * 8 * PROBLEMS
  assert cost['prompt_tokens'] == 50 * 8 * PROBLEMS
  for name in ('rule_flops', 'sampling_flops', 'device_seconds'):
    assert cost[name] is None
  price = results['prices']['wc']
  assert price['date'] and cost['usd'] == pytest.approx(
    cost['tokens'] * price['usd_per_million_output_tokens'] / 1e6
  )
  by = {
    row['matching']: row
    for found in results['winners']
    if (found['metric'], found['budget']) == ('coverage', 'high')
    for row in found['rows']
  }
  assert (by['price']['other_samples'], by['number']['other_samples']) == (8, 2)
  assert by['flops']['note'] == 'a cost is not known'
  assert set(cells['high']['cost_per_true']) == {'number', 'price'}
  assert results['models'] == {'wc': {'name': 'small'}, 'se': {'name': 'large'}}
  assert results['ledger']['se']['device'] == 'large.jsonl'
  assert all(row['matched'] for row in results['comparisons'])
  page = (folder / 'run/report/index.html').read_text()
  assert 'small' in page and 'coverage against' in page.lower()
  capsys.readouterr()
  pipeline.run(config(), folder / 'run', DATA)
  assert 'sample/wc: kept' in capsys.readouterr().out


def test_a_larger_budget_takes_what_is_missing_from_the_file(folder):
  pipeline.run(config(budget__high=1), folder / 'run', ['sample'])
  pool = _stages(config()).pool_stage(Pool('wc'))
  before = pool.read_parts().drop_columns('logprob')  # nan, which equals none
  pipeline.run(config(), folder / 'run', ['sample'])
  after = pool.read_parts().drop_columns('logprob')
  assert after.slice(0, len(before)).equals(before)
  assert len(after) == 2 * len(before) == 8 * PROBLEMS


def test_bad_rows_are_all_listed_and_none_is_taken(folder):
  good = list(rows('small'))
  bad = [
    {**good[0], 'problem_id': 'train-9'},
    {**good[0], 'model': 'large'},
    {**good[0], 'text': ' \n'},
    {k: v for k, v in good[0].items() if k != 'num_tokens'},
    {**good[0], 'sample_index': 0},
    {**good[0], 'num_tokens': -1},
  ]
  write('small', [*good, *bad])
  with pytest.raises(external.ExternalError) as error:
    pipeline.run(config(), folder / 'run', DATA)
  listing = folder / 'run' / 'sample' / 'wc' / '_bad_rows.txt'
  lines = listing.read_text().splitlines()
  assert [line.split(': ', 1)[1] for line in lines] == [
    "unknown problem_id 'train-9'",
    "unknown model 'large'; known: small",
    'text is empty',
    'no num_tokens: give a whole number from 0 to 2,147,483,647',
    f"problem_id '{good[0]['problem_id']}' has sample 0 of 'small' already, at"
    ' small.jsonl:1',
    'num_tokens = -1: give a whole number from 0 to 2,147,483,647',
  ]
  assert f'6 of {len(good) + 6} rows' in str(error.value)
  assert lines[0] in str(error.value)
  assert '_bad_rows.txt' in str(error.value)
  assert len(str(error.value).splitlines()) <= 12  # as many are shown
  assert not _stages(config()).samples(Pool('wc'))
  write('small', good)
  pipeline.run(config(), folder / 'run', ['sample'])
  assert not listing.exists()


def test_more_than_a_file_has_is_refused_with_a_budget_that_will_do(folder):
  """The last of 5 problems has 7 samples of WC, which are 1 of SE's."""
  write('small', list(rows('small'))[:-2])
  with pytest.raises(external.ExternalError) as error:
    pipeline.run(config(), folder / 'run', ['sample'])
  assert 'has 7.\nAdd rows for them, or plan with budgets of at most 1' in str(
    error.value
  )
  assert not (folder / 'run' / 'sample').exists()  # of the other file, too
  pipeline.run(config(budget__high=1), folder / 'run', ['sample'])


def test_problems_that_arms_do_not_share_are_named(folder):
  write('small', list(rows('small'))[:-9])
  with pytest.raises(external.ExternalError) as error:
    pipeline.run(config(), folder / 'run', ['sample'])
  last = nano_problems.problem('train', PROBLEMS - 1).problem_id
  for said in ('do not share', f'1 of 5 problems have no samples: {last}.'):
    assert said in str(error.value)
  assert 'config.task.num_train = 4' in str(error.value)


def test_files_are_read_before_anything_is_sampled(folder):
  """Else hours of sampling SE would come before 'line 3 is wrong'."""
  write('small', [{**row, 'text': ''} for row in rows('small')])
  ours = config(se='nano_se', external__se='', arms=('se', 'wc_number_matched'))
  with pytest.raises(external.ExternalError, match='text is empty'):
    pipeline.run(ours, folder / 'run', ['sample'])
  assert not (folder / 'run' / 'sample' / 'se').exists()


def test_another_file_is_another_pool(folder):
  pipeline.run(config(), folder / 'run', ['sample'])
  write('small', [{**row, 'num_tokens': 8} for row in rows('small')])
  with pytest.raises(store.StoreError, match=r'external: (.|\n)*--redo=sample'):
    pipeline.run(config(), folder / 'run', ['sample'])
  pipeline.run(config(), folder / 'run', ['sample'], redo=['sample/wc'])


@pytest.mark.parametrize(
  ('changes', 'field', 'said'),
  [
    ({'arms': ('se', 'wc_compute_matched')}, 'arms', 'match by price'),
    ({'external__wc': 'no.jsonl'}, 'external.wc', 'cannot be read'),
    ({'external__wc': 'no.jsonl'}, 'external.wc', 'name a file as docs/howto'),
    ({'external__se': 'empty.jsonl'}, 'external.se', 'has no rows'),
    ({'wc': 'nano_wc'}, 'wc', "from 'small': give --config.wc=small"),
    ({'prices': ''}, 'prices', "no price of 'small'"),
    ({'prices': 'undated.json'}, 'prices', 'small has no date: add it'),
    (
      {'prices': 'undated.json', 'arms': ('se', 'wc_number_matched')},
      *('prices', 'small has no date: add it'),
    ),
    (
      {'prices': 'no.json', 'arms': ('se', 'wc_number_matched')},
      *('prices', 'cannot be read'),
    ),
    ({'external__se': ''}, 'se', 'known: '),
  ],
)
def test_what_cannot_be_is_told_before_any_work(folder, changes, field, said):
  (folder / 'empty.jsonl').write_text('')
  (folder / 'undated.json').write_text(
    '[{"model": "small", "usd_per_million_output_tokens": 1}]'
  )
  with pytest.raises(ConfigError) as error:
    pipeline.run(config(**changes), folder / 'run')
  assert error.value.field == field
  assert said in error.value.remedy
  assert len(str(error.value).splitlines()) <= 3


def test_samples_that_are_drawn_have_their_temperature():
  with pytest.raises(ConfigError, match=r"external\.se(.|\n)*without '@'"):
    config(arms=('se', 'se@1.0'))


@pytest.mark.parametrize('scale', ['tiny', 'nano', 'gemma2'])
def test_the_papers_prices_are_planned_without_the_files(scale):
  path = pathlib.Path(__file__).parents[1] / 'configs' / 'price_matched.py'
  get_config = runpy.run_path(str(path))['get_config']
  ours = config_lib.freeze(get_config(scale))
  made = sizes.plan(ours)
  assert made.pools == {Pool('se'): 5, Pool('wc'): 175}
  planned = made.to_dict(300)['arms']
  assert planned['wc_price_matched']['low']['samples'] == {'wc': 35}
  assert planned['wc_price_matched^5']['high']['samples'] == {'wc': 5}


def test_of_a_model_whose_size_is_known_compute_is_matched(folder):
  """The samples of another engine, of a Gemma that we know, too."""
  write('small', ({**row, 'model': 'nano_wc'} for row in rows('small')))
  ours = config(
    wc='nano_wc',
    se='nano_se',
    external__se='',
    arms=('se', 'wc_compute_matched'),
  )
  check.check(ours)
  assert sizes.plan(ours).pools == {Pool('se'): 2, Pool('wc'): 6}


def verdicts(**changes):
  """A row for each sample that is planned; each third is wrong, or changed."""
  for pool, number in (('se', 2), ('wc', 8)):
    for p in range(PROBLEMS):
      for index in range(number):
        verdict = 'wrong' if index % 3 else 'correct'
        row = {
          'generator': pool,
          'problem_id': nano_problems.problem('train', p).problem_id,
          'sample_index': index,
          'verdict': verdict,
        }
        yield row | changes if (pool, p, index) == ('wc', 3, 2) else row


def test_verdicts_of_a_file_stand_for_the_graders(folder):
  write('said', verdicts(answer='7', sound=False, verdict='unknown'))
  made = config(verify__file='said.jsonl')
  pipeline.run(made, folder / 'run', DATA)
  found = _stages(made).verdicts(Pool('wc'))
  assert len(found) == 8 * PROBLEMS
  assert {v.rule for v in found} == {'file'}
  for v in found:
    if v.verdict == 'unknown':
      assert (v.answer, v.sound, v.sample_index) == ('7', False, 2)
    else:
      assert v.verdict == ('wrong' if v.sample_index % 3 else 'correct')
  results = json.loads((folder / 'run/report/results.json').read_text())
  cell = results['arms']['wc_price_matched']['high']
  assert cell['samples'] == 8 * PROBLEMS
  assert cell['cost']['verify_seconds'] is None
  # It is the file's sum that they are of, wherever it lies.
  pathlib.Path('said.jsonl').rename('moved.jsonl')
  pipeline.run(config(verify__file='moved.jsonl'), folder / 'run', DATA)
  write('moved', verdicts())
  with pytest.raises(store.StoreError, match=r'verdicts: .*\n.*--redo=verify/'):
    pipeline.run(config(verify__file='moved.jsonl'), folder / 'run', DATA)
  with pytest.raises(store.StoreError, match='--redo=verify/'):
    pipeline.run(config(), folder / 'run', DATA)


@pytest.mark.parametrize(
  ('bad', 'why'),
  [
    ({'verdict': 'right'}, "verdict = 'right': give correct, wrong or unknown"),
    ({'generator': 'pro'}, "unknown generator 'pro'; known: se, wc"),
    ({'generator': ''}, 'no generator: give one of se, wc'),
    ({'sample_index': -1}, 'sample_index = -1: give a whole number'),
    ({'sample_index': 3}, 'a second verdict on the sample of line'),
    ({'sound': 'yes'}, "sound = 'yes': give true or false"),
  ],
)
def test_a_row_that_is_no_verdict_is_named_at_once(folder, bad, why):
  write('said', verdicts(**bad))
  with pytest.raises(ConfigError, match=r'verify\.file') as error:
    pipeline.run(config(verify__file='said.jsonl'), folder / 'run', DATA)
  assert f': {why}' in str(error.value) and 'said.jsonl:' in str(error.value)
  assert 'correct the rows' in str(error.value)


@pytest.mark.parametrize(
  ('changes', 'why'),
  [
    ({'problem_id': 'train-9'}, "unknown problem_id 'train-9'"),
    ({'sample_index': 8}, 'said.jsonl has no verdict on 1 samples: wc .* 2\n'),
  ],
)
def test_what_lacks_a_verdict_is_told_before_it_is_sampled(
  folder, changes, why
):
  write('said', verdicts(**changes))
  made = config(verify__file='said.jsonl')
  with pytest.raises(given.GivenError, match=why):
    pipeline.run(made, folder / 'run', DATA)
  assert not _stages(made).samples(Pool('wc'))


def test_a_file_of_verdicts_that_is_not_there_is_told_when_it_is_needed(folder):
  made = config(verify__file='none.jsonl')
  with pytest.raises(ConfigError, match='cannot be read'):
    check.check(made, ['sample', 'report'])
  pipeline.run(made, folder / 'run', ['sample'])


def test_hosts_may_have_the_file_at_other_places():
  assert 'config.verify.file' not in hosts.shared(config())


def test_a_pool_alone_needs_no_name_in_a_file(folder):
  rows = [row for row in verdicts() if row.pop('generator') == 'se']
  write('said', rows)
  made = config(verify__file='said.jsonl', arms=('se',))
  pipeline.run(made, folder / 'run', ['sample', 'verify'])
  assert len(_stages(made).verdicts(Pool('se'))) == 2 * PROBLEMS
