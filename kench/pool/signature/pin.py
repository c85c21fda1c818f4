"""Personal numbers (ПИН): what one looks like, and where in a certificate it stands.

Fourteen digits: 1 (a woman) or 2 (a man), the day of birth as DDMMYYYY, five digits more. In which
attribute of the subject an authority writes it differs, so that is a setting.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kench.pool.errors import KenchError

_PIN = re.compile(r"[12](\d\d)(\d\d)((?:19|20)\d\d)\d{5}", re.ASCII)
_OID = re.compile(r"[0-2](?:\.\d{1,9}){1,20}", re.ASCII)


class InvalidPinError(KenchError):
    """Digits that are nobody's personal number."""


class PinPatternError(KenchError):
    """An entry of `signature_pin_patterns` that cannot be used."""


@dataclass(frozen=True, slots=True)
class PinPattern:
    """A place in a subject: an attribute by its OID, and what it looks like around the number."""

    oid: str
    pattern: re.Pattern[str]


def check_pin(text: str) -> str:
    """Return a personal number as given; raises InvalidPinError."""
    match = _PIN.fullmatch(text)
    if match:
        day, month, year = map(int, match.groups())
        try:
            date(year, month, day)
        except ValueError:
            match = None
    if not match:
        raise InvalidPinError(
            f"{text!r} is no personal number: 14 digits, 1 or 2 first, then the day of birth "
            "as DDMMYYYY"
        )
    return text


def read_patterns(entries: Iterable[str]) -> tuple[PinPattern, ...]:
    """Read entries such as `2.5.4.5=PNOKG-(\\d{14})`; raises PinPatternError."""
    patterns = []
    for entry in entries:
        oid, _, expression = entry.partition("=")
        try:
            pattern = re.compile(expression, re.ASCII)
        except re.error as error:
            raise PinPatternError(f"{entry!r} has no regular expression: {error}") from error
        if not _OID.fullmatch(oid) or pattern.groups != 1:
            raise PinPatternError(
                f"{entry!r} must be an OID, =, and an expression with one group around the number"
            )
        patterns.append(PinPattern(oid, pattern))
    return tuple(patterns)


def pin_of(subject: Mapping[str, Sequence[str]], patterns: Iterable[PinPattern]) -> str:
    """Return the number that the first pattern finds in a subject's values by OID.

    Raises InvalidPinError where none finds one, or one finds two.
    """
    for pattern in patterns:
        found = {
            match[1]
            for value in subject.get(pattern.oid, ())
            if (match := pattern.pattern.fullmatch(value))
        }
        if len(found) > 1:
            raise InvalidPinError("the certificate names two persons")
        if found:
            return check_pin(found.pop() or "")
    raise InvalidPinError(
        "the certificate names no personal number where KENCH_SIGNATURE_PIN_PATTERNS looks for it"
    )
