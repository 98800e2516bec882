"""The pool: order, time limits, crashes, and where it can be used."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import nbclient
import nbformat
import pytest

from wcse_jax import verify
from wcse_jax.verify import pool

# A worker whose grader does what the text says.
_SCRIPTED = """
import os, sys, time
from wcse_jax import records
from wcse_jax.verify import worker

def scripted(gold, text, question):
  word, _, argument = text.partition(' ')
  if word == 'sleep':
    time.sleep(float(argument))
  elif word == 'exit':
    os._exit(3)
  elif word == 'exit_once':
    if not os.path.exists(argument):
      open(argument, 'w').close()
      os._exit(3)
  elif word == 'raise':
    raise KeyError('x')
  return records.Grade('correct', text, question, None)

worker.serve({'gsm8k': scripted}.get, float(sys.argv[1]))
"""


def _items(*texts):
  return [pool.Item('gsm8k', '1', text) for text in texts]


def _scripted(workers=2, timeout_s=2.0):
  return pool.Pool(workers, timeout_s, command=('-c', _SCRIPTED))


def _answer(i):
  return pool.Item('gsm8k', str(i), f'The answer is {i}.')


def test_order_over_many_batches():
  numbers = [str(i) for i in range(10_000)]
  texts = [f'The answer is {i}.' for i in numbers]
  grades = verify.grade_many('gsm8k', golds=numbers, texts=texts)
  assert [grade.answer for grade in grades] == [str(i) for i in range(10_000)]
  assert {grade.verdict for grade in grades} == {'correct'}


def test_what_workers_took_is_counted():
  with _scripted() as workers:
    assert workers.worker_seconds == 0
    list(workers.grade(_items('1')))
    first = workers.worker_seconds
    assert first > 0
    list(workers.grade(_items('2')))
    assert workers.worker_seconds > first


def test_timeout_kills_and_the_rest_goes_on():
  start = time.monotonic()
  with _scripted() as workers:
    texts = [f'ok {i}' for i in range(20)]
    texts[3] = 'sleep 100'
    grades = list(workers.grade(_items(*texts)))
  assert grades[3] == ('unknown', '', 'timeout', None)
  del grades[3], texts[3]
  assert [grade.answer for grade in grades] == texts
  assert time.monotonic() - start < 20


def test_clock_starts_when_the_grading_of_an_item_starts():
  """Ten items of 0.3 s wait behind one another; none takes 1 s."""
  with _scripted(workers=1) as workers:
    grades = list(workers.grade(_items(*['sleep 0.3'] * 10)))
  assert [grade.verdict for grade in grades] == ['correct'] * 10


def test_a_slow_reader_costs_nobody_his_grade():
  with _scripted(workers=1) as workers:
    grades = workers.grade(_items('ok', *['sleep 0.3'] * 5))
    first = next(grades)
    time.sleep(2.5)
    assert [g.verdict for g in [first, *grades]] == ['correct'] * 6


def test_crash_is_retried_once(tmp_path):
  with _scripted() as workers:
    items = _items('ok', 'exit', f'exit_once {tmp_path / "flag"}', 'raise')
    grades = list(workers.grade(items))
  assert [(grade.verdict, grade.rule) for grade in grades] == [
    ('correct', ''),
    ('unknown', 'crash'),
    ('correct', ''),
    ('unknown', 'error: KeyError'),
  ]


def test_killed_from_outside():
  with _scripted(workers=1, timeout_s=5.0) as workers:
    grades = workers.grade(_items('ok', *['sleep 0.2'] * 5))
    next(grades)
    os.kill(workers._workers[0]._process.pid, signal.SIGKILL)
    assert [grade.verdict for grade in grades] == ['correct'] * 5


def test_stopping_early_leaves_a_usable_pool():
  with _scripted() as workers:
    for _ in workers.grade(_items('a', *['sleep 0.5'] * 50)):
      break
    (grade,) = workers.grade(_items('b'))
  assert grade.answer == 'b'


def test_one_user_at_a_time():
  with _scripted() as workers:
    grades = workers.grade(_items('a', 'b'))
    next(grades)
    with pytest.raises(RuntimeError, match='already grading'):
      next(workers.grade(_items('c')))


def test_no_worker_outlives_the_pool():
  with _scripted(timeout_s=100.0) as workers:
    next(workers.grade(_items('a', 'sleep 100')))
    processes = [worker._process for worker in workers._workers]
  assert processes
  assert all(process.poll() is not None for process in processes)


def test_worker_that_does_not_start_is_an_error():
  workers = pool.Pool(1, command=('-c', 'raise SystemExit(1)'))
  with workers, pytest.raises(pool.VerifyError, match='did not start'):
    list(workers.grade(_items('a')))


def test_a_worker_killed_before_it_is_ready_is_replaced(tmp_path):
  """As a system does that is out of memory; it once ended grading."""
  kill = f"""
