"""Several journals are settled as one: the same books however shares are spread and cut."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.payouts.accounts import ALWAYS_OPEN
from kench.payouts.journals import CHUNK_BLOCKS, SILENT_US
from kench.payouts.lines import open_accounts
from kench.payouts.merge import Lane, merge
from kench.payouts.rounds import FoundBlock
from kench.payouts.settle import Settled, Settlement, Step
from kench.payouts.totals import Totals
from kench.pool.clock import ManualClock
from kench.pool.coinbase import EXTRANONCE1_COUNTER_BITS
from kench.pool.database import Role, open_engine
from kench.pool.journal.mark import DurableMark, Mark, read_mark
from kench.pool.journal.passing import Passing
from tests.payouts.books import everything
from tests.payouts.folding import Folding
from tests.payouts.journals import START_US, JournalBuilder
from tests.support.reading import may_not_write

SHARES = 60


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SETTLE, application_name="test settle")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> JournalBuilder:
    """One journal: sixty shares of four participants, with six blocks, one of them refused."""
    builder = JournalBuilder(tmp_path_factory.mktemp("single") / "journal" / "0")
    for height in (101, 102):
        job = builder.job(height, height)
        for index in range(SHARES // 2):
            builder.share(
                job,
                participant=1 + index % 4,
                worker=10 + index % 5,
                difficulty=2.0 ** -(30 + index % 3),
                block=index % 10 == 9,
                uncredited=height == 102 and index == 9,
            )
    builder.close()
    return builder


def spread(single: JournalBuilder, root: Path, where: list[int]) -> dict[int, JournalBuilder]:
    """The same shares in several journals."""
    builders = {number: JournalBuilder(root / str(number), number) for number in set(where)}
    for builder in builders.values():
        for job in single.jobs.values():
            builder.job(job.job_key, job.height)
    for record, number in zip(single.records, where, strict=True):
        builders[number].append(record.copy())
    return builders


Fate = tuple[Totals, dict[int, int], list[tuple[str, bool, dict[int, int], dict[int, int]]]]


def fate_of(blocks: list[FoundBlock]) -> list[tuple[str, bool, dict[int, int], dict[int, int]]]:
    return [(one.hash, one.credited, one.work_hashes, one.amounts_sat) for one in blocks]


def folded_at_once(single: JournalBuilder) -> Fate:
    folding = Folding(single.job_of).take(single.merged())
    return folding.totals, folding.round, fate_of(folding.blocks)


@settings(deadline=None, max_examples=60)
@given(
    journals=st.integers(1, 4),
    chance=st.integers(0, 2**32).map(Random),
)
def test_any_spread_over_journals_and_any_chunks_give_one_journals_numbers(
    single: JournalBuilder, journals: int, chance: Random
) -> None:
    where = [chance.randrange(journals) for _ in range(SHARES)]
    records = single.array()
    parts = {number: records[np.array(where) == number] for number in set(where)}
    lanes = {number: Lane(number) for number in parts}
    folding = Folding(lambda _number, key: single.jobs[key])
    while any(lane.read_up_to < len(parts[lane.number]) for lane in lanes.values()) or any(
        len(lane.records) for lane in lanes.values()
    ):
        for number, lane in lanes.items():
            upto = lane.read_up_to + chance.randint(0, 9)
            lane.extend(parts[number][lane.read_up_to : upto])
            lane.is_drained = lane.read_up_to == len(parts[number])
            lane.watermark_us = 2 * START_US
        merged = merge(list(lanes.values()))
        if merged is not None:
            folding.take(merged)
            for number, count in merged.counts.items():
                lanes[number].drop(count)
    found = folding.totals, folding.round, fate_of(folding.blocks)
    assert found == folded_at_once(single)


def settle_all(engine: sa.Engine, settlement: Settlement) -> list[Settled]:
    chunks = []
    with engine.connect() as connection:
        for _ in range(1000):
            chunks.append(settlement.settle_chunk(connection))
            if not chunks[-1].records:
                return chunks
    raise AssertionError("settlement does not come to an end")


def empty(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for table in reversed(list(everything(engine))):
            connection.execute(sa.text(f"DELETE FROM {table}"))
        open_accounts(connection, ALWAYS_OPEN)


# Where a share stands is the journal's own; what it earned must be the same in any.
EARNED = ("totals", "open_round", "block_credits", "accounts", "transfers")


@pytest.mark.parametrize("chunk_records", [1, 7, 1000])
def test_books_of_three_journals_equal_those_of_one(
    single: JournalBuilder,
    settle_engine: sa.Engine,
    engine: sa.Engine,
    tmp_path: Path,
    chunk_records: int,
) -> None:
    clock = ManualClock(2 * START_US)
    settle_all(settle_engine, Settlement(single.directory.parent, clock))
    first = everything(engine)
    empty(engine)
    where = [(index * index) % 7 % 3 for index in range(SHARES)]
    for builder in spread(single, tmp_path, where).values():
        builder.close()
    settle_all(settle_engine, Settlement(tmp_path, clock, chunk_records=chunk_records))
    again = everything(engine)
    assert {name: again[name] for name in EARNED} == {name: first[name] for name in EARNED}
    assert sum(row[1] for row in again["journal_positions"]) == SHARES


def test_killed_at_every_step_all_positions_move_together(
    single: JournalBuilder, settle_engine: sa.Engine, engine: sa.Engine, tmp_path: Path
) -> None:
    clock = ManualClock(2 * START_US)
    settle_all(settle_engine, Settlement(single.directory.parent, clock))
    first = everything(engine)
    empty(engine)
    for builder in spread(single, tmp_path, [index % 2 for index in range(SHARES)]).values():
        builder.close()

    class KilledError(Exception):
        pass

    for fuse in range(1, 200):
        left = iter(range(fuse, -1, -1))

        def burn(_step: Step, left: Iterator[int] = left) -> None:
            if next(left) == 0:
                raise KilledError

        settlement = Settlement(tmp_path, clock, chunk_records=13, on_step=burn)
        try:
            settle_all(settle_engine, settlement)
        except KilledError:
            continue
        break
    else:
        raise AssertionError("settlement never came to its end")
    again = everything(engine)
    assert {name: again[name] for name in EARNED} == {name: first[name] for name in EARNED}


def test_a_block_pays_the_work_of_all_journals_since_the_block_before(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    one, two = (JournalBuilder(tmp_path / str(number), number, number) for number in (0, 1))
    one.job(1, 101)
    two.job(1, 101)
    for time_us, builder, participant, block in (
        (10, one, 1, False), (20, two, 2, False), (30, one, 3, True), (40, two, 4, False),
        (50, two, 2, True), (60, one, 5, False),
    ):  # fmt: skip
        builder.share(
            builder.jobs[1], participant=participant, block=block, time_us=START_US + time_us
        )
    one.close()
    two.close()
    settle_all(settle_engine, Settlement(tmp_path, ManualClock(2 * START_US)))
    books = everything(settle_engine)
    shares: dict[str, set[object]] = {}
    for block_hash, participant, _, _ in books["block_credits"]:
        shares.setdefault(str(block_hash), set()).add(participant)
    assert sorted(map(sorted, shares.values())) == [[1, 2, 3], [2, 4]]
    assert {row[0] for row in books["open_round"]} == {5}


def busy_and_other(folder: Path) -> tuple[JournalBuilder, JournalBuilder]:
    """Begin journals 0 and 7; the first has ten shares, a microsecond apart."""
    busy, other = (JournalBuilder(folder / str(number), number) for number in (0, 7))
    job = busy.job(1, 101)
    for step in range(10):
        busy.share(job, time_us=START_US + step)
    busy.flush()
    return busy, other


def test_a_settlement_that_only_reads_settles_what_ended_when_its_writers_say_so(
    settle_engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the units run it: journals belong to another account."""
    busy, ended = busy_and_other(tmp_path)
    clock = ManualClock(START_US)
    ended.close()
    left = DurableMark(ended.directory)
    left.set(Mark(0, START_US + 4))
    left.close()
    settlement = Settlement(tmp_path, clock)
    with monkeypatch.context() as reads:
        may_not_write(reads)
        clock.advance(SILENT_US / 1e6 + 1)
        assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 4
        assert "start `kench stratum`" in str(settlement.waits_for)
    Passing(tmp_path, clock).look()
    with monkeypatch.context() as reads:
        may_not_write(reads)
        assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 6
    assert settlement.waits_for is None
    busy.close()


