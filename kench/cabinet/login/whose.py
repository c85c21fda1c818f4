"""Whose papers an act was about, as its subject says: a participant's, or one of a participant."""

import re

import sqlalchemy as sa

from kench.pool.register import ID_MAX

_SUBJECT = re.compile(r"(?:^|[ /])([a-z]+)[ :/]([0-9]{1,10})(?![0-9])")
_PARTICIPANT = frozenset({"p", "participant", "participants", "register"})
_RECORD = re.compile(r"KG-[0-9]{4}-[0-9]{2}-([0-9]{1,10})-")
"""A document of income names whose it is."""


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(one) for one in columns))


_NOTICES = _table("notices", "id", "participant_id")
_MESSAGES = _table("messages", "id", "participant_id")
_REPORTS = _table("reports", "id", "participant_id")
_INSPECTIONS = _table("inspections", "id", "participant_id")
_DECISIONS = _table("decisions", "id", "participant_id")
_EXTRACTS = _table("register_extracts", "id", "participant_id")
_EVENTS = _table("application_events", "application_id", "participant_id")

OWNERS: dict[str, tuple[sa.ColumnElement[int], sa.ColumnElement[int]]] = {
    "notice": (_NOTICES.c.id, _NOTICES.c.participant_id),
    "message": (_MESSAGES.c.id, _MESSAGES.c.participant_id),
    "report": (_REPORTS.c.id, _REPORTS.c.participant_id),
    "inspection": (_INSPECTIONS.c.id, _INSPECTIONS.c.participant_id),
    "decision": (_DECISIONS.c.id, _DECISIONS.c.participant_id),
    "extract": (_EXTRACTS.c.id, _EXTRACTS.c.participant_id),
    "application": (_EVENTS.c.application_id, _EVENTS.c.participant_id),
}
"""By the word before a number, in a subject or an address: where it is kept, and whose it is.

A lot is of many, a circular too. A room whose addresses have numbers of another kind adds its own.
"""


def whose(db: sa.Connection, subject: str) -> int | None:
    """Return the participant of `notice 7`, `/desk/notices/7/documents/1`, `/p/3/tokens`."""
    if record := _RECORD.search(subject):
        return int(record[1]) if int(record[1]) <= ID_MAX else None
    for found in _SUBJECT.finditer(subject):
        word, number = found[1], int(found[2])
        if number > ID_MAX:
            continue
        if word in _PARTICIPANT:
            return number
        kept = OWNERS.get(word) or OWNERS.get(word.removesuffix("s"))
        if kept is not None:
            key, owner = kept
            return db.scalar(sa.select(owner).where(key == number, owner.is_not(None)).limit(1))
    return None
