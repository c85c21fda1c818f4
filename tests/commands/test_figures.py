"""Numbers for terminals."""

import pytest

from kench.commands.figures import age_text, hashrate_text, short_text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0 H/s"), (999, "999 H/s"), (999.7, "1 kH/s"), (12_345_678, "12.3 MH/s"),
        (6e20, "600 EH/s"), (5e26, "5e+05 ZH/s"),
    ],
)  # fmt: skip
def test_hashrates_are_short(rate: float, text: str) -> None:
    assert hashrate_text(rate) == text


@pytest.mark.parametrize(("number", "text"), [(7, "7"), (1999, "2k"), (65_536, "65.5k")])
def test_counts_are_short(number: float, text: str) -> None:
    assert short_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (-3, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (200_000, "2d")],
)
def test_ages_have_one_unit(seconds: float | None, text: str) -> None:
    assert age_text(seconds) == text
