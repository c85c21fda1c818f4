"""The feed of the register: what is committed is known soon, whatever befalls PostgreSQL."""

import queue
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.register import (
    State,
    WorkerRefusal,
    add_participant,
    ensure_worker,
    enter_participant,
    remove_participant,
    resume_participant,
    suspend_participant,
)
from kench.pool.register_feed import (
    RELOAD_S,
    USED_AGAIN_S,
    RegisteredParticipant,
    RegisterFeed,
    RegisterUnavailableError,
)
from kench.pool.tokens import make_token, revoke_token
from tests.support.waiting import await_that

WITHIN_S = 2.0
"""The issue's bound from commit to effect; the feed's own share of it is far less."""

Changes = queue.Queue[frozenset[int]]


@pytest.fixture
def changes() -> Changes:
    return queue.Queue()


@pytest.fixture
def feed(database: str, changes: Changes) -> Iterator[RegisterFeed]:
    opened = RegisterFeed(database, SystemClock(), changes.put, workers_per_participant=3)
    opened.start()
    yield opened
    opened.stop()


def add(engine: sa.Engine) -> tuple[int, str]:
    with engine.begin() as connection:
        return add_participant(connection, "x")


def entry(feed: RegisterFeed, id_: int) -> RegisteredParticipant:
    return feed.snapshot.participants[id_]


def test_what_was_there_at_start_is_known_and_is_no_change(
    database: str, engine: sa.Engine, changes: Changes
) -> None:
    id_, token = add(engine)
    with engine.begin() as connection:
        worker = ensure_worker(connection, id_, "rig", limit=3)
    feed = RegisterFeed(database, SystemClock(), changes.put, workers_per_participant=3)
    feed.start()
    try:
        assert entry(feed, id_).active
        assert entry(feed, id_).accepts(token)
        assert not entry(feed, id_).accepts(token[:-1])
        assert feed.snapshot.worker_id(id_, "rig") == worker
        assert feed.snapshot.worker_id(id_, "other") is None
        assert feed.snapshot.worker_id(99, "rig") is None
        assert feed.fault is None
        assert changes.empty()
    finally:
        feed.stop()


