"""Rules: of what a participant is told, how, and when not.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.alerts.tables import alert_messages, alert_rules, mail_addresses
from kench.cabinet.words.languages import Language
from kench.pool.moments import moment_of

RULES_MAX = 20
"""That one participant has at once."""
SECRET_BYTES = 32
DAY_MINUTES = 1440
_LOCK = 0x616C7274
"""First key of the advisory lock of a participant's rules ("alrt")."""


class Kind(StrEnum):
    """What is watched."""

    SILENT = "silent"
    LOW = "low"
    REFUSED = "refused"


class Channel(StrEnum):
    """How it is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    BOT = "bot"


BOUNDS = {Kind.SILENT: (10, 1380), Kind.LOW: (1, 100), Kind.REFUSED: (1, 100)}
"""Least and most of a kind's bound: minutes, percent, percent."""
USUAL = {Kind.SILENT: 10, Kind.LOW: 80, Kind.REFUSED: 5}


_asked = mail_addresses.alias("asked")
ADDRESS = (
    (_asked.c.confirmed_at.is_not(None) & _asked.c.refused_at.is_(None)).label("address_confirmed"),
)
"""What a row that `rule_of` reads has besides the rule's own columns."""


class RuleRefusal(StrEnum):
    """Why no rule was made."""

    BOUND = "bound"
    QUIET = "quiet"
    LIMIT = "limit"


class Rule(NamedTuple):
    """One that is in force."""

    id: int
    participant_id: int
    kind: Kind
    bound: int
    channel: Channel
    target: str
    secret: bytes | None
    language: Language
    quiet_from: int
    quiet_until: int
    made_by: int
    is_confirmed: bool
    """Whether anything may be sent: by e-mail, when the address's owner has said yes."""


class NewRule(NamedTuple):
    """What is asked for."""

    kind: Kind
    bound: int
    channel: Channel
    target: str
    language: Language
    quiet_from: int = 0
    quiet_until: int = 0


def make_rule(  # noqa: PLR0913 - who asks for what
    db: sa.Connection,
    participant_id: int,
    new: NewRule,
    *,
    made_by: int,
    now_us: int,
    random_bytes: Callable[[int], bytes],
) -> Rule | RuleRefusal:
    """Make one; a webhook's secret is in what is returned, to be shown once."""
    least, most = BOUNDS[new.kind]
    if not least <= new.bound <= most:
        return RuleRefusal.BOUND
    if not all(0 <= minute < DAY_MINUTES for minute in (new.quiet_from, new.quiet_until)):
        return RuleRefusal.QUIET
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, participant_id)))
    if len(rules_of(db, [participant_id])) >= RULES_MAX:
        return RuleRefusal.LIMIT
    secret = random_bytes(SECRET_BYTES) if new.channel is Channel.WEBHOOK else None
    made = sa.insert(alert_rules).values(
        participant_id=participant_id,
        **new._asdict(),
        secret=secret,
        made_at=moment_of(now_us),
        made_by=made_by,
    )
    number = db.execute(made.returning(alert_rules.c.id)).scalar_one()
    return next(rule for rule in rules_of(db, [participant_id]) if rule.id == number)


def end_rule(
    db: sa.Connection, participant_id: int, rule_id: int, *, ended_by: int, now_us: int
) -> bool:
    """End one, with its messages that wait; False where the participant has none such."""
    mine = (alert_rules.c.id == rule_id) & (alert_rules.c.participant_id == participant_id)
    ended = (
        sa.update(alert_rules)
        .where(mine, alert_rules.c.ended_at.is_(None))
        .values(ended_at=moment_of(now_us), ended_by=ended_by)
    )
    if not db.execute(ended).rowcount:
        return False
    db.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.rule_id == rule_id, alert_messages.c.state == "waiting")
        .values(state="failed", fault="the rule has ended")
    )
    return True


def find_rule(db: sa.Connection, participant_id: int, rule_id: int) -> Rule | None:
    """A participant's rule that is in force."""
    return next((rule for rule in rules_of(db, [participant_id]) if rule.id == rule_id), None)


def rules_of(db: sa.Connection, participants: list[int]) -> list[Rule]:
    """Those in force of some participants."""
    query = with_address(sa.select(alert_rules, *ADDRESS)).where(
        alert_rules.c.participant_id.in_(participants), alert_rules.c.ended_at.is_(None)
    )
    return [rule_of(row) for row in db.execute(query.order_by(alert_rules.c.id))]


def with_address(query: "sa.Select[Any]") -> "sa.Select[Any]":
    """The query with what the owner of a rule's address said, as ADDRESS names it."""
    return query.outerjoin(
        _asked,
        (_asked.c.person_id == alert_rules.c.made_by)
        & (_asked.c.address == alert_rules.c.target)
        & (alert_rules.c.channel == Channel.EMAIL),
    )


def participants_with_rules(db: sa.Connection) -> list[int]:
    """Whoever is told of anything."""
    query = sa.select(alert_rules.c.participant_id).where(alert_rules.c.ended_at.is_(None))
    return list(db.scalars(query.distinct().order_by(alert_rules.c.participant_id)))


def rule_of(row: Any) -> Rule:
    """Read a row of the table."""
    return Rule(
        row.id, row.participant_id, Kind(row.kind), row.bound, Channel(row.channel), row.target,
        row.secret and bytes(row.secret), Language(row.language), row.quiet_from, row.quiet_until,
        row.made_by, row.channel != Channel.EMAIL or bool(row.address_confirmed),
    )  # fmt: skip
