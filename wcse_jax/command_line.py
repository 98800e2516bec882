"""The command line of `wcse run`, or launch/main.py, read into a `Command`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
import dataclasses
import difflib
import functools
import pathlib
import re
import runpy
import shlex
from typing import Any

from absl import flags
from ml_collections import config_dict, config_flags

from wcse_jax import config_files
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import roles, rules, scales
from wcse_jax.experiment.arms import Arm
from wcse_jax.stages import folders


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
  """What a command line asks for. `stages` None means all.

  `experiments` are those that `config` names, empty if it is one itself.
  """

  config: config_lib.Config
  experiments: dict[str, config_lib.Config]
  workdir: pathlib.Path
  remote: str  # the workdir, if it is on an object store
  stages: Sequence[str] | None
  redo: Sequence[str]
  reuse: Sequence[pathlib.Path]
  replica: int
  replicas: int
  auto: bool  # whether it starts a replica for each core of this machine
  coordinator: str  # if replicas finetune together, of their one JAX
  preview: int  # how many samples are drawn and shown, and all else not; or 0
  text: str  # the command itself, to be typed again


AUTO = 'auto'  # instead of a number of replicas
ADDED = 3  # words: --workdir, --replicas and --replica


class _ReplicasParser(flags.ArgumentParser):
  """Reads a number of replicas, or `AUTO`."""

  def parse(self, argument):
    try:
      return AUTO if argument == AUTO else int(argument)
    except ValueError:
      raise ValueError(f'give a number of hosts, or {AUTO}') from None


class _NumberParser(flags.ArgumentParser):
  """Reads a number, or None, which ml-collections' own parsers cannot."""

  def __init__(self, kind: type, name: str):
    self.kind, self.name = kind, name

  def parse(self, argument):
    try:
      return None if argument in (None, 'None') else self.kind(argument)
    except ValueError:
      raise ValueError(f'give {self.name}') from None


# How each flag beside --config is defined, its default, and what it is for.
_FLAGS: dict[str, tuple[Callable[..., Any], Any, str]] = {
  'config_from': (
    flags.DEFINE_string,
    None,
    'Instead of --config: the config.json of a run, or its workdir.',
  ),
  'workdir': (
    flags.DEFINE_string,
    None,
    'A folder, or e.g. gs://bucket/run. Default: runs/<config>-<scale>.',
  ),
  'stages': (flags.DEFINE_list, None, 'Run only these.'),
  'preview': (
    functools.partial(flags.DEFINE_integer, lower_bound=1),
    None,
    'Draw, or buy, only so many samples: shows them, and what all would cost.',
  ),
  'redo': (flags.DEFINE_list, [], 'Forget these stages, run them again.'),
  'reuse': (
    flags.DEFINE_list,
    [],
    'Other workdirs: what they finished with the same settings is taken over.',
  ),
  'replicas': (
    functools.partial(flags.DEFINE, _ReplicasParser()),
    1,
    'Hosts that share the workdir; or auto: a process for each core of this'
    ' one.',
  ),
  'replica': (flags.DEFINE_integer, None, 'Which of them this is, from 0.'),
  'coordinator': (
    flags.DEFINE_string,
    '',
    'HOST:PORT of replica 0, or auto on a TPU slice: they finetune together.',
  ),
}