import os
with open({str(tmp_path / 'starts')!r}, 'a+') as file:
  file.write('x')
  file.seek(0)
  starts = len(file.read())
if starts <= 3:
  os.kill(os.getpid(), 9)
"""
  with pool.Pool(2, command=('-c', kill + _SCRIPTED)) as workers:
    grades = list(workers.grade(_items(*map(str, range(50)))))
  assert [grade.answer for grade in grades] == [*map(str, range(50))]
  kill = 'import os; os.kill(os.getpid(), 9)'
  workers = pool.Pool(1, command=('-c', kill))  # for ever
  with workers, pytest.raises(pool.VerifyError, match='did not start'):
    list(workers.grade(_items('a')))


def test_what_killed_workers_leave_in_temporary_folders_is_removed(
  tmp_path, monkeypatch
):
  monkeypatch.setenv('TMPDIR', str(tmp_path))
  monkeypatch.setattr('tempfile.tempdir', None)
  leave = 'import tempfile; tempfile.mkdtemp()\n'
  with pool.Pool(1, 1.0, command=('-c', leave + _SCRIPTED)) as workers:
    grades = workers.grade(_items('a', 'sleep 100'))
    next(grades)
    assert list(tmp_path.iterdir())
  assert not list(tmp_path.iterdir())


def test_what_else_runs_costs_nobody_his_grade(busy):
  """0.5 s of computing take several on a busy machine; the limit is 1.5 s."""
  work = _SCRIPTED.replace(
    "word == 'sleep':",
    "word == 'compute':\n"
    '    end = time.process_time() + float(argument)\n'
    '    while time.process_time() < end: pass\n'
    "  elif word == 'sleep':",
  )
  with pool.Pool(2, 1.5, command=('-c', work)) as workers:
    items = _items('compute 0.5', 'compute 0.5', 'sleep 100', 'compute 100')
    grades = list(workers.grade(items))
  assert [grade.rule or grade.verdict for grade in grades] == [
    'correct', 'correct', 'timeout', 'timeout',
  ]  # fmt: skip


@pytest.mark.parametrize('start', ['', 'print(\'"ready"\', flush=True); '])
def test_a_worker_that_does_not_read_hangs_nobody(monkeypatch, start):
  """An item larger than the pipe's buffer once was waited for for ever."""
  monkeypatch.setattr(pool, '_START_S', 1.0)
  command = '-c', f'import time; {start}time.sleep(100)'
  grades, failed = [], []

  def work():
    try:
      grades.extend(workers.grade(_items('x' * 2**20, 'y' * 2**20)))
    except pool.VerifyError:
      failed.append(True)

  with pool.Pool(2, 1.0, command=command) as workers:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
  assert failed if not start else [g.rule for g in grades] == ['timeout'] * 2


def test_large_items_come_through():
  texts = [f'{i}' * 2**18 for i in range(8)]
  with _scripted(timeout_s=10.0) as workers:
    grades = list(workers.grade(_items(*texts, 'exit', *texts)))
  del grades[8]
  assert [grade.answer for grade in grades] == texts * 2


