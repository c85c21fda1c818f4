"""Settlement books every share exactly once, wherever it is killed."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from kench.payouts import tables
from kench.payouts.accounts import ALWAYS_OPEN
from kench.payouts.journals import CHUNK_BLOCKS, JournalSwappedError
from kench.payouts.lines import open_accounts
from kench.payouts.settle import Settled, Settlement, Step
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.journal.format import JobNotArchivedError, JournalCorruptError
from kench.pool.journal.reader import JournalReader
from tests.payouts.books import balances, everything, ledger_check
from tests.payouts.folding import Folding
from tests.payouts.journals import JournalBuilder


class KilledError(Exception):
    """The process ends here, as far as the database can tell."""


@pytest.fixture
def journal(tmp_path: Path) -> JournalBuilder:
    """Ninety shares of four participants over two heights, with six blocks, two of them refused."""
    builder = JournalBuilder(tmp_path / "journal" / "0")
    for height in (101, 102):
        job = builder.job(height, height, branches=3)
        for index in range(45):
            builder.share(
                job,
                participant=1 + index % 4,
                worker=10 + index % 5,
                difficulty=2.0 ** -(30 + index % 3),
                block=index % 15 == 14,
                uncredited=index == 29,
            )
        builder.rotate()
    builder.close()
    return builder


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    """The database as settlement's own role sees it."""
    engine = open_engine(database, Role.SETTLE, application_name="test settle")
    yield engine
    engine.dispose()


def settle_all(engine: sa.Engine, settlement: Settlement) -> list[Settled]:
    """Settle until nothing is due."""
    chunks = []
    with engine.connect() as connection:
        for _ in range(1000):
            chunks.append(settlement.settle_chunk(connection))
            if not chunks[-1].records:
                return chunks
    raise AssertionError("settlement does not come to an end")


def settlement_of(journal: JournalBuilder, chunk_records: int = 7) -> Settlement:
    return Settlement(journal.directory.parent, SystemClock(), chunk_records=chunk_records)


def position_of(journal: JournalBuilder, settled: int, round_from: int = 0) -> tuple[int, ...]:
    last = journal.records[settled - 1]
    where = settled, int(last["crc32"]), int(last["time_us"])
    return journal.instance, *where, 0, round_from, 0


def test_books_equal_the_plain_fold_of_the_journal(
    journal: JournalBuilder, settle_engine: sa.Engine
) -> None:
    settle_all(settle_engine, settlement_of(journal))
    folding = Folding(journal.job_of).take(journal.merged())
    books = everything(settle_engine)
    assert books["totals"] == {(*key, *total) for key, total in folding.totals.items()}
    assert books["open_round"] == set(folding.round.items())
    assert books["journal_positions"] == {position_of(journal, 90, round_from=90)}
    assert books["block_credits"] == {
        (block.hash, participant_id, work, block.amounts_sat[participant_id])
        for block in folding.blocks
        for participant_id, work in block.work_hashes.items()
    }
    assert len(folding.blocks) == 6
    credited = [block for block in folding.blocks if block.credited]
    assert len(credited) == 4
    with settle_engine.connect() as connection:
        pending = {who: sat for who, (sat, mature) in balances(connection).items() if not mature}
        assert ledger_check(connection)[0]
    assert sum(pending.values()) == sum(block.reward_sat for block in credited)


