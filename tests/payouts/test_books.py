"""Whatever is done to the books in whatever order, they hold, and are what a plain model says."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from kench.payouts import ledger
from kench.payouts.accounts import (
    CLIENTS_BANK,
    COINBASE,
    POOL_FEE,
    TRADE_BTC,
    TRADE_KGS,
    class_of,
    participant_btc,
    participant_kgs,
    venue_btc,
    venue_fee,
    venue_kgs,
)
from kench.payouts.audit.invariants import differences, recompute
from kench.payouts.postings import Posting, Subject, write
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.payouts.transfers import Done
from kench.pool.database import Role, open_engine
from kench.sale.shares import shares_of_outputs
from tests.payouts.books import add_block, ledger_check
from tests.payouts.sold import (
    AT,
    ORDERS,
    VENUE,
    add_fill,
    add_lot,
    add_outputs,
    add_payout,
    book_deposit,
    book_fill,
    clear,
    hash_of,
    move,
    move_payout,
    part,
    tell_credit,
    txid_of,
)

if TYPE_CHECKING:
    from kench.payouts.proceeds.settlement import SoldPart

PPM = 20_000
COLUMNS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")


class Model:
    """Books as four sums for each account, and no more."""

    def __init__(self) -> None:
        self.sums: dict[str, list[int]] = defaultdict(lambda: [0] * 4)

    def pend(self, debit: str, credit: str, amount: int) -> None:
        self.sums[debit][0] += amount
        self.sums[credit][2] += amount

    def unpend(self, debit: str, credit: str, amount: int) -> None:
        self.pend(debit, credit, -amount)

    def post(self, debit: str, credit: str, amount: int) -> None:
        self.sums[debit][1] += amount
        self.sums[credit][3] += amount

    def free(self, code: str) -> int:
        """What can leave an account."""
        debits_pending, debits, credits_pending, credits_ = self.sums[code]
        if class_of(code).normal_side == "debit":
            return debits - credits_ - credits_pending
        return credits_ - debits - debits_pending


class BooksMachine(RuleBasedStateMachine):
    """Blocks, deposits, fills, settlements, payouts and the bank; twice, crashed, and in vain."""

    pending, mature = Bundle("pending"), Bundle("mature")
    waiting, selling, sold, settled = (
        Bundle("waiting"), Bundle("selling"), Bundle("sold"), Bundle("settled"),
    )  # fmt: skip
    pended, booked = Bundle("pended"), Bundle("booked")
    owner: sa.Engine
    settle: sa.Engine
    sell: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        with self.owner.begin() as connection:
            clear(connection)
        self.model = Model()
        self.blocks: dict[str, dict[int, int]] = {}
        self.lots: dict[Lot, dict[int, int]] = {}
        self.fills: dict[Lot, list[SoldPart]] = {}
        self.payouts: dict[str, tuple[int, int]] = {}
        self.settled_lots: set[Lot] = set()
        self.serial = 0
        self.last: tuple[sa.Engine, Callable[[sa.Connection], object]] | None = None

    def do(self, engine: sa.Engine, act: Callable[[sa.Connection], object]) -> None:
        """Do it, after a first time that ended before its commit and left nothing."""
        with engine.connect() as connection:
            act(connection)
            connection.rollback()
        with engine.begin() as connection:
            act(connection)

    @rule(
        target=pending,
        amounts=st.dictionaries(st.integers(0, 3), st.integers(1, 999), min_size=1, max_size=4),
    )
    def find(self, amounts: dict[int, int]) -> str:
        block_hash = hash_of("block", len(self.blocks))
        sequence = len(self.blocks)

        def act(connection: sa.Connection) -> None:
            add_block(connection, block_hash, amounts, sequence=sequence)
            reward_sat = sum(amounts.values())
            cut = reward_sat // 3
            add_outputs(connection, block_hash, [cut, reward_sat - cut] if cut else [reward_sat])
            ledger.pend(connection, block_hash, 1)

        self.do(self.settle, act)
        self.blocks[block_hash] = amounts
        for who, amount in amounts.items():
            self.model.pend(COINBASE, participant_btc(who), amount)
        return block_hash

    @initialize(target=settled, gross=st.integers(1000, 10**6))
    def sell_the_first(self, gross: int) -> object:
        """Most of what is interesting comes after the first lot is sold."""
        lots = self.find_ripe({0: 10, 1: 500, 2: 250}).values
        for lot in lots:
            self.fill(lot, 1500, gross, 7)
            self.settle_a_lot(lot)
        self.bank_receives(gross)
        return multiple(*lots)

    @rule(
        target=selling,
        amounts=st.dictionaries(st.integers(0, 3), st.integers(1, 999), min_size=1, max_size=4),
    )
    def find_ripe(self, amounts: dict[int, int]) -> object:
        """Come straight to what is being sold."""
        block_hash = self.ripen(self.find(amounts))
        lots = self.make_lots(block_hash).values
        for lot in lots:
            self.deposit(lot)
        return multiple(*lots)

    @rule(target=mature, block_hash=Bundle("pending"))
    def ripen(self, block_hash: str) -> str:
        if not self._finish(block_hash, ledger.post):
            return block_hash
        for who, amount in self.blocks[block_hash].items():
            self.model.unpend(COINBASE, participant_btc(who), amount)
            self.model.post(COINBASE, participant_btc(who), amount)
        return block_hash

    @rule(block_hash=Bundle("pending"))
    def orphan(self, block_hash: str) -> None:
        if self._finish(block_hash, ledger.void):
            for who, amount in self.blocks[block_hash].items():
                self.model.unpend(COINBASE, participant_btc(who), amount)

    def _finish(self, block_hash: str, operation: Callable[..., Done]) -> bool:
        """Say whether it was this that ended what was pending."""
        try:
            with self.settle.begin() as connection:
                return operation(connection, block_hash, 1) is Done.CREATED
        except ledger.LedgerRefusedError:
            return False

    @rule(target=waiting, block_hash=Bundle("mature"))
    def make_lots(self, block_hash: str) -> object:
        if any(lot.block_hash == block_hash for lot in self.lots):
            return multiple()
        with self.sell.connect() as connection:
            state = connection.execute(
                sa.text("SELECT state FROM blocks WHERE hash = :hash"), {"hash": block_hash}
            ).scalar_one()
            outputs = connection.execute(
                sa.text("SELECT amount_sat FROM block_outputs WHERE block_hash = :h ORDER BY vout"),
                {"h": block_hash},
            ).scalars().all()  # fmt: skip
        if state != "mature":
            return multiple()
        shares = shares_of_outputs(outputs, self.blocks[block_hash])
        lots = {Lot(block_hash, vout): share for vout, share in enumerate(shares)}

        def act(connection: sa.Connection) -> None:
            for lot, share in lots.items():
                add_lot(connection, lot, share)

        self.do(self.sell, act)
        self.lots |= lots
        return multiple(*lots)

    @rule(target=selling, lot=Bundle("waiting"))
    def deposit(self, lot: Lot) -> object:
        if lot in self.fills:
            return multiple()
        output_sat = sum(self.lots[lot].values())

        def act(connection: sa.Connection) -> None:
            move(connection, lot, "screening", "cleared", "selling")
            book_deposit(connection, txid_of(lot), lot.vout, VENUE, output_sat)

        self.do(self.sell, act)
        self.fills[lot] = []
        self.model.post(venue_btc(VENUE), COINBASE, output_sat)
        self.last = (
            self.sell,
            lambda connection: book_deposit(connection, txid_of(lot), lot.vout, VENUE, output_sat),
        )
        return lot

    @rule(
        target=sold,
        lot=Bundle("selling"),
        amount_sat=st.integers(1, 1500),
        gross=st.integers(0, 10**6),
        fee=st.integers(0, 2000),
    )
    def fill(self, lot: Lot, amount_sat: int, gross: int, fee: int) -> object:
        number = len(self.fills[lot])
        left = sum(self.lots[lot].values()) - sum(one.amount_sat for one in self.fills[lot])
        if not left:
            return multiple()
        amount_sat, fee = min(amount_sat, left), min(fee, gross)
        fill = part(lot, number, amount_sat, gross, fee)

        def act(connection: sa.Connection) -> None:
            add_fill(connection, lot, fill, number)
            book_fill(connection, fill)
            if amount_sat == left:
                move(connection, lot, "sold")

        self.do(self.sell, act)
        self.last = (self.sell, lambda connection: book_fill(connection, fill))
        self.fills[lot].append(fill)
        self.model.post(TRADE_BTC, venue_btc(VENUE), amount_sat)
        self.model.post(venue_kgs(VENUE), TRADE_KGS, gross)
        self.model.post(venue_fee(VENUE), venue_kgs(VENUE), fee)
        return lot if amount_sat == left else multiple()

    @rule(target=settled, lot=Bundle("sold"))
    def settle_a_lot(self, lot: Lot) -> Lot:
        if lot in self.settled_lots:
            with self.sell.begin() as connection:
                settle_lot(connection, lot, ORDERS, AT)
            return lot
        self.do(self.sell, lambda connection: settle_lot(connection, lot, ORDERS, AT))
        self.settled_lots.add(lot)
        gross = sum(fill.gross_tyiyn for fill in self.fills[lot])
        fee = sum(fill.fee_tyiyn for fill in self.fills[lot])
        pool_fee = min(gross * PPM // 10**6, gross - fee)
        net, shares = gross - fee - pool_fee, self.lots[lot]
        sat = sum(shares.values())
        due = {who: net * share // sat for who, share in shares.items()}
        odd = sorted(shares, key=lambda who: (-(net * shares[who] % sat), who))
        for who in odd[: net - sum(due.values())]:
            due[who] += 1
        for who, share in shares.items():
            self.model.post(participant_btc(who), TRADE_BTC, share)
            self.model.post(TRADE_KGS, participant_kgs(who), due[who])
        self.model.post(TRADE_KGS, POOL_FEE, pool_fee)
        self.model.post(TRADE_KGS, venue_fee(VENUE), fee)
        return lot

    @rule(tyiyn=st.integers(1, 10**6), everything=st.booleans())
    def bank_receives(self, tyiyn: int, everything: bool = True) -> None:
        self.serial += 1
        if everything:
            tyiyn = max(min(tyiyn, self.model.free(venue_kgs(VENUE))), 1)
        name = f"B-{self.serial}"
        line = Posting.direct(Subject.BANK, name, CLIENTS_BANK, venue_kgs(VENUE), tyiyn)
        allowed = tyiyn <= self.model.free(venue_kgs(VENUE))

        def told(connection: sa.Connection) -> None:
            tell_credit(connection, name, tyiyn)

        self._try(line, allowed, self.model.post, told)

    @rule(
        target=pended, who=st.integers(1, 3), tyiyn=st.integers(1, 10**5), everything=st.booleans()
    )
    def pay(self, who: int, tyiyn: int, everything: bool) -> object:
        self.serial += 1
        name = f"E-{self.serial}"
        free = min(self.model.free(participant_kgs(who)), self.model.free(CLIENTS_BANK))
        tyiyn = max(free, 1) if everything else tyiyn
        line = Posting.pend(Subject.PAYOUT, name, participant_kgs(who), CLIENTS_BANK, tyiyn)
        batch = self.serial

        def ordered(connection: sa.Connection) -> None:
            add_payout(connection, name, who, tyiyn, batch)

        if not self._try(line, tyiyn <= free, self.model.pend, ordered):
            return multiple()
        self.payouts[name] = (who, tyiyn)
        return name

    @rule(target=booked, name=Bundle("pended"), outcome=st.sampled_from(["booked", "rejected"]))
    def bank_answers(self, name: str, outcome: str) -> object:
        who, tyiyn = self.payouts[name]
        pend = Posting.pend(Subject.PAYOUT, name, participant_kgs(who), CLIENTS_BANK, tyiyn)
        line = pend.post() if outcome == "booked" else pend.void()

        def act(connection: sa.Connection) -> None:
            write(connection, [line])
            move_payout(connection, name, outcome)

        try:
            self.do(self.sell, act)
        except IntegrityError:
            # The bank has answered before, be it the same or not.
            return multiple()
        self.model.unpend(participant_kgs(who), CLIENTS_BANK, tyiyn)
        if outcome == "rejected":
            return multiple()
        self.model.post(participant_kgs(who), CLIENTS_BANK, tyiyn)
        return name

    @rule(name=Bundle("booked"))
    def come_back(self, name: str) -> None:
        who, tyiyn = self.payouts[name]
        line = Posting.direct(Subject.PAYOUT, name, CLIENTS_BANK, participant_kgs(who), tyiyn)

        def act(connection: sa.Connection) -> None:
            write(connection, [line])
            move_payout(connection, name, "returned")

        try:
            self.do(self.sell, act)
        except IntegrityError:
            return
        self.model.post(CLIENTS_BANK, participant_kgs(who), tyiyn)

    @rule()
    def once_more(self) -> None:
        if self.last:
            engine, act = self.last
            with engine.begin() as connection:
                assert act(connection) is Done.EXISTS

    def _try(
        self,
        line: Posting,
        allowed: bool,
        moved: Callable[[str, str, int], None],
        row: Callable[[sa.Connection], None],
    ) -> bool:
        def act(connection: sa.Connection) -> None:
            row(connection)
            write(connection, [line])

        if not allowed:
            with pytest.raises(IntegrityError, match="never_below_zero"):
                self.do(self.sell, act)
            return False
        self.do(self.sell, act)
        self.last = (self.sell, lambda connection: write(connection, [line]))
        moved(line.debit_account, line.credit_account, line.amount)
        return True

    @invariant()
    def accounts_are_those_of_the_model(self) -> None:
        with self.owner.connect() as connection:
            rows = connection.execute(sa.text("SELECT * FROM accounts")).all()
            assert ledger_check(connection)[0]
        found = {
            row.code: [getattr(row, name) for name in COLUMNS]
            for row in rows
            if any(getattr(row, name) for name in COLUMNS)
        }
        assert found == {code: sums for code, sums in self.model.sums.items() if any(sums)}
        for row in rows:
            what = class_of(row.code)
            assert what.may_overdraw or self.model.free(row.code) >= 0

    def teardown(self) -> None:
        with self.owner.connect() as connection:
            assert list(differences(connection)) == []
            assert list(recompute(connection, ORDERS)) == []


def test_any_history_keeps_the_books(engine: sa.Engine, database: str) -> None:
    BooksMachine.owner = engine
    BooksMachine.settle = open_engine(database, Role.SETTLE, application_name="test")
    BooksMachine.sell = open_engine(database, Role.SELL, application_name="test")
    run_state_machine_as_test(
        BooksMachine, settings=settings(max_examples=40, stateful_step_count=40)
    )
    BooksMachine.settle.dispose()
    BooksMachine.sell.dispose()
