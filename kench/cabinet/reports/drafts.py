"""Reports as far as they are typed: kept of each person, until signed.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.registration.tables import drafts
from kench.cabinet.reports.papers import Paper
from kench.pool.moments import moment_of


class ReportDraft(msgspec.Struct, kw_only=True):
    """What was typed; all of it may be wrong."""

    form: str = ""
    """Kind of the form that was chosen; empty: the report's own."""
    typed: dict[str, str] = msgspec.field(default_factory=dict)
    papers: list[Paper] = msgspec.field(default_factory=list)


def read_report_draft(
    db: sa.Connection, person_id: int, participant_id: int, report_id: int
) -> ReportDraft | None:
    """What the person has typed so far, None if nothing."""
    query = sa.select(drafts.c.content).where(
        drafts.c.person_id == person_id, drafts.c.subject == _subject(participant_id, report_id)
    )
    content: Any = db.scalar(query)
    return None if content is None else msgspec.convert(content, ReportDraft)


def save_report_draft(  # noqa: PLR0913, PLR0917 - whose, of what
    db: sa.Connection,
    person_id: int,
    participant_id: int,
    report_id: int,
    draft: ReportDraft,
    now_us: int,
) -> None:
    """Keep what was typed, in the place of what was typed before."""
    values = {"content": msgspec.to_builtins(draft), "saved_at": moment_of(now_us)}
    subject = _subject(participant_id, report_id)
    db.execute(
        insert(drafts)
        .values(person_id=person_id, subject=subject, **values)
        .on_conflict_do_update(index_elements=["person_id", "subject"], set_=values)
    )


def drop_report_draft(
    db: sa.Connection, person_id: int, participant_id: int, report_id: int
) -> None:
    """Forget a draft: it was signed, or is not wanted."""
    subject = _subject(participant_id, report_id)
    db.execute(
        sa.delete(drafts).where(drafts.c.person_id == person_id, drafts.c.subject == subject)
    )


def _subject(participant_id: int, report_id: int) -> str:
    return f"p/{participant_id}/reports/{report_id}"
