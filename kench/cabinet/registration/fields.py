"""Reading what people type: lines, whole numbers, days; None where it is none. Pure."""

import re
import unicodedata
from datetime import date

_INTEGER = re.compile(r"[0-9]{1,15}")
_DATE = re.compile(r"(20[0-9]{2})-([0-9]{2})-([0-9]{2})")
_TAX_NUMBER = re.compile(r"[0-9]{14}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()-]{4,28}")


def line_of(text: str, longest: int) -> str | None:
    """One line: NFC, blanks folded, nothing invisible; None if empty or too long."""
    visible = "".join(
        " " if letter.isspace() else letter
        for letter in unicodedata.normalize("NFC", text)
        if letter.isspace() or not unicodedata.category(letter).startswith("C")
    )
    line = " ".join(visible.split())
    return line if 1 <= len(line) <= longest else None


def paragraphs_of(text: str, longest: int) -> str | None:
    """Several lines, each as `line_of` has it; None if nothing is left or it is too long."""
    lines = [line_of(one, longest) or "" for one in text.splitlines()]
    whole = "\n".join(line for line in lines if line)
    return whole if 1 <= len(whole) <= longest else None


def integer_of(text: str, least: int, most: int) -> int | None:
    """A whole number in bounds; blanks between digits are taken."""
    digits = "".join(text.split())
    if not _INTEGER.fullmatch(digits):
        return None
    return number if least <= (number := int(digits)) <= most else None


def day_of(text: str) -> date | None:
    """A day such as 2026-12-01."""
    matched = _DATE.fullmatch(text.strip())
    if matched is None:
        return None
    try:
        return date(*map(int, matched.groups()))
    except ValueError:
        return None


def tax_number_of(text: str) -> str | None:
    """An ИНН or ПИН: 14 digits."""
    digits = "".join(text.split())
    return digits if _TAX_NUMBER.fullmatch(digits) else None


def email_of(text: str) -> str | None:
    """An address of e-mail."""
    line = line_of(text, 200)
    return line if line and _EMAIL.fullmatch(line) else None


def phone_of(text: str) -> str | None:
    """A telephone number."""
    line = line_of(text, 30)
    return line if line and _PHONE.fullmatch(line) else None
