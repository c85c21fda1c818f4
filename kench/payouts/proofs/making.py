"""A block's manifest made of the books and the journals: the same each time it is made."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from kench import __version__
from kench.native import sha256d
from kench.payouts import tables as books
from kench.payouts.proofs import tables
from kench.payouts.proofs.ends import Ends, ends_by_time, read_ends, read_ends_before
from kench.payouts.proofs.manifest import (
    Block,
    CutShare,
    JournalWindow,
    Manifest,
    Reward,
    SignedManifest,
)
from kench.payouts.proofs.segments import digests_of
from kench.payouts.proofs.tree import Leaf, Tree, digest_of_name, salt_of
from kench.pool.bitcoin import hash_hex
from kench.pool.errors import KenchError
from kench.pool.journal.format import JournalCorruptError
from kench.pool.journal.reader import JournalReader

_ROWS_AT_ONCE = 10_000


class NoManifestError(KenchError):
    """There is no such block, or nothing was signed of it yet."""


class Kept(NamedTuple):
    """A manifest as the books keep it, and what its salts are made from."""

    signed: SignedManifest
    salt_source: bytes


class _Bounds(NamedTuple):
    """Which shares a block pays: those from `starts` on, before `ends`, but for the cut share."""

    starts: Ends
    ends: Ends
    cut: CutShare | None
    parameters: dict[str, int | str]


def make_manifest(  # noqa: PLR0913 - each is said by name
    connection: sa.Connection,
    journal_root: Path,
    block_hash: str,
    *,
    key: bytes,
    salt_source: bytes,
    software: str = __version__,
) -> Manifest:
    """Make the manifest of a booked block with credits.

    Raises NoManifestError, JournalError, OSError, and SQLAlchemy's DBAPIError.
    """
    row = connection.execute(
        sa.select(
            books.blocks,
            sa.cast(sa.extract("epoch", books.blocks.c.found_at) * 1_000_000, sa.BigInteger).label(
                "found_us"
            ),
        ).where(books.blocks.c.hash == block_hash)
    ).one_or_none()
    if row is None:
        raise NoManifestError(f"block {block_hash} is not in the books")
    bounds = _bounds_of(connection, journal_root, row)
    journals = [
        JournalWindow(
            number,
            bounds.starts.get(number, 0),
            end,
            digests_of(journal_root / str(number), bounds.starts.get(number, 0), end),
        )
        for number, end in sorted(bounds.ends.items())
    ]
    return Manifest(
        software=software,
        key=key,
        block=Block(
            hash=row.hash,
            height=row.height,
            coinbase_txid=coinbase_txid_of(journal_root, row.instance, row.sequence),
            instance=row.instance,
            sequence=row.sequence,
            found_us=row.found_us,
            credited=row.credited,
        ),
        reward=Reward(row.reward_sat, "round", 0, bounds.parameters),
        cut=bounds.cut,
        journals=journals,
        root=read_tree(connection, block_hash, salt_source).root(),
    )


def read_tree(connection: sa.Connection, block_hash: str, salt_source: bytes) -> Tree:
    """Return the tree over whom a block pays."""
    return Tree(
        Leaf(
            participant_id,
            work_hashes,
            reward_sat,
            digest_of_name(salt_of(salt_source, participant_id), name),
        )
        for participant_id, name, work_hashes, reward_sat in _read_credits(connection, block_hash)
    )


def read_kept(connection: sa.Connection, block_hash: str) -> Kept:
    """Return a manifest that was made. Raises NoManifestError, ProofRefusedError."""
    columns = tables.manifests.c
    row = connection.execute(
        sa.select(columns.content, columns.signature, columns.salt_source).where(
            columns.block_hash == block_hash
        )
    ).one_or_none()
    if row is None:
        raise NoManifestError(
            f"nothing was signed of block {block_hash} yet: `kench settle` does so where "
            "evidence_key is set"
        )
    signed = SignedManifest(Manifest.read(bytes(row.content)), bytes(row.signature))
    return Kept(signed, bytes(row.salt_source))


def name_of(connection: sa.Connection, participant_id: int) -> str:
    """Return the register's name of a participant; empty where it has none."""
    columns = tables.participants.c
    found = connection.execute(sa.select(columns.name).where(columns.id == participant_id))
    return found.scalar_one_or_none() or ""


def coinbase_txid_of(journal_root: Path, instance: int, sequence: int) -> str:
    """Return the id of the coinbase that a record stands for."""
    reader = JournalReader(journal_root / str(instance))
    records = reader.read_within(sequence, 1, sequence + 1)
    if not len(records):
        raise JournalCorruptError(f"journal {instance} has no share {sequence}: restore it")
    record = records[0]
    job = reader.job(int(record["job_key"]))
    extranonces = record["extranonce1"].tobytes() + record["extranonce2"].tobytes()
    return hash_hex(sha256d(job.coinb1 + extranonces + job.coinb2))


def _bounds_of(
    connection: sa.Connection, journal_root: Path, row: sa.Row[tuple[object, ...]]
) -> _Bounds:
    ends = read_ends(connection, row.hash)
    if not ends:
        raise NoManifestError(
            f"block {row.hash} was booked before it was kept what a manifest says: it has none"
        )
    return _Bounds(_round_starts(connection, journal_root, row, ends), ends, None, {})


def _round_starts(
    connection: sa.Connection, journal_root: Path, row: sa.Row[tuple[object, ...]], ends: Ends
) -> Ends:
    """Return where a round begins: behind the credited block that was booked before."""
    starts = read_ends_before(connection, row.hash)
    if starts:
        return starts
    # The first of which ends were kept; what was booked before it has times alone.
    blocks = books.blocks.c
    before = connection.execute(
        sa.select(
            blocks.instance,
            blocks.sequence,
            sa.cast(sa.extract("epoch", blocks.found_at) * 1_000_000, sa.BigInteger).label(
                "found_us"
            ),
        )
        .where(
            blocks.credited,
            sa.tuple_(blocks.found_at, blocks.instance, blocks.sequence)
            < sa.tuple_(row.found_at, row.instance, row.sequence),
        )
        .order_by(blocks.found_at.desc(), blocks.instance.desc(), blocks.sequence.desc())
        .limit(1)
    ).one_or_none()
    return {} if before is None else ends_by_time(journal_root, ends, before)


def _read_credits(
    connection: sa.Connection, block_hash: str
) -> Iterator[tuple[int, str, int, int]]:
    """Yield participant, name, work and satoshi, by participant; so many rows at once."""
    credited, participants = books.block_credits.c, tables.participants.c
    rows = connection.execute(
        sa.select(
            credited.participant_id,
            sa.func.coalesce(participants.name, "").label("name"),
            credited.work_hashes,
            credited.reward_sat,
        )
        .outerjoin(tables.participants, participants.id == credited.participant_id)
        .where(credited.block_hash == block_hash)
        .order_by(credited.participant_id),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    for row in rows:
        yield row.participant_id, row.name, row.work_hashes, row.reward_sat
