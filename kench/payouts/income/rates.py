"""Official rates: the National Bank's daily XML, imported once and kept beside the venue's price.

A table has a Date such as 05.10.2026; each Currency an ISOCode, a Nominal, and a Value with a comma
(87,4500), which is som for so many units.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts.bank.xml import Node, UnsafeXmlError, read_xml
from kench.payouts.income.errors import IncomeError
from kench.payouts.income.record import OfficialRate
from kench.payouts.income.tables import exchange_rates

CURRENCY = "USD"
SOURCE = "National Bank of the Kyrgyz Republic, daily rates"
BYTES_MAX = 1024 * 1024
RATES_MAX = 200
AGE_DAYS_MAX = 10
"""A rate stays in force over weekends and holidays; an older one is of no day of ours."""
_DAY = re.compile(r"(\d{2})\.(\d{2})\.(20\d{2})", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_NOMINAL = re.compile(r"[1-9]\d{0,5}", re.ASCII)
_VALUE = re.compile(r"\d{1,9}(?:[,.]\d{1,6})?", re.ASCII)
_STEP = Decimal("0.00000001")


class RatesRefusedError(IncomeError):
    """A file that is no table of official rates, or differs from what was imported before."""


class Rate(NamedTuple):
    """What one unit of a currency costs on a day."""

    currency: str
    day: date
    som_per_unit: Decimal


def read_rates(raw: bytes) -> list[Rate]:
    """Read the bank's XML; raises RatesRefusedError."""
    if len(raw) > BYTES_MAX:
        raise RatesRefusedError(f"a table of rates has {BYTES_MAX} bytes at most")
    try:
        _, root = read_xml(raw)
    except UnsafeXmlError as error:
        raise RatesRefusedError(f"the table of rates cannot be read: {error}") from error
    known = _DAY.fullmatch(root.attributes.get("Date", ""))
    if root.name != "CurrencyRates" or known is None:
        raise RatesRefusedError(
            "this is no table of the National Bank: its root is CurrencyRates, with a Date such as "
            "05.10.2026"
        )
    try:
        day = date(int(known[3]), int(known[2]), int(known[1]))
    except ValueError as error:
        raise RatesRefusedError(f"there is no day {known[0]}") from error
    rates = [_rate(node, day) for node in root.all("Currency")]
    codes = {rate.currency for rate in rates}
    if not rates or len(rates) > RATES_MAX or len(codes) != len(rates):
        raise RatesRefusedError(f"the table names each of 1 to {RATES_MAX} currencies once")
    return rates


def import_rates(db: sa.Connection, rates: Sequence[Rate], now: datetime) -> int:
    """Keep them; returns how many are new. Raises RatesRefusedError where one was otherwise."""
    added = db.execute(
        insert(exchange_rates).on_conflict_do_nothing().returning(exchange_rates.c.currency),
        [
            {**rate._asdict(), "source": SOURCE, "imported_at": now}
            for rate in sorted(rates, key=lambda one: one.currency)
        ],
    ).all()
    for rate in rates:
        kept = db.execute(
            sa.select(exchange_rates.c.som_per_unit).where(
                exchange_rates.c.currency == rate.currency, exchange_rates.c.day == rate.day
            )
        ).scalar_one()
        if kept != rate.som_per_unit:
            raise RatesRefusedError(
                f"{rate.currency} of {rate.day} was imported as {kept}, and this table says "
                f"{rate.som_per_unit}: nothing is changed"
            )
    return len(added)


class RateTable:
    """Rates of one currency, of a span of days."""

    def __init__(self, db: sa.Connection, first: date, last: date) -> None:
        columns = exchange_rates.c
        rows = db.execute(
            sa.select(columns.day, columns.som_per_unit, columns.source)
            .where(
                columns.currency == CURRENCY,
                columns.day.between(first - timedelta(days=AGE_DAYS_MAX), last),
            )
            .order_by(columns.day)
        )
        self._rates = [
            OfficialRate(CURRENCY, row.day, f"{row.som_per_unit.normalize():f}", row.source)
            for row in rows
        ]

    def of(self, day: date) -> OfficialRate | None:
        """The rate in force on a day, where one is known."""
        oldest = day - timedelta(days=AGE_DAYS_MAX)
        known = (rate for rate in reversed(self._rates) if oldest <= rate.day <= day)
        return next(known, None)


def _rate(node: Node, day: date) -> Rate:
    code = node.attributes.get("ISOCode", "")
    nominal, value = node.said("Nominal"), node.said("Value")
    if not (_CODE.fullmatch(code) and _NOMINAL.fullmatch(nominal) and _VALUE.fullmatch(value)):
        raise RatesRefusedError(
            f"a currency of the table is not understood: {code[:8]!r} {nominal[:12]!r} "
            f"{value[:20]!r}"
        )
    som = (Decimal(value.replace(",", ".")) / Decimal(nominal)).quantize(_STEP)
    if not som:
        raise RatesRefusedError(f"the rate of {code} is zero")
    return Rate(code, day, som)
