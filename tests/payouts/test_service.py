"""The settlement process: killed and carried on, without a node, without its database."""

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import httpx
import psycopg2
import pytest
import sqlalchemy as sa

from kench.payouts import ledger, tables
from kench.payouts.follow import ChainWatch, Finding, Followed
from kench.payouts.progress import Trouble
from kench.payouts.service import BooksRefusedError, Lookout, SettlementService
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.secret_sources import tell_secret
from tests.payouts.books import add_block, everything
from tests.payouts.chains import ScriptedChain
from tests.payouts.folding import Folding
from tests.payouts.journals import JournalBuilder
from tests.support.registers import accept_orders, trust_settings, unguarded
from tests.support.root_process import running_root
from tests.support.stopping import await_answer
from tests.support.waiting import await_that

DEADLINE_S = 30.0
NO_NODE = "http://user:secret-of-the-node@127.0.0.1:1"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalBuilder]:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    yield builder
    if not builder.is_closed:
        builder.close()


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SETTLE, application_name="test settle", pool_size=2)
    yield engine
    engine.dispose()


class Running:
    """The service in a thread."""

    def __init__(self, engine: sa.Engine, root: Path, chain: ScriptedChain) -> None:
        self.stop = threading.Event()
        self.error: Exception | None = None
        self.service = SettlementService(
            engine, root, ChainWatch(chain, 3), SystemClock(), lease_s=2.0
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.service.run(self.stop)
        except BooksRefusedError as error:
            self.error = error

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_a_block_goes_from_journal_to_mature_while_the_journal_grows(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    chain = ScriptedChain()
    job = journal.job(1, 1)
    winner = journal.share(job, block=True)
    journal.flush()
    with Running(settle_engine, tmp_path / "journal", chain):
        await_answer(engine, "SELECT state FROM blocks", "pending")
        chain.mine(hashes=[job.block_hash(winner)])
        chain.mine(2)
        await_answer(engine, "SELECT state FROM blocks", "mature")
        for _ in range(5):
            journal.share(job)
        journal.flush()
        await_answer(engine, "SELECT accepted FROM totals", 6)


def test_shares_are_booked_while_no_node_answers(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    chain = ScriptedChain(away=True)
    job = journal.job(1, 1)
    winner = journal.share(job, block=True)
    journal.flush()
    with Running(settle_engine, tmp_path / "journal", chain):
        await_answer(engine, "SELECT state FROM blocks", "pending")
        chain.mine(hashes=[job.block_hash(winner)])
        chain.mine(2)
        chain.away = False
        await_answer(engine, "SELECT state FROM blocks", "mature")


def test_a_lost_database_connection_is_made_again(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    job = journal.job(1, 1)
    with Running(settle_engine, tmp_path / "journal", ScriptedChain()):
        for count in range(1, 4):
            journal.share(job)
            journal.flush()
            await_answer(engine, "SELECT accepted FROM totals", count)
            with engine.begin() as connection:
                connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'test settle'"
                    )
                )


def test_a_second_settlement_stands_by_and_takes_over(
    journal: JournalBuilder,
    settle_engine: sa.Engine,
    engine: sa.Engine,
    database: str,
    tmp_path: Path,
) -> None:
    job = journal.job(1, 1)
    journal.share(job)
    journal.flush()
    other = open_engine(database, Role.SETTLE, application_name="standby", pool_size=2)
    holders = "SELECT count(*) FROM leases WHERE name = 'settle' AND holder IS NOT NULL"
    with Running(other, tmp_path / "journal", ScriptedChain()):
        with Running(settle_engine, tmp_path / "journal", ScriptedChain()):
            await_answer(engine, "SELECT accepted FROM totals", 1)
            await_answer(engine, holders, 1)
        journal.share(job)
        journal.flush()
        await_answer(engine, "SELECT accepted FROM totals", 2)
        await_answer(engine, holders, 1)
    other.dispose()


def test_a_journal_in_trouble_holds_all_up_and_is_named_until_it_is_restored(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    """A block pays the work of all journals: none is passed over."""
    broken = JournalBuilder(tmp_path / "journal" / "7", instance=7)
    broken.bulk(broken.job(1, 1), 5, participants=1, difficulty=1.0)
    broken.close()
    segment = next(broken.directory.glob("*.shares"))
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1] + b"\xff")
    journal.share(journal.job(2, 1), participant=2)
    journal.close()
    waits = "SELECT waits_for LIKE '%journal/7/%restore it' FROM settlement"
    with Running(settle_engine, tmp_path / "journal", ScriptedChain()) as running:
        await_answer(engine, waits, True)
        await_answer(engine, "SELECT count(*) FROM totals", 0)
        assert "restore it" in str(running.service.why)
        segment.write_bytes(whole)
        await_answer(engine, "SELECT sum(accepted) FROM totals", 6)
        await_answer(engine, "SELECT waits_for IS NULL FROM settlement", True)
        progress = running.service.progress
        assert (running.service.why, progress.records, progress.behind_s) == (None, 6, 0.0)
        assert progress.troubles[Trouble.JOURNALS] > 0


def test_books_that_postgresql_refuses_end_the_process(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    job = journal.job(1, 1)
    journal.share(job, block=True)
    journal.flush()
    with engine.begin() as connection:
        # Another block is booked under the very same record.
        add_block(connection, "ab" * 32, {1: 5}, sequence=0)
        ledger.pend(connection, "ab" * 32, 1)
    running = Running(settle_engine, tmp_path / "journal", ScriptedChain())
    with running:
        running.thread.join(DEADLINE_S)
    assert "kench verify" in str(running.error)


def settling(
    database: str, data: Path, **more: str
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run `kench settle` as a process of its own; it is gone afterwards."""
    variables = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(data), **more}
    if "KENCH_NODE_URLS" not in more:
        variables = tell_secret(variables, data / "secrets", "node_urls", NO_NODE)
    return running_root("kench.payouts", data / "settle.log", variables)


def await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "kench settle: ready\n"


def test_killed_again_and_again_it_ends_at_the_same_numbers(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    """kill -9 at random moments of a long journal of many blocks, then one run to the end."""
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 1, block_target=2**256 - 1)
    for index in range(900):
        builder.share(job, participant=1 + index % 7, worker=1 + index % 11, block=True)
    builder.close()
    chance = random.Random(7)
    reached = 0
    for _ in range(4):
        with settling(database, tmp_path):
            question = f"SELECT count(*) FROM journal_positions WHERE next_sequence > {reached}"
            await_answer(engine, question, 1)
            time.sleep(chance.uniform(0, 0.1))
        with engine.connect() as connection:
            position = sa.select(tables.journal_positions.c.next_sequence)
            reached = connection.execute(position).scalar_one()
    with settling(database, tmp_path):
        await_answer(engine, "SELECT next_sequence FROM journal_positions", 900)
    assert reached < 900, "the last kill came after the last chunk"
    folding = Folding(builder.job_of).take(builder.merged())
    books = everything(engine)
    assert books["totals"] == {(*key, *total) for key, total in folding.totals.items()}
    assert {(row[0], row[3]) for row in books["blocks"]} == {
        (block.hash, block.sequence) for block in folding.blocks
    }
    assert len(books["transfers"]) == 900


def test_sigterm_ends_it_in_order_and_its_log_keeps_the_password(
    tmp_path: Path, database: str
) -> None:
    with settling(database, tmp_path, KENCH_SETTLE_METRICS_PORT="0") as process:
        assert process.stdout is not None
        told = process.stdout.readline().split()[-1]
        await_ready(process)
        none = 'troubles_total{trouble="chain"} 0.0'
        with httpx.Client(base_url=told, trust_env=False, timeout=DEADLINE_S) as client:
            await_that(lambda: none not in client.get("/metrics").text)
            assert "kench_settle_lease_held 1.0" in client.get("/metrics").text
            assert client.get("/healthz").json() == {"works": True}
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)
    errors = (tmp_path / "settle.log").read_text()
    assert process.returncode == 0
    events = [json.loads(line) for line in errors.splitlines()]
    assert {"settling", "chain not seen"} <= {event["event"] for event in events}
    assert "secret-of-the-node" not in errors


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"KENCH_DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "KENCH_DATABASE_URL"),
        ({"KENCH_NODE_URLS": ""}, "KENCH_NODE_URLS"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, database: str, more: dict[str, str], words: str
) -> None:
    with settling(database, tmp_path, **more) as process:
        process.wait(DEADLINE_S)
    errors = (tmp_path / "settle.log").read_text()
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert words in errors


def test_on_unsound_orders_it_does_not_start(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    accept_orders(engine)
    with unguarded(engine) as connection:
        connection.execute(sa.text("DELETE FROM order_signatures WHERE officer_id = 1"))
    with settling(database, tmp_path, **trust_settings(tmp_path)) as process:
        process.wait(DEADLINE_S)
    errors = (tmp_path / "settle.log").read_text()
    assert process.returncode == 1
    assert "order 1 in the database is not sound" in errors
    assert len(errors.splitlines()) == 1


def test_an_older_schema_is_said_in_one_line(tmp_path: Path, database: str) -> None:
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with settling(database, tmp_path) as process:
        process.wait(DEADLINE_S)
    errors = (tmp_path / "settle.log").read_text()
    assert process.returncode == 1
    assert "migrate" in errors


def test_a_look_that_breaks_is_raised_where_its_answer_is_taken() -> None:
    class BrokenWatch(ChainWatch):
        def look(self, blocks: Sequence[Followed]) -> list[Finding]:
            raise ZeroDivisionError(len(blocks))

    lookout = Lookout(BrokenWatch(ScriptedChain(), 1))
    lookout.start()
    lookout.hand_over([])
    with pytest.raises(ZeroDivisionError):
        await_that(lambda: lookout.take() is not None)
    assert lookout.is_free