@pytest.mark.parametrize("chunk_records", [1, 2, 13, 89, 90, 1000])
def test_size_of_the_chunks_does_not_matter(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, chunk_records: int
) -> None:
    settle_all(settle_engine, settlement_of(journal, 7))
    first = everything(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for table in reversed(list(first)):
            connection.execute(sa.text(f"DELETE FROM {table}"))
        open_accounts(connection, ALWAYS_OPEN)
    settle_all(settle_engine, settlement_of(journal, chunk_records))
    # Thrown away and replayed: the same to the last row.
    assert everything(engine) == first


def test_killed_at_every_step_it_ends_at_the_same_books(
    journal: JournalBuilder, settle_engine: sa.Engine, database: str
) -> None:
    """Each run is killed at the next step of some chunk, so all steps of many chunks are met."""
    survivor = itertools.count()
    for fuse in itertools.count(1):
        left = itertools.count(fuse, -1)

        def burn(_step: Step, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                raise KilledError

        settlement = Settlement(
            journal.directory.parent, SystemClock(), chunk_records=11, on_step=burn
        )
        try:
            settle_all(settle_engine, settlement)
        except KilledError:
            next(survivor)
        else:
            break
        assert fuse < 500
    assert next(survivor) >= len(Step)
    folding = Folding(journal.job_of).take(journal.merged())
    books = everything(settle_engine)
    assert books["totals"] == {(*key, *total) for key, total in folding.totals.items()}
    assert books["open_round"] == set(folding.round.items())
    assert {row[0] for row in books["blocks"]} == {block.hash for block in folding.blocks}


def test_two_settlements_of_one_journal_book_each_share_once(
    journal: JournalBuilder, settle_engine: sa.Engine
) -> None:
    one, two = settlement_of(journal, 4), settlement_of(journal, 9)
    with settle_engine.connect() as first, settle_engine.connect() as second:
        while one.settle_chunk(first).records + two.settle_chunk(second).records:
            pass
        accepted = first.execute(sa.select(sa.func.sum(tables.totals.c.accepted))).scalar_one()
    assert accepted == 88


def test_a_settlement_that_another_holds_up_gives_in_and_books_nothing(
    journal: JournalBuilder, settle_engine: sa.Engine
) -> None:
    with settle_engine.connect() as holder, settle_engine.connect() as late:
        late.execute(sa.text("SET lock_timeout = '100ms'"))
        late.commit()
        settlement_of(journal).settle_chunk(holder)
        with holder.begin():
            holder.execute(sa.select(tables.journal_positions).with_for_update())
            with pytest.raises(OperationalError, match="lock timeout"):
                settlement_of(journal).settle_chunk(late)
    assert everything(settle_engine)["journal_positions"] == {position_of(journal, 7)}


def test_a_chunk_is_cut_after_its_bound_of_blocks(tmp_path: Path, settle_engine: sa.Engine) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 101, block_target=2**256 - 1)
    for _ in range(CHUNK_BLOCKS + 5):
        builder.share(job, block=True)
    builder.close()
    chunks = settle_all(settle_engine, settlement_of(builder, 1000))
    assert [len(chunk.blocks) for chunk in chunks] == [CHUNK_BLOCKS, 5, 0]


def test_a_finder_is_named_by_the_register(
    journal: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO participants (name) VALUES ('one');"
                "INSERT INTO workers (id, participant_id, name) OVERRIDING SYSTEM VALUE "
                "VALUES (14, 1, 'rig4')"
            )
        )
    settle_all(settle_engine, settlement_of(journal))
    finders = {row[6] for row in everything(engine)["blocks"]}
    # Workers 10 to 14 in turn; each block is found by worker 14.
    assert finders == {"3.rig4", "2.rig4", "1.rig4"}


def test_another_journal_under_the_same_books_is_refused(
    journal: JournalBuilder, settle_engine: sa.Engine, tmp_path: Path
) -> None:
    settle_all(settle_engine, settlement_of(journal))
    other = JournalBuilder(tmp_path / "other" / "0", seed=2)
    job = other.job(1, 101)
    for _ in range(100):
        other.share(job)
    other.close()
    before = everything(settle_engine)
    with pytest.raises(JournalSwappedError, match="restore"):
        settle_all(settle_engine, settlement_of(other))
    assert everything(settle_engine) == before


def test_a_journal_cut_short_under_the_books_is_refused(
    journal: JournalBuilder, settle_engine: sa.Engine, tmp_path: Path
) -> None:
    settle_all(settle_engine, settlement_of(journal))
    JournalBuilder(tmp_path / "empty" / "0").close()
    with pytest.raises(JournalSwappedError):
        settle_all(settle_engine, Settlement(tmp_path / "empty", SystemClock()))


def test_a_torn_record_stops_settlement_before_it(
    journal: JournalBuilder, settle_engine: sa.Engine
) -> None:
    segment = JournalReader(journal.directory).segments()[0].path
    raw = bytearray(segment.read_bytes())
    raw[64 + 72 * 20 + 30] ^= 1
    segment.write_bytes(raw)
    with pytest.raises(JournalCorruptError):
        settle_all(settle_engine, settlement_of(journal, 7))
    assert {row[:2] for row in everything(settle_engine)["journal_positions"]} == {(0, 14)}


def test_a_block_whose_job_is_lost_stops_settlement_before_it(
    journal: JournalBuilder, settle_engine: sa.Engine
) -> None:
    (journal.directory / JournalReader(journal.directory).segments()[0].path.name).with_suffix(
        ".jobs"
    ).write_bytes(b"")
    with pytest.raises(JobNotArchivedError):
        settle_all(settle_engine, settlement_of(journal, 7))
    assert everything(settle_engine)["blocks"] == set()


def test_one_chunk_of_many_shares_is_summed_without_a_float(
    tmp_path: Path, settle_engine: sa.Engine
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 101)
    builder.bulk(job, 2000, participants=50, difficulty=3.3e14)
    builder.close()
    settle_all(settle_engine, settlement_of(builder, 65_536))
    with settle_engine.connect() as connection:
        total = connection.execute(sa.select(sa.func.sum(tables.totals.c.work_hashes))).scalar_one()
    participants = np.unique(builder.array()["participant"])
    assert total > 2**64
    assert len(everything(settle_engine)["totals"]) == len(participants)
