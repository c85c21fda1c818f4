"""Lists of what waits hold all of it, page by page, and follow what is decided and ends."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from kench.cabinet.registration.bodies import Withdrawal, withdrawal_body
from kench.cabinet.registration.cases import closed_cases, open_cases
from kench.cabinet.registration.notice_store import (
    next_notices,
    notices_of,
    take_effect,
    withdraw_notice,
)
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registration.waiting import (
    count_waiting,
    due_notices,
    read_overdue,
    waiting_of,
)
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import midnight_us
from tests.cabinet.registration.test_accounts import of as account_of
from tests.support.applications import TODAY
from tests.support.registration import (
    NOW_US,
    apply,
    decided,
    decision_on,
    notified,
    registered,
    sign,
)
from tests.support.signing import SECOND_US

DAY_US = 86_400 * SECOND_US


def pins(count: int) -> list[str]:
    return [f"10101199900{number:03}" for number in range(10, 10 + count)]


def test_applications_are_paged_by_their_day_and_none_is_lost(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        days = [3, 0, 0, 7, 0]
        made = [
            apply(db, pin, now_us=NOW_US + day * DAY_US)
            for pin, day in zip(pins(5), days, strict=True)
        ]
        wanted = [made[1], made[2], made[4], made[0], made[3]]
        seen: list[int] = []
        while page := open_cases(db, after=seen[-1] if seen else None, at_most=2):
            seen += [one.id for one in page]
        assert seen == wanted
        decided(db, decision_on(db, made[2]))
        assert [one.id for one in open_cases(db)] == [*wanted[:1], *wanted[2:]]
        # What was the last of a page may be decided before the next one is asked for.
        assert [one.id for one in open_cases(db, after=made[2])] == wanted[2:]
        assert [one.id for one in closed_cases(db)] == [made[2]]
        assert not closed_cases(db, before=made[2])
        waiting = count_waiting(db, TODAY + timedelta(days=15))
        assert (waiting.applications, waiting.overdue) == (4, 2)
        late = read_overdue(db, TODAY + timedelta(days=15))
        assert [one.what for one in late] == [
            f"application {made[1]} is not decided", f"application {made[4]} is not decided",
        ]  # fmt: skip


def test_notices_wait_for_an_officer_or_their_day_and_leave_when_they_end(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        account = notified(db, account_of(participant))
        leaving = Notice(kind=NoticeKind.EXIT, participant=participant, day=date(2026, 12, 24))
        second = notified(db, leaving)
        assert waiting_of(db, participant) == {
            account: NoticeKind.ACCOUNT, second: NoticeKind.EXIT,
        }  # fmt: skip
        assert [one.id for one in next_notices(db)] == [account, second]
        assert [one.id for one in next_notices(db, after=account)] == [second]
        later = date(2026, 12, 24)
        assert due_notices(db, later - timedelta(days=1)) == []
        assert due_notices(db, later) == [second]
        # An exit whose day has come is no missed deadline of anybody.
        assert count_waiting(db, later + timedelta(days=1)).overdue == 1
        body = withdrawal_body(Withdrawal(notice=second), "2", str)
        withdraw_notice(db, sign(db, Purpose.WITHDRAWAL, body), second)
        assert waiting_of(db, participant) == {account: NoticeKind.ACCOUNT}
        assert take_effect(db, midnight_us(later)) == 0
        assert [one.state for one in notices_of(db, participant)] == ["withdrawn", "waiting"]


@pytest.mark.parametrize("table", ["application_queue", "notice_queue"])
def test_the_queues_are_written_by_events_alone(cabinet: sa.Engine, table: str) -> None:
    with cabinet.begin() as db, pytest.raises(ProgrammingError):
        db.execute(sa.text(f"DELETE FROM {table}"))
