"""Values on their way between tester and solution: as JSON, and back.

What Python's own types hold goes over as data and is built anew, so that the
tester compares what is its own: no `__eq__` of a program has a say. A subclass
goes as what it is a subclass of. All else, such as an instance of the
solution's own class, stays where it is and goes over as a number.
"""

from __future__ import annotations

import builtins
import importlib
import sys

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from collections.abc import Callable, Iterator
  from typing import Any

_TYPES = {k: v for k, v in vars(builtins).items() if isinstance(v, type)}
_CONTAINERS = {k.__name__: k for k in (dict, list, tuple, set, frozenset)}
_VIEWS = {
  type({}.keys()): lambda *items: dict.fromkeys(items).keys(),
  type({}.values()): lambda *items: dict(enumerate(items)).values(),
  type({}.items()): lambda *items: dict(items).items(),
}
_VIEWS_BY_NAME = {view.__name__: make for view, make in _VIEWS.items()}

# Other types, with what they are called with to make such a value again. A type
# stands before those that it is a subclass of.
_PARTS: dict[str, dict[str, Callable[[Any], list]]] = {
  'array': {'array': lambda x: [x.typecode, list(x)]},
  'builtins': {
    'bytearray': lambda x: [bytes(x)],
    'complex': lambda x: [x.real, x.imag],
    'memoryview': lambda x: [bytes(x)],
    'range': lambda x: [x.start, x.stop, x.step],
    'slice': lambda x: [x.start, x.stop, x.step],
  },
  'collections': {
    'Counter': lambda x: [dict(x)],
    'OrderedDict': lambda x: [list(x.items())],
    'UserDict': lambda x: [x.data],
    'UserList': lambda x: [x.data],
    'UserString': lambda x: [x.data],
    'defaultdict': lambda x: [
      x.default_factory if _is_builtin(x.default_factory) else None,
      dict(x),
    ],
    'deque': lambda x: [list(x), x.maxlen],
  },
  'datetime': {
    'datetime': lambda x: [
      *(x.year, x.month, x.day, x.hour, x.minute),
      *(x.second, x.microsecond, x.tzinfo),
    ],
    'date': lambda x: [x.year, x.month, x.day],
    'time': lambda x: [x.hour, x.minute, x.second, x.microsecond, x.tzinfo],
    'timedelta': lambda x: [x.days, x.seconds, x.microseconds],
    'timezone': lambda x: [x.utcoffset(None)],
  },
  'decimal': {'Decimal': lambda x: [str(x)]},
  'fractions': {'Fraction': lambda x: [x.numerator, x.denominator]},
  'types': {'MappingProxyType': lambda x: [dict(x)]},
}


def encode(value: Any, number: Callable[[Any], int]) -> Any:
  """`value` for JSON; `number` gives the number of what is not plain data."""
  if value is None or isinstance(value, bool | float | str):
    return value
  if isinstance(value, int):
    return ['int', hex(value)] if abs(value) >> 63 else value
  if isinstance(value, bytes):
    return ['bytes', value.decode('latin-1')]
  if _is_builtin(value):
    return ['type', value.__name__]
  for name, parts in _parts(value):
    return [name, [encode(x, number) for x in parts]]
  return ['object', number(value)]


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
  """Yields how data can be taken apart: a kind, and what it is made of."""
  kind = type(value).__name__
  if _CONTAINERS.get(kind) is not type(value):
    for module, kinds in _PARTS.items():
      for name, parts in kinds.items():
        known = getattr(sys.modules.get(module), name, None)
        if known and isinstance(value, known):
          yield f'{module}.{name}', parts(value)
    for view in _VIEWS:
      if isinstance(value, view):
        yield view.__name__, value
    fields = getattr(type(value), '_fields', None)
    if isinstance(value, tuple) and fields:
      yield 'namedtuple', [kind, list(fields), *value]
  for name, container in _CONTAINERS.items():
    if isinstance(value, container):
      yield name, value.items() if isinstance(value, dict) else value


def _is_builtin(value: Any) -> bool:
  return isinstance(value, type) and _TYPES.get(value.__name__) is value


def decode(data: Any, found: Callable[[int], Any]) -> Any:
  """What was encoded; `found` gives the object of a number."""
  if not isinstance(data, list):
    return data
  kind, value = data
  if kind == 'object':
    return found(value)
  if kind == 'int':
    return int(value, 16)
  if kind == 'bytes':
    return value.encode('latin-1')
  if kind == 'type':
    return _TYPES[value]
  parts = [decode(x, found) for x in value]
  if kind in _CONTAINERS:
    return _CONTAINERS[kind](parts)
  if kind in _VIEWS_BY_NAME:
    return _VIEWS_BY_NAME[kind](*parts)
  if kind == 'namedtuple':
    import collections

    name, fields, *items = parts
    return collections.namedtuple(name, fields)(*items)
  module, _, name = kind.partition('.')
  if name not in _PARTS[module]:
    raise KeyError(kind)
  return getattr(importlib.import_module(module), name)(*parts)
