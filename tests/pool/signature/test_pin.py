"""A personal number is fourteen digits with a day of birth; where it stands is a setting."""

import pytest

from kench.pool.signature.pin import (
    InvalidPinError,
    PinPatternError,
    check_pin,
    pin_of,
    read_patterns,
)
from tests.support.pki import PATTERNS, PIN, SECOND_PIN

SERIAL, UID = "2.5.4.5", "0.9.2342.19200300.100.1.1"


@pytest.mark.parametrize("text", [PIN, SECOND_PIN, "12902200400001"])
def test_a_number_with_a_day_of_birth_is_taken(text: str) -> None:
    assert check_pin(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "2150719850012", "215071985001234", "31507198500123", "23202198500123",
     "22902200300001", "21507188500123", "٢1507198500123", "21507198500123\n"],
)  # fmt: skip
def test_other_digits_are_nobodys(text: str) -> None:
    with pytest.raises(InvalidPinError, match="no personal number"):
        check_pin(text)


def test_the_first_pattern_that_finds_one_decides() -> None:
    patterns = read_patterns([*PATTERNS, UID + r"=(\d{14})"])
    assert pin_of({SERIAL: [f"PNOKG-{PIN}"], UID: [SECOND_PIN]}, patterns) == PIN
    assert pin_of({SERIAL: ["IDC-1"], UID: [SECOND_PIN]}, patterns) == SECOND_PIN
    assert pin_of({SERIAL: [SECOND_PIN]}, patterns) == SECOND_PIN


@pytest.mark.parametrize("value", [f"PNOKG-{PIN} ", f"xPNOKG-{PIN}", "PNOKG-", ""])
def test_a_number_that_does_not_stand_where_it_should_is_none(value: str) -> None:
    with pytest.raises(InvalidPinError, match="PIN_PATTERNS"):
        pin_of({SERIAL: [value]}, read_patterns(PATTERNS))


@pytest.mark.parametrize("entry", ["", "2.5.4.5", r"serial=(\d+)", r"2.5.4.5=\d+",
                                   "2.5.4.5=(", r"2.5.4.5=(\d)(\d)"])  # fmt: skip
def test_an_entry_that_cannot_be_used_is_refused(entry: str) -> None:
    with pytest.raises(PinPatternError):
        read_patterns([entry])
