"""Who is reminded of a report: when it is ready, before its day, and after it; once each.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.reports.tables import report_reminders
from kench.pool.calendar import WorkingDays, day_at
from kench.pool.moments import moment_of

NEAR_WORKING_DAYS = 3
"""So many working days before its day a report is red, and its participant written to."""
AT_ONCE = 100
"""Reports that are told of in one transaction."""
OLD_DAYS = 45
"""What was due so long ago is not written about any more; it stays missing."""
LETTERS: Mapping[str, Letter] = {
    "ready": Letter.REPORT_READY,
    "near": Letter.REPORT_NEAR,
    "late": Letter.REPORT_LATE,
}
_UNTOLD = sa.text("""
    SELECT report_id, participant_id, due FROM report_queue
    WHERE state = ANY(CAST(:states AS text[])) AND due >= :since AND due <= :until
        AND NOT EXISTS (SELECT FROM report_reminders
            WHERE report_reminders.report_id = report_queue.report_id AND letter = :letter)
    ORDER BY state, due, report_id LIMIT :most
""")


def remind_some(db: sa.Connection, now_us: int, calendar: WorkingDays) -> int:
    """Write of some of the reports that nobody was written to about; return of how many."""
    today = day_at(now_us)
    near = calendar.add_working_days(today, NEAR_WORKING_DAYS)
    waits = ["due", "returned"]
    windows = (
        ("late", today - timedelta(days=OLD_DAYS), today - timedelta(days=1), waits),
        ("near", today, near, waits),
        ("ready", near + timedelta(days=1), today + timedelta(days=366), ["due"]),
    )
    for letter, since, until, states in windows:
        asked = {
            "letter": letter, "since": since, "until": until, "states": states, "most": AT_ONCE,
        }  # fmt: skip
        rows = db.execute(_UNTOLD, asked).all()
        for number, participant_id, due in rows:
            tell_participant(
                db, participant_id, LETTERS[letter], f"reports/{number}", now_us,
                number=number, day=due,
            )  # fmt: skip
        if rows:
            told = [{"report_id": row.report_id, "letter": letter, "at": moment_of(now_us)}
                    for row in rows]  # fmt: skip
            db.execute(insert(report_reminders).on_conflict_do_nothing(), told)
            return len(rows)
    return 0