def parse(argv: Sequence[str]) -> Command:
  """Reads `argv`, whose first element is the script.

  Raises:
    ConfigError: A field that is unknown, of a wrong type, or impossible.
    flags.Error: Any other misuse of a flag, or a config file that fails.
  """
  typed, argv = argv, _plain(argv)
  words = [word for arg in argv[1:] for word in arg.split('=', 1)]
  given = list(zip(words, [*words, ''][1:], strict=True))
  fields = []  # of the config, that are set
  for word, value in given:
    if field := re.fullmatch(r'--?config\.(.+)', word):
      config_lib.check_field(field[1], value)
      fields.append(field[1])
  named = {word.lstrip('-'): value for word, value in given}
  path, former = named.get('config', ''), named.get('config_from', '')
  if former and path:
    raise flags.Error('--config_from: give it, or --config, and not both')
  if former:
    base = config_lib.to_config_dict(config_files.of_run(former))
  else:
    base = config_files.read(path)
  config_lib.name_sections(base, fields)
  without = _without_config(argv)
  values = _define(without, base)
  try:
    rest = values(without)[1:]
  except flags.UnrecognizedFlagError as error:
    raise _unrecognized(error.flagname) from error
  if rest:
    raise flags.Error(f'{rest[0]!r} is not a flag; see --help')
  for wrong in _misuses(values):
    raise flags.Error(wrong)
  config = folders.named(config_lib.freeze(values.config))
  # A replica of --replicas=auto has `ADDED` words that nobody has typed.
  is_child = ('--replicas', AUTO) in given and values.replicas != AUTO
  if config.experiments:
    if values.replicas not in (1, AUTO) and not is_child:
      raise flags.Error(
        f'--replicas={values.replicas}: experiments run on one host, on all of'
        ' its cores with --replicas=auto; give several hosts one of them at a'
        ' time'
      )
    if values.preview:
      raise flags.Error('--preview: give it one of the experiments')
    if 'scale' in fields:
      raise flags.Error(f'--config.scale: give --config={path}:SCALE')
  typed = typed[:-ADDED] if is_child else typed
  workdir = values.workdir or ''
  default = 'runs/' + '-'.join(filter(None, (config.name, config.scale)))
  return Command(
    config=config,
    experiments=_experiments(
      config, pathlib.Path(path.split(':')[0]).parent, fields
    ),
    workdir=pathlib.Path(workdir or default),
    remote=workdir if '://' in workdir else '',
    stages=values.stages,
    redo=values.redo,
    reuse=[pathlib.Path(other) for other in values.reuse],
    replica=values.replica or 0,
    replicas=1 if values.replicas == AUTO else values.replicas,
    auto=values.replicas == AUTO,
    coordinator=values.coordinator,
    preview=values.preview or 0,
    text=_typed(typed),
  )


def words(argv: Sequence[str]) -> list[str]:
  """Returns a command as Python is told it: its script, and all behind that.

  Args:
    argv: The script, or `wcse` without 'run', and the flags.
  """
  script, *given = argv
  return [script, *(['run'] if _is_wcse(script) else []), *given]


def _typed(argv: Sequence[str]) -> str:
  """Returns a command as people type it."""
  script, *given = words(argv)
  how = ['wcse'] if _is_wcse(script) else ['python', script]
  return shlex.join([*how, *given])


def _is_wcse(script: str) -> bool:
  return pathlib.Path(script).stem == 'wcse'


def _plain(argv: Sequence[str]) -> list[str]:
  """Returns a command as flags can be read.

  What `teachers` says of WC and SE stands where these have it, and texts with
  commas between them are a tuple.
  """
  short = '|'.join(roles.GENERATORS), '|'.join(roles.SHORT)
  of = re.compile(rf'(--?config\.)teachers\.({short[0]})\.({short[1]})(?==|$)')
  put = lambda match: f'{match[1]}{roles.SHORT[match[3]]}{match[2]}'
  several = '|'.join(
    path
    for path, hint, _ in rules.leaves(config_lib.Config)
    if hint in (tuple[Arm, ...], tuple[str, ...])
  )
  texts = re.compile(rf'(--?config\.(?:{several})=)([^(\[\'"].*)')
  split = lambda text: tuple(part.strip() for part in text.split(','))
  quoted = lambda match: f'{match[1]}{split(match[2])!r}'
  return [texts.sub(quoted, of.sub(put, word)) for word in argv]


def _without_config(argv: Sequence[str]) -> list[str]:
  """Returns a command without the flag --config, which is read by itself."""
  left, words = [], iter(argv)
  for word in words:
    if word in ('--config', '-config'):
      next(words, None)
    elif not re.match(r'--?config=', word):
      left.append(word)
  return left


def _unrecognized(name: str) -> flags.Error:
  """Returns the error for a flag that is none, with the one that is meant."""
  fields = config_lib.flatten(config_lib.Config())
  named = [path for path in fields if path.split('.')[-1] == name]
  near = difflib.get_close_matches(name, [*_FLAGS, *fields], n=1)
  meant = [f'config.{path}' for path in named] or [
    of if of in _FLAGS else f'config.{of}' for of in near
  ]
  hint = f'did you mean --{" or --".join(meant)}?' if meant else 'see --help'
  return flags.Error(f'--{name} is not a flag; {hint}')


