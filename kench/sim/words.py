"""Figures in words of the page, as many digits as they are worth, and tables of them."""

import math
from collections.abc import Iterable, Sequence

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"))
DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60
OVER = "over"


def number(value: float, digits: int = 2) -> str:
    """Return a value with so many digits that count, those before the point all shown.

    >>> number(0.01234), number(18.26), number(190_123.0)
    ('0.012', '18', '190,000')
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(places, 0)}f}"


def size(count: float) -> str:
    """Return bytes: `1.2 GB`."""
    for unit, prefix in PREFIXES:
        if count >= unit * 0.9995:
            return f"{number(count / unit)} {prefix}B"
    return f"{number(count)} bytes"


def rate(bps: float) -> str:
    """Return bits a second, in Mbit/s, without the unit."""
    return number(bps / 1e6)


def seconds(value: float) -> str:
    """Return a time: `0.38 ms`, `2.8 s`, `23 min`, `1.6 h`, `12 d`."""
    if value < 1:
        return f"{number(value * 1000)} ms"
    for unit, name in ((DAY_S, "d"), (HOUR_S, "h"), (2 * MINUTE_S, "min")):
        if value >= unit:
            return f"{number(value / (MINUTE_S if name == 'min' else unit))} {name}"
    return f"{number(value)} s"


def part(value: float) -> str:
    """Return a part of a whole: `85 %`, `1.5 %`."""
    return f"{number(value * 100)} %"


def or_over(value: float | None, shown: str = "s") -> str:
    """Return seconds, or milliseconds, or that it cannot be."""
    if value is None:
        return OVER
    return seconds(value if shown == "s" else value / 1000)


def sheet(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown has it."""
    shown = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(shown + [f"| {' | '.join(row)} |" for row in rows])
