"""What people see agrees with the status object, on a terminal and without one."""

import io
from typing import Any

import pytest
from rich.console import Console

from kench.pool.clock import ManualClock
from kench.up.sale_screen import bitcoin_text, kgs_text
from kench.up.screen import LINE_PERIOD_S, Screen, summary_line

STATUS: dict[str, Any] = {
    "network": "regtest",
    "height": 123,
    "tip": "00" * 32,
    "serving": True,
    "why": None,
    "hashrate": {"1": 12_300_000.0, "2": 700_000.0},
    "participants": [
        {
            "id": 1,
            "name": "demo",
            "workers": 1,
            "accepted": 4000,
            "refused": 3,
            "work_hashes": "12345",
            "pending_sat": 512_345_678_901,
            "mature_sat": 1,
            "due_tyiyn": 98_765_432,
        }
    ],
    "shares": {"accepted": 4567, "refused": {"low_difficulty": 2, "stale": 7}},
    "blocks": [
        {"height": 123, "hash": "aa", "state": "pending", "reward_sat": 50, "finder": "1.cpu"}
    ],
    "block_counts": {"pending": 98, "mature": 21, "orphaned": 4},
    "ledger": {"balanced": True, "transfers": 5},
    "journal": {"records": 4570, "durable_lag_ms": 0.2},
    "sale": {
        "lots": {"settled": 17, "selling": 3, "halted": 2},
        "stuck": 2,
        "lots_sat": 110_000_000_000,
        "sold_sat": 85_000_000_123,
        "sold_today_sat": 12_000_000_000,
        "gross_tyiyn": 680_000_000_099,
        "net_tyiyn": 660_000_000_000,
    },
}


def _drawn(status: dict[str, Any]) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, color_system=None)
    screen = Screen(ManualClock(), console)
    screen.start()
    screen.show(status)
    screen.stop()
    return output.getvalue()


def test_the_table_has_every_number_that_the_issue_of_the_day_asks_for() -> None:
    drawn = _drawn(STATUS)
    for words in ("13 MH/s", "4567", "low difficulty", "stale", "123", "98", "21", "4570"):
        assert words in drawn
    assert "5123.45678901" in drawn
    assert "0.00000001" in drawn


def test_each_door_is_shown_with_what_a_miner_connects_to() -> None:
    door = {"name": "secure", "url": "stratum+ssl://h:3443", "purpose": "", "connections": 7}
    drawn = _drawn({**STATUS, "doors": [{**door, "open": True, "why": None}]})
    assert "stratum+ssl://h:3443  7 connections" in drawn
    drawn = _drawn({**STATUS, "doors": [{**door, "open": False, "why": "the port is taken"}]})
    assert "shut: the port is taken" in drawn


def test_bad_news_is_seen() -> None:
    drawn = _drawn(
        {**STATUS, "serving": False, "why": "no usable node", "ledger": {"balanced": False}}
    )
    assert "no usable node" in drawn
    assert "does not balance" in drawn


def test_a_pool_that_has_nothing_yet_is_shown_too() -> None:
    empty = {
        **STATUS,
        "network": None,
        "height": None,
        "hashrate": {},
        "participants": [],
        "blocks": [],
    }
    assert "0 H/s" in _drawn(empty)


def test_a_name_with_markup_in_it_is_shown_as_it_is() -> None:
    participant = {**STATUS["participants"][0], "name": "[red]Ala-Too[/red]"}
    assert "[red]Ala-Too[/red]" in _drawn({**STATUS, "participants": [participant]})


def test_without_a_terminal_a_line_comes_now_and_then() -> None:
    output, clock = io.StringIO(), ManualClock()
    screen = Screen(clock, Console(file=output, force_terminal=False))
    screen.say("kench: ready")
    screen.start()
    for _ in range(100):
        screen.show(STATUS)
    clock.advance(LINE_PERIOD_S)
    for _ in range(100):
        screen.show(STATUS)
    screen.stop()
    assert output.getvalue().splitlines() == ["kench: ready", summary_line(STATUS)]


def test_a_line_is_never_broken() -> None:
    output = io.StringIO()
    Screen(ManualClock(), Console(file=output, width=20)).say("word " * 40)
    assert output.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("amount_sat", "text"),
    [
        (0, "0.00000000"),
        (1, "0.00000001"),
        (2_100_000_000_000_000, "21000000.00000000"),
        (-150_000_000, "-1.50000000"),
    ],
)
def test_bitcoins_have_all_eight_digits(amount_sat: int, text: str) -> None:
    assert bitcoin_text(amount_sat) == text


def test_the_sale_is_shown_from_lots_to_som() -> None:
    drawn = _drawn(STATUS)
    for words in ("settled", "17", "selling", "halted", "850.00000123", "120.00000000",
                  "6 800 000 000.99", "6 600 000 000.00", "987 654.32"):  # fmt: skip
        assert words in drawn
    line = summary_line(STATUS)
    assert "sold 850.00000123 BTC for 6 800 000 000.99 KGS of 22 lots" in line
    assert "2 lots wait for people" in line


def test_before_there_are_lots_nothing_is_said_of_them() -> None:
    status = {name: value for name, value in STATUS.items() if name != "sale"}
    assert "sold" not in summary_line(status)
    assert "First sale" in _drawn(status)


@pytest.mark.parametrize(
    ("tyiyn", "text"),
    [(0, "0.00"), (5, "0.05"), (-123_456, "-1 234.56"), (10**11, "1 000 000 000.00")],
)
def test_som_are_written_with_both_digits_of_their_tyiyn(tyiyn: int, text: str) -> None:
    assert kgs_text(tyiyn) == text
