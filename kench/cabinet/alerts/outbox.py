"""Messages that wait to be sent: kept until they are, tried a bounded number of times.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.rules import Rule, rule_of
from kench.cabinet.alerts.tables import alert_messages, alert_rules
from kench.cabinet.alerts.wording import Message
from kench.pool.moments import moment_of, us_of

TRIES_MAX = 5
DELAYS_US = tuple(minutes * 60_000_000 for minutes in (1, 5, 30, 120, 120))
"""After the first try, the second…; who dies while sending has the message sent once more."""
BATCH = 50
KEPT_US = 30 * 86_400_000_000
FORGET_AT_ONCE = 1000
TESTS_MAX, TESTS_US = 5, 3_600_000_000
"""Tests of one rule in that time."""
TITLE_MAX, BODY_MAX, FAULT_MAX = 200, 4000, 200


class Due(NamedTuple):
    """One that is to be sent now."""

    id: int
    tries: int
    event: Event
    message: Message
    queued_us: int
    rule: Rule


class MessageLine(NamedTuple):
    """One as it is listed."""

    id: int
    rule_id: int
    event: Event
    title: str
    queued_us: int
    due_us: int
    state: str
    fault: str


def queue(  # noqa: PLR0913 - one row
    db: sa.Connection, rule_id: int, event: Event, message: Message, *, now_us: int, due_us: int
) -> None:
    """Keep a message to be sent."""
    db.execute(
        sa.insert(alert_messages).values(
            rule_id=rule_id,
            event=event,
            title=message.title[:TITLE_MAX],
            body=message.body[:BODY_MAX],
            queued_at=moment_of(now_us),
            due_at=moment_of(due_us),
            tries=0,
            state="waiting",
            fault="",
        )
    )


def may_test(db: sa.Connection, rule_id: int, now_us: int) -> bool:
    """Whether one more test of a rule may be sent."""
    table = alert_messages
    done = sa.select(sa.func.count()).where(
        table.c.rule_id == rule_id,
        table.c.event == Event.TEST,
        table.c.queued_at > moment_of(now_us - TESTS_US),
    )
    return (db.scalar(done) or 0) < TESTS_MAX


def take_due(db: sa.Connection, now_us: int) -> list[Due]:
    """Return messages to be sent now, each counted as tried."""
    table = alert_messages
    rows = db.execute(
        sa.select(
            *(table.c.id.label("message_id"), table.c.tries, table.c.event),
            *(table.c.title, table.c.body, table.c.queued_at, alert_rules),
        )
        .join_from(table, alert_rules, table.c.rule_id == alert_rules.c.id)
        .where(
            table.c.state == "waiting",
            table.c.due_at <= moment_of(now_us),
            alert_rules.c.ended_at.is_(None),
        )
        .order_by(table.c.due_at)
        .limit(BATCH)
        .with_for_update(of=table, skip_locked=True)
    ).all()
    due = []
    for row in rows:
        tries = row.tries + 1
        db.execute(
            sa.update(table)
            .where(table.c.id == row.message_id)
            .values(tries=tries, due_at=moment_of(now_us + DELAYS_US[tries - 1]))
        )
        message = Message(row.title, row.body)
        due.append(
            Due(row.message_id, tries, Event(row.event), message, us_of(row.queued_at),
                rule_of(row))
        )  # fmt: skip
    return due


def settle(db: sa.Connection, message_id: int, tries: int, fault: str | None) -> None:
    """Keep what came of sending one: None if it went."""
    if fault is None:
        values = {"state": "sent", "fault": ""}
    else:
        state = "failed" if tries >= TRIES_MAX else "waiting"
        values = {"state": state, "fault": fault[:FAULT_MAX]}
    db.execute(sa.update(alert_messages).where(alert_messages.c.id == message_id).values(**values))


def messages_of(db: sa.Connection, participant_id: int, at_most: int = 20) -> list[MessageLine]:
    """A participant's newest."""
    table = alert_messages
    rows = db.execute(
        sa.select(table)
        .join_from(table, alert_rules, table.c.rule_id == alert_rules.c.id)
        .where(alert_rules.c.participant_id == participant_id, alert_rules.c.ended_at.is_(None))
        .order_by(table.c.id.desc())
        .limit(at_most)
    )
    return [
        MessageLine(
            row.id, row.rule_id, Event(row.event), row.title, us_of(row.queued_at),
            us_of(row.due_at), row.state, row.fault,
        )
        for row in rows
    ]  # fmt: skip


def forget_messages(db: sa.Connection, now_us: int) -> int:
    """Delete a bounded number of old ones; return how many."""
    table = alert_messages
    old = sa.select(table.c.id).where(table.c.queued_at < moment_of(now_us - KEPT_US))
    old = old.order_by(table.c.queued_at).limit(FORGET_AT_ONCE)
    return db.execute(sa.delete(table).where(table.c.id.in_(old.scalar_subquery()))).rowcount
