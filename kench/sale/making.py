"""Lots made of mature blocks: one for each output, with the remainders of earlier lots."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from kench.pool.errors import KenchError
from kench.pool.moments import moment_of
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.orders.rules import ApprovedVenue
from kench.sale import tables
from kench.sale.lots import LotKey
from kench.sale.shares import SharesDisagreeError, shares_of_outputs, with_carried

_BLOCKS = sa.text("""
    SELECT hash, height, coinbase_txid FROM blocks
    WHERE state = 'mature' AND NOT alarm AND coinbase_txid IS NOT NULL
        AND NOT EXISTS (SELECT FROM lots WHERE lots.block_hash = blocks.hash)
        AND EXISTS (SELECT FROM block_outputs WHERE block_outputs.block_hash = blocks.hash)
        AND NOT hash = ANY(CAST(:skipped AS text[]))
    ORDER BY height, hash LIMIT 1
""")
_OUTPUTS = sa.text(
    "SELECT vout, script, amount_sat FROM block_outputs WHERE block_hash = :hash ORDER BY vout"
)
_CREDITS = sa.text("SELECT participant_id, reward_sat FROM block_credits WHERE block_hash = :hash")
# All rows in one statement: row by row they take longer than all else of a lot.
_ADD_SHARES = sa.text("""
    INSERT INTO lot_shares (block_hash, vout, participant_id, amount_sat)
    SELECT :block_hash, :vout, * FROM unnest(CAST(:participants AS bigint[]),
        CAST(:amounts AS bigint[]))
""")
_WAITING = sa.text("""
    SELECT block_hash, vout, participant_id, lot_remainders.amount_sat
    FROM lot_remainders JOIN lots USING (block_hash, vout)
    WHERE kind = 'carried' AND venue = :venue AND NOT EXISTS (
        SELECT FROM lot_carries AS taken
        WHERE (taken.block_hash, taken.vout) = (lots.block_hash, lots.vout))
    ORDER BY 1, 2, 3
""")


class StrangeOutputError(KenchError):
    """A block of ours pays a script that no venue in force at its height has."""


class UnmadeLotsError(KenchError):
    """The lots of one block cannot be made; `block_hash` says of which."""

    def __init__(self, block_hash: str, why: KenchError) -> None:
        super().__init__(f"block {block_hash} has no lots: {why}")
        self.block_hash = block_hash


def make_lots(
    connection: sa.Connection, book: OrderBook, now_us: int, skipped: Collection[str] = ()
) -> list[LotKey]:
    """Write the lots of the lowest mature block that has none, but for those skipped.

    Returns none where every block has its lots. Raises UnmadeLotsError: then people must look.
    """
    block = connection.execute(_BLOCKS, {"skipped": list(skipped)}).one_or_none()
    if block is None:
        return []
    try:
        return _make(connection, block, book, now_us)
    except (StrangeOutputError, SharesDisagreeError, NoOrderError) as why:
        raise UnmadeLotsError(block.hash, why) from why


def _make(
    connection: sa.Connection, block: sa.Row[Any], book: OrderBook, now_us: int
) -> list[LotKey]:
    outputs = connection.execute(_OUTPUTS, {"hash": block.hash}).all()
    rows = connection.execute(_CREDITS, {"hash": block.hash})
    credits_sat = {row.participant_id: row.reward_sat for row in rows}
    shares = shares_of_outputs([output.amount_sat for output in outputs], credits_sat)
    venues = book.venues_at(block.height)
    by_script = {venue.script: venue for venue in venues.rule}
    made = []
    for output, output_shares in zip(outputs, shares, strict=True):
        venue = by_script.get(bytes(output.script))
        if venue is None:
            raise StrangeOutputError(
                f"output {output.vout} of block {block.hash} pays {bytes(output.script).hex()}, no "
                f"venue of order {venues.order}: run `kench verify`"
            )
        key = LotKey(block.hash, output.vout)
        facts = {
            "coinbase_txid": block.coinbase_txid,
            "height": block.height,
            "output_sat": output.amount_sat,
            "venues_order": venues.order,
        }
        _write(connection, key, facts, venue, output_shares, now_us)
        made.append(key)
    return made


def _write(  # noqa: PLR0913, PLR0917 - what a lot is made of
    connection: sa.Connection,
    key: LotKey,
    facts: Mapping[str, object],
    venue: ApprovedVenue,
    output_shares: Mapping[int, int],
    now_us: int,
) -> None:
    """Write one lot, taking along what waits at its venue."""
    carried: dict[int, int] = defaultdict(int)
    givers: dict[LotKey, None] = {}
    for row in connection.execute(_WAITING, {"venue": venue.venue}):
        carried[row.participant_id] += row.amount_sat
        givers[LotKey(row.block_hash, row.vout)] = None
    shares = with_carried(output_shares, carried)
    moment = moment_of(now_us)
    values = {
        "block_hash": key.block_hash,
        "vout": key.vout,
        **facts,
        "venue": venue.venue,
        "address": venue.address,
        "carried_sat": sum(carried.values()),
        "amount_sat": sum(shares.values()),
        "reason": "the block is mature",
        "made_at": moment,
        "changed_at": moment,
    }
    connection.execute(sa.insert(tables.lots), values)
    named = {"block_hash": key.block_hash, "vout": key.vout}
    connection.execute(
        _ADD_SHARES,
        {**named, "participants": list(shares), "amounts": list(shares.values())},
    )
    if givers:
        connection.execute(
            sa.insert(tables.lot_carries),
            [
                {**giver._asdict(), "to_block_hash": key.block_hash, "to_vout": key.vout}
                for giver in givers
            ],
        )
