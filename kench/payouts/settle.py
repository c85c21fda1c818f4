"""Settlement of one journal: records become totals, rounds and pended blocks, exactly once.

Each chunk is one transaction together with the journal position it was read up to. A settlement
that is killed at any point leaves either all of a chunk or nothing of it, and the next one carries
on at the position in the database. The position is locked first and moved last by
compare-and-set, so that of two settlements that read the same chunk one commits.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts import ledger, tables
from kench.payouts.rounds import FoundBlock, fold
from kench.payouts.totals import Records, Totals, work_by_participant
from kench.payouts.window import RoundWindow
from kench.pool.errors import KenchError
from kench.pool.journal.format import Flag
from kench.pool.journal.reader import JournalReader

CHUNK_RECORDS = 65_536
"""Records read into one transaction at most: 4.5 MiB."""
CHUNK_BLOCKS = 64
"""Blocks booked in one transaction at most; a chunk is cut after the last of them."""
UNKNOWN_FINDER = "unknown"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Step(enum.Enum):
    """Points of a chunk, in order; tests stop settlement at each of them."""

    BEGUN = enum.auto()
    READ = enum.auto()
    TOTALS = enum.auto()
    BLOCKS = enum.auto()
    ROUND = enum.auto()
    POSITION = enum.auto()
    COMMITTED = enum.auto()


class JournalSwappedError(KenchError):
    """The journal on disk is not the one that the books were made from."""


class SettledElsewhereError(KenchError):
    """Another settlement moved the position of this journal meanwhile."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one chunk brought."""

    records: int
    next_sequence: int
    blocks: list[FoundBlock]


def _pass_by(_step: Step) -> None:
    """Stop at no step."""


class JournalSettlement:
    """Settles the journal of one instance, chunk by chunk, on connections that it is lent."""

    def __init__(
        self,
        instance: int,
        reader: JournalReader,
        *,
        chunk_records: int = CHUNK_RECORDS,
        on_step: Callable[[Step], None] = _pass_by,
    ) -> None:
        self.instance = instance
        self._reader = reader
        self._chunk_records = chunk_records
        self._on_step = on_step
        # How far this process knows the books to be; None where the database must be asked.
        self._next_sequence: int | None = None

    def settle_chunk(self, connection: sa.Connection) -> Settled:
        """Book the next chunk in a transaction of its own; `records` is 0 where none is due.

        Raises JournalError where the journal cannot be read, JournalSwappedError,
        SettledElsewhereError, and SQLAlchemy's DBAPIError.
        """
        expected, self._next_sequence = self._next_sequence, None
        if expected is not None and self._reader.durable() == expected:
            self._next_sequence = expected
            return Settled(0, expected, [])
        with connection.begin():
            self._on_step(Step.BEGUN)
            start, last_crc32 = self._lock_position(connection)
            records = self._read(start, last_crc32)
            self._on_step(Step.READ)
            if not len(records):
                self._next_sequence = start
                return Settled(0, start, [])
            settled = self._book(connection, start, records)
            self._on_step(Step.POSITION)
        self._on_step(Step.COMMITTED)
        self._next_sequence = settled.next_sequence
        return settled

    def _book(self, connection: sa.Connection, start: int, records: Records) -> Settled:
        window = RoundWindow(_read_round(connection, self.instance))
        stretch = fold(
            records, window, self._reader.job, lambda found: _is_booked(connection, found)
        )
        _add_totals(connection, stretch.totals)
        self._on_step(Step.TOTALS)
        names = _worker_names(connection, stretch.blocks)
        for block in stretch.blocks:
            _book_block(connection, self.instance, block, names)
        self._on_step(Step.BLOCKS)
        closed = any(block.credited for block in stretch.blocks)
        changed = work_by_participant(stretch.totals)
        state = window.state()
        if closed:
            _clear_round(connection, self.instance)
        else:
            state = {participant_id: state[participant_id] for participant_id in changed}
        _write_round(connection, self.instance, state)
        self._on_step(Step.ROUND)
        end = start + len(records)
        self._move_position(connection, start, end, int(records["crc32"][-1]))
        return Settled(len(records), end, stretch.blocks)

    def _lock_position(self, connection: sa.Connection) -> tuple[int, int]:
        positions = tables.journal_positions
        connection.execute(
            insert(positions)
            .values(instance=self.instance, next_sequence=0)
            .on_conflict_do_nothing()
        )
        row = connection.execute(
            sa.select(positions.c.next_sequence, positions.c.last_crc32)
            .where(positions.c.instance == self.instance)
            .with_for_update()
        ).one()
        return row.next_sequence, row.last_crc32

    def _move_position(
        self, connection: sa.Connection, start: int, end: int, last_crc32: int
    ) -> None:
        positions = tables.journal_positions
        moved = connection.execute(
            sa.update(positions)
            .where(positions.c.instance == self.instance, positions.c.next_sequence == start)
            .values(next_sequence=end, last_crc32=last_crc32)
        )
        if moved.rowcount != 1:
            raise SettledElsewhereError(
                f"the position of journal {self.instance} moved while share {start} on was settled:"
                " stop the other `kench settle`"
            )

    def _read(self, start: int, last_crc32: int) -> Records:
        """Read the chunk after `start`, checking that the record before it is the one booked."""
        if start:
            before = self._reader.read(start - 1, 1)
            if not len(before) or int(before["crc32"][0]) != last_crc32:
                raise JournalSwappedError(
                    f"journal {self.instance} does not hold share {start - 1} as it was settled: "
                    "restore the journal that the database was made from"
                )
        records = self._reader.read(start, self._chunk_records)
        candidates = np.flatnonzero(records["flags"] & Flag.BLOCK)
        if len(candidates) > CHUNK_BLOCKS:
            records = records[: int(candidates[CHUNK_BLOCKS - 1]) + 1]
        return records


