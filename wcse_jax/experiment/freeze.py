"""A config of sections as a ConfigDict, which flags override, and back."""

from collections.abc import Iterable, Mapping
import copy
import dataclasses
import difflib
import json
import re
import typing
from typing import Any

from ml_collections import config_dict

from wcse_jax.experiment.arms import Arm
from wcse_jax.experiment.rules import (
  NAME,
  ConfigError,
  get,
  leaves,
  named,
  rule_fault,
  type_fault,
)

# Sections and fields that came later; see `saved`.
_LATER = (
  *('tokenizers', 'evaluate.num_sampled', 'mesh.cpu_threads'),
  *('task.skip_test', 'budget.pool_per_seed', 'evaluate.few_shot_base'),
  *('task.file', 'task.grader', 'task.split', 'prompt', 'endpoint', 'limit'),
  *('teachers', 'budget.anchor', 'finetune.keep'),
  *('external.judge', 'verify.file', 'budget.right', 'budget.rows'),
  *('budget.params', 'report.tpu_plan', 'sampling.exact'),
)


def check(config: Any) -> None:
  """Raises ConfigError unless each field has its type, and obeys its rules."""
  fields = list(leaves(config))
  for path, hint, _ in fields:
    value = get(config, path)
    if remedy := type_fault(value, hint):
      raise ConfigError(path, value, remedy)
  for path, hint, rules in fields:
    value = get(config, path)
    if remedy := rule_fault(value, hint, rules):
      raise ConfigError(path, plain(value), remedy)


def plain(value: Any) -> Any:
  """Returns a section as a dict, and arms as they are written."""
  if isinstance(value, Arm):
    return str(value)
  if isinstance(value, tuple):
    return tuple(map(plain, value))
  if isinstance(value, Mapping):
    return {name: plain(of) for name, of in value.items()}
  if dataclasses.is_dataclass(value):
    return {
      field.name: plain(getattr(value, field.name))
      for field in dataclasses.fields(value)
    }
  return value


def to_dict(config: Any) -> dict[str, Any]:
  """Returns `config` as JSON has it: tuples are lists."""
  return json.loads(json.dumps(plain(config)))


def saved(config: Any) -> dict[str, Any]:
  """Returns `config` as files have it.

  What came later is left out while it has its default: what was made before it
  came is as it was.
  """
  fields, unset = to_dict(config), to_dict(type(config)())
  for path in _LATER:
    (section, name), (its, _) = _inside(fields, path), _inside(unset, path)
    if section[name] == its[name]:
      del section[name]
  return fields


def restored(kind: Any, fields: Mapping[str, Any]) -> Any:
  """Returns the config of a type that `saved` gave these fields of."""
  filled, unset = copy.deepcopy(dict(fields)), plain(kind())
  for path in _LATER:
    (section, name), (its, _) = _inside(filled, path), _inside(unset, path)
    section.setdefault(name, its[name])
  return from_config_dict(kind, config_dict.ConfigDict(filled))


