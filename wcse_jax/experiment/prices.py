"""What tokens cost at an API: a dated price table, and matching by price.

Prices change within months, so one without a date is refused. A table is a
JSON list of entries, or a TOML file with one `[[prices]]` section per entry:

  [[prices]]
  model = "gemini-1.5-flash"
  date = "2024-08-01"
  usd_per_million_output_tokens = 0.3
  usd_per_million_input_tokens = 0.075  # may be left out
  source = "https://..."                # may be left out

With one mean solution length for both models, a budget of S_SE samples from
the dear model pays for `S_WC = (usd_SE / usd_WC) * S_SE` samples from the cheap
one (arXiv 2408.16737, section 3; prompts are not counted).
"""

from collections.abc import Iterable, Mapping
import datetime
import fractions
import json
import math
import pathlib
import tomllib
from typing import Annotated, Any

import msgspec

from wcse_jax.errors import Error

_MOST = 1e12  # dollars: what a price is below, infinity is not


def usd(dollars: float) -> str:
  """Returns dollars as people write them: cents, or three digits of less.

  >>> usd(1234.5), usd(0.13), usd(0.000184), usd(0)
  ('$1,234.50', '$0.13', '$0.000184', '$0.00')
  """
  small = 0 < dollars < 0.9995
  digits = 2 - math.floor(math.log10(dollars)) if small else 2
  whole, _, cents = f'{dollars:,.{digits}f}'.partition('.')
  return f'${whole}.{cents.rstrip("0"):0<2}'


class PriceError(Error):
  """A price that is missing or makes no sense. Names the entry and remedy."""


class Price(
  msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
  """What a model's tokens cost from a day on.

  Attributes:
    model: As the provider calls it, and as external samples name it.
    date: From which day on, or when it was looked up.
    usd_per_million_output_tokens: More than 0.
    usd_per_million_input_tokens: None where it is not known.
    source: Where it was read.
  """

  model: str
  date: datetime.date
  usd_per_million_output_tokens: Annotated[float, msgspec.Meta(gt=0, lt=_MOST)]
  usd_per_million_input_tokens: (
    Annotated[float, msgspec.Meta(ge=0, lt=_MOST)] | None
  ) = None
  source: str = ''

  def usd(self, output_tokens: float, input_tokens: float = 0) -> float:
    """Dollars for that many tokens.

    Raises:
      PriceError: There are input tokens, and their price is not known.
    """
    if input_tokens and self.usd_per_million_input_tokens is None:
      raise PriceError(
        f'{self.model}, {self.date}: no price of input tokens.\n'
        'Add usd_per_million_input_tokens to its entry, or leave prompts out.'
      )
    paid = output_tokens * self.usd_per_million_output_tokens
    paid += input_tokens * (self.usd_per_million_input_tokens or 0)
    return paid / 1e6


_AUGUST_2024 = {
  'date': datetime.date(2024, 8, 1),
  'source': 'arXiv 2408.16737: August 2024, output tokens alone',
}
# The paper's two API models.
PAPER = (
  Price(
    model='gemini-1.5-pro', usd_per_million_output_tokens=10.5, **_AUGUST_2024
  ),
  Price(
    model='gemini-1.5-flash', usd_per_million_output_tokens=0.3, **_AUGUST_2024
  ),
)
# The nano ladder has no market: the paper's prices stand in.
NANO = tuple(
  msgspec.structs.replace(
    price, model=model, source=f'made up: of {price.model}'
  )
  for price, model in zip(PAPER, ('nano_se', 'nano_wc'), strict=True)
)
TABLE = PAPER + NANO


def read(path: pathlib.Path) -> list[Price]:
  """The entries of a `.json` or `.toml` file.

  Raises:
    PriceError: The file cannot be read, or an entry is wrong: a field is
      missing (the date, too), unknown, of another type, or out of range; two
      entries of a model have one date. All wrong entries are named.
  """
  parse = {'.json': json.loads, '.toml': tomllib.loads}.get(path.suffix)
  if parse is None:
    raise PriceError(f'{path}: give a .json or a .toml file')
  try:
    entries = parse(path.read_text(encoding='utf-8'))
  except (OSError, ValueError, RecursionError) as error:
    raise PriceError(f'{path} cannot be read: {error}') from error
  if isinstance(entries, Mapping):
    entries = entries.get('prices')
  if not isinstance(entries, list) or not entries:
    raise PriceError(f'{path}: give a list of prices, as {__name__} shows')
  prices, wrong = [], []
  for number, entry in enumerate(entries, 1):
    try:
      price = _price(entry)
      if any((p.model, p.date) == (price.model, price.date) for p in prices):
        raise ValueError(f'a second price of {price.model} on {price.date}')
      prices.append(price)
    except ValueError as error:
      wrong.append(f'{path}, price {number}: {error}')
  if wrong:
    raise PriceError('\n'.join(wrong))
  return prices


def find(
  prices: Iterable[Price], model: str, on: datetime.date | None = None
) -> Price:
  """The price of a model on a day: the latest that is not after it.

  Args:
    prices: E.g. `TABLE`, or from `read`.
    model: As named there.
    on: None takes the latest of all.

  Raises:
    PriceError: There is none.
  """
  prices = list(prices)
  dated = [p for p in prices if p.model == model and (not on or p.date <= on)]
  if not dated:
    known = ', '.join(sorted({f'{p.model} ({p.date})' for p in prices}))
    raise PriceError(
      f'no price of {model!r}' + (f' on {on}' if on else '') + '.\n'
      f'Known are {known or "none"}; add an entry to the price table.'
    )
  return max(dated, key=lambda p: p.date)


def ratio(a: float, b: float) -> fractions.Fraction:
  """`a / b` of the decimal numbers as written: 10.5 / 0.3 is exactly 35."""
  return fractions.Fraction(str(a)) / fractions.Fraction(str(b))


def _price(entry: Any) -> Price:
  """An entry's Price; ValueError says what is wrong with it."""
  if not isinstance(entry, Mapping):
    raise ValueError(f'{entry!r} has no fields')
  needed = 'model', 'date', 'usd_per_million_output_tokens'
  if missing := [name for name in needed if entry.get(name) in (None, '')]:
    raise ValueError(
      f'{entry.get("model", "it")} has no {", ".join(missing)}: add it'
    )
  try:
    return msgspec.convert(entry, Price)
  except msgspec.ValidationError as error:
    raise ValueError(
      f'{entry["model"]}: {error}: write it as {__name__} shows'
    ) from error