def test_unknown_task():
  with pytest.raises(ValueError, match="'gsm9k'.*gsm8k"):
    verify.grade_many('gsm9k', golds=['1'], texts=['1'])
  with pytest.raises(ValueError, match="'gsm9k'.*gsm8k"):
    verify.grade('gsm9k', gold='1', text='1')


def test_columns_of_unlike_length():
  with pytest.raises(ValueError, match='one for each of 1'):
    verify.grade_many('gsm8k', golds=['1', '2'], texts=['1'])


def test_odd_characters():
  text = 'a\x00\u2028\nThe answer is 1.'
  (grade,) = verify.grade_many('gsm8k', golds=['1'], texts=[text])
  assert grade.verdict == 'correct'


def test_from_a_thread():
  """Also by the symbolic rule, whose library needs the main thread."""
  results = []

  def work():
    text = '\\boxed{x + y \\le 3}'
    gold = 'x + y \\leq 3'
    patient = {'timeout_s': 60}  # on a machine with much else to do
    results.extend(
      verify.grade_many('math', golds=[gold], texts=[text], **patient)
    )
    for same in (gold, 'y + x \\leq 3'):
      results.append(verify.grade('math', gold=same, text=text, **patient))

  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
  assert [grade.verdict for grade in results] == ['correct'] * 3
  assert {grade.rule for grade in results} == {'symbolic'}


def test_threads_take_turns_at_the_one_process():
  found = {}

  def work(i):
    found[i] = pool.grade_one(_answer(i))

  threads = [threading.Thread(target=work, args=[i]) for i in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert {i: grade.answer for i, grade in found.items()} == {
    i: str(i) for i in range(8)
  }


def test_slow_imports_are_not_the_fault_of_the_item():
  script = _SCRIPTED.replace(
    "word == 'sleep':",
    "word == 'load':\n"
    "    worker.symbolic.announce('loading')\n"
    '    time.sleep(3)\n'
    "    worker.symbolic.announce('ready')\n"
    "  elif word == 'sleep':",
  )
  with pool.Pool(1, 1.0, command=('-c', script)) as workers:
    grades = list(workers.grade(_items('load', 'ok', 'sleep 100', 'ok')))
  assert [grade.rule or grade.answer for grade in grades] == [
    'load',
    'ok',
    'timeout',
    'ok',
  ]


def test_from_a_script_on_stdin_beside_misleading_files(tmp_path):
  """No `if __name__` guard, and a json.py where it runs."""
  (tmp_path / 'signal.py').write_text('raise ImportError("the wrong one")')
  script = (
    'from wcse_jax import verify\n'
    'print(verify.grade_many("gsm8k", golds=["1"], texts=["#### 1"])[0].rule)\n'
    'gold, text = r"x + y \\le 3", r"\\boxed{y + x \\le 3}"\n'
    'grade = verify.grade("math", gold=gold, text=text, timeout_s=60)\n'
    'print(grade.rule)\n'
  )
  root = pathlib.Path(verify.__file__).parents[2]
  done = subprocess.run(
    [sys.executable, '-P', '-'],
    input=script,
    cwd=tmp_path,
    env=os.environ | {'PYTHONPATH': str(root)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.stdout == 'numeric\nsymbolic\n', done.stderr


def test_in_a_notebook(tmp_path):
  """Where an event loop runs, and streams are not files."""
  cell = (
    'from wcse_jax import verify\n'
    'many = verify.grade_many("gsm8k", golds=["1"], texts=["#### 1"])\n'
    'gold, text = r"x + y \\le 3", r"\\boxed{y + x \\le 3}"\n'
    'one = verify.grade("math", gold=gold, text=text, timeout_s=60)\n'
    '[many[0].rule, one.rule]'
  )
  notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
  nbclient.NotebookClient(
    notebook,
    timeout=300,
    startup_timeout=300,
    kernel_name='python3',
    resources={'metadata': {'path': str(tmp_path)}},
  ).execute()
  (output,) = notebook.cells[0].outputs
  assert output['data']['text/plain'] == "['numeric', 'symbolic']"
