"""Each reward method is settled exactly once, and the audit finds what it should."""

import itertools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from kench.payouts import day, tables
from kench.payouts.audit.run import audit
from kench.payouts.follow import ChainWatch, act, read_followed
from kench.payouts.journals import SILENT_US
from kench.payouts.methods.period import end_us, first_us
from kench.payouts.rounds import FoundBlock
from kench.payouts.settle import Settlement, Step
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.orders.book import OrderBook
from kench.pool.work import work_of
from tests.payouts.books import everything, ledger_check
from tests.payouts.chains import ScriptedChain
from tests.payouts.folding import Folding
from tests.payouts.journals import EASY, JournalBuilder, merged_journals
from tests.support.orders import book_of

TODAY, TOMORROW = date(2025, 12, 1), date(2025, 12, 2)
MIDNIGHT_US = end_us(TODAY)
ROUND: dict[str, Any] = {"reward": {"method": "round"}}
# The network of the tests' jobs is worth two hashes, a share one to eight.
PPLNS: dict[str, Any] = {"reward": {"method": "pplns", "window_ppm": 20_500_000}}
PERIOD: dict[str, Any] = {"reward": {"method": "period"}}
BOOKS = {
    "pplns": book_of((1, PPLNS)),
    "period": book_of((1, PERIOD)),
    "all of them in one day": book_of((101, PERIOD), (102, PPLNS), (103, ROUND), (104, PERIOD)),
}
MATURITY = 6


class KilledError(Exception):
    """The process ends here, as far as the database can tell."""


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SETTLE, application_name="test settle")
    yield engine
    engine.dispose()


def build(root: Path) -> list[JournalBuilder]:
    """Ninety shares in two journals over a midnight, with blocks at five heights, some refused."""
    builders = [
        JournalBuilder(root / "journal" / str(number), number, seed=number) for number in (0, 1)
    ]
    for height in range(101, 106):
        jobs = [builder.job(height, height) for builder in builders]
        for index in range(18):
            place = (height - 101) * 18 + index
            builders[place % 5 == 0].share(
                jobs[place % 5 == 0],
                participant=1 + place % 4,
                worker=10 + place % 3,
                difficulty=2.0 ** -(30 + place % 3),
                block=index in {8, 16},
                uncredited=height == 104 and index == 8,
                # Some at one time, in both journals; the last forty after midnight.
                time_us=MIDNIGHT_US + (place - 50) // 3 * 1_000_000,
            )
    for builder in builders:
        builder.close()
    return builders


@pytest.fixture
def journals(tmp_path: Path) -> list[JournalBuilder]:
    return build(tmp_path)


@pytest.fixture(params=BOOKS)
def orders(request: pytest.FixtureRequest) -> OrderBook:
    return BOOKS[request.param]


def settle_all(engine: sa.Engine, settlement: Settlement) -> None:
    with engine.connect() as connection:
        for _ in range(1000):
            if settlement.settle_chunk(connection).is_nothing:
                return
    raise AssertionError("settlement does not come to an end")


def settlement_of(
    journals: list[JournalBuilder], orders: OrderBook, chunk_records: int = 7, **more: Any
) -> Settlement:
    root = journals[0].directory.parent
    clock = more.pop("clock", SystemClock())
    return Settlement(root, clock, orders_on=lambda _: orders, chunk_records=chunk_records, **more)


def folded(journals: list[JournalBuilder], orders: OrderBook, *, over: bool = True) -> Folding:
    """What the journals amount to; the last day is over or not."""
    jobs = {builder.instance: builder for builder in journals}
    folding = Folding(lambda number, key: jobs[number].jobs[key], orders.reward_at)
    folding.take(merged_journals(journals))
    if over:
        folding.end_day()
    return folding


def check_books(engine: sa.Engine, expected: Folding) -> None:
    """Compare all that follows from the journals."""
    books = everything(engine)
    blocks = expected.blocks
    assert books["totals"] == {(*key, *total) for key, total in expected.totals.items()}
    assert books["open_round"] == set(expected.round.items())
    assert books["open_day"] == set(expected.today.items())
    assert books["block_credits"] == {
        (block.hash, who, work, block.amounts_sat[who])
        for block in blocks
        for who, work in block.work_hashes.items()
    }
    assert books["block_spans"] == {
        (block.hash, number, *span)
        for block in blocks
        if block.paid
        for number, span in block.paid.spans.items()
    }
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.blocks)).all()
        assert ledger_check(connection)[0]
    assert {facts_of_row(row) for row in rows} == {facts_of(block) for block in blocks}


def facts_of(block: FoundBlock) -> tuple[object, ...]:
    pended = bool(block.paid and block.credited)
    return block.hash, block.order, block.method, block.day, block.coinbase_txid, int(pended)


def facts_of_row(row: Any) -> tuple[object, ...]:
    return row.hash, row.order_number, row.method, row.day, row.coinbase_txid, row.attempts


def audited(
    engine: sa.Engine, journals: list[JournalBuilder], orders: OrderBook, chain: ScriptedChain
) -> list[str]:
    """What the audit finds."""
    with engine.connect() as connection:
        root = journals[0].directory.parent
        report = audit(connection, root, lambda: chain, MATURITY, lambda *_: None, orders=orders)
    return report.differences


