"""A block's manifest made of the books and the journals: the same each time it is made."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench import __version__
from kench.payouts import tables as books
from kench.payouts.proofs import tables
from kench.payouts.proofs.manifest import (
    Block,
    CutShare,
    JournalWindow,
    Manifest,
    Reward,
    SignedManifest,
)
from kench.payouts.proofs.segments import SegmentDigester
from kench.payouts.proofs.tree import Leaf, Tree, digest_of_name, salt_of
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderBook

NAME_SETTLES = timedelta(minutes=10)
"""Longer than any transaction lasts."""
_ROWS_AT_ONCE = 10_000


class NoManifestError(KenchError):
    """There is no such block, or nothing was signed of it yet."""


class Kept(NamedTuple):
    """A manifest as the books keep it, and what its salts are made from."""

    signed: SignedManifest
    salt_source: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """What manifests are made of."""

    connection: sa.Connection
    journal_root: Path
    digester: SegmentDigester
    orders: OrderBook


def make_manifest(
    source: Source,
    block_hash: str,
    *,
    key: bytes,
    salt_source: bytes,
    software: str = __version__,
) -> Manifest:
    """Make the manifest of a booked block with credits; quickest in the order of booking.

    Raises NoManifestError, JournalError, OSError, and SQLAlchemy's DBAPIError.
    """
    connection, journal_root = source.connection, source.journal_root
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
    spans = _read_spans(connection, row)
    cuts = [
        CutShare(span.instance, span.from_sequence, span.cut_hashes)
        for span in spans
        if span.cut_hashes is not None
    ]
    return Manifest(
        software=software,
        key=key,
        block=Block(
            hash=row.hash,
            height=row.height,
            coinbase_txid=row.coinbase_txid,
            instance=row.instance,
            sequence=row.sequence,
            found_us=row.found_us,
            credited=row.credited,
        ),
        reward=Reward(
            row.reward_sat, row.method, row.order_number, _parameters_of(row, source.orders)
        ),
        cut=cuts[0] if cuts else None,
        journals=[
            JournalWindow(
                span.instance,
                span.from_sequence,
                span.to_sequence,
                source.digester.digests(
                    journal_root / str(span.instance), span.from_sequence, span.to_sequence
                ),
            )
            for span in spans
        ],
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
            f"nothing was signed of block {block_hash}: `kench settle` does so when its reward is "
            "pended; see `kench status`"
        )
    signed = SignedManifest(Manifest.read(bytes(row.content)), bytes(row.signature))
    return Kept(signed, bytes(row.salt_source))


def name_of(connection: sa.Connection, block_hash: str, participant_id: int) -> str:
    """Return what a participant was called when a block was found; empty where it has no name."""
    columns, former = tables.participants.c, _former_names(block_hash)
    found = connection.execute(
        sa.select(sa.func.coalesce(former.c.name, columns.name))
        .outerjoin_from(tables.participants, former, former.c.participant_id == columns.id)
        .where(columns.id == participant_id)
    )
    return found.scalar_one_or_none() or ""


def _read_spans(
    connection: sa.Connection, row: sa.Row[tuple[object, ...]]
) -> list[sa.Row[tuple[object, ...]]]:
    columns = books.block_spans.c
    spans = connection.execute(
        sa.select(books.block_spans)
        .where(columns.block_hash == row.hash)
        .order_by(columns.instance)
    ).all()
    if row.coinbase_txid is None or any(span.from_sequence is None for span in spans):
        raise NoManifestError(
            f"block {row.hash} was booked before it was kept what a manifest says: it has none"
        )
    return list(spans)


def _parameters_of(row: sa.Row[tuple[object, ...]], orders: OrderBook) -> dict[str, int | str]:
    """Return what the order says beside the method, or the day whose work is paid."""
    match row.method:
        case "period":
            return {"day": row.day.isoformat()}
        case "pplns":
            in_force = orders.reward_at(row.height)
            if in_force.order != row.order_number or in_force.rule.window_ppm is None:
                raise NoManifestError(
                    f"block {row.hash} followed order {row.order_number}, which is not in force at "
                    f"height {row.height} by the orders that are loaded"
                )
            return {"window_ppm": in_force.rule.window_ppm}
    return {}


def _read_credits(
    connection: sa.Connection, block_hash: str
) -> Iterator[tuple[int, str, int, int]]:
    """Yield participant, name, work and satoshi, by participant; so many rows at once."""
    credited, participants = books.block_credits.c, tables.participants.c
    former = _former_names(block_hash)
    rows = connection.execute(
        sa.select(
            credited.participant_id,
            sa.func.coalesce(former.c.name, participants.name, "").label("name"),
            credited.work_hashes,
            credited.reward_sat,
        )
        .outerjoin(tables.participants, participants.id == credited.participant_id)
        .outerjoin(former, former.c.participant_id == credited.participant_id)
        .where(credited.block_hash == block_hash)
        .order_by(credited.participant_id),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    for row in rows:
        yield row.participant_id, row.name, row.work_hashes, row.reward_sat


def _former_names(block_hash: str) -> sa.Subquery:
    """Who was called otherwise when a block was found, and how.

    A change of name counts for blocks that are found a while after it: by then its transaction has
    ended, so that whoever asks, and whenever, gets the same names.
    """
    former = tables.former_names.c
    blocks = books.blocks.c
    found = sa.select(blocks.found_at).where(blocks.hash == block_hash).scalar_subquery()
    return (
        sa.select(former.participant_id, former.name)
        .ext(distinct_on(former.participant_id))
        .where(former.until > found - NAME_SETTLES)
        .order_by(former.participant_id, former.until)
        .subquery()
    )
