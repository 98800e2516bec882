"""Numbers as text, the same in every rendering."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from wcse_jax.experiment.prices import usd
from wcse_jax.results.types.estimate import Estimate

NONE = '-'  # a number that is not known


class Interval(NamedTuple):
  """An estimate with its bounds, as text.

  >>> str(Interval('44.3%', '38.7', '50.0'))
  '44.3% [38.7, 50.0]'
  """

  value: str
  low: str
  high: str

  def __str__(self) -> str:
    return f'{self.value} [{self.low}, {self.high}]'


def decimal(value: float | None, *, places: int = 2, sign: bool = False) -> str:
  """A number with fixed decimals; never '-0.0'.

  >>> decimal(-0.001), decimal(1.005, places=1, sign=True)
  ('0.00', '+1.0')
  """
  if value is None:
    return NONE
  value = round(value, places) + 0.0
  return f'{value:{"+" if sign else ""}.{places}f}'


def known(value: float | msgspec.UnsetType | None, *, places: int = 2) -> str:
  """A number as `decimal` shows it; one that a file does not have is '-'.

  >>> known(32, places=1), known(msgspec.UNSET)
  ('32.0', '-')
  """
  return decimal(None if value is msgspec.UNSET else value, places=places)


def percent(value: float | None, *, sign: bool = False) -> str:
  """A fraction in percent, without the percent sign.

  >>> percent(0.443)
  '44.3'
  """
  return decimal(None if value is None else 100 * value, places=1, sign=sign)


def share(value: float | None) -> str:
  """A fraction in percent, with its sign.

  >>> share(0.443), share(None)
  ('44.3%', '-')
  """
  return NONE if value is None else f'{percent(value)}%'


def count(value: float | None) -> str:
  """A whole number.

  >>> count(1234), count(None)
  ('1,234', '-')
  """
  return NONE if value is None else f'{value:,.0f}'


def interval(
  estimate: Estimate | None, show=percent, *, unit: str = '', sign: bool = False
) -> Interval | str:
  """An estimate with its interval; '-' where it is not known.

  >>> str(interval(Estimate(value=0.443, low=0.387, high=0.5), unit='%'))
  '44.3% [38.7, 50.0]'
  """
  if estimate is None or estimate.value is None:
    return NONE
  value, low, high = (
    show(bound, sign=sign)
    for bound in (estimate.value, estimate.low, estimate.high)
  )
  return Interval(value + unit, low, high)


def dollars(value: float | None) -> str:
  """An amount.

  >>> dollars(1.3e-5), dollars(None)
  ('$0.000013', '-')
  """
  return NONE if value is None else usd(value)


def si(value: float | None, unit: str = '', like: float | None = None) -> str:
  """Three digits and a prefix: that of `like`, of which it is a part.

  >>> si(2.5e9, 'FLOP'), si(4.2e7, 'FLOP', like=2.5e9)
  ('2.5 GFLOP', '0.042 GFLOP')
  """
  if value is None:
    return NONE
  _, power = _scaled(value if like is None else like)
  scaled = short(value / 1000**power)
  return f'{scaled} {" kMGTPEZ"[power].strip()}{unit}'.strip()


def si_interval(estimate: Estimate | None, unit: str) -> Interval | str:
  """An estimate with the bounds in the unit of the value.

  >>> str(si_interval(Estimate(value=2.1e6, low=1.9e6, high=None), 'FLOP'))
  '2.1 MFLOP [1.9, -]'
  """
  if estimate is None or estimate.value is None:
    return NONE
  _, power = _scaled(estimate.value)
  low, high = (
    NONE if bound is None else short(bound / 1000**power)
    for bound in (estimate.low, estimate.high)
  )
  return Interval(si(estimate.value, unit), low, high)


def last[T](by_k: Mapping[int, T]) -> T | None:
  """What stands at the largest k; None where nothing does.

  >>> last({1: 0.3, 10: 0.6, 5: 0.5}), last({})
  (0.6, None)
  """
  return by_k[max(by_k)] if by_k else None


def _scaled(value: float) -> tuple[float, int]:
  """A number below 1000, and how often it was divided by that."""
  power = 0
  while power < 7 and abs(value) >= 999.5:
    value, power = value / 1000, power + 1
  return value, power


def short(value: float) -> str:
  """Three digits of a number, and never a power of ten.

  >>> short(1.3456e-5), short(0.25), short(999.96), short(0)
  ('0.0000135', '0.25', '1000', '0')
  """
  return np.format_float_positional(
    value, precision=3, unique=False, fractional=False, trim='-'
  )
