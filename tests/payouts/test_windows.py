"""Windows are read outside of transactions, and one uses those alone that it asks for itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from kench.payouts.journals import Journals
from kench.payouts.settle import Settlement
from kench.payouts.totals import Records, work_of_share
from kench.payouts.windows import Windows
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.journal.format import SHARE
from kench.pool.orders.book import OrderBook
from tests.payouts.chains import ScriptedChain
from tests.payouts.journals import EASY, START_US, JournalBuilder
from tests.payouts.test_settle_methods import (
    BOOKS,
    PPLNS,
    audited,
    check_books,
    folded,
    settle_all,
    settlement_of,
)
from tests.support.orders import book_of

WORK = work_of_share(EASY)


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SETTLE, application_name="test settle")
    yield engine
    engine.dispose()


@pytest.fixture
def journals(tmp_path: Path) -> list[JournalBuilder]:
    """Two journals with a block each, by `pplns`."""
    builders = [
        JournalBuilder(tmp_path / "journal" / str(number), number, seed=number) for number in (0, 1)
    ]
    for builder in builders:
        job = builder.job(1, 101)
        for index in range(12):
            builder.share(job, participant=1 + index % 3, block=index == 10)
        builder.close()
    return builders


def test_no_transaction_is_open_while_a_window_is_read(
    journals: list[JournalBuilder], settle_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, read_in_transaction = Journals.read, []
    with settle_engine.connect() as connection:

        def spied(*given: Any) -> Records:
            read_in_transaction.append(connection.in_transaction())
            return read(*given)

        monkeypatch.setattr(Journals, "read", spied)
        settlement = settlement_of(journals, BOOKS["pplns"], 1000)
        done = [settlement.settle_chunk(connection) for _ in range(4)]
    # One window a call, so that there is time for other things between them.
    assert [one.windows for one in done] == [1, 1, 0, 0]
    assert [one.records for one in done] == [0, 0, 24, 0]
    assert read_in_transaction == [False] * 4
    check_books(settle_engine, folded(journals, BOOKS["pplns"]))


def test_a_chunk_that_another_settlement_books_meanwhile_is_booked_once(
    journals: list[JournalBuilder], settle_engine: sa.Engine
) -> None:
    orders = BOOKS["pplns"]
    one = settlement_of(journals, orders, 1000)
    with settle_engine.connect() as connection:
        assert one.settle_chunk(connection).windows
    settle_all(settle_engine, settlement_of(journals, orders, 5))
    settle_all(settle_engine, one)
    check_books(settle_engine, folded(journals, orders))


def test_a_block_pays_by_the_orders_of_the_transaction_that_books_it(
    journals: list[JournalBuilder], settle_engine: sa.Engine
) -> None:
    """Not by those from when its window was read first."""
    short: dict[str, Any] = {"reward": {"method": "pplns", "window_ppm": 1_000_000}}
    books = {"at first": book_of((1, short)), "later": book_of((1, PPLNS))}
    current = "at first"

    def orders_on(_connection: sa.Connection) -> OrderBook:
        return books[current]

    settlement = Settlement(journals[0].directory.parent, SystemClock(), orders_on=orders_on)
    with settle_engine.connect() as connection:
        assert settlement.settle_chunk(connection).windows
        assert settlement.settle_chunk(connection).windows
    current = "later"
    settle_all(settle_engine, settlement)
    check_books(settle_engine, folded(journals, books["later"]))


@pytest.mark.parametrize("chunk_records", [1, 1000])
def test_a_repeat_earns_nothing_in_a_window_whether_booked_before_or_with_its_block(
    tmp_path: Path, settle_engine: sa.Engine, engine: sa.Engine, chunk_records: int
) -> None:
    one, two = (JournalBuilder(tmp_path / "journal" / str(number), number) for number in (0, 1))
    for builder in (one, two):
        builder.job(1, 101)
    share = one.share(one.jobs[1], participant=7, time_us=START_US)
    share["time_us"] = START_US + 1
    two.append(share)
    one.share(one.jobs[1], participant=8, block=True, time_us=START_US + 2)
    one.close()
    two.close()
    orders = book_of((1, PPLNS))
    settle_all(settle_engine, settlement_of([one, two], orders, chunk_records))
    with settle_engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT participant_id, work_hashes FROM block_credits ORDER BY 1")
        ).all()
    assert rows == [(7, WORK), (8, WORK)]
    assert audited(engine, [one, two], orders, ScriptedChain()) == []


def test_only_windows_of_the_newest_fold_are_kept_and_given_for_the_same_end_and_work() -> None:
    records = np.zeros(9, SHARE)
    records["sequence"], records["participant"] = np.arange(9), 4
    records["difficulty"] = EASY
    windows = Windows(lambda _number, start, end: records[start:end])

    def known(*asked: tuple[int, int]) -> list[int | None]:
        windows.begin({0: [2]})
        found = [windows.window({0: end}, work) for end, work in asked]
        return [window and sum(window[0].values()) for window in found]

    assert known((5, 100), (7, 1)) == [None, None]
    while windows.are_wanted:
        windows.look_back(lambda *_: [1])
    # Of five shares one is a repeat of the books, and one of this chunk.
    assert known((5, 100), (7, 1)) == [3 * WORK, 1]
    assert known((5, 100), (7, 2)) == [3 * WORK, None]
    assert known((7, 1)) == [None]
    windows.forget()
    assert not windows.are_wanted
    assert known((5, 100)) == [None]
