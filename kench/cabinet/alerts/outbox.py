"""Messages that wait to be sent: kept until they are, tried a bounded number of times.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.rules import ADDRESS, Channel, Rule, rule_of, with_address
from kench.cabinet.alerts.tables import alert_messages, alert_rules, mail_addresses
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
    channel: Channel
    target: str
    rule: Rule | None = None
    """None: a letter to an address."""
    address_id: int | None = None
    path: str = ""
    """The page that a letter leads to."""


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
            path="",
            queued_at=moment_of(now_us),
            due_at=moment_of(due_us),
            tries=0,
            state="waiting",
            fault="",
        )
    )


def queue_letter(  # noqa: PLR0913 - one row
    db: sa.Connection,
    address_id: int,
    event: Event,
    message: Message,
    *,
    now_us: int,
    path: str = "",
    about: str | None = None,
) -> None:
    """Keep a letter to be sent; of one thing an address is told once."""
    queued = insert(alert_messages).values(
        address_id=address_id,
        event=event,
        title=message.title[:TITLE_MAX],
        body=message.body[:BODY_MAX],
        path=path,
        about=about,
        queued_at=moment_of(now_us),
        due_at=moment_of(now_us),
        tries=0,
        state="waiting",
        fault="",
    )
    db.execute(queued.on_conflict_do_nothing())


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
    to_rule = alert_rules.c.ended_at.is_(None) & sa.or_(
        alert_rules.c.channel != Channel.EMAIL, ADDRESS[0]
    )
    to_address = mail_addresses.c.refused_at.is_(None) & sa.or_(
        table.c.event == Event.CONFIRM, mail_addresses.c.confirmed_at.is_not(None)
    )
    query = sa.select(
        *(table.c.id.label("message_id"), table.c.tries, table.c.event, table.c.title),
        *(table.c.body, table.c.queued_at, table.c.rule_id, table.c.address_id, table.c.path),
        *(mail_addresses.c.address, alert_rules, *ADDRESS),
    ).outerjoin_from(table, alert_rules, table.c.rule_id == alert_rules.c.id)
    query = with_address(query).outerjoin(mail_addresses, table.c.address_id == mail_addresses.c.id)
    rows = db.execute(
        query.where(
            table.c.state == "waiting",
            table.c.due_at <= moment_of(now_us),
            sa.case((table.c.rule_id.is_(None), to_address), else_=to_rule),
        )
        .order_by(table.c.due_at)
        .limit(BATCH)
        .with_for_update(of=table, skip_locked=True)
    ).all()
    return [_tried(db, row, now_us) for row in rows]


def _tried(db: sa.Connection, row: Any, now_us: int) -> Due:
    tries = row.tries + 1
    db.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.id == row.message_id)
        .values(tries=tries, due_at=moment_of(now_us + DELAYS_US[tries - 1]))
    )
    rule = None if row.rule_id is None else rule_of(row)
    return Due(
        row.message_id, tries, Event(row.event), Message(row.title, row.body),
        us_of(row.queued_at), rule.channel if rule else Channel.EMAIL,
        rule.target if rule else row.address, rule, row.address_id, row.path,
    )  # fmt: skip


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