def test_a_running_front_that_says_nothing_holds_the_others_up_and_is_named(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    busy, silent = busy_and_other(tmp_path)
    clock = ManualClock(START_US)
    silent.flush(START_US + 4)
    settlement = Settlement(tmp_path, clock)
    assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 4
    assert settlement.waits_for is None
    clock.advance(SILENT_US / 1e6 + 1)
    assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 0
    assert "journal 7" in str(settlement.waits_for)
    # Its process dies, and the kernel lets go of its lock.
    silent.close()
    assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 6
    assert settlement.waits_for is None
    assert read_mark(silent.directory).watermark_us == clock.now_us()
    busy.close()


def test_what_a_killed_writer_left_past_its_mark_is_settled_in_its_place(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    other, killed = (JournalBuilder(tmp_path / str(number), number) for number in (0, 1))
    for builder in (other, killed):
        job = builder.job(1, 101)
        for step in range(4):
            builder.share(job, participant=1 + step, time_us=START_US + 2 * step)
    other.share(job, participant=9, block=True, time_us=START_US + 100)
    other.close()
    killed.close()
    held = DurableMark(killed.directory)
    held.set(Mark(1, START_US + 1))
    held.close()
    settle_all(settle_engine, Settlement(tmp_path, ManualClock(2 * START_US)))
    books = everything(settle_engine)
    assert {row[:2] for row in books["journal_positions"]} == {(0, 5), (1, 4)}
    assert books["open_round"] == set()


def test_a_journal_that_appears_is_taken_in(settle_engine: sa.Engine, tmp_path: Path) -> None:
    clock = ManualClock(START_US)
    settlement = Settlement(tmp_path, clock)
    for number in range(3):
        builder = JournalBuilder(tmp_path / str(number), number)
        job = builder.job(1, 101)
        builder.share(job, time_us=clock.now_us())
        builder.close()
        clock.advance(1)
        assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 1
    assert {row[:2] for row in everything(settle_engine)["journal_positions"]} == {
        (0, 1), (1, 1), (2, 1),
    }  # fmt: skip


def test_a_mark_of_eight_bytes_is_settled_once_its_writer_is_gone(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    builder = JournalBuilder(tmp_path / "0")
    builder.share(builder.job(1, 101))
    builder.close()
    (builder.directory / "durable").write_bytes((1).to_bytes(8, "little"))
    settlement = Settlement(tmp_path, ManualClock(2 * START_US))
    assert sum(chunk.records for chunk in settle_all(settle_engine, settlement)) == 1


def test_a_solution_that_a_resumed_session_repeats_elsewhere_earns_once(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    """From journal 0 to 1 and back: whichever is later earns nothing, also after a restart."""
    one, two = (JournalBuilder(tmp_path / str(number), number) for number in (0, 1))
    for builder in (one, two):
        builder.job(1, 101)
    given_by_one = np.frombuffer((5 | 0 << EXTRANONCE1_COUNTER_BITS).to_bytes(4, "little"), "u1")

    def mined(builder: JournalBuilder, nonce: int, time_us: int) -> None:
        record = builder.share(builder.jobs[1], participant=1)
        builder.records.pop()
        del builder._pending[-len(record.tobytes()) :]
        record["extranonce1"], record["extranonce2"] = given_by_one, 0
        record["nonce"], record["time_us"] = nonce, START_US + time_us
        builder.append(record)

    def settled(engine: sa.Engine) -> tuple[int, int]:
        for builder in (one, two):
            builder.flush(START_US + 1000)
        settlement = Settlement(tmp_path, ManualClock(START_US + 1000), chunk_records=2)
        chunks = settle_all(engine, settlement)
        return sum(chunk.records for chunk in chunks), sum(chunk.repeats for chunk in chunks)

    mined(one, 1, 10)
    mined(one, 2, 20)
    mined(two, 2, 30)  # again, by the resumed session
    mined(two, 3, 40)
    assert settled(settle_engine) == (4, 1)
    mined(one, 3, 50)  # the session went back
    mined(one, 4, 60)
    mined(two, 1, 70)
    assert settled(settle_engine) == (3, 2)
    books = everything(settle_engine)
    assert {row[2] for row in books["totals"]} == {4}
    assert {(row[0], row[4]) for row in books["journal_positions"]} == {(0, 1), (1, 2)}
    assert books["resumed_jobs"] == {(1,)}
    one.close()
    two.close()


def test_a_chunk_of_several_journals_is_cut_after_its_bound_of_blocks(
    settle_engine: sa.Engine, tmp_path: Path
) -> None:
    for number in (0, 1):
        builder = JournalBuilder(tmp_path / str(number), number, seed=number)
        job = builder.job(1, 101, block_target=2**256 - 1)
        for step in range(CHUNK_BLOCKS):
            builder.share(job, block=True, time_us=START_US + step)
        builder.close()
    chunks = settle_all(settle_engine, Settlement(tmp_path, ManualClock(2 * START_US)))
    assert [len(chunk.blocks) for chunk in chunks] == [CHUNK_BLOCKS, CHUNK_BLOCKS, 0]
