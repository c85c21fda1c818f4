"""What a chunk brings, written to the books: totals, and blocks with what they pay."""

from collections.abc import Mapping
from decimal import Decimal

import sqlalchemy as sa

from kench.payouts import ledger, tables
from kench.payouts.rounds import FoundBlock, Paid
from kench.payouts.totals import Totals
from kench.pool.moments import moment_of

UNKNOWN_FINDER = "unknown"

# All rows in one statement: row by row they take longer than the rest of a chunk together.
_ADD_TOTALS = sa.text("""
    INSERT INTO totals (participant_id, worker_id, accepted, work_hashes)
    SELECT * FROM unnest(CAST(:participants AS bigint[]), CAST(:workers AS bigint[]),
                         CAST(:accepted AS bigint[]), CAST(:work AS numeric[]))
    ON CONFLICT (participant_id, worker_id) DO UPDATE SET
        accepted = totals.accepted + excluded.accepted,
        work_hashes = totals.work_hashes + excluded.work_hashes
""")
_ADD_CREDITS = sa.text("""
    INSERT INTO block_credits (block_hash, participant_id, work_hashes, reward_sat)
    SELECT :block_hash, * FROM unnest(CAST(:participants AS bigint[]), CAST(:work AS numeric[]),
                                      CAST(:amounts AS bigint[]))
""")


def finder_of(block: FoundBlock, names: Mapping[int, str]) -> str:
    """Return `participant.worker` of who found a block; the worker's id where it has no name."""
    if not block.participant:
        return UNKNOWN_FINDER
    return f"{block.participant}.{names.get(block.worker, f'#{block.worker}')}"


def write_totals(connection: sa.Connection, totals: Totals) -> None:
    """Add to what each worker has."""
    if not totals:
        return
    rows = sorted(totals.items())
    connection.execute(
        _ADD_TOTALS,
        {
            "participants": [participant_id for (participant_id, _), _ in rows],
            "workers": [worker_id for (_, worker_id), _ in rows],
            "accepted": [total.accepted for _, total in rows],
            "work": [Decimal(total.work_hashes) for _, total in rows],
        },
    )


def is_booked(connection: sa.Connection, block_hash: str) -> bool:
    """Say whether a block is in the books."""
    blocks = tables.blocks
    return bool(
        connection.execute(sa.select(sa.exists().where(blocks.c.hash == block_hash))).scalar_one()
    )


def worker_names(connection: sa.Connection, blocks: list[FoundBlock]) -> dict[int, str]:
    """Return the names that the register has for the finders' workers."""
    worker_ids = {block.worker for block in blocks}
    if not worker_ids:
        return {}
    workers = tables.workers.c
    rows = connection.execute(sa.select(workers.id, workers.name).where(workers.id.in_(worker_ids)))
    return {row.id: row.name for row in rows}


def book_block(connection: sa.Connection, block: FoundBlock, names: Mapping[int, str]) -> None:
    """Write a block, with what it pays where that is known; a credited one is pended at once."""
    connection.execute(
        sa.insert(tables.blocks).values(
            hash=block.hash,
            height=block.height,
            instance=block.instance,
            sequence=block.sequence,
            job_key=block.job_key,
            reward_sat=block.reward_sat,
            finder=finder_of(block, names),
            found_at=moment_of(block.time_us),
            credited=block.credited,
            order_number=block.order,
            method=block.method,
            day=block.day,
            coinbase_txid=block.coinbase_txid,
        )
    )
    outputs = [
        {
            "block_hash": block.hash,
            "vout": vout,
            "script": output.script,
            "amount_sat": output.amount_sat,
        }
        for vout, output in enumerate(block.outputs)
        if output.amount_sat
    ]
    if outputs:
        connection.execute(sa.insert(tables.block_outputs), outputs)
    if block.paid is not None:
        write_credits(connection, block.hash, block.paid)
        if block.credited:
            ledger.pend(connection, block.hash, 1)


def write_credits(connection: sa.Connection, block_hash: str, paid: Paid) -> None:
    """Write whom a block pays by which work, and which shares that is."""
    rows = sorted(paid.work_hashes.items())
    connection.execute(
        _ADD_CREDITS,
        {
            "block_hash": block_hash,
            "participants": [participant_id for participant_id, _ in rows],
            "work": [Decimal(work) for _, work in rows],
            "amounts": [paid.amounts_sat[participant_id] for participant_id, _ in rows],
        },
    )
    spans = [
        {"block_hash": block_hash, "instance": number, **span._asdict()}
        for number, span in sorted(paid.spans.items())
    ]
    if spans:
        connection.execute(sa.insert(tables.block_spans), spans)
