"""Notices are judged by the calendar: what is too soon is refused, what is late is marked."""

from datetime import date

import pytest

from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.bodies import data_of, notice_body
from kench.cabinet.registration.notices import Notice, read_notice, timing_of
from kench.cabinet.registration.states import NoticeKind
from kench.pool.calendar import WorkingDays
from kench.pool.orders.book import NO_DAYS_CHANGED
from tests.support.applications import ROW, TODAY, attachment

CALENDAR = WorkingDays(NO_DAYS_CHANGED)


def read(kind: NoticeKind, attach: bool = True, **fields: str) -> Notice | list[str]:
    attached = [attachment(AttachmentKind.OTHER)] if attach else []
    made = read_notice(kind, 7, fields, [ROW], attached, today=TODAY, calendar=CALENDAR,
                       account_pattern="[0-9]{16}")  # fmt: skip
    return made if isinstance(made, Notice) else [gap.said(str) for gap in made]


@pytest.mark.parametrize(
    ("kind", "too_soon", "allowed"),
    [
        (NoticeKind.SUSPENSION, "2026-11-30", "2026-12-01"),
        (NoticeKind.EXIT, "2026-12-23", "2026-12-24"),
    ],
)
def test_what_is_announced_must_be_far_enough_ahead(
    kind: NoticeKind, too_soon: str, allowed: str
) -> None:
    assert read(kind, day=too_soon) == [f"The law lets it begin on {allowed} or later"]
    made = read(kind, day=allowed)
    assert isinstance(made, Notice)
    assert made.day == date.fromisoformat(allowed)
    assert read(kind, day="2028-01-01") == ["The day is more than a year ahead"]
    assert read(kind) == ["Say from which day on"]


def test_a_return_is_after_the_suspension() -> None:
    wrong = read(NoticeKind.SUSPENSION, day="2026-12-10", until="2026-12-10")
    assert wrong == ["The day of the return must be after the first day"]
    made = read(NoticeKind.SUSPENSION, day="2026-12-10", until="2026-12-20")
    assert isinstance(made, Notice)
    assert made.until == date(2026, 12, 20)


@pytest.mark.parametrize(
    ("kind", "happened", "late"),
    [
        (NoticeKind.EQUIPMENT, "2026-11-16", False),
        (NoticeKind.EQUIPMENT, "2026-11-13", True),
        (NoticeKind.CERTIFICATE, "2026-11-09", False),
        (NoticeKind.CERTIFICATE, "2026-11-06", True),
    ],
)
def test_a_change_told_of_late_is_taken_and_marked(
    kind: NoticeKind, happened: str, late: bool
) -> None:
    made = read(kind, happened=happened, text="moved")
    assert isinstance(made, Notice)
    timing = timing_of(made, TODAY, CALENDAR)
    assert timing.late is late
    assert timing.enter_by is not None
    assert timing.enter_by.day == date(2026, 11, 26)


def test_what_a_notice_lacks_is_said() -> None:
    assert read(NoticeKind.EQUIPMENT, happened="2026-11-24") == ["Say on which day it changed"]
    assert read(NoticeKind.CERTIFICATE, attach=False, happened="2026-11-20") == [
        "Say what changed", "Attach documents that prove the change",
    ]  # fmt: skip
    assert read(NoticeKind.CERTIFICATE, happened="2026-11-20", email="nobody") == [
        "The new e-mail address cannot be read"
    ]
    assert read(NoticeKind.RESUMPTION, text="x" * 4001) == [
        "The explanation is too long: 4000 characters at most"
    ]


def test_a_notice_is_signed_whole_and_read_back() -> None:
    made = read(NoticeKind.CERTIFICATE, happened="2026-11-20", name="Жаңы", text="one\n\ntwo")
    assert isinstance(made, Notice)
    body = notice_body(made, "Асан", str)
    assert "Name: Жаңы" in body
    assert "one\ntwo" in body
    assert data_of(body.encode(), Notice) == made
