"""Numbers, money and dates as each language writes them."""

from datetime import date
from decimal import Decimal

import pytest
from babel import numbers
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language, wished_language

KY, RU, EN = (Formats(language) for language in Language)
NB = "\N{NO-BREAK SPACE}"


def test_money_is_exact_and_has_its_unit() -> None:
    assert KY.som(123_456_789) == f"1{NB}234{NB}567,89{NB}сом"
    assert RU.som(-1) == f"-0,01{NB}сом"
    assert EN.som(2**53 + 1) == f"90,071,992,547,409.93{NB}KGS"
    assert RU.price(Decimal(8022297)) == f"8{NB}022{NB}297,00"
    assert EN.price(Decimal("8073457.123456")) == "8,073,457.123456"
    assert EN.btc(2_100_000_000_000_001) == "21,000,000.00000001"
    assert RU.btc(1) == "0,00000001"


@pytest.mark.parametrize(
    ("hashes_per_s", "text"),
    [(0, "0 H/s"), (999.4, "999 H/s"), (999.6, "1 kH/s"), (1.234e15, "1.23 PH/s"),
     (98.76e12, "98.8 TH/s"), (5e23, "500 ZH/s"), (5e25, "50,000 ZH/s")],
)  # fmt: skip
def test_hashrates_have_the_units_that_machines_show(hashes_per_s: float, text: str) -> None:
    assert EN.hashrate(hashes_per_s) == text


def test_times_are_those_of_bishkek() -> None:
    assert EN.moment(1_767_225_600_000_000) == "1 Jan 2026, 06:00:00"
    assert RU.day(date(2026, 11, 23)) == "23 ноября 2026\N{NARROW NO-BREAK SPACE}г."
    assert KY.day(date(2026, 11, 23)) == "2026-ж., 23-ноябрь"


def test_nothing_is_a_dash() -> None:
    nothing = [EN.number(None), EN.btc(None), EN.som(None), EN.hashrate(None), EN.day(None)]
    assert {*nothing, EN.moment(None), EN.lasting(None), EN.percent(None)} == {"—"}


@pytest.mark.parametrize(
    ("header", "language"),
    [("ru", "ru"), ("de, en-GB;q=0.8, ru;q=0.9", "ru"), ("ky-KG", "ky"), ("", "ky"), ("*", "ky"),
     ("ru;q=0, en;q=0.1", "en"), ("ru;q=x", "ky"), ("en;q=1;q=2", "ky"), (",,;;=,", "ky")],
)  # fmt: skip
def test_the_language_is_the_one_that_the_browser_likes_best(header: str, language: str) -> None:
    assert wished_language(header) == language


@pytest.mark.parametrize("language", Language)
@given(
    value=st.one_of(
        st.integers(-(10**15), 10**15),
        st.floats(-1e12, 1e12),
        st.decimals(-(10**9), 10**9, places=6),
    ),
    digits=st.integers(0, 3),
)
def test_numbers_are_written_as_babel_writes_them(
    language: Language, value: float | Decimal, digits: int
) -> None:
    pattern = "#,##0." + "#" * digits if digits else "#,##0"
    locale, formats = language.locale, Formats(language)
    assert formats.number(value, digits) == numbers.format_decimal(value, pattern, locale)
    assert formats.percent(value, digits) == numbers.format_percent(value, f"{pattern}%", locale)
