"""The stage `evaluate`: the best checkpoint of each student, then the tests."""

import collections
from collections.abc import Callable, Collection, Iterable, Sequence
import contextlib
import dataclasses
import functools
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.records import Answers, Sample
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, shards
from wcse_jax.stages.complete import KEPT, cannot_choose, kept, need
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine
from wcse_jax.store import drafts


def make(
  run: Run, machine: Machine, students: Sequence[Base | Student]
) -> None:
  """Commits the answers of these students to every test.

  Raises:
    StoreError: A student is not there yet.
  """
  todo = {}
  for student in students:
    stages = {test: run.evaluate_stage(student, test) for test in run.tests}
    left = {test: stage for test, stage in stages.items() if not kept(stage)}
    if left:
      todo[student] = left
  if not todo:
    return
  with machine.graders() as graders:
    exam = _Exam(run, machine, graders)
    for student, stages in todo.items():
      params, chosen = None, {'best_step': None, 'validation': []}
      if isinstance(student, Student):
        params, chosen = _select(student, exam)
      for test, stage in stages.items():
        made = drafts.begin(stage)
        found = exam.answers(made, str(student), test, lambda p=params: p)
        store.write_json(
          made.path / answers.METRICS,
          {**chosen, 'answers': [dataclasses.asdict(a) for a in found]},
        )
        made.finish()
        drafts.put(stage, made)


def work(run: Run, students: Collection[Base | Student]) -> tuple[int, int]:
  """Returns how many questions students read, and solutions they write.

  Those of their checkpoints, on validation problems, included.
  """
  spec = run.config.finetune
  tried = spec.num_checkpoints * len(spec.learning_rates)
  taught = sum(isinstance(student, Student) for student in students)
  times = {test: len(students) for test in run.tests}
  times['validation'] = taught * tried
  questions = sum(n * len(run.problems[test]) for test, n in times.items())
  return questions, sum(n * len(_wanted(run, t)) for t, n in times.items())


def _wanted(run: Run, split: str) -> list[Request]:
  """What is asked: all greedily, and samples of those that have some.

  One stream draws both, a problem's samples beside its greedy solution: its
  question is computed once, and slots are full to the end.
  """
  problems, config = run.problems[split], run.config
  asked = functools.partial(
    answers.requests, temperature=config.sampling.temperature
  )
  wanted = asked(problems, [answers.GREEDY])
  if split != 'validation':
    sampled = problems
    if split == 'test':
      sampled = problems[: config.evaluate.num_sampled]
    wanted += asked(sampled, range(config.evaluate.num_samples))
  return wanted


def _select(student: Student, exam: '_Exam') -> tuple[Any, dict[str, Any]]:
  """Returns the best checkpoint's parameters, and what it was chosen by."""
  from wcse_jax.finetuning import loop

  run = exam.run
  trained = run.finetune_stage(student)
  need(trained, 'finetune')
  _validate(student, exam)
  accuracy, rate, step = _best(run, student)
  model, spec = exam.machine.model('student'), run.config.finetune
  params = loop.student(model, spec, dict(run.runs(trained))[rate], step)
  return params, {
    'best_step': step,
    'best_rate': rate,
    'validation': [[s, a] for r, s, a in accuracy if r == rate],
  }


def _validate(student: Student, exam: '_Exam') -> None:
  """Commits what every checkpoint of a student scores, unless that is there."""
  from wcse_jax.finetuning import loop

  run = exam.run
  trained = run.finetune_stage(student)
  stage = run.evaluate_stage(student, 'validation')
  manifest = trained.manifest() or {}  # before one looks whether another chose
  if stage.is_complete():
    return
  if KEPT in manifest:
    raise cannot_choose([trained.name])
  made = drafts.begin(stage)
  model, spec = exam.machine.model('student'), run.config.finetune
  accuracy: list[tuple[float, int, float]] = []
  try:
    for rate, folder in run.runs(trained):
      for step in manifest['checkpoints']:
        name = f'{student}@{step}'
        found = exam.answers(
          made,
          name if folder == trained.path else f'{name}@{rate:g}',
          'validation',
          functools.partial(loop.student, model, spec, folder, step),
        )
        accuracy.append((rate, step, answers.accuracy(found)))
    made.finish(accuracy=sorted(accuracy))
  except CheckpointError:
    if not stage.is_complete():  # or another was first, and kept the best
      raise
  drafts.put(stage, made)


