"""Several servers of one database: the one that leads is written to, one that was replaced not."""

import contextlib
import time
from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa

from kench.pool.database import Role, check_schema, open_engine
from kench.pool.database_url import DatabaseUrlError, libpq_url, safe_url, servers_of
from kench.pool.primary import Primary, primary_of
from tests.support.replicas import Pair, running_pair

LIMIT_S = 20.0
WRITE = sa.text("INSERT INTO journal_positions (instance, next_sequence) VALUES (:n, 0)")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as made:
        yield made


def written(url: str) -> list[int]:
    engine = open_engine(url, application_name="test")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT instance FROM journal_positions ORDER BY 1"))
        found = list(rows.scalars())
    engine.dispose()
    return found


def write_when_it_can(engine: sa.Engine, number: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            with engine.begin() as connection:
                connection.execute(WRITE, {"n": number})
        except sa.exc.DBAPIError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def follows(pair: Pair, number: int) -> bool:
    """Whether the replica has what was written."""
    deadline = time.monotonic() + LIMIT_S
    while number not in written(pair.second.url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_url_of_several_servers_is_libpqs_and_one_of_one_is_as_before() -> None:
    several = "postgresql+psycopg2://kench:s%40crt@db1:5433,db2/pool?sslmode=require"
    assert libpq_url(several) == (
        "postgresql://kench:s%40crt@db1:5433,db2/pool?sslmode=require"
        "&target_session_attrs=read-write"
    )
    assert "s%40crt" not in safe_url(several)
    assert "db1,db2" in safe_url(several)
    assert [one["host"] for one in servers_of(several)] == ["db1", "db2"]
    one = "postgresql://kench@db1:5433/pool"
    assert libpq_url(one) == one
    chosen = "postgresql://a,b/pool?target_session_attrs=any"
    assert libpq_url(chosen) == chosen
    for strange in ("postgresql://a:1,b:2,c:3:4/pool", "postgresql://a:x,b/pool"):
        with pytest.raises(DatabaseUrlError, match="KENCH_DATABASE_URL"):
            libpq_url(strange)


def test_a_promoted_replica_is_found_and_the_old_primary_written_to_no_more(pair: Pair) -> None:
    engine = open_engine(pair.url, Role.SETTLE, application_name="test", pool_size=1)
    check_schema(engine)
    write_when_it_can(engine, 1)
    assert follows(pair, 1)
    left_there = Primary(pair.url)
    connection = left_there.connect({})
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO journal_positions (instance, next_sequence) VALUES (9, 0)")

    pair.second.promote()
    for servers in (left_there, primary_of(pair.url)):
        servers.look()
    with pytest.raises(psycopg2.Error):
        connection.commit()
    write_when_it_can(engine, 2)
    assert written(pair.first.url) == [1], "it lives, takes writes, and is the first in the URL"

    pair.first.kill()
    pair.first.start()
    engine.dispose()
    write_when_it_can(engine, 3)
    engine.dispose()
    starts_now = Primary(pair.url)
    with contextlib.closing(starts_now.connect({})) as fresh, fresh.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM journal_positions")
        assert cursor.fetchone() == (3,)
    pair.second.stop()
    with pytest.raises(psycopg2.OperationalError, match="was replaced"):
        starts_now.connect({})
    pair.second.start()
    assert written(pair.first.url) == [1]
    assert written(pair.second.url) == [1, 2, 3]