def _misuses(values: flags.FlagValues) -> Iterator[str]:
  """Yields what is wrong with the flags beside --config."""
  yield from config_lib.unknown_stages(values.stages, values.redo)
  auto = values.replicas == AUTO
  if auto and (values.replica is not None or values.coordinator):
    other = '--coordinator' if values.replica is None else '--replica'
    yield f'{other}: --replicas=auto numbers its replicas; leave {other} out'
  elif not auto and not 0 <= (values.replica or 0) < values.replicas:
    yield (
      f'--replica={values.replica}: with --replicas={values.replicas}, give 0'
      f' to {values.replicas - 1}'
    )
  if values.coordinator and not auto:
    given = f'--coordinator={values.coordinator}'
    port = re.fullmatch(r'.+:(\d+)', values.coordinator)
    if values.coordinator != 'auto' and not (port and 0 < int(port[1]) < 2**16):
      yield f'{given}: give HOST:PORT of replica 0, or auto on a TPU slice'
    if values.replicas == 1:
      yield (
        f'{given}: finetuning together takes several hosts: give --replicas and'
        ' --replica'
      )
    if values.stages != ['finetune']:
      yield (
        f'{given}: finetuning is all that replicas do together: give'
        ' --stages=finetune, and run other stages without --coordinator'
      )
  if values.preview and (values.stages or auto or values.replicas > 1):
    other = '--stages' if values.stages else '--replicas'
    yield f'--preview: one process draws samples, and stops; leave {other} out'
  workdir = values.workdir or ''
  if re.match(r'\w+:/[^/]', workdir):
    yield (
      f'--workdir={workdir}: an object store has two slashes, as in'
      ' gs://bucket/run'
    )
  if '://' in workdir and not auto and values.replicas > 1:
    yield (
      f'--workdir={workdir}: several --replicas need a folder that they share'
    )
  for other in values.reuse:
    if not other or not pathlib.Path(other).is_dir():
      yield f'--reuse={other}: no such folder'


def _experiments(
  config: config_lib.Config, folder: pathlib.Path, given: Iterable[str]
) -> dict[str, config_lib.Config]:
  """Returns the experiments that a config names, with what it sets itself.

  Args:
    config: What names them.
    folder: Where their config files are.
    given: Fields that the command line sets.

  Raises:
    ConfigError: One of them cannot be had, or has experiments itself.
  """
  fail = lambda remedy: config_lib.ConfigError(
    'experiments', config.experiments, remedy
  )
  flat = config_lib.flatten(config)
  fields = scales.changes(config) | {name: flat[name] for name in given}
  fields.pop('experiments', None)
  files = 'checkpoints.', 'tokenizers.'
  folders = {f: fields.pop(f) for f in [*fields] if f.startswith(files)}
  made = {}
  for name in config.experiments:
    path = folder / f'{name}.py'
    if not path.is_file():
      raise fail(f'there is no {path}')
    try:
      values = runpy.run_path(str(path))['get_config'](config.scale)
      own = scales.replace(config_lib.freeze(values), fields)
      own = scales.replace(own, _folders(own, config, folders))
    except config_lib.ConfigError as e:
      raise config_lib.ConfigError(
        e.field, e.value, f'{e.remedy} (experiment {name})'
      ) from e
    except Exception as e:  # a config file is code: it may raise anything
      raise fail(f'{path}: {config_files.said(e)}') from e
    if own.experiments:
      raise fail(f'{name} has experiments itself: name those')
    made[name] = own
  return made


def _folders(
  own: config_lib.Config, config: config_lib.Config, folders: dict[str, str]
) -> dict[str, str]:
  """Returns the weights and tokenizers that an experiment's models share."""
  role = lambda field: field.rpartition('.')[2]
  same = lambda name: getattr(own, name) == getattr(config, name)
  return {field: path for field, path in folders.items() if same(role(field))}


def usage() -> str:
  """Returns the list of flags."""
  return _define(['']).get_help()


def describe(error: Exception, most: int = 3) -> str:
  """Returns an error in at most so many lines, the first and the last in."""
  lines = str(error).strip().splitlines()
  if len(lines) > most:
    lines = [*lines[: most - 1], lines[-1]]
  return '\n'.join(lines)


def _define(
  argv: Sequence[str], base: config_dict.ConfigDict | None = None
) -> flags.FlagValues:
  for kind, name in ((int, 'a whole number'), (float, 'a number')):
    config_flags.register_flag_parser_for_type(kind, _NumberParser(kind, name))
  values = flags.FlagValues()
  more = {'flag_values': values, 'sys_argv': list(argv)}
  if base is not None:
    config_flags.DEFINE_config_dict('config', base, **more)
  else:
    flags.DEFINE_string(
      'config', None, 'Config file, or FILE:SCALE.', flag_values=values
    )
  for name, (define, default, text) in _FLAGS.items():
    define(name, default, text, flag_values=values)
  return values
