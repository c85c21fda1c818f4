"""Sums of a large participant's live numbers are kept until newer ones are written."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.numbers import kept_live
from kench.cabinet.numbers.kept_live import AGAIN_US, KeptLive
from kench.pool.database import open_engine
from kench.pool.moments import us_of

FILLED = """
INSERT INTO participants (name) SELECT 'x' FROM generate_series(1, 3);
INSERT INTO workers (participant_id, name)
    SELECT who, n FROM generate_series(1, 3) AS who, generate_series(1, 4) AS n;
INSERT INTO pool_live SELECT 0, now(), 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0;
INSERT INTO worker_live
    SELECT participant_id, id, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, now(), 1, now(), 1, '' FROM workers
"""


@pytest.fixture
def db(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Connection]:
    monkeypatch.setattr(kept_live, "MANY_WORKERS", 4)
    engine = open_engine(database, application_name="test")
    with engine.begin() as connection:
        connection.exec_driver_sql(FILLED)
        yield connection
    engine.dispose()


def now_of(db: sa.Connection) -> int:
    return us_of(db.exec_driver_sql("SELECT now()").scalar_one())


def mine_more(db: sa.Connection) -> None:
    db.exec_driver_sql("UPDATE worker_live SET accepted = accepted + 1")


def test_they_are_summed_again_when_they_were_written_again(db: sa.Connection) -> None:
    kept, now_us = KeptLive(), now_of(db)
    assert kept.numbers(db, 1, now_us).accepted == 4
    assert kept.numbers(db, 1, now_us) is kept.numbers(db, 1, now_us)
    mine_more(db)
    assert kept.numbers(db, 1, now_us).accepted == 4
    db.exec_driver_sql("UPDATE pool_live SET written_at = written_at + interval '1 s'")
    assert kept.numbers(db, 1, now_us).accepted == 8
    assert kept.numbers(db, 2, now_us).accepted == 8


def test_they_are_summed_again_after_a_minute_that_nobody_wrote(db: sa.Connection) -> None:
    kept, now_us = KeptLive(), now_of(db)
    for _ in range(2):
        assert kept.numbers(db, 1, now_us).active == 4
    later_us = now_us + 20 * AGAIN_US
    assert kept.numbers(db, 1, later_us).silent == 4


def test_those_of_few_workers_are_what_the_table_has(
    db: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_live, "MANY_WORKERS", 5)
    kept, now_us = KeptLive(), now_of(db)
    assert kept.numbers(db, 1, now_us).accepted == 4
    mine_more(db)
    assert kept.numbers(db, 1, now_us).accepted == 8


def test_no_more_are_kept_than_the_bound(
    db: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_live, "KEPT_MAX", 2)
    kept, now_us = KeptLive(), now_of(db)
    for who in (1, 2, 3, 2, 3):
        kept.numbers(db, who, now_us)
    mine_more(db)
    assert [kept.numbers(db, who, now_us).accepted for who in (2, 3, 1)] == [4, 4, 8]
