"""The experiments of golden.py that take long: hosts, kills, several of one."""

import json
import pathlib
import shutil
import time

from golden_experiments import (
  SMALL,
  STUDENTS,
  Experiment,
  ExperimentError,
  Place,
)

# What a run is killed at: the last stage it is told to do, the first file that
# shows how far it is, and the seconds from then on.
_KILLS = (
  ('prepare', 'config.json', 4.0),
  ('sample', 'sample/wc/part-*', 0.0),
  ('verify', 'verify/wc/part-*', 0.0),
  ('curate', 'curate/*/examples.parquet', 0.1),
  ('finetune', 'finetune/*wc_compute_matched-low/metrics.jsonl', 0.2),
  ('evaluate', 'evaluate/*se-high/*/part-*', 0.1),
  ('report', 'report/label.html', 0.1),
)
_SHOP = pathlib.Path(__file__).with_name('golden_shop.py')
_STAGES = ('prepare', 'plan', *(stage for stage, *_ in _KILLS[1:]))


def rates(place: Place) -> None:
  """Two learning rates, two seeds, from one workdir to a larger one."""
  fields = SMALL | {'arms': ('se',)}
  place.main('run', **fields)
  place.main(
    'run',
    '--redo=finetune,evaluate',
    **fields,
    finetune__learning_rates='(1e-4, 1e-3)',
    finetune__num_seeds=2,
  )


def replicas(place: Place) -> None:
  """Two hosts that share a workdir."""
  fields = SMALL | {'student': '', 'arms': ('se', 'wc_compute_matched')}
  commands = [
    place.command('run', '--replicas=2', f'--replica={index}', **fields)
    for index in range(2)
  ]
  processes = [place.start(command) for command in commands]
  try:
    for process in processes:
      place.wait(process)
  finally:
    for process in processes:
      place.kill(process)


def own_task(place: Place) -> None:
  """A task like that of docs/howto/own_task.md, and transfer."""
  shutil.copy(_SHOP, place.folder / 'shop.py')
  data = place.folder / 'data'
  data.mkdir()
  for split, first, number in (
    ('train', 10, 8),
    ('validation', 20, 3),
    ('test', 30, 5),  # as many as SMALL asks for
  ):
    (data / f'{split}.jsonl').write_text(
      ''.join(_shop(first + i, 3 + i % 5) for i in range(number))
    )
  place.main(
    'run',
    **SMALL | {'arms': ('se', 'reference'), 'budget__high': 3},
    task__name='shop',
    task__data_dir='data',
    evaluate__transfer="('nano_arithmetic',)",
    evaluate__num_transfer=4,
  )


def _shop(has: int, more: int) -> str:
  """Returns a line of the task's files."""
  question = f'Ann has {has} apples. Ann buys {more} apples.'
  row = {
    'question': f'{question} How many apples does Ann have now?',
    'steps': f'{has}+{more}={has + more}.',
    'answer': has + more,
  }
  return f'{json.dumps(row)}\n'


def several(place: Place) -> None:
  """Two experiments of one config, with what another workdir has finished."""
  place.main('first', **SMALL | {'arms': ('se', 'wc_compute_matched')})
  place.main(
    'run',
    '--reuse=first',
    **SMALL,
    config='paper',
    experiments="('wc_distill', 'mixed_data')",
  )


def redone(place: Place) -> None:
  """The students, once two of the stages were forgotten."""
  place.main('run', **STUDENTS)
  place.main(
    'run', '--redo=sample/se,finetune/nano_student-reference-low', **STUDENTS
  )


def killed(place: Place) -> None:
  """The students, killed in every stage."""
  for last, begun, wait_s in _KILLS:
    stages = ','.join(_STAGES[: _STAGES.index(last) + 1])
    command = place.command('run', f'--stages={stages}', **STUDENTS)
    kill(place, command, place.folder / 'run', begun, wait_s)
  place.main('run', **STUDENTS)


def kill(
  place: Place,
  command: list[str],
  workdir: pathlib.Path,
  begun: str,
  wait_s: float,
) -> None:
  """Starts a command, and kills it soon after a new file `begun` exists.

  Raises:
    ExperimentError: It ended before.
  """
  known = set(workdir.glob(begun))
  started = time.time()
  process = place.start(command)
  while not _changed(workdir, begun, known, started):
    if process.poll() is not None:
      raise ExperimentError(f'{command} ended before {begun} was there')
    time.sleep(0.01)
  time.sleep(wait_s)
  if process.poll() is not None:
    raise ExperimentError(f'{command} ended before it was killed')
  place.kill(process)


def _changed(
  workdir: pathlib.Path, begun: str, known: set[pathlib.Path], started: float
) -> bool:
  return any(
    path not in known or path.stat().st_mtime > started
    for path in workdir.glob(begun)
  )


LONG: dict[str, Experiment] = {
  'rates': Experiment(rates),
  'replicas': Experiment(replicas, racing=True),
  'own_task': Experiment(own_task),
  'several': Experiment(several),
  'redone': Experiment(redone, like='students'),
  'killed': Experiment(killed, like='students'),
}
