"""Sums of a large participant's live numbers are kept until newer ones are written."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from threading import Thread

import pytest
import sqlalchemy as sa

from kench.cabinet.numbers import kept_live, workers
from kench.cabinet.numbers.kept import AGAIN_US, ALWAYS, KeptWhileWritten
from kench.cabinet.numbers.kept_live import ORDER_US, KeptLive
from kench.cabinet.numbers.live import WorkerState
from kench.cabinet.numbers.workers import Sort, Wanted, read_workers
from kench.pool.database import open_engine
from kench.pool.moments import us_of

FILLED = """
INSERT INTO participants (name) SELECT 'x' FROM generate_series(1, 3);
INSERT INTO workers (participant_id, name)
    SELECT id, n FROM participants, generate_series(1, 4) AS n;
INSERT INTO pool_live SELECT 0, now(), 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0;
INSERT INTO worker_live
    SELECT participant_id, id, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, now(), 1, now(), 1, '' FROM workers
"""


@pytest.fixture
def db(module_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Connection]:
    monkeypatch.setattr(kept_live, "MANY_WORKERS", 4)
    engine = open_engine(module_database, application_name="test")
    with engine.connect() as connection:
        connection.exec_driver_sql(FILLED)
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.fixture
def whose(db: sa.Connection) -> list[int]:
    """Three participants with four workers each."""
    return list(db.exec_driver_sql("SELECT id FROM participants ORDER BY id").scalars())


def now_of(db: sa.Connection) -> int:
    return us_of(db.exec_driver_sql("SELECT now()").scalar_one())


def mine_more(db: sa.Connection) -> None:
    db.exec_driver_sql("UPDATE worker_live SET accepted = accepted + 1")


def test_they_are_summed_again_when_they_were_written_again(
    db: sa.Connection, whose: list[int]
) -> None:
    kept, now_us = KeptLive(), now_of(db)
    assert kept.numbers(db, whose[0], now_us).accepted == 4
    assert kept.numbers(db, whose[0], now_us) is kept.numbers(db, whose[0], now_us)
    mine_more(db)
    assert kept.numbers(db, whose[0], now_us).accepted == 4
    db.exec_driver_sql("UPDATE pool_live SET written_at = written_at + interval '1 s'")
    assert kept.numbers(db, whose[0], now_us).accepted == 8
    assert kept.numbers(db, whose[1], now_us).accepted == 8


def test_they_are_summed_again_after_a_minute_that_nobody_wrote(
    db: sa.Connection, whose: list[int]
) -> None:
    kept, now_us = KeptLive(), now_of(db)
    for _ in range(2):
        assert kept.numbers(db, whose[0], now_us).active == 4
    later_us = now_us + 20 * AGAIN_US
    assert kept.numbers(db, whose[0], later_us).silent == 4


def test_those_of_few_workers_are_what_the_table_has(
    db: sa.Connection, whose: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_live, "MANY_WORKERS", 5)
    kept, now_us = KeptLive(), now_of(db)
    assert kept.numbers(db, whose[0], now_us).accepted == 4
    mine_more(db)
    assert kept.numbers(db, whose[0], now_us).accepted == 8


def test_no_more_are_kept_than_the_bound(
    db: sa.Connection, whose: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_live, "NUMBERS_MAX", 2)
    kept, now_us = KeptLive(), now_of(db)
    first, second, third = whose
    for who in (first, second, third, second, third):
        kept.numbers(db, who, now_us)
    mine_more(db)
    assert [kept.numbers(db, who, now_us).accepted for who in (second, third, first)] == [4, 4, 8]


def test_a_kept_order_gives_the_pages_that_the_table_does(
    db: sa.Connection, whose: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (kept_live, workers):
        monkeypatch.setattr(module, "PAGE_WORKERS", 2)
    kept, now_us = KeptLive(), now_of(db)
    db.exec_driver_sql("""
        UPDATE worker_live SET hashrate_1h = mod(worker_id, 3), hashrate_24h = mod(worker_id, 2),
            stale = mod(worker_id, 5), last_share_at = now() - worker_id * interval '7 hours'
    """)
    kept.numbers(db, whose[0], now_us)
    for sort, state, page in product(Sort, (None, *WorkerState), (1, 2, 3)):
        wanted = Wanted(sort=sort, state=state, page=page)
        asked = read_workers(db, whose[0], wanted, now_us)
        given = kept.workers(db, whose[0], wanted, now_us)
        assert given.workers == asked.workers
        assert given.total == asked.total or not asked.workers


def test_a_kept_order_is_made_again_after_its_time(db: sa.Connection, whose: list[int]) -> None:
    kept, now_us, wanted = KeptLive(), now_of(db), Wanted(sort=Sort.DAY)
    kept.numbers(db, whose[0], now_us)
    before = kept.workers(db, whose[0], wanted, now_us)
    db.exec_driver_sql("UPDATE worker_live SET hashrate_24h = worker_id")
    assert [one.id for one in kept.workers(db, whose[0], wanted, now_us).workers] == [
        one.id for one in before.workers
    ]
    after = kept.workers(db, whose[0], wanted, now_us + ORDER_US)
    assert [one.id for one in after.workers] == [one.id for one in reversed(before.workers)]


def test_a_search_and_a_group_are_asked_of_the_table(db: sa.Connection, whose: list[int]) -> None:
    kept, now_us = KeptLive(), now_of(db)
    kept.numbers(db, whose[0], now_us)
    assert [one.name for one in kept.workers(db, whose[0], Wanted(search="3"), now_us).workers] == [
        "3"
    ]
    assert kept.workers(db, whose[0], Wanted(group_id=1), now_us).total == 0


def test_while_somebody_reads_others_are_given_what_was_there() -> None:
    kept = KeptWhileWritten[str, int](4)
    first, second = ALWAYS + timedelta(1), ALWAYS + timedelta(2)
    assert kept.value("x", first, 1, lambda: 1) == 1
    given: list[int] = []

    def read() -> int:
        other = Thread(target=lambda: given.append(kept.value("x", second, 1, lambda: 3)))
        other.start()
        other.join(20)
        return 2

    assert kept.value("x", second, 1, read) == 2
    assert given == [1]
    assert kept.value("x", second, 1, lambda: 3) == 2
