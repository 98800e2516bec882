"""A price table: dated, exact, and strict about what it is given."""

import datetime
import json

import pytest

from wcse_jax.experiment import prices

FLASH = {
  'model': 'gemini-1.5-flash',
  'date': '2024-08-01',
  'usd_per_million_output_tokens': 0.3,
}


def write(folder, entries, name='prices.json'):
  path = folder / name
  path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
  return path


def test_the_papers_prices_match_35_for_1():
  pro = prices.find(prices.PAPER, 'gemini-1.5-pro')
  flash = prices.find(prices.PAPER, 'gemini-1.5-flash')
  assert (pro.date.year, pro.date.month) == (2024, 8)
  assert (
    prices.ratio(
      pro.usd_per_million_output_tokens, flash.usd_per_million_output_tokens
    )
    == 35
  )
  assert 0.3 / 0.1 < 3 == prices.ratio(0.3, 0.1)  # floats round it down


def test_dollars_for_tokens():
  price = prices.Price(
    model='x',
    date=datetime.date(2026, 1, 1),
    usd_per_million_output_tokens=8.0,
    usd_per_million_input_tokens=2.0,
  )
  assert price.usd(250_000, 500_000) == pytest.approx(3.0)
  assert price.usd(250_000) == pytest.approx(2.0)
  with pytest.raises(prices.PriceError, match='usd_per_million_input_tokens'):
    prices.PAPER[0].usd(1, 1)


def test_json_and_toml_say_the_same(tmp_path):
  toml = """
    [[prices]]
    model = "gemini-1.5-flash"
    date = 2024-08-01
    usd_per_million_output_tokens = 0.3
  """
  expected = [
    prices.Price(
      model='gemini-1.5-flash',
      date=datetime.date(2024, 8, 1),
      usd_per_million_output_tokens=0.3,
    )
  ]
  assert prices.read(write(tmp_path, toml, 'p.toml')) == expected
  assert prices.read(write(tmp_path, [FLASH])) == expected
  assert prices.read(write(tmp_path, {'prices': [FLASH]})) == expected


def test_the_latest_price_that_is_not_after_the_day(tmp_path):
  table = prices.read(
    write(
      tmp_path,
      [
        FLASH,
        {**FLASH, 'date': '2025-01-01', 'usd_per_million_output_tokens': 0.2},
      ],
    )
  )
  usd = lambda *on: (
    prices.find(table, 'gemini-1.5-flash', *on).usd_per_million_output_tokens
  )
  assert usd() == 0.2
  assert usd(datetime.date(2024, 12, 31)) == 0.3
  assert usd(datetime.date(2025, 1, 1)) == 0.2
  with pytest.raises(prices.PriceError, match=r'on 2024-07-31\.\n.*2025-01-01'):
    usd(datetime.date(2024, 7, 31))


@pytest.mark.parametrize(
  'change, message',
  [
    ({'date': None}, 'gemini-1.5-flash has no date: add it'),
    ({'date': 'August 2024'}, 'date - at `..date`: write it as .* shows'),
    ({'date': 2024}, 'Expected `date`'),
    ({'model': ''}, 'no model'),
    ({'model': 5}, 'Expected `str`, got `int` - at `..model`'),
    ({'usd_per_million_output_tokens': 0}, '> 0.0 - at .*output'),
    ({'usd_per_million_output_tokens': '0.3'}, 'got `str` - at .*output'),
    ({'usd_per_million_output_tokens': True}, 'got `bool` - at .*output'),
    ({'usd_per_million_output_tokens': float('nan')}, '> 0.0 - at .*output'),
    ({'usd_per_million_output_tokens': float('inf')}, '< 10+.0 - at .*output'),
    ({'usd_per_million_input_tokens': -1}, '>= 0.0 - at .*input'),
    ({'currency': 'EUR'}, 'unknown field `currency`'),
  ],
)
def test_a_wrong_entry_is_named(tmp_path, change, message):
  path = write(tmp_path, [{**FLASH, 'model': 'fine'}, {**FLASH, **change}])
  with pytest.raises(prices.PriceError, match=message) as error:
    prices.read(path)
  assert f'{path}, price 2: ' in str(error.value)


def test_all_wrong_entries_are_named(tmp_path):
  with pytest.raises(prices.PriceError) as error:
    prices.read(write(tmp_path, [3, FLASH, FLASH]))
  assert 'price 1: 3 has no fields' in str(error.value)
  assert 'price 3: a second price of gemini-1.5-flash' in str(error.value)


@pytest.mark.parametrize(
  'name, text, message',
  [
    ('p.yaml', '', 'give a .json or a .toml file'),
    ('p.json', '{', 'cannot be read'),
    ('p.toml', '= 1', 'cannot be read'),
    ('p.json', '[]', 'give a list of prices'),
    ('p.json', '{"price": []}', 'give a list of prices'),
  ],
)
def test_an_unusable_file_is_named(tmp_path, name, text, message):
  with pytest.raises(prices.PriceError, match=message):
    prices.read(write(tmp_path, text, name))
  with pytest.raises(prices.PriceError, match='cannot be read'):
    prices.read(tmp_path / 'none.json')
