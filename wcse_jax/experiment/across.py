"""Rules across the fields of a config: what contradicts what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
import urllib.parse

from wcse_jax.experiment import sections

if TYPE_CHECKING:
  from wcse_jax.experiment.config import Config

# What a rule yields for each fault: the field, and the remedy.
Faults = Iterator[tuple[str, str]]


def _enough_problems(c: Config) -> Faults:
  for split in sections.SPLITS:
    least = 1 if c.student or split == 'train' else 0
    number = getattr(c.task, f'num_{split}')
    if number is not None and number < least:
      yield (
        f'task.num_{split}',
        f'give at least {least} problems, or None for all',
      )


def _a_file_has_a_grader(c: Config) -> Faults:
  if c.task.file and not c.task.grader:
    known = ', '.join(sections.GRADERS)
    yield 'task.grader', f'say how task.file is graded: {known}'
  if c.task.grader and not c.task.file:
    yield 'task.file', 'name the file of problems that task.grader is for'


def _students_learn_from_train(c: Config) -> Faults:
  if c.student and c.task.split != 'train':
    yield (
      'task.split',
      "a student would learn from what it is tested on: give 'train', or"
      ' --config.student= for none',
    )


def _high_is_not_below_low(c: Config) -> Faults:
  if c.budget.high < c.budget.low:
    yield 'budget.high', f'give at least budget.low = {c.budget.low}'


def _more_budgets_are_others(c: Config) -> Faults:
  low, more = c.budget.low, c.budget.more
  if len(set(more) - {c.budget.high}) < len(more) or any(
    n <= low for n in more
  ):
    yield (
      'budget.more',
      'give other numbers of samples than budget.low and budget.high, above'
      f' budget.low = {low}, each once',
    )


def _steps_reach_all_checkpoints(c: Config) -> Faults:
  f = c.finetune
  for budget, steps in (('low', f.steps_low), ('high', f.steps_high)):
    if steps < f.num_checkpoints:
      yield (
        f'finetune.steps_{budget}',
        f'give at least finetune.num_checkpoints = {f.num_checkpoints}',
      )


def _rows_hold_a_solution(c: Config) -> Faults:
  longest = c.sampling.max_new_tokens
  if c.student and c.finetune.row_tokens <= longest:
    yield (
      'finetune.row_tokens',
      'a row holds a prompt and a whole solution: give more than'
      f' sampling.max_new_tokens = {longest}',
    )


def _samples_reach_the_largest_k(c: Config) -> Faults:
  most = c.evaluate.num_samples
  if c.evaluate.ks[-1] > most:
    yield 'evaluate.ks', f'no k can exceed evaluate.num_samples = {most}'


def _sampled_are_tested(c: Config) -> Faults:
  sampled, tested = c.evaluate.num_sampled, c.task.num_test
  if c.student and sampled and tested is not None and sampled > tested:
    yield (
      'evaluate.num_sampled',
      f'give at most task.num_test = {tested}, or None for all',
    )


def _transfer_is_to_other_tasks(c: Config) -> Faults:
  transfer = c.evaluate.transfer
  if len({c.task.name, *transfer}) < 1 + len(transfer):
    yield (
      'evaluate.transfer',
      f'name other tasks than {c.task.name}, each once',
    )


def _arms_have_models(c: Config) -> Faults:
  for arm in c.arms:
    needed = set(arm.generators)
    if needed and not arm.matched_by('number'):
      needed.add(c.budget.anchor)  # what both cost is needed
    for generator in sorted(needed):
      if not c.model(generator)[0]:
        yield c.field_of(generator, 'model'), f'arm {str(arm)!r} needs a model'


def _external_samples_have_their_temperature(c: Config) -> Faults:
  for arm in c.arms:
    for pool in arm.pools:
      own = c.external_file(pool.generator) and not c.server(pool.generator)
      if pool.temperature is not None and own:
        yield (
          c.field_of(pool.generator, 'external'),
          'its samples are drawn already, so arm'
          f' {str(arm)!r} cannot choose their temperature: name it without'
          " '@', or give '' to draw them here",
        )
  for name, of in c.teachers.items():
    file = c.external_file(name) and not c.server(name)
    for field in ('temperature', 'prompt'):
      if file and getattr(of, field) not in (None, ''):
        yield (
          f'teachers.{name}.{field}',
          f'the samples of {c.field_of(name, "external")} are drawn already:'
          ' leave it out',
        )


def _servers_have_addresses(c: Config) -> Faults:
  for role in (*c.names, 'judge'):
    try:
      parts = urllib.parse.urlsplit(c.server(role))
      own = parts.username or parts.password or parts.query or parts.fragment
      of_file = role in c.names or not c.external_file(role)
      fine = bool(parts.hostname and not own) if parts.scheme else of_file
      _ = parts.port
    except ValueError:
      fine = False
    if not fine:
      yield (
        c.field_of(role, 'external'),
        'give the address of an API, e.g. http://localhost:8000/v1, and its key'
        f' in the environment (WCSE_{role.upper()}_API_KEY, or OPENAI_API_KEY)',
      )


def _epochs_are_of_arms(c: Config) -> Faults:
  for arm in c.arms:
    if arm.epochs and arm.epochs not in c.arms:
      yield 'arms', f'arm {str(arm)!r} needs {str(arm.epochs)!r}: name it, too'


def _judged_by_a_model(c: Config) -> Faults:
  keep = {c.curate.keep, *(arm.keep for arm in c.arms)}
  if ('judge' in keep or c.external.judge) and not c.judge:
    yield 'judge', 'name a model'


def _enough_is_of_plain_arms(c: Config) -> Faults:
  b = c.budget
  for name in ('right', 'rows'):
    if getattr(b, name) is None:
      continue
    path = f'budget.{name}'
    if c.curate.keep != 'correct' or any(arm.keep for arm in c.arms):
      remedy = "give None, or keep 'correct' ones alone"
      yield path, f'it counts right solutions: {remedy}'
    for arm in c.arms:
      if len(arm.draws) > 1:
        yield path, f'arm {str(arm)!r} draws from several models: leave one out'
    if c.verify.file and not all(map(c.external_file, c.generators)):
      yield path, 'verify.file has verdicts on samples that are not drawn yet'
    if b.pool_per_seed:
      yield path, 'all seeds share the samples: give budget.pool_per_seed=False'
  if b.rows is None:
    return
  if len(b.by_name) > 1:
    yield 'budget.rows', 'it ends one budget: give budget.low = budget.high'
  for arm in c.arms:
    if arm.max_kept and arm.draws:
      yield (
        'budget.rows',
        f'give budget.right instead of what follows "~" in arm {str(arm)!r}',
      )


RULES: tuple[Callable[[Config], Faults], ...] = (
  _arms_have_models,
  _servers_have_addresses,
  _external_samples_have_their_temperature,
  _enough_problems,
  _a_file_has_a_grader,
  _students_learn_from_train,
  _high_is_not_below_low,
  _more_budgets_are_others,
  _epochs_are_of_arms,
  _judged_by_a_model,
  _steps_reach_all_checkpoints,
  _rows_hold_a_solution,
  _samples_reach_the_largest_k,
  _sampled_are_tested,
  _transfer_is_to_other_tasks,
  _enough_is_of_plain_arms,
)