@pytest.mark.parametrize("chunk_records", [1, 1000])
def test_books_equal_the_plain_rule_and_the_audit_agrees(
    journals: list[JournalBuilder],
    settle_engine: sa.Engine,
    engine: sa.Engine,
    orders: OrderBook,
    chunk_records: int,
) -> None:
    settle_all(settle_engine, settlement_of(journals, orders, chunk_records))
    expected = folded(journals, orders)
    assert len(expected.blocks) == 10
    check_books(settle_engine, expected)
    assert audited(engine, journals, orders, ScriptedChain()) == []


def test_killed_at_every_step_it_ends_at_the_same_books(
    journals: list[JournalBuilder], settle_engine: sa.Engine, orders: OrderBook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each run is killed at the next step, so all steps of chunks and of days are met."""
    monkeypatch.setattr(day, "DAY_BLOCKS", 2)
    kills = set()
    for fuse in itertools.count(1):
        left = itertools.count(fuse, -1)

        def burn(step: Step, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                kills.add(step)
                raise KilledError

        try:
            settle_all(settle_engine, settlement_of(journals, orders, 11, on_step=burn))
        except KilledError:
            assert fuse < 500
        else:
            break
    methods = {one.method for one in folded(journals, orders).blocks}
    wanted = {"period": Step.DAY, "pplns": Step.LOOKED_BACK}
    assert kills == {*Step} - {step for method, step in wanted.items() if method not in methods}
    check_books(settle_engine, folded(journals, orders))


def test_two_settlements_pay_a_day_once(
    journals: list[JournalBuilder], settle_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day, "DAY_BLOCKS", 1)
    orders = BOOKS["period"]
    one, two = settlement_of(journals, orders, 4), settlement_of(journals, orders, 9)
    with settle_engine.connect() as first, settle_engine.connect() as second:
        while not (one.settle_chunk(first).is_nothing & two.settle_chunk(second).is_nothing):
            pass
    check_books(settle_engine, folded(journals, orders))


def test_a_day_is_paid_when_it_is_over_and_not_before(
    journals: list[JournalBuilder], settle_engine: sa.Engine, engine: sa.Engine
) -> None:
    orders, clock = BOOKS["period"], ManualClock(end_us(TOMORROW) - 1)
    settlement = settlement_of(journals, orders, clock=clock)
    settle_all(settle_engine, settlement)
    # The first day is over, for there are shares after it; the second is still open.
    check_books(settle_engine, folded(journals, orders, over=False))
    assert audited(engine, journals, orders, ScriptedChain()) == []
    clock.step(1e-6)
    settle_all(settle_engine, settlement)
    check_books(settle_engine, folded(journals, orders))


def test_blocks_that_await_their_day_are_followed_and_neither_pended_nor_posted(
    journals: list[JournalBuilder], settle_engine: sa.Engine, engine: sa.Engine
) -> None:
    orders, chain = BOOKS["period"], ScriptedChain()
    clock = ManualClock(end_us(TOMORROW) - 1)
    settlement = settlement_of(journals, orders, clock=clock)
    settle_all(settle_engine, settlement)
    awaiting = [
        block.hash for block in folded(journals, orders, over=False).blocks if block.paid is None
    ]
    # At heights 103, 104, 105; the second of them all is a refused one.
    stays, _, *fall = awaiting[:4]
    watch = ChainWatch(chain, MATURITY)

    def follow() -> None:
        for _ in range(9):
            with settle_engine.connect() as connection:
                with connection.begin():
                    followed = read_followed(connection)
                findings = watch.look(followed)
                act(connection, findings)
            if not findings:
                return

    def states() -> list[tuple[str, int]]:
        with settle_engine.connect() as connection:
            columns = tables.blocks.c
            rows = {row.hash: row for row in connection.execute(
                sa.select(columns.hash, columns.state, columns.attempts))}  # fmt: skip
        return [(rows[one].state, rows[one].attempts) for one in (stays, *fall)]

    chain.mine(102)
    chain.mine(hashes=[stays])
    chain.mine(hashes=fall)
    chain.mine()
    follow()
    assert states() == [("pending", 0)] * 3
    fallen = chain.reorganise(3)
    # The one that stays is as deep as maturity asks.
    chain.mine()
    follow()
    assert states() == [("pending", 0), ("orphaned", 0), ("orphaned", 0)]
    clock.step(1e-6)
    settle_all(settle_engine, settlement)
    assert states() == [("pending", 1), ("orphaned", 0), ("orphaned", 0)]
    assert audited(engine, journals, orders, chain) == []
    follow()
    assert states() == [("mature", 1), ("orphaned", 0), ("orphaned", 0)]
    chain.bring_back(fallen)
    chain.mine()
    follow()
    assert states() == [("mature", 1), ("mature", 1), ("mature", 1)]
    assert audited(engine, journals, orders, chain) == []


def test_a_journal_that_hangs_over_midnight_holds_the_day_up_and_is_named(
    tmp_path: Path, settle_engine: sa.Engine
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    builder.share(builder.job(1, 101), block=True, time_us=first_us(TODAY) + 5)
    builder.flush()
    clock = ManualClock(MIDNIGHT_US + SILENT_US + 1)
    settlement = settlement_of([builder], BOOKS["period"], clock=clock)
    settle_all(settle_engine, settlement)
    assert "journal 0" in str(settlement.waits_for)
    assert everything(settle_engine)["block_credits"] == set()
    builder.flush(watermark_us=MIDNIGHT_US)
    settle_all(settle_engine, settlement)
    assert settlement.waits_for is None
    assert len(everything(settle_engine)["block_credits"]) == 1
    builder.close()


@pytest.mark.parametrize("method", ["pplns", "period"])
def test_a_refused_candidate_before_all_work_is_its_finders(
    tmp_path: Path, settle_engine: sa.Engine, engine: sa.Engine, method: str
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    builder.share(builder.job(1, 101), participant=4, block=True, uncredited=True)
    builder.close()
    settle_all(settle_engine, settlement_of([builder], BOOKS[method]))
    books = everything(settle_engine)
    assert {row[1:] for row in books["block_credits"]} == {(4, work_of(EASY), 5_000_000_000)}
    assert books["transfers"] == set()
    assert audited(engine, [builder], BOOKS[method], ScriptedChain()) == []


@pytest.mark.parametrize(("method", "paid"), [("pplns", {1}), ("period", {1, 3})])
def test_a_refused_candidate_pays_as_its_method_says_once_the_chain_holds_it(
    tmp_path: Path, settle_engine: sa.Engine, engine: sa.Engine, method: str, paid: set[int]
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 101)
    builder.share(job, participant=1)
    refused = builder.share(job, participant=2, block=True, uncredited=True)
    builder.share(job, participant=3)
    builder.close()
    settle_all(settle_engine, settlement_of([builder], BOOKS[method]))
    books = everything(settle_engine)
    assert {row[1] for row in books["block_credits"]} == paid
    assert books["transfers"] == set()
    chain = ScriptedChain()
    chain.mine(100)
    chain.mine(hashes=[job.block_hash(refused)])
    with settle_engine.connect() as connection:
        with connection.begin():
            followed = read_followed(connection)
        act(connection, ChainWatch(chain, MATURITY).look(followed))
    assert len(everything(settle_engine)["transfers"]) == len(paid)
    assert audited(engine, [builder], BOOKS[method], chain) == []


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE blocks SET state = 'mature'", "before its day was over"),
        ("UPDATE blocks SET attempts = 1", "before its day was over"),
        ("UPDATE blocks SET attempts = 2, state = 'orphaned'", "before its day was over"),
        (
            (
                "WITH more AS (INSERT INTO block_outputs SELECT hash, 9, 'x', 1 FROM blocks)"
                " UPDATE blocks SET alarm = true"
            ),
            "outputs that do not sum",
        ),
        ("DELETE FROM block_outputs", "permission denied"),
        ("UPDATE block_spans SET to_sequence = 0", "permission denied"),
    ],
)
def test_postgresql_refuses_what_a_block_that_awaits_its_day_cannot_be(
    tmp_path: Path, settle_engine: sa.Engine, statement: str, refusal: str
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    builder.share(builder.job(1, 101), block=True, time_us=first_us(TODAY))
    builder.close()
    clock = ManualClock(first_us(TODAY) + 1)
    settle_all(settle_engine, settlement_of([builder], BOOKS["period"], clock=clock))
    with pytest.raises(DatabaseError, match=refusal), settle_engine.begin() as connection:
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "falsehood",
    [
        "UPDATE blocks SET order_number = 2 WHERE height = 101",
        "UPDATE blocks SET method = 'round', day = NULL WHERE height = 101",
        "UPDATE blocks SET day = day - 1 WHERE height = 101",
        "UPDATE blocks SET coinbase_txid = repeat('ab', 32) WHERE height = 101",
        "UPDATE block_outputs SET amount_sat = amount_sat - 1",
        "UPDATE block_outputs SET script = '\\x00'",
        "DELETE FROM block_spans WHERE instance = 1",
        "UPDATE block_spans SET cut_hashes = cut_hashes + 1 WHERE cut_hashes IS NOT NULL",
        "UPDATE open_day SET work_hashes = work_hashes + 1",
        "UPDATE settlement SET day = day - 1",
        "UPDATE journal_positions SET round_from = round_from + 1",
        "UPDATE journal_positions SET day_from = day_from + 1",
        "INSERT INTO repeats VALUES (0, 3)",
        "UPDATE block_credits SET work_hashes = work_hashes + 1",
    ],
)
def test_each_falsehood_is_found(
    journals: list[JournalBuilder], settle_engine: sa.Engine, engine: sa.Engine, falsehood: str
) -> None:
    orders = book_of((101, PERIOD), (102, PPLNS))
    settle_all(settle_engine, settlement_of(journals, orders, 1000))
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(sa.text(falsehood)).rowcount
    assert audited(engine, journals, orders, ScriptedChain()) != []
