"""Bad inputs of flags, of config files, and of the Python calls."""

from collections.abc import Callable, Iterator, Sequence
import pathlib
from typing import Any

from bad_values import VALUES, WORDS, Case

from wcse_jax.errors import Error

ROOT = pathlib.Path(__file__).resolve().parents[1]


def of_config(folder: pathlib.Path) -> Iterator[Case]:
  """Each field, by the command line and as a config file might set it."""
  from ml_collections import config_dict

  from wcse_jax import command_line
  from wcse_jax.experiment import config, rules
  from wcse_jax.stages import check

  del folder
  script = ['main.py', f'--config={ROOT}/configs/wc_distill.py']
  words = [*WORDS.split(), '', '9' * 400, '\udcff', "('x', 'x')"]

  def parse(path: str, word: str) -> None:
    check.check(command_line.parse([*script, f'--config.{path}={word}']).config)

  def freeze(path: str, value: Any) -> None:
    made = config.to_config_dict(config.Config())
    config.name_sections(made, [path])
    values = made.to_dict()
    *sections, name = path.split('.')
    at = values
    for section in sections:
      at = at[section]
    at[name] = value
    check.check(config.freeze(config_dict.ConfigDict(values)))

  paths = [path for path, *_ in rules.leaves(config.Config)]
  for path in ('teachers', 'teachers.NAME', *paths):
    for word in words:
      yield Case(
        f'--config.{path}={word!r}', lambda p=path, w=word: parse(p, w)
      )
    for name, value in VALUES.items():
      yield Case(
        f'config.{path} = {name}', lambda p=path, v=value: freeze(p, v)
      )
  for flag in ('stages', 'redo', 'reuse', 'replicas', 'replica', 'workdir'):
    for word in words:
      argv = [*script, f'--{flag}={word}']
      yield Case(f'--{flag}={word!r}', lambda a=argv: command_line.parse(a))


def of_calls(folder: pathlib.Path) -> Iterator[Case]:
  """Each argument of the Python calls."""
  from wcse_jax import testing, verify
  from wcse_jax.analysis import estimators, intervals
  from wcse_jax.experiment import budget, plan
  from wcse_jax.experiment.config import SE, FinetuneSpec
  from wcse_jax.finetuning import batches, loop, packing
  from wcse_jax.sampling import Sampler
  from wcse_jax.verify import pool

  model = testing.tiny_model()
  sampler = Sampler(model, max_new_tokens=2, slots=2)
  table = packing.pack([([5], [6, 1])], 5, bos=2).columns
  made = batches.make(table, batch_size=1, steps=1, seed=0)

  def finetune(learning_rate: Any) -> None:
    if learning_rate is not None:  # which takes the first of the settings
      spec = FinetuneSpec(num_checkpoints=1, row_tokens=5)
      loop.finetune(model, made, spec, folder, learning_rate=learning_rate)

  calls: list[tuple[str, Callable[..., Any], Sequence[str]]] = [
    (
      'Sampler',
      lambda **given: Sampler(model, **given),
      ('prefix', 'stop_strings', 'max_new_tokens', 'max_prompt_tokens', 'top_k',
       'top_p', 'slots', 'seed', 'dtype'),
    ),
    (
      'sample',
      lambda **given: sampler.sample(**{'prompts': ['1+1='], **given}),
      ('prompts', 'n', 'temperature', 'generator'),
    ),
    ('finetune', finetune, ('learning_rate',)),
    (
      'batches.make',
      lambda **given: batches.make(
        table, **{'batch_size': 1, 'steps': 1, 'seed': 0, **given}
      ),
      ('batch_size', 'steps', 'seed'),
    ),
    ('pack', lambda row_tokens: packing.pack([], row_tokens, bos=2),
     ('row_tokens',)),
    ('checkpoint_steps', lambda a: loop.checkpoint_steps(a, 1), ('a',)),
    ('checkpoint_steps', lambda b: loop.checkpoint_steps(1, b), ('b',)),
    (
      'grade',
      lambda **given: verify.grade(
        **{'task': 'gsm8k', 'gold': '1', 'text': 'The answer is 1.', **given}
      ),
      ('task', 'gold', 'text', 'question', 'timeout_s'),
    ),
    (
      'grade_many',
      lambda **given: verify.grade_many(
        **{'task': 'gsm8k', 'golds': ['1'], 'texts': ['1'], **given}
      ),
      ('task', 'golds', 'texts', 'workers', 'timeout_s'),
    ),
    ('Pool', pool.Pool, ('workers', 'timeout_s')),
    ('plan.make', lambda n: plan.make([SE], {'low': n}, {'se': 1.0}, {}),
     ('n',)),
    ('plan.make', lambda p: plan.make([SE], {'low': 1}, {'se': p}, {}), ('p',)),
    ('flops_per_token', budget.flops_per_token, ('params',)),
    ('coverage_at_k', lambda k: estimators.coverage_at_k(4, [1], k), ('k',)),
    ('coverage_at_k', lambda m: estimators.coverage_at_k(m, [1], 1), ('m',)),
    ('diversity_at_k', lambda k: estimators.diversity_at_k([[1]], 2, k),
     ('k',)),
    ('maj_at_k', lambda k: estimators.maj_at_k([['1']], [[True]], k), ('k',)),
    ('correct_flags', lambda v: estimators.correct_flags([v]), ('v',)),
    (
      'bootstrap',
      lambda **given: intervals.bootstrap([0.5, 1.0], seed=0, **given),
      ('num_resamples', 'confidence'),
    ),
  ]  # fmt: skip
  for name, call, arguments in calls:
    for argument in arguments:
      for what, value in VALUES.items():
        yield Case(
          f'{name}({argument} is {what})',
          lambda c=call, a=argument, v=value: c(**{a: v}),
          (Error, ValueError),
        )
