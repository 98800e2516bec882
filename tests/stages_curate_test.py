"""Mixes without examples, and examples that are longer than a row."""

import dataclasses
import shutil

import golden_results as golden
from golden_results import ABOUT
import msgspec
import numpy as np
import pytest
from stages_committed_test import run as _run

from wcse_jax import report, store
from wcse_jax.experiment import scales
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.sections import FinetuneSpec
from wcse_jax.finetuning import batches
from wcse_jax.report import outcomes, students, terminal
from wcse_jax.results import types
from wcse_jax.stages import committed, curate, finetune, layout, selection

run = _run


def curated_anew(run, capsys, wrong=()):
  """What curating says where some pools have no right sample."""
  shutil.rmtree(run.data.workdir / 'curate')
  (run.data.workdir / 'labels.json').unlink()
  for name in wrong:
    stage = run.verify_stage(Pool(name))
    rows = [
      dataclasses.replace(row, verdict='wrong')
      for row in run.verdicts(Pool(name))
    ]
    stage.clear()
    stage.write_part(
      store.to_table(rows, store.VERDICTS),
      store.VERDICTS,
      {'worker_seconds': 1},
    )
    stage.finish()
  curate.make(run)
  return capsys.readouterr().out


def test_an_arm_without_an_example_is_left_out_and_the_others_go_on(
  run, capsys, tmp_path
):
  """It stopped the run for all arms, before any student."""
  said = curated_anew(run, capsys, wrong=['wc'])
  assert 'curate/wc_compute_matched-low: left out, no student: wc_comp' in said
  assert 'Raise the budget' in said and 'curate/se-low: ' in said
  taught = {str(student.mix.arm) for student in run.taught}
  assert {'se', 'reference', 'se+wc_compute_matched'} <= taught
  assert not {'wc_compute_matched', 'wc_number_matched'} & taught
  run = layout.Run(run.config, run.data)
  curate.make(run)  # it is kept, and said again
  assert 'left out, no student' in capsys.readouterr().out
  found = committed.results(run, **ABOUT)
  assert 'wc_compute_matched-low' not in found.students
  cell = found.arms['wc_compute_matched']['low']
  assert cell.examples == 0 and 'nothing to train on' in cell.left_out
  assert found.arms['se']['low'].left_out is msgspec.UNSET
  (again,) = types.decode(types.encode(found)).values()
  sentence = 'WC compute-matched, low budget: no student.'
  assert any(s.startswith(sentence) for s in outcomes.left_out(again))
  assert sentence in terminal.render(again)
  assert sentence in report.write(again, tmp_path / 'page').read_text()


def test_a_run_of_which_no_arm_has_an_example_stops(run, capsys):
  arms = tuple(
    arm for arm in run.config.arms if str(arm) == 'wc_number_matched'
  )
  config = dataclasses.replace(run.config, arms=arms)
  with pytest.raises(selection.SelectionError, match='No arm has anything'):
    curated_anew(layout.Run(config, run.data), capsys, wrong=['wc'])


def test_examples_longer_than_a_row_are_told(run, capsys):
  """31 of 60 were left out, and nothing but a line in the log said so."""
  found = committed.results(run, **ABOUT)
  spec = dataclasses.replace(run.config.finetune, row_tokens=90)
  config = dataclasses.replace(run.config, finetune=spec)
  tight = layout.Run(config, run.data)
  said = curated_anew(tight, capsys)
  mix = next(mix for mix in tight.plan.mixes if str(mix) == 'reference-high')
  counts = tight.curate_stage(mix).manifest()
  total = counts['dropped'] + counts['examples']
  assert 0 < counts['dropped'] < total
  assert (
    f'{counts["dropped"]} of {total} are left out, longer than'
    ' config.finetune.row_tokens = 90'
  ) in said
  cell = found.arms['reference']['high']
  assert cell.dropped is msgspec.UNSET
  changed = golden.cell(found, 'reference', 'high', dropped=31, examples=29)
  (said,) = outcomes.left_out(changed)
  assert said.startswith(
    'human-written, high budget: 31 of 60 examples are left'
  )


def test_what_a_student_is_shown_is_told_beside_what_was_asked_for(run):
  """15 steps of 8 became 4 of 32, where a row holds as many."""
  found = committed.results(run, **ABOUT)
  student = found.students['se-low']
  assert student.asked_steps == run.config.finetune.steps_low
  assert student.asked_examples_per_step == run.config.finetune.batch_size
  shown = student.steps * student.examples_per_step
  assert shown >= student.asked_steps * student.asked_examples_per_step
  changed = msgspec.structs.replace(
    student,
    steps=4,
    examples_per_step=32.0,
    asked_steps=15,
    asked_examples_per_step=8,
  )
  tables = students.tables(
    msgspec.structs.replace(found, students={'se-low': changed})
  )
  (row,) = next(t for t in tables if 'asked for' in t.header).rows
  assert row[2:6] == ('0.8', '4', '32.0', '15 of 8')


@pytest.mark.parametrize(
  ('row_examples', 'said'),
  [
    (32, '4 steps of 32 examples on average, in 1 row each, for 15 of 8. One'),
    (4, '15 steps of 8 examples on average, in 2 rows each, for 15 of 8'),
  ],
)
def test_steps_are_printed_as_they_are_laid_out(row_examples, said):
  rows = np.tile(np.arange(1, row_examples + 1), (3, 1))
  table = {'segment_ids': rows, 'loss_weights': rows, 'tokens': rows}
  plan = batches.make(table, batch_size=8, steps=15, seed=0)
  text = finetune.laid_out(plan, FinetuneSpec(), 15)
  assert text.startswith(said)
  assert ('lower config.finetune.row_tokens' in text) == (row_examples == 32)


def test_an_arm_may_be_shown_as_often_as_another(run):
  """SE data were repeated more often than WC data, of which there are more."""
  arms = ('se', 'wc_compute_matched', 'se%wc_compute_matched')
  arms += ('wc_compute_matched%se',)
  config = scales.replace(
    run.config, {'arms': arms, 'finetune.steps_high': 400}
  )
  run = layout.Run(config, run.data)
  curate.make(run)
  examples = {
    str(mix): run.curate_stage(mix).manifest()['examples']
    for mix in run.plan.mixes
  }
  steps = {str(mix): run.steps(mix) for mix in run.plan.mixes}
  se, wc = 'se-high', 'wc_compute_matched-high'
  assert examples[se] < examples[wc]
  for name, like in (
    ('se%wc_compute_matched', wc),
    ('wc_compute_matched%se', se),
  ):
    own = name.partition('%')[0]
    assert steps[f'{name}-high'] / examples[f'{own}-high'] == pytest.approx(
      steps[like] / examples[like], rel=0.02
    )
  assert steps[se] == steps[wc] == 400
  students = {str(s.mix): run.finetune_stage(s) for s in run.students}
  assert len({stage.fingerprint for stage in students.values()}) == 8


def test_without_examples_of_the_other_there_is_no_student(run, capsys):
  arms = ('se', 'wc_compute_matched', 'se%wc_compute_matched')
  config = scales.replace(run.config, {'arms': arms})
  run = layout.Run(config, run.data)
  curated_anew(run, capsys, wrong=['wc'])
  assert {str(s.mix.arm) for s in run.taught} == {'se'}
