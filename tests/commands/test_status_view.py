"""The status object: each number from its one source, in one snapshot."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from kench.commands.standby_view import standby_words
from kench.commands.status import _show
from kench.commands.status_view import NOT_RUNNING, read_status
from kench.commands.stream_view import stream_words
from kench.payouts import ledger, tables
from kench.payouts.waiting import write_waits_for
from kench.pool.database import Role, open_engine
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.register import add_participant, ensure_worker, suspend_participant
from tests.support.records import archived_job, raw_records

WORK = 2**200 + 1
HASHES = ["aa" * 32, "bb" * 32, "cc" * 32]
REPORT = {
    "network": "regtest",
    "height": 104,
    "tip": "ab" * 32,
    "connections": 3,
    "sessions": 2,
    "serving": True,
    "why": None,
    "durable_lag_ms": 1.25,
    "journal_records": 99,
    "hashrate": {"1": 1000, "2": 500},
    "nodes": [{"name": "node 1", "usable": True, "why": None}],
}


def report(engine: sa.Engine, instance: int, age_s: int = 0, **changed: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO front_ends VALUES"
                " (:instance, now() - make_interval(secs => :age), CAST(:state AS jsonb))"
            ),
            {"instance": instance, "age": age_s, "state": json.dumps(REPORT | changed)},
        )


def status_of(database: str, journal_directory: Path, **more: int) -> dict[str, Any]:
    """Read as the least of the roles, as everybody does who only looks."""
    engine = open_engine(database, Role.READ, application_name="test")
    try:
        with engine.connect() as connection:
            status = read_status(connection, journal_directory, **more)
    finally:
        engine.dispose()
    read: dict[str, Any] = json.loads(json.dumps(status))
    return read


def write_journal(directory: Path, records: int) -> None:
    directory.mkdir(parents=True)
    segment = OpenSegment.create(directory, int(directory.name), 0, 1_700_000_000_000_000)
    segment.append(archived_job().line(), raw_records(0, records))
    DurableMark(directory).set(Mark(records, 0))


def find_block(connection: sa.Connection, height: int, block_hash: str) -> None:
    """A block of 100 satoshi: 60 for participant 1 and 40 for 2, pended."""
    connection.execute(
        sa.insert(tables.blocks).values(
            hash=block_hash, height=height, instance=0, sequence=height, job_key=1,
            reward_sat=100, finder="1.rig", found_at=sa.func.now(), credited=True,
        )
    )  # fmt: skip
    connection.execute(
        sa.insert(tables.block_credits),
        [
            {"block_hash": block_hash, "participant_id": id_, "work_hashes": 1, "reward_sat": sat}
            for id_, sat in ((1, 60), (2, 40))
        ],
    )
    ledger.pend(connection, block_hash, 1)


@pytest.fixture
def pool(engine: sa.Engine) -> None:
    """Two participants, three workers, shares, refusals, three blocks."""
    with engine.begin() as connection:
        add_participant(connection, "Бир")
        add_participant(connection, "Эки")
        suspend_participant(connection, 2)
        for name in ("a", "b"):
            ensure_worker(connection, 1, name, limit=9)
        connection.execute(
            sa.insert(tables.totals),
            [
                {"participant_id": 1, "worker_id": 1, "accepted": 5, "work_hashes": WORK},
                {"participant_id": 1, "worker_id": 2, "accepted": 2, "work_hashes": 7},
                {"participant_id": 2, "worker_id": 3, "accepted": 1, "work_hashes": 1},
            ],
        )
        connection.execute(
            sa.text(
                "INSERT INTO refusals (participant_id, worker_id, reason, count) VALUES"
                " (0, 0, 'unauthorized', 4), (1, 1, 'stale', 2), (1, 2, 'stale', 1)"
            )
        )
        for height, block_hash in enumerate(HASHES, 101):
            find_block(connection, height, block_hash)
        ledger.post(connection, HASHES[0], 1)
        ledger.void(connection, HASHES[1], 1)


@pytest.mark.usefixtures("pool")
def test_every_number_of_the_contract_comes_from_its_source(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    write_journal(tmp_path / "journal/0", 8)
    report(engine, 0)
    status = status_of(database, tmp_path / "journal/0")
    assert (status["network"], status["height"], status["tip"]) == ("regtest", 104, "ab" * 32)
    assert status["participants"] == [
        {
            "id": 1, "name": "Бир", "state": "active", "workers": 2, "accepted": 7, "refused": 3,
            "work_hashes": str(WORK + 7), "pending_sat": 60, "mature_sat": 60, "due_tyiyn": 0,
        },
        {
            "id": 2, "name": "Эки", "state": "suspended", "workers": 0, "accepted": 1,
            "refused": 0, "work_hashes": "1", "pending_sat": 40, "mature_sat": 40, "due_tyiyn": 0,
        },
    ]  # fmt: skip
    assert status["shares"] == {"accepted": 8, "refused": {"stale": 3, "unauthorized": 4}}
    names = ("height", "hash", "state", "reward_sat", "finder")
    assert [tuple(block[name] for name in names) for block in status["blocks"]] == [
        (103, HASHES[2], "pending", 100, "1.rig"),
        (102, HASHES[1], "orphaned", 100, "1.rig"),
        (101, HASHES[0], "mature", 100, "1.rig"),
    ]
    assert status["block_counts"] == {"pending": 1, "mature": 1, "orphaned": 1}
    assert status["ledger"] == {"balanced": True, "transfers": 10}
    assert status["journal"] == {"records": 8, "durable_lag_ms": 1.25}
    assert (status["serving"], status["why"]) == (True, None)
    assert status["hashrate"] == {"1": 1000, "2": 500}


def test_an_empty_pool_has_a_status_too(database: str, tmp_path: Path) -> None:
    status = status_of(database, tmp_path / "journal/0")
    assert (status["network"], status["height"], status["tip"]) == (None, None, None)
    assert (status["serving"], status["why"]) == (False, NOT_RUNNING)
    assert status["participants"] == status["blocks"] == status["nodes"] == []
    assert status["shares"] == {"accepted": 0, "refused": {}}
    assert status["ledger"] == {"balanced": True, "transfers": 0}
    assert status["journal"] == {"records": 0, "durable_lag_ms": 0.0}


def test_a_refused_share_kept_for_its_block_is_no_record_of_an_accepted_one(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    write_journal(tmp_path / "journal/0", 3)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.blocks).values(
                hash="cd" * 32, height=7, instance=0, sequence=1, job_key=1, reward_sat=100,
                finder="1.rig", found_at=sa.func.now(), credited=False, state="orphaned",
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(tables.block_credits).values(
                block_hash="cd" * 32, participant_id=1, work_hashes=1, reward_sat=100
            )
        )
    assert status_of(database, tmp_path / "journal/0")["journal"]["records"] == 2


def test_a_stopped_pool_shows_its_last_tip_and_that_it_does_not_serve(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    write_journal(tmp_path / "journal/0", 3)
    report(engine, 0, age_s=60)
    status = status_of(database, tmp_path / "journal/0")
    assert status["height"] == 104
    assert (status["serving"], status["why"]) == (False, NOT_RUNNING)
    assert status["hashrate"] == {}
    assert status["nodes"] == []
    assert status["journal"] == {"records": 3, "durable_lag_ms": 0.0}


def test_front_ends_count_together_and_a_journal_elsewhere_by_its_report(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    write_journal(tmp_path / "journal/0", 3)
    write_journal(tmp_path / "journal/1", 4)
    report(engine, 0, age_s=1, durable_lag_ms=2.5)
    report(engine, 7, height=105, serving=False, why="no node")
    status = status_of(database, tmp_path / "journal/0")
    assert status["height"] == 105
    assert status["serving"] is True
    assert status["hashrate"] == {"1": 2000, "2": 1000}
    assert (status["connections"], status["sessions"]) == (6, 4)
    assert status["journal"] == {"records": 3 + 4 + 99, "durable_lag_ms": 2.5}


def test_a_front_end_that_does_not_serve_says_why(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    report(engine, 0, serving=False, why="no usable node for 120 s")
    status = status_of(database, tmp_path / "journal/0")
    assert (status["serving"], status["why"]) == (False, "no usable node for 120 s")


@pytest.mark.usefixtures("pool")
def test_the_list_of_blocks_has_a_bound_and_the_counts_have_all(
    database: str, tmp_path: Path
) -> None:
    status = status_of(database, tmp_path / "journal/0", blocks_max=1)
    assert [block["height"] for block in status["blocks"]] == [103]
    assert sum(status["block_counts"].values()) == 3


@pytest.mark.usefixtures("pool")
def test_all_of_it_is_one_moment_whatever_is_committed_meanwhile(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    """A block that is booked after the first statement is in no part of the status."""
    reader = open_engine(database, Role.READ, application_name="test")
    booked: list[str] = []

    @sa.event.listens_for(reader, "after_cursor_execute")
    def book_another(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM front_ends" in statement and not booked:
            booked.append(statement)
            with engine.begin() as writing:
                find_block(writing, 104, "dd" * 32)

    with reader.connect() as connection:
        status = read_status(connection, tmp_path / "journal/0")
    reader.dispose()
    assert booked
    assert len(status["blocks"]) == 3
    assert status["ledger"]["transfers"] == 10
    assert [row["pending_sat"] for row in status["participants"]] == [60, 40]


@pytest.mark.usefixtures("pool")
def test_what_people_must_look_at_in_the_books_is_named(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    calm = status_of(database, tmp_path / "journal/0")
    assert (calm["alarms"], calm["settlement"]) == ([], {"waits_for": None, "since": None})
    with engine.begin() as connection:
        write_waits_for(connection, "journal 3 (it hangs)")
        connection.execute(
            sa.update(tables.blocks).where(tables.blocks.c.hash == HASHES[0]).values(alarm=True)
        )
    status = status_of(database, tmp_path / "journal/0")
    assert status["alarms"] == [{"height": 101, "hash": HASHES[0]}]
    assert status["settlement"]["waits_for"] == "journal 3 (it hangs)"
    assert status["settlement"]["since"]
    console = Console(width=200, record=True, file=io.StringIO())
    _show(status, console)
    text = console.export_text()
    assert "for journal 3 (it hangs)" in text
    assert f"1 posted blocks left the chain, rewards to correct: 101 {HASHES[0]}" in text


@pytest.mark.usefixtures("pool")
def test_shares_that_a_second_journal_repeats_are_no_accepted_shares(
    database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    write_journal(tmp_path / "journal/0", 8)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(tables.journal_positions).values(instance=0, next_sequence=8, repeats=3)
        )
    assert status_of(database, tmp_path / "journal/0")["journal"]["records"] == 5


SHIPPED = {
    "mode": "sync", "together": True, "away": False, "why": None, "behind": 0, "behind_s": 0.1,
    "silent_s": 0.2, "acknowledged_without": 0, "generation": 1,
}  # fmt: skip


def test_how_the_standby_fares_is_told_by_journals_and_by_database(
    engine: sa.Engine, database: str, tmp_path: Path
) -> None:
    journals = tmp_path / "journal/0"
    assert status_of(database, journals)["standby"] is None
    away = {"together": False, "away": True, "why": "no route", "behind": 7, "behind_s": 41.5}
    report(engine, 0, standby=SHIPPED)
    report(engine, 1, standby=SHIPPED | away | {"silent_s": 40.0, "acknowledged_without": 5})
    slot = "kench_standby_test"
    with engine.begin() as connection:
        create = sa.text("SELECT pg_create_physical_replication_slot(:slot, true)")
        connection.execute(create, {"slot": slot})
    try:
        said = status_of(database, journals)["standby"]
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_drop_replication_slot(:slot)"), {"slot": slot})
    assert (said["together"], said["behind_records"], said["behind_s"]) == (False, 7, 41.5)
    assert (said["database"]["connected"], said["database"]["left"]) == (False, 1)
    words, well = standby_words(said)
    assert not well
    assert words == (
        "AWAY for 40 s: no route; 7 shares are here alone, 5 acknowledged so; generation 1, "
        "DATABASE NOT CONNECTED"
    )
    words, _ = standby_words(said | {"behind_s": None})
    assert words.startswith("AWAY for 40 s: no route; what it has is not known since the start, 5")
    (tmp_path / "replaced").write_text("2\n")
    words, well = standby_words(status_of(database, journals)["standby"])
    assert (words, well) == ("THIS MACHINE WAS REPLACED: generation 2 leads", False)


PUBLISHED = {
    "together": True, "away": False, "why": None, "behind": 0, "behind_s": 0.4, "silent_s": 0.2,
    "acknowledged_without": 0,
}  # fmt: skip


def test_how_the_stream_fares_is_told_by_all_fronts_and_by_what_was_set_aside(
    engine: sa.Engine, database: str, tmp_path: Path
) -> None:
    journals = tmp_path / "journal/0"
    assert status_of(database, journals)["stream"] is None
    report(engine, 0, stream=PUBLISHED)
    assert stream_words(status_of(database, journals)["stream"]) == (
        "acknowledges, 0 shares behind", True
    )  # fmt: skip
    away = {"together": False, "away": True, "why": "no route", "behind": 7, "behind_s": 41.5}
    report(engine, 1, stream=PUBLISHED | away | {"acknowledged_without": 7})
    (tmp_path / "journal.late/12").mkdir(parents=True)
    (tmp_path / "journal.late/12/1.frames").touch()
    words, well = stream_words(status_of(database, journals)["stream"])
    assert not well
    assert words == (
        "AWAY: no route; 7 shares are here alone, 42 s, 7 were acknowledged without it, "
        "SHARES SET ASIDE of lost journals: 12"
    )


def test_a_standby_that_is_with_us_is_told_in_few_words() -> None:
    database = {"connected": True, "behind_bytes": 4096, "left": 0, "left_bytes": 0}
    said = {
        "mode": "sync", "generation": 3, "replaced_by": None, "away": False, "why": None,
        "together": True, "behind_records": 0, "behind_s": 0.2, "silent_s": 0.1,
        "acknowledged_without": 0, "database": database,
    }  # fmt: skip
    assert standby_words(said) == (
        "synchronous, 0 shares behind, generation 3, database 4.1 kB behind", True
    )  # fmt: skip
