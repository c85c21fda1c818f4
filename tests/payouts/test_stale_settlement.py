"""A `kench settle` that stands still loses its lease: woken, it commits nothing and stands by."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.payouts.journals import JournalBuilder
from tests.support.settling import settling
from tests.support.stopping import (
    Process,
    await_answer,
    await_event,
    events_of,
    standing_still,
)

LEASE_S = "2"
HOLDER = "SELECT split_part(holder, ' process ', 2)::int FROM leases WHERE name = 'settle'"
ACCEPTED = "SELECT accepted FROM totals"
WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'kench settle' AND wait_event_type = 'Lock'
        AND datname = current_database()
"""
IDLE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'kench settle' AND state = 'idle in transaction'
        AND datname = current_database()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalBuilder]:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    yield builder
    builder.close()


def share(journal: JournalBuilder) -> None:
    journal.share(journal.job(1, 1))
    journal.flush()


def stop_amid_a_transaction(
    engine: sa.Engine, journal: JournalBuilder, stack: contextlib.ExitStack,
    process: Process,
) -> None:  # fmt: skip
    """Hold it up at a lock, stop it there, and let PostgreSQL go on without it."""
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE totals"))
        share(journal)
        await_answer(engine, WAITS, 1)
        stack.enter_context(standing_still(process))
    await_answer(engine, IDLE, 1)


@pytest.mark.parametrize("amid", [True, False], ids=["amid a transaction", "between two"])
def test_a_settlement_that_stood_still_commits_nothing_and_takes_over_again_in_its_turn(
    journal: JournalBuilder, engine: sa.Engine, database: str, tmp_path: Path, *, amid: bool
) -> None:
    with settling(database, tmp_path, "stale", KENCH_LEASE_S=LEASE_S) as (stale, stale_log):
        share(journal)
        await_answer(engine, ACCEPTED, 1)
        with settling(database, tmp_path, "next", KENCH_LEASE_S=LEASE_S) as (next_one, next_log):
            await_event(next_log, "another is at work, standing by")
            with contextlib.ExitStack() as stack:
                if amid:
                    stop_amid_a_transaction(engine, journal, stack, stale)
                else:
                    stack.enter_context(standing_still(stale))
                    share(journal)
                await_answer(engine, ACCEPTED, 2)
                await_answer(engine, HOLDER, next_one.pid)
            stood_by = await_event(stale_log, "another is at work, standing by")
            assert stood_by["holder"].endswith(f"process {next_one.pid}")
            share(journal)
            await_answer(engine, ACCEPTED, 3)
        # A share of each transaction, so what was committed twice would show.
        share(journal)
        await_answer(engine, ACCEPTED, 4)
        await_answer(engine, HOLDER, stale.pid)
        assert stale.poll() is None
    why = {entry["event"] for entry in events_of(stale_log)}
    assert why & {"lease lost, standing by", "lease taken from us", "database away"}
    with engine.connect() as connection:
        epoch = connection.execute(sa.text("SELECT epoch FROM leases WHERE name = 'settle'"))
        assert epoch.scalar_one() == 3