def _best(
  run: Run, student: Student
) -> tuple[list[tuple[float, int, float]], float, int]:
  """Returns the rate, step and accuracy of all checkpoints; the best's again.

  Of equals that is the earliest step, then the rate given first.
  """
  stage = run.evaluate_stage(student, 'validation')
  accuracy = [(r, s, a) for r, s, a in (stage.manifest() or {})['accuracy']]
  first = run.config.finetune.learning_rates.index
  rate, step, _ = min(accuracy, key=lambda of: (-of[2], of[1], first(of[0])))
  return accuracy, rate, step


def keep_best(run: Run, students: Iterable[Base | Student]) -> None:
  """Deletes checkpoints of students whose best one validation has chosen.

  That one stays. Nothing is deleted where `finetune.keep` is 'all'. After a
  kill at any moment the next call deletes the rest.

  Args:
    run: The experiment.
    students: Those that are finetuned and tested, or the one before finetuning.

  Raises:
    StoreError: A stage is damaged, or of other settings.
  """
  if run.config.finetune.keep == 'all':
    return
  for student in students:
    if not isinstance(student, Student):
      continue
    trained = run.finetune_stage(student)
    chosen = run.evaluate_stage(student, 'validation')
    if not trained.is_complete() or not chosen.is_complete():
      continue
    accuracy, *best = _best(run, student)
    folders = dict(run.runs(trained))
    store.discard(
      trained.path,
      [
        (folders[rate] / 'checkpoints' / str(step))
        .relative_to(trained.path)
        .as_posix()
        for rate, step, _ in accuracy
        if [rate, step] != best
      ],
      **{KEPT: best},
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Exam:
  """What answers and grades."""

  run: Run
  machine: Machine
  graders: Any

  @functools.cache  # noqa: B019
  def _sampler(self, test: str, prefix: str) -> Any:
    """The sampler of a test; that of 'test' has room for validation, too."""
    splits = ['validation', 'test'] if test == 'test' else [test]
    prompts = [p.prompt for split in splits for p in self.run.problems[split]]
    task = self.run.task_of(test)
    return self.machine.sampler('student', task, prompts, prefix)

  def _lengths(self, stage: store.Stage, split: str) -> dict[str, float]:
    """The mean length of each problem's solutions, as far as there are some.

    A student writes about as much as it did some steps ago, or as it did before
    finetuning: with the longest first, slots are busy to the end.
    """
    parts = [stage.read_parts()]
    with contextlib.suppress(store.StoreError):  # of other settings
      if split != 'validation':
        parts.append(self.run.evaluate_stage(Base(), split).read_parts())
    rows = [row for part in parts for row in store.from_table(part, Sample)]
    total, number = collections.Counter(), collections.Counter()
    for row in rows:
      total[row.problem_id] += row.num_tokens
      number[row.problem_id] += 1
    return {problem: total[problem] / number[problem] for problem in number}

  def answers(
    self, stage: store.Stage, name: str, split: str, params: Callable[[], Any]
  ) -> list[Answers]:
    """Samples what is missing of a split, commits it, and grades all of it."""
    config, problems = self.run.config, self.run.problems[split]
    missing = shards.missing(stage, _wanted(self.run, split), name)
    if missing:
      test = 'test' if split == 'validation' else split
      sampler = self._sampler(test, stage.spec.get('prefix', ''))
      rows = sampler.stream(
        missing,
        generator=f'student/{name}',
        params=params(),
        expected=self._lengths(stage, split),
      )
      shards.commit(
        stage,
        (dataclasses.replace(row, generator=name) for row in rows),
        len(missing),
        config.sampling.shard_rows,
      )
    rows = store.from_table(stage.read_parts(), Sample)
    return answers.collect(
      self.run.task_of(split).name,
      [row for row in rows if row.generator == name],
      problems,
      self.graders,
    )
