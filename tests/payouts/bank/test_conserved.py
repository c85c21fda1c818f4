"""However payouts, rejections, returns and repeated files interleave: never paid twice."""

from collections import Counter

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kench.payouts.accounts import CLIENTS_BANK, participant_kgs
from kench.payouts.bank.outcomes import Outcome
from kench.pool.database import open_engine
from tests.payouts.bank.dealings import Bank
from tests.payouts.bank.files import BatchLine, Line, camt, pain002
from tests.payouts.bank.purse import arrive, earn, enter, has, make, taken

PARTICIPANTS = 3
WRONG = {Outcome.CONFLICT, Outcome.DUPLICATE, Outcome.AMOUNT_DIFFERS, Outcome.UNKNOWN_PAYOUT}


class Payouts(RuleBasedStateMachine):
    """One transaction that is rolled back at the end, checked at each step as at a commit."""

    engine: sa.Engine

    @initialize()
    def begin(self) -> None:
        self.connection = self.engine.connect()
        self.transaction = self.connection.begin()
        enter(self.connection, PARTICIPANTS)
        self.ids = self.connection.scalars(sa.text("SELECT id FROM participants ORDER BY id")).all()
        for number, id_ in enumerate(self.ids, 1):
            if number != id_:
                pytest.fail("participants are numbered anew in each database")
        self.connection.exec_driver_sql("SET LOCAL ROLE kench_sell")
        self.bank = Bank()
        self.earned: Counter[int] = Counter()
        self.events = 0

    def teardown(self) -> None:
        if hasattr(self, "transaction"):
            self.transaction.rollback()
            self.connection.exec_driver_sql("ALTER TABLE participants ALTER id RESTART")
            self.connection.commit()
            self.connection.close()

    @rule(tyiyn=st.lists(st.integers(0, 3000), min_size=3, max_size=3))
    def sell_a_lot(self, tyiyn: list[int]) -> None:
        amounts = {number: amount for number, amount in enumerate(tyiyn, 1) if amount}
        if amounts:
            self.events += 1
            earn(self.connection, f"lot{self.events}", amounts)
            arrive(self.connection, f"b{self.events}", sum(amounts.values()))
            self.earned.update(amounts)

    @rule()
    def make_a_batch(self) -> None:
        made = make(self.connection)
        if made.batch:
            document = self.connection.scalar(
                sa.text("SELECT document FROM payout_batches WHERE batch = :batch"),
                {"batch": made.batch},
            )
            self.bank.order(bytes(document))
            self.bank.order(bytes(document))

    @rule(data=st.data(), reject=st.booleans())
    def the_bank_decides(self, data: st.DataObject, reject: bool) -> None:
        if self.bank.ordered:
            id_ = data.draw(st.sampled_from(sorted(self.bank.ordered)))
            self.bank.decide(id_, reject=reject)

    @rule(data=st.data())
    def the_bank_books_a_batch_in_one_sum(self, data: st.DataObject) -> None:
        if self.bank.ordered:
            batches = sorted({id_.rsplit("-", 1)[0] for id_ in self.bank.ordered})
            self.bank.book_in_one_sum(data.draw(st.sampled_from(batches)))

    @rule(data=st.data())
    def money_comes_back(self, data: st.DataObject) -> None:
        if open_ids := sorted(self.bank.paid.keys() - self.bank.returned):
            self.bank.give_back(data.draw(st.sampled_from(open_ids)))

    @rule(data=st.data())
    def the_bank_tells(self, data: st.DataObject) -> None:
        """Some of what it did, in any order; it tells it again another time."""
        if self.bank.told:
            told = data.draw(st.lists(st.sampled_from(self.bank.told), unique=True, max_size=5))
            self.take(told)

    @rule()
    def the_bank_tells_all(self) -> None:
        # What a batch was booked without has to be told before its sum fits.
        self.take(self.bank.told)
        self.take(self.bank.told)
        for number in self.ids:
            posted, leaving = has(self.connection, participant_kgs(number))
            waiting = sum(
                tyiyn for id_, tyiyn in self.bank.ordered.items() if int(id_[-10:]) == number
            )
            assert posted == self.earned[number] - self.bank.kept_by(number)
            assert leaving == waiting
        at_bank = sum(self.earned.values()) - sum(map(self.bank.kept_by, self.ids))
        assert has(self.connection, CLIENTS_BANK)[0] == at_bank

    def take(self, told: list[tuple[str, Line | BatchLine]]) -> None:
        lines = [line for kind, line in told if kind == "camt.054"]
        rejected = [
            (line.end_to_end_id, "RJCT") for kind, line in told
            if kind == "pain.002" and isinstance(line, Line)
        ]  # fmt: skip
        for raw in (camt(*lines), pain002(*rejected)):
            outcomes = {finding.outcome for finding in taken(self.connection, raw)}
            assert not outcomes & WRONG

    @invariant()
    def nobody_has_more_than_was_earned(self) -> None:
        if not hasattr(self, "connection"):
            return
        # As at a commit: every deferred check of PostgreSQL.
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
        for number in self.ids:
            posted, leaving = has(self.connection, participant_kgs(number))
            assert self.bank.kept_by(number) <= self.earned[number]
            assert 0 <= leaving <= posted <= self.earned[number]
        assert self.connection.scalar(sa.text("SELECT balanced FROM ledger_check"))


def test_never_paid_twice_and_money_conserved(database: str) -> None:
    Payouts.engine = open_engine(database, application_name="test", pool_size=1)
    run_state_machine_as_test(
        Payouts,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    Payouts.engine.dispose()