def _inside(fields: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
  """Returns the dict that a dotted path leads to, and the name in it.

  A section that is not there, or is none, gives an empty dict.
  """
  *sections, name = path.split('.')
  for section in sections:
    inner = fields.get(section)
    fields = inner if isinstance(inner, dict) else {}
  return fields, name


def flatten(config: Any) -> dict[str, Any]:
  """Returns the value of every field, by dotted path."""
  return {path: plain(get(config, path)) for path, *_ in leaves(config)}


def to_config_dict(config: Any) -> config_dict.ConfigDict:
  """Returns `config` as a ConfigDict whose every field flags can override."""
  fields = {}
  for name, hint in typing.get_type_hints(type(config)).items():
    value = getattr(config, name)
    kind, *optional = typing.get_args(hint) or (hint,)
    if dataclasses.is_dataclass(hint):
      value = to_config_dict(value)
    elif named(hint):
      value = {one: to_config_dict(of) for one, of in value.items()}
    elif optional == [type(None)]:
      value = config_dict.FieldReference(value, field_type=kind)
    else:
      value = plain(value)
    fields[name] = value
  return config_dict.ConfigDict(fields)


def name_sections(
  cls: Any, values: config_dict.ConfigDict, paths: Iterable[str]
) -> None:
  """Adds sections that paths name and that are not there, with their defaults.

  Args:
    cls: The class of the config.
    values: The config, which is changed.
    paths: Paths of fields, e.g. 'teachers.mid.model'.
  """
  values_of: Any = values
  for name, hint in typing.get_type_hints(cls).items():
    section = named(hint)
    for path in paths if section else ():
      head, *inner = path.split('.')
      if section and head == name and len(inner) == 2:
        with values.unlocked():
          if inner[0] not in values_of[name]:
            values_of[name][inner[0]] = to_config_dict(section())


def from_config_dict(
  whole: Any, values: Any, section: Any = None, prefix: str = ''
) -> Any:
  """Returns the config of a class that a ConfigDict holds.

  Args:
    whole: The class of the whole config.
    values: The values of all of its fields, or of a section's.
    section: The class of the section; None is the whole.
    prefix: The section's path, with a dot behind.

  Raises:
    ConfigError: A field is unknown, missing, or has an impossible value.
  """
  cls = section or whole
  hints = typing.get_type_hints(cls)
  if not isinstance(values, config_dict.ConfigDict):
    raise ConfigError(
      prefix[:-1], values, f'it has fields of its own: {", ".join(hints)}'
    )
  for name in values:
    if name not in hints:
      check_field(whole, prefix + name, values[name])
  fields = {}
  for name, hint in hints.items():
    if name not in values:
      raise ConfigError(
        prefix + name, None, 'missing; start from to_config_dict(Config())'
      )
    value = values[name]
    if dataclasses.is_dataclass(hint):
      value = from_config_dict(whole, value, hint, f'{prefix}{name}.')
    elif section := named(hint):
      if not isinstance(value, config_dict.ConfigDict):
        raise ConfigError(prefix + name, value, 'give a section for each name')
      value = {
        one: from_config_dict(whole, of, section, f'{prefix}{name}.{one}.')
        for one, of in value.items()
      }
    elif isinstance(value, list | tuple):
      as_float = hint == tuple[float, ...]
      value = tuple(
        _as_float(v) if as_float else v for of in value for v in _several(of)
      )
    elif hint in (float, float | None):
      value = _as_float(value)
    fields[name] = value
  return cls(**fields)


def _several(value: Any) -> list[Any]:
  """Returns the texts of one that a flag gave as 'a,b'; else it alone."""
  several = isinstance(value, str) and ',' in value
  return [v.strip() for v in value.split(',')] if several else [value]


def _as_float(value: Any) -> Any:
  """Returns a whole number that is not out of range as a float."""
  return float(value) if type(value) is int and abs(value) < 2**64 else value


def check_field(cls: Any, path: str, value: object) -> None:
  """Raises ConfigError unless `path`, e.g. 'sampling.top_k', is a field."""
  known = [p for p, *_ in leaves(cls)]
  if any(re.fullmatch(of.replace(NAME, '.+'), path) for of in known):
    return
  head, _, name = path.rpartition('.')
  first = head.split('.')[0]
  if any(of.startswith(f'{first}.{NAME}.') for of in known):
    head = f'{first}.{NAME}'
  within = [p for p in known if p.startswith((head or path) + '.')]
  if not head and within:
    raise ConfigError(path, value, f'set its fields: {", ".join(within)}')
  names = {p.split('.')[-1]: p for p in within or known}
  sections = dict.fromkeys(p.split('.')[0] for p in known)
  near = difflib.get_close_matches(name, names, n=1)
  hint = (
    f'did you mean {names[near[0]]}?'
    if near
    else f'known: {", ".join(within or sections)}'
  )
  raise ConfigError(path, value, f'no such field; {hint}')