def test_add_suspend_resume_and_remove_are_told_within_two_seconds(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    id_, token = add(engine)
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert entry(feed, id_).accepts(token)
    for change, state in (
        (suspend_participant, State.SUSPENDED),
        (resume_participant, State.ACTIVE),
        (remove_participant, State.REMOVED),
    ):
        with engine.begin() as connection:
            change(connection, id_)
        assert changes.get(timeout=WITHIN_S) == {id_}
        assert entry(feed, id_).state is state


def test_one_token_is_made_and_revoked_and_the_others_stay(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    id_, first = add(engine)
    assert changes.get(timeout=WITHIN_S) == {id_}
    with engine.begin() as connection:
        second = make_token(connection, id_, "farm")
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert entry(feed, id_).accepts(first) == 1
    assert entry(feed, id_).accepts(second) == 2
    with engine.begin() as connection:
        assert revoke_token(connection, id_, 1)
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert entry(feed, id_).accepts(first) is None
    assert entry(feed, id_).accepts(second) == 2


def test_which_tokens_are_in_use_is_written_with_the_next_full_reading_and_is_no_change(
    database: str, engine: sa.Engine, changes: Changes
) -> None:
    def used() -> list[object]:
        with engine.connect() as connection:
            return list(
                connection.execute(sa.text("SELECT used_at FROM participant_tokens ORDER BY id"))
                .scalars()
            )  # fmt: skip

    for _ in range(3):
        add(engine)
    with engine.begin() as connection:
        revoke_token(connection, 3, 3)
    clock = ManualClock()
    feed = RegisterFeed(database, clock, changes.put, workers_per_participant=3)
    feed.start()
    try:
        feed.tokens_used({2, 3, 99})
        feed.tokens_used(())
        assert used() == [None, None, None]
        clock.advance(RELOAD_S)
        await_that(lambda: used()[1] is not None)
        first, second, third = used()
        assert (first, third) == (None, None)
        feed.tokens_used({1, 2})
        clock.advance(RELOAD_S)
        await_that(lambda: used()[0] is not None)
        assert used()[1] == second  # not written again within the hour
        feed.tokens_used({2})
        clock.advance(USED_AGAIN_S)
        await_that(lambda: used()[1] != second)
        assert changes.empty()
    finally:
        feed.stop()


def test_a_write_by_any_other_way_is_heard_too(
    database: str, engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    id_, _ = add(engine)
    assert changes.get(timeout=WITHIN_S) == {id_}
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE participants SET state = 'suspended'")
    connection.close()
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert not entry(feed, id_).active


def test_nothing_is_told_before_the_commit_nor_after_a_rollback(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    with engine.connect() as connection:
        add_participant(connection, "rolled back")
        connection.rollback()
    id_, _ = add(engine)
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert list(feed.snapshot.participants) == [id_]


def test_a_deleted_row_is_gone(engine: sa.Engine, feed: RegisterFeed, changes: Changes) -> None:
    with engine.begin() as connection:
        id_ = enter_participant(connection, "x")  # one with tokens cannot be deleted
    changes.get(timeout=WITHIN_S)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM participants"))
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert id_ not in feed.snapshot.participants


def test_a_snapshot_taken_before_does_not_change(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    before = feed.snapshot
    add(engine)
    changes.get(timeout=WITHIN_S)
    assert not before.participants
    with pytest.raises(TypeError):
        feed.snapshot.participants[5] = None  # type: ignore[index]  # that it cannot be is the claim


def test_a_created_worker_is_in_the_snapshot_at_once_and_bounded(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    id_, _ = add(engine)
    changes.get(timeout=WITHIN_S)
    made = [feed.create_worker(id_, f"rig{number}") for number in range(4)]
    assert made == [1, 2, 3, WorkerRefusal.LIMIT_REACHED]
    assert dict(entry(feed, id_).workers) == {"rig0": 1, "rig1": 2, "rig2": 3}
    with engine.begin() as connection:
        suspend_participant(connection, id_)
    changes.get(timeout=WITHIN_S)
    assert dict(entry(feed, id_).workers) == {"rig0": 1, "rig1": 2, "rig2": 3}


def test_junk_on_the_channel_harms_nothing(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    with engine.begin() as connection:
        for junk in ("", "x", "-1", "0", "9" * 30, "1; DROP TABLE participants"):
            connection.execute(sa.text("SELECT pg_notify('kench_register', :p)"), {"p": junk})
    id_, _ = add(engine)
    assert changes.get(timeout=WITHIN_S) == {id_}
    assert feed.fault is None


def test_what_no_notice_told_of_is_found_by_the_periodic_reading(
    database: str, engine: sa.Engine, changes: Changes
) -> None:
    clock = ManualClock()
    feed = RegisterFeed(database, clock, changes.put, workers_per_participant=3)
    feed.start()
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE participants DISABLE TRIGGER notify_register"))
            connection.execute(
                sa.text("ALTER TABLE participant_tokens DISABLE TRIGGER notify_token")
            )
        id_, _ = add(engine)
        with engine.begin() as connection:
            worker = ensure_worker(connection, id_, "rig", limit=3)
        assert id_ not in feed.snapshot.participants
        clock.advance(RELOAD_S)
        assert changes.get(timeout=5) == {id_}
        await_that(lambda: feed.snapshot.worker_id(id_, "rig") == worker)
    finally:
        feed.stop()


def test_a_cut_line_is_mended_and_what_happened_meanwhile_is_told(
    engine: sa.Engine, feed: RegisterFeed, changes: Changes
) -> None:
    with engine.begin() as connection:
        cut = connection.scalar(
            sa.text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'kench register feed' AND datname = current_database()"
            )
        )
    assert cut == 1
    id_, _ = add(engine)
    assert changes.get(timeout=5) == {id_}
    await_that(lambda: feed.fault is None)


def test_the_feed_keeps_its_snapshot_while_postgresql_restarts_and_then_follows_again(
    tmp_path: Path, changes: Changes
) -> None:
    server = EmbeddedPostgres(tmp_path)
    url = server.start()
    migrate(url)
    engine = open_engine(url, application_name="test")
    id_, _ = add(engine)
    feed = RegisterFeed(url, SystemClock(), changes.put, workers_per_participant=3)
    feed.start()
    try:
        engine.dispose()
        server.stop()
        await_that(lambda: feed.fault is not None)
        assert entry(feed, id_).active
        with pytest.raises(RegisterUnavailableError, match="KENCH_DATABASE_URL"):
            feed.create_worker(id_, "rig")
        server.start()
        with engine.begin() as connection:
            suspend_participant(connection, id_)
        assert changes.get(timeout=5) == {id_}
        assert not entry(feed, id_).active
        await_that(lambda: feed.fault is None)
    finally:
        feed.stop()
        engine.dispose()
        server.stop()


def test_without_postgresql_the_start_ends_with_one_line_and_no_password(changes: Changes) -> None:
    url = "postgresql://kench:hunter2@127.0.0.1:1/kench"
    feed = RegisterFeed(url, SystemClock(), changes.put, workers_per_participant=3)
    with pytest.raises(RegisterUnavailableError) as caught:
        feed.start(timeout_s=0.3)
    assert "KENCH_DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
