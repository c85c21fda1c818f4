"""Lots before their AML provider: asked, polled, decided; whatever is not certain holds."""

from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import sqlalchemy as sa

from kench.pool.moments import moment_of, us_of
from kench.pool.orders.book import NoOrderError
from kench.pool.orders.rules import InForce, ScreeningRule
from kench.sale import tables
from kench.sale.desk import SECOND_US, Desk
from kench.sale.lots import Lot, LotKey, move
from kench.sale.machine import LotState
from kench.sale.screening.decide import Decision, Reason, Verdict, decide, no_answer
from kench.sale.screening.port import ScreeningUncertainError, Transfer
from kench.sale.waits import SAID_AFTER_S, Look, Step, Why

SCREENINGS_AT_ONCE = 8
"""Questions that are with providers at a time; further ones wait for their turn."""
ASKED_MAX = 100
"""Lots of one lane that are asked about or wait for that; further ones come after them."""
ASKED_S = 0.2
"""Between two looks whether there is an answer."""
POLL_S = 5.0
"""Between two looks at a check that goes on."""
PATIENCE_S = 600.0
"""A check that has no end after so long holds its lot."""
HOLD_S = 300.0
"""A lot that is held without an officer's case is asked about again after this, then twice, …"""
HOLD_MAX_S = 6 * 3600.0
RAW_CHARACTERS_MAX = 20_000
OFFICERS_CASE = Verdict.OFFICER.value
_NEXT_ATTEMPT = sa.text("""
    SELECT coalesce(max(attempt), 0) + 1 FROM screenings
    WHERE block_hash = :hash AND vout = :vout
""")
_KEEP = sa.insert(tables.screenings)


@dataclass(frozen=True, slots=True)
class _Asked:
    version: int
    """That of the lot, when it was asked about."""
    answer: Future[tuple[Decision, str | None]]


class Screener:
    """Asks about the lots of a lane, several at a time: a slow check delays no other lot."""

    def __init__(self, desk: Desk, threads: Executor) -> None:
        self._desk = desk
        self._threads = threads
        self._asked: dict[LotKey, _Asked] = {}

    def keep(self, lots: AbstractSet[LotKey]) -> None:
        """Forget what was asked about other lots."""
        for key in self._asked.keys() - lots:
            del self._asked[key]

    def screen(self, lot: Lot) -> Step:
        """Ask about a lot, or see whether there is an answer by now, and decide."""
        now_us = self._desk.now_us()
        try:
            rule = self._desk.orders().screening_at(now_us)
        except NoOrderError as missing:
            _hold(self._desk, lot, str(missing))
            return HOLD_S
        asked = self._asked.get(lot.key)
        if asked is None or asked.version != lot.version:
            if len(self._asked) >= ASKED_MAX:
                return ASKED_S
            asked = _Asked(lot.version, self._threads.submit(_ask, self._desk, lot, rule))
            self._asked[lot.key] = asked
        waited_s = (now_us - us_of(lot.changed_at)) / SECOND_US
        is_slow = waited_s > SAID_AFTER_S
        if not asked.answer.done():
            return Look(ASKED_S, Why.PROVIDER_SILENT, rule.rule.provider) if is_slow else ASKED_S
        del self._asked[lot.key]
        decision, check_id = asked.answer.result()
        if decision.reason is Reason.NOT_CHECKED_YET and waited_s < PATIENCE_S:
            return Look(POLL_S, Why.CHECK_GOES_ON, decision.words) if is_slow else POLL_S
        return _record(self._desk, lot, decision, check_id)


def _ask(desk: Desk, lot: Lot, rule: InForce[ScreeningRule]) -> tuple[Decision, str | None]:
    """Ask the provider of a rule, whatever that takes; touches no database."""
    transfer = Transfer(lot.coinbase_txid, lot.vout, lot.address, lot.output_sat)
    provider = desk.screenings.get(rule.rule.provider)
    if provider is None:
        words = f"provider {rule.rule.provider} is not set up here"
        return no_answer(words, rule.rule, rule.order), None
    check_id = None
    try:
        check_id = provider.register(transfer)
        return decide(provider.get(check_id), transfer, rule.rule, rule.order), check_id
    except ScreeningUncertainError as trouble:
        return no_answer(str(trouble), rule.rule, rule.order), check_id


def ask_again(desk: Desk, lot: Lot) -> Step:
    """Bring a held lot before its provider again when its time has come."""
    with desk.transact() as connection:
        last = connection.execute(
            sa.select(tables.screenings.c.attempt, tables.screenings.c.decision)
            .where(
                tables.screenings.c.block_hash == lot.block_hash,
                tables.screenings.c.vout == lot.vout,
            )
            .order_by(tables.screenings.c.attempt.desc())
            .limit(1)
        ).one_or_none()
        if last is not None and last.decision == OFFICERS_CASE:
            return HOLD_MAX_S
        attempt = int(last.attempt) if last else 1
        wait_s = min(HOLD_S * 2.0 ** min(attempt - 1, 16), HOLD_MAX_S)
        due_us = us_of(lot.changed_at) + round(wait_s * SECOND_US)
        now_us = desk.now_us()
        if now_us < due_us:
            return (due_us - now_us) / SECOND_US
        return move(connection, lot, LotState.SCREENING, "the provider is asked again", now_us)


def _record(desk: Desk, lot: Lot, decision: Decision, check_id: str | None) -> Lot:
    """Keep a decision and what follows from it, in one transaction."""
    now_us = desk.now_us()
    with desk.transact() as connection:
        named = {"hash": lot.block_hash, "vout": lot.vout}
        attempt = connection.execute(_NEXT_ATTEMPT, named).scalar_one()
        connection.execute(
            _KEEP,
            {
                "block_hash": lot.block_hash,
                "vout": lot.vout,
                "attempt": attempt,
                "check_id": check_id,
                "provider": decision.provider,
                "provider_ref": decision.provider_ref,
                "score_bp": decision.score_bp,
                "level": decision.level,
                "decision": decision.verdict.value,
                "reason": f"{decision.reason}: {decision.words}"[:500],
                "raw": decision.raw[:RAW_CHARACTERS_MAX],
                "raw_sha256": decision.raw_sha256 or None,
                "refuse_over_bp": decision.refuse_over_bp,
                "officer_over_bp": decision.officer_over_bp,
                "order_number": decision.order,
                "at": moment_of(now_us),
            },
        )
        goes_to = _STATE_OF[decision.verdict]
        return move(connection, lot, goes_to, decision.words, now_us, order_number=decision.order)


_STATE_OF = {
    Verdict.CLEAR: LotState.CLEARED,
    Verdict.OFFICER: LotState.HELD,
    Verdict.HOLD: LotState.HELD,
    Verdict.REFUSE: LotState.REFUSED,
}


def _hold(desk: Desk, lot: Lot, why: str) -> None:
    with desk.transact() as connection:
        move(connection, lot, LotState.HELD, why, desk.now_us())
