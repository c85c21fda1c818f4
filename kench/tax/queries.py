"""Parameters and cursors of requests: what is not known, malformed, or stands twice, is refused.

A cursor is opaque to whoever holds it: where the next page begins, bound to what it is a page of.
There is no secret in it, and nothing that its holder may not read lies behind any.
"""

import base64
import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import parse_qsl

from kench.tax.problems import Kind, Problem

QUERY_MAX = 2000
FIELDS_MAX = 16
CURSOR_MAX = 200
NUMBER_MAX = 2**63 - 1
PERIOD = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")
DOC_REF = re.compile(r"KG-20[0-9]{2}-[0-9]{2}-[0-9]{1,10}-20[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{1,6}")
PIN = re.compile(r"[0-9]{14}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_CURSOR = re.compile(r"[A-Za-z0-9_-]+")


def query_of(query: bytes, known: frozenset[str]) -> Mapping[str, str]:
    """Return the parameters; raises Problem."""
    if len(query) > QUERY_MAX:
        raise Problem(Kind.BAD_QUERY, "the query is too long")
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise Problem(Kind.BAD_QUERY, "the query is malformed") from None
    said = dict(pairs)
    if len(said) < len(pairs):
        raise Problem(Kind.BAD_QUERY, "a parameter stands twice")
    if not said.keys() <= known:
        names = ", ".join(sorted(known)) or "none"
        raise Problem(Kind.BAD_QUERY, f"the parameters are: {names}")
    return said


def period_of(said: Mapping[str, str]) -> str:
    """Return the period that is asked for; raises Problem."""
    period = said.get("period", "")
    if not PERIOD.fullmatch(period):
        raise Problem(Kind.BAD_QUERY, "period must look like 2026-10")
    return period


def limit_of(said: Mapping[str, str], most: int) -> int:
    """Return how many at most are asked for; raises Problem."""
    text = said.get("limit")
    if text is None:
        return most
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise Problem(Kind.BAD_QUERY, f"limit must be from 1 to {most}")
    return int(text)


def day_of(said: Mapping[str, str], name: str, otherwise: date) -> date:
    """Return a day that is asked for; raises Problem."""
    text = said.get(name)
    if text is None:
        return otherwise
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Problem(Kind.BAD_QUERY, f"{name} must be a day such as 2026-10-01")


def cursor_after(resource: str, *places: int) -> str:
    """Return the cursor of what comes after these places, within a resource."""
    text = ":".join((resource, *map(str, places)))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def places_of(text: str | None, resource: str, count: int) -> tuple[int, ...]:
    """Return the places that a cursor of this resource names; noughts without one.

    Raises Problem.
    """
    if text is None:
        return (0,) * count
    if len(text) > CURSOR_MAX or not _CURSOR.fullmatch(text):
        raise Problem(Kind.BAD_CURSOR)
    try:
        said = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except ValueError:
        raise Problem(Kind.BAD_CURSOR) from None
    head, *places = said.rsplit(":", count)
    if head != resource or len(places) != count or not all(map(_NUMBER.fullmatch, places)):
        raise Problem(Kind.BAD_CURSOR)
    numbers = tuple(map(int, places))
    if max(numbers) > NUMBER_MAX:
        raise Problem(Kind.BAD_CURSOR)
    return numbers
