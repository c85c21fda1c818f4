"""Official rates: read strictly, kept once, in force over a weekend."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from kench.payouts.income.rates import RatesRefusedError, RateTable, import_rates, read_rates

NOW = datetime(2026, 10, 5, tzinfo=UTC)


def table_of(value: str = "87,4500", nominal: str = "1", day: str = "05.10.2026") -> bytes:
    """The bank's XML, in its own encoding."""
    return (
        f'<?xml version="1.0" encoding="windows-1251"?><CurrencyRates Name="Курсы" Date="{day}">'
        f'<Currency ISOCode="USD"><Nominal>{nominal}</Nominal><Value>{value}</Value></Currency>'
        '<Currency ISOCode="KZT"><Nominal>100</Nominal><Value>17,3</Value></Currency>'
        "</CurrencyRates>"
    ).encode("cp1251")


def test_commas_and_nominals_are_read_exactly() -> None:
    usd, kzt = read_rates(table_of())
    assert usd == ("USD", date(2026, 10, 5), Decimal("87.45"))
    assert kzt.som_per_unit == Decimal("0.173")


@pytest.mark.parametrize(
    "raw",
    [b"", b"<x/>", table_of("87.45.1"), table_of("0"), table_of("-1"), table_of(nominal="0"),
     table_of(day="31.02.2026"), table_of(day="2026-10-05"), table_of("1e5"),
     b'<!DOCTYPE x [<!ENTITY a "b">]>' + table_of(), b"x" * 2_000_000,
     table_of().replace(b"KZT", b"USD")],
)  # fmt: skip
def test_what_is_no_table_of_rates_is_refused(raw: bytes) -> None:
    with pytest.raises(RatesRefusedError):
        read_rates(raw)


def test_a_rate_is_kept_once_and_never_changed(engine: sa.Engine) -> None:
    with engine.begin() as db:
        assert import_rates(db, read_rates(table_of()), NOW) == 2
        assert import_rates(db, read_rates(table_of()), NOW) == 0
        with pytest.raises(RatesRefusedError, match=r"87\.45"):
            import_rates(db, read_rates(table_of("88,0")), NOW)
        table = RateTable(db, date(2026, 10, 1), date(2026, 10, 31))
    monday = table.of(date(2026, 10, 7))
    assert monday is not None
    assert (monday.day, monday.som_per_unit) == (date(2026, 10, 5), "87.45")
    assert table.of(date(2026, 10, 4)) is None
    assert table.of(date(2026, 10, 20)) is None
