"""What the payout tests ask of the books, as plain Python values."""

import sqlalchemy as sa

from kench.payouts import tables
from kench.pool.moments import moment_of
from tests.payouts.journals import START_US

TABLES = (
    tables.journal_positions,
    tables.totals,
    tables.repeats,
    tables.open_round,
    tables.open_day,
    tables.blocks,
    tables.block_credits,
    tables.block_outputs,
    tables.block_spans,
    tables.accounts,
    tables.transfers,
    tables.resumed_jobs,
)


def add_block(
    connection: sa.Connection,
    block_hash: str,
    amounts_sat: dict[int, int],
    *,
    height: int = 101,
    sequence: int = 0,
    credited: bool = True,
) -> None:
    """Write a found block and its credits, pended by nobody yet."""
    connection.execute(
        sa.insert(tables.blocks).values(
            hash=block_hash,
            height=height,
            instance=0,
            sequence=sequence,
            job_key=1,
            reward_sat=sum(amounts_sat.values()),
            finder="1.rig",
            found_at=moment_of(START_US),
            credited=credited,
        )
    )
    connection.execute(
        sa.insert(tables.block_credits),
        [
            {
                "block_hash": block_hash,
                "participant_id": participant_id,
                "work_hashes": 1,
                "reward_sat": amount_sat,
            }
            for participant_id, amount_sat in amounts_sat.items()
        ],
    )


def balances(connection: sa.Connection) -> dict[int, tuple[int, int]]:
    """Pending and mature satoshi of each participant, through the view that others use."""
    rows = connection.execute(sa.text("SELECT * FROM participant_balances"))
    return {row.participant_id: (row.pending_sat, row.mature_sat) for row in rows}


def ledger_check(connection: sa.Connection) -> tuple[bool, int]:
    """Whether the ledger balances, and how many transfers it has."""
    row = connection.execute(sa.text("SELECT balanced, transfers FROM ledger_check")).one()
    return row.balanced, row.transfers


def everything(engine: sa.Engine) -> dict[str, set[tuple[object, ...]]]:
    """All rows of all tables of the books, but for when transfers were written."""
    with engine.connect() as connection:
        return {
            table.name: {
                tuple(value.hex() if isinstance(value, bytes) else value for value in row)
                for row in connection.execute(
                    sa.select(*(c for c in table.columns if c.name != "created_at"))
                )
            }
            for table in TABLES
        }
