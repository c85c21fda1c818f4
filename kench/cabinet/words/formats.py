"""Numbers, money, dates and hashrates as each language writes them; all times are Bishkek's."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache

from babel import dates, numbers

from kench.cabinet.words.languages import Language
from kench.pool.moments import BISHKEK, moment_of

HASHRATE_UNITS = ("H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s", "ZH/s")
"""Never translated: machines show the same letters."""
THOUSAND = 1000.0
BTC_PATTERN = "#,##0.00000000"
ENGLISH_MONEY = "#,##0.00\N{NO-BREAK SPACE}¤¤"
"""English has no sign for the som, and its usual form glues the letters to the number."""
EMPTY = "—"
MOMENTS_KEPT = 4096
"""Texts of moments that are kept: the steps of charts are the same for all."""


@dataclass(frozen=True, slots=True)
class Formats:
    """How one language writes them; None is a dash."""

    language: Language

    def number(self, value: float | Decimal | None, digits: int = 2) -> str:
        """Write a number in groups of thousands, with so many decimals at most."""
        return EMPTY if value is None else _written(self.language, Decimal(str(value)), digits)

    def percent(self, share: float | Decimal | None, digits: int = 1) -> str:
        """Write a share of one as percent."""
        if share is None:
            return EMPTY
        return f"{_written(self.language, Decimal(str(share)).scaleb(2), digits)}%"

    def btc(self, amount_sat: int | None) -> str:
        """Write satoshi as bitcoins with all eight decimals, without the unit."""
        if amount_sat is None:
            return EMPTY
        amount = Decimal(amount_sat).scaleb(-8)
        return numbers.format_decimal(amount, format=BTC_PATTERN, locale=self.language.locale)

    def som(self, amount_tyiyn: int | None) -> str:
        """Write tyiyn as som, with the unit."""
        if amount_tyiyn is None:
            return EMPTY
        amount = Decimal(amount_tyiyn).scaleb(-2)
        pattern = ENGLISH_MONEY if self.language is Language.EN else None
        return numbers.format_currency(amount, "KGS", pattern, locale=self.language.locale)

    def price(self, som: Decimal | None) -> str:
        """Write som for a bitcoin, without the unit: to the tyiyn, and finer where it is finer."""
        if som is None:
            return EMPTY
        return numbers.format_decimal(som, format="#,##0.00######", locale=self.language.locale)

    def hashrate(self, hashes_per_s: float | None) -> str:
        """Write hashes a second with a unit of thousands and three digits or more."""
        if hashes_per_s is None:
            return EMPTY
        value, unit = float(hashes_per_s), 0
        # A value that would be written as 1,000 of a unit is one of the next.
        while value >= THOUSAND - 0.5 and unit < len(HASHRATE_UNITS) - 1:
            value, unit = value / THOUSAND, unit + 1
        digits = 2 if value < 10 else 1 if value < 100 else 0
        return f"{self.number(value, digits)} {HASHRATE_UNITS[unit]}"

    def day(self, value: date | datetime | None) -> str:
        """Write a date in words; a moment is that of Bishkek's day."""
        if value is None:
            return EMPTY
        if isinstance(value, datetime):
            value = value.astimezone(BISHKEK).date()
        return dates.format_date(value, format="long", locale=self.language.locale)

    def month(self, value: date) -> str:
        """Write month and year."""
        return dates.format_skeleton("yMMMM", value, locale=self.language.locale)

    def moment(self, value: datetime | int | None, style: str = "medium") -> str:
        """Write date and time of Bishkek; a number is Unix microseconds."""
        if value is None:
            return EMPTY
        at = moment_of(value) if isinstance(value, int) else value
        at = at.astimezone(BISHKEK).replace(tzinfo=None, microsecond=0)
        # A short form has no seconds: one text for all of a minute.
        return _moment(self.language, at.replace(second=0) if style == "short" else at, style)

    def lasting(self, seconds: float | None) -> str:
        """Write a span of time in its greatest unit, such as "3 days"."""
        if seconds is None:
            return EMPTY
        return dates.format_timedelta(int(seconds), threshold=1, locale=self.language.locale)

    @staticmethod
    def iso(value: datetime | date | int | None) -> str:
        """Write what machines read: the `datetime` of a `<time>`."""
        if value is None:
            return ""
        at = moment_of(value) if isinstance(value, int) else value
        return at.isoformat()


def _written(language: Language, value: Decimal, digits: int) -> str:
    """Write a number as Babel does with the pattern `#,##0.##`, in a tenth of its time."""
    text = f"{value:,.{digits}f}"
    if digits:
        text = text.rstrip("0").rstrip(".")
    return text.translate(_signs(language))


@cache
def _signs(language: Language) -> dict[int, str]:
    symbols = language.locale.number_symbols["latn"]
    return str.maketrans(
        {",": symbols["group"], ".": symbols["decimal"], "-": symbols["minusSign"]}
    )


@lru_cache(MOMENTS_KEPT)
def _moment(language: Language, at: datetime, style: str) -> str:
    return dates.format_datetime(at, format=style, locale=language.locale)
