"""The thread of alerts: judges rules each minute, sends what is due; one process at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry

from kench.cabinet.alerts.addresses import forget_links, make_link
from kench.cabinet.alerts.facts import FRESH_US, Facts, read_facts
from kench.cabinet.alerts.figures import AlertFigures, read_waiting
from kench.cabinet.alerts.news import Event, Told, due_us, news
from kench.cabinet.alerts.outbox import Due, forget_messages, queue, settle, take_due
from kench.cabinet.alerts.rules import Rule, participants_with_rules, rules_of
from kench.cabinet.alerts.sending import Fault, Sender
from kench.cabinet.alerts.tables import alert_states
from kench.cabinet.alerts.wording import message_of
from kench.cabinet.numbers.live import read_written
from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.holder import Holder
from kench.pool.lease import LEASE_S, Work
from kench.pool.looking import Looking
from kench.pool.moments import moment_of, us_of
from kench.pool.register import participants

PERIOD_S = 60.0
SEND_S = 5.0
PARTICIPANTS_AT_ONCE = 100
SENDERS = 4
THREADS = 2
"""Connections of PostgreSQL that it uses at once."""
JOIN_S = 15.0
LINK_PATH = "/mail/"

log = structlog.get_logger("alerts")


class AlertWatch(Looking):
    """Works in threads of its own until it is stopped."""

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        engine: sa.Engine,
        sender: Sender,
        clock: Clock,
        origin: str,
        *,
        random_bytes: Callable[[int], bytes],
        registry: CollectorRegistry,
        lease_s: float = LEASE_S,
    ) -> None:
        """Create it; `start` begins."""
        self._holder = Holder(engine, Work.ALERTS, clock, Backoff(clock), lease_s=lease_s)
        self._random_bytes = random_bytes
        self._figures = AlertFigures(registry)
        self._engine = self._holder.engine
        self._sender = sender
        self._clock = clock
        self._origin = origin
        super().__init__("alerts", JOIN_S)

    def look(self) -> int:
        """Judge every rule; return how many messages that made."""
        now_us = self._clock.now_us()
        with self._engine.begin() as db:
            forget_messages(db, now_us)
            forget_links(db, now_us)
            self._figures.show(*read_waiting(db, now_us))
            written = read_written(db)
            whose = participants_with_rules(db)
        if written is None or us_of(written) < now_us - FRESH_US:
            return 0
        made = 0
        for first in range(0, len(whose), PARTICIPANTS_AT_ONCE):
            with self._engine.begin() as db:
                made += self._judge(db, whose[first : first + PARTICIPANTS_AT_ONCE], now_us)
        return made

    def send(self) -> int:
        """Send what is due, a few at once; return how many were tried."""
        with self._engine.begin() as db:
            due = take_due(db, self._clock.now_us())
        if not due:
            return 0
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="alert") as threads:
            made = [self._with_link(one) for one in due]
            for one, fault in zip(due, threads.map(self._sender.send, made), strict=True):
                self._settle(one, fault)
        return len(due)

    def _with_link(self, due: Due) -> Due:
        """A letter with the address of its page; a question's is made now and kept nowhere."""
        if due.address_id is None:
            return due
        path = due.path
        if due.event is Event.CONFIRM:
            with self._engine.begin() as db:
                now_us = self._clock.now_us()
                path = LINK_PATH + make_link(db, due.address_id, now_us, self._random_bytes)
        body = f"{due.message.body}\n{self._origin}{path}"
        return due._replace(message=due.message._replace(body=body))

    def _settle(self, due: Due, fault: Fault | None) -> None:
        with self._engine.begin() as db:
            settle(db, due.id, due.tries, fault.text if fault else None)
        self._figures.count(due, fault)
        if fault is not None:
            log.warning("alert not sent", message=due.id, tries=due.tries, why=fault.text)

    def _judge(self, db: sa.Connection, whose: list[int], now_us: int) -> int:
        rules = [rule for rule in rules_of(db, whose) if rule.is_confirmed]
        facts = read_facts(db, whose, rules, now_us)
        named = sa.select(participants.c.id, participants.c.name).where(
            participants.c.id.in_(whose)
        )
        names = {row.id: row.name for row in db.execute(named)}
        states = sa.select(alert_states).where(
            alert_states.c.rule_id.in_([rule.id for rule in rules])
        )
        told = {
            row.rule_id: Told(us_of(row.told_at), frozenset(row.subjects))
            for row in db.execute(states)
        }
        return sum(
            self._tell(
                db, rule, facts[rule.participant_id], names[rule.participant_id],
                told.get(rule.id), now_us,
            )
            for rule in rules
        )  # fmt: skip

    def _tell(  # noqa: PLR0913, PLR0917 - the facts of one rule
        self,
        db: sa.Connection,
        rule: Rule,
        facts: Facts,
        participant: str,
        before: Told | None,
        now_us: int,
    ) -> int:
        subjects = facts.subjects(rule, now_us)
        event, after = news(before, frozenset(subjects), now_us)
        if after != before and (before is not None or event is not None):
            keep_told(db, rule.id, after)
        if event is None:
            return 0
        page = f"{self._origin}/p/{rule.participant_id}/"
        shown = [name for name in subjects.values() if name]
        queue(
            db, rule.id, event, message_of(rule, event, participant, facts, shown, page),
            now_us=now_us, due_us=due_us(now_us, rule.quiet_from, rule.quiet_until),
        )  # fmt: skip
        return 1

    def _run(self) -> None:
        self._holder.run(self._stop, self._work)

    def _work(self) -> None:
        looked_s: float | None = None
        while not self._stop.wait(SEND_S):
            self._holder.require()
            now_s = self._clock.monotonic()
            if looked_s is None or now_s - looked_s >= PERIOD_S:
                looked_s = now_s
                self.look()
            self.send()


def keep_told(db: sa.Connection, rule_id: int, told: Told) -> None:
    """Keep what was told last of a rule."""
    values = {"told_at": moment_of(told.at_us), "subjects": sorted(told.subjects)}
    done = db.execute(
        sa.update(alert_states).where(alert_states.c.rule_id == rule_id).values(**values)
    )
    if not done.rowcount:
        db.execute(sa.insert(alert_states).values(rule_id=rule_id, **values))