def time_of(time_us: int) -> datetime:
    """Return Unix microseconds as an exact UTC time."""
    return _EPOCH + timedelta(microseconds=time_us)


def finder_of(block: FoundBlock, names: Mapping[int, str]) -> str:
    """Return `participant.worker` of who found a block; the worker's id where it has no name."""
    if not block.participant:
        return UNKNOWN_FINDER
    return f"{block.participant}.{names.get(block.worker, f'#{block.worker}')}"


def _add_totals(connection: sa.Connection, totals: Totals) -> None:
    if not totals:
        return
    statement = insert(tables.totals)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["participant_id", "worker_id"],
            set_={
                "accepted": tables.totals.c.accepted + statement.excluded.accepted,
                "work_hashes": tables.totals.c.work_hashes + statement.excluded.work_hashes,
            },
        ),
        [
            {"participant_id": participant_id, "worker_id": worker_id, **total._asdict()}
            for (participant_id, worker_id), total in sorted(totals.items())
        ],
    )


def _is_booked(connection: sa.Connection, block_hash: str) -> bool:
    blocks = tables.blocks
    return bool(
        connection.execute(sa.select(sa.exists().where(blocks.c.hash == block_hash))).scalar_one()
    )


def _worker_names(connection: sa.Connection, blocks: list[FoundBlock]) -> dict[int, str]:
    worker_ids = {block.worker for block in blocks}
    if not worker_ids:
        return {}
    workers = tables.workers.c
    rows = connection.execute(sa.select(workers.id, workers.name).where(workers.id.in_(worker_ids)))
    return {row.id: row.name for row in rows}


def _book_block(
    connection: sa.Connection, instance: int, block: FoundBlock, names: Mapping[int, str]
) -> None:
    """Write a block with its credits; a credited one is pended at once."""
    connection.execute(
        sa.insert(tables.blocks).values(
            hash=block.hash,
            height=block.height,
            instance=instance,
            sequence=block.sequence,
            job_key=block.job_key,
            reward_sat=block.reward_sat,
            finder=finder_of(block, names),
            found_at=time_of(block.time_us),
            credited=block.credited,
        )
    )
    connection.execute(
        sa.insert(tables.block_credits),
        [
            {
                "block_hash": block.hash,
                "participant_id": participant_id,
                "work_hashes": work,
                "reward_sat": block.amounts_sat[participant_id],
            }
            for participant_id, work in sorted(block.work_hashes.items())
        ],
    )
    if block.credited:
        ledger.pend(connection, block.hash, 1)


def _read_round(connection: sa.Connection, instance: int) -> dict[int, int]:
    columns = tables.open_round.c
    rows = connection.execute(
        sa.select(columns.participant_id, columns.work_hashes).where(columns.instance == instance)
    )
    return {row.participant_id: row.work_hashes for row in rows}


def _clear_round(connection: sa.Connection, instance: int) -> None:
    columns = tables.open_round.c
    connection.execute(sa.delete(tables.open_round).where(columns.instance == instance))


def _write_round(connection: sa.Connection, instance: int, state: Mapping[int, int]) -> None:
    if not state:
        return
    statement = insert(tables.open_round)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["instance", "participant_id"],
            set_={"work_hashes": statement.excluded.work_hashes},
        ),
        [
            {"instance": instance, "participant_id": participant_id, "work_hashes": work}
            for participant_id, work in sorted(state.items())
        ],
    )
