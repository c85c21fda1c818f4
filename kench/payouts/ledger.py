"""The ledger: a block's reward is pended when found, then posted or voided; never changed.

Doing it twice is doing it once: each operation names its block and attempt, and answers EXISTS
where that was done before. Every operation runs in the caller's transaction, moves the block's
state with its transfers, and is checked again by PostgreSQL when that transaction commits.

Refused, in this order: an unknown block, an attempt out of turn, a state that does not allow it.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts import tables
from kench.payouts.accounts import participant_btc
from kench.payouts.lines import insert_lines, open_accounts
from kench.payouts.transfers import BlockState, Done, Kind, transfers_of
from kench.pool.errors import KenchError


class LedgerRefusedError(KenchError):
    """An operation that the ledger's rules do not allow: the caller's books are wrong."""


class _Block(NamedTuple):
    state: BlockState
    attempts: int
    reward_sat: int


def pend(connection: sa.Connection, block_hash: str, attempt: int) -> Done:
    """Pend the reward to those credited, as attempt 1, 2, 3, … of this block.

    Attempt n + 1 follows the void of attempt n, when the block has come back to the best chain.
    """
    block = _lock(connection, block_hash)
    if attempt != block.attempts + 1:
        return _done_before(attempt <= block.attempts, Kind.PEND, block_hash, attempt, block)
    # A candidate that never pended may do so from pending as well as from orphaned.
    if block.attempts and block.state is not BlockState.ORPHANED:
        raise _refused(Kind.PEND, block_hash, attempt, block)
    _write(connection, Kind.PEND, block_hash, attempt, block)
    _move(connection, block_hash, state=BlockState.PENDING, attempts=attempt)
    return Done.CREATED


def post(connection: sa.Connection, block_hash: str, attempt: int) -> Done:
    """Make the pended reward the participants' own: the block is mature."""
    block = _lock(connection, block_hash)
    if attempt != block.attempts or attempt == 0 or block.state is not BlockState.PENDING:
        was_done = attempt == block.attempts and block.state is BlockState.MATURE
        return _done_before(was_done, Kind.POST, block_hash, attempt, block)
    _write(connection, Kind.POST, block_hash, attempt, block)
    _move(connection, block_hash, state=BlockState.MATURE)
    return Done.CREATED


def void(connection: sa.Connection, block_hash: str, attempt: int) -> Done:
    """Take the pended reward back: the block is orphaned.

    Attempt 0 stands for a candidate that never pended; it is orphaned without transfers.
    """
    block = _lock(connection, block_hash)
    if attempt != block.attempts or block.state is not BlockState.PENDING:
        was_done = attempt < block.attempts or block.state is BlockState.ORPHANED
        in_turn = 0 <= attempt <= block.attempts
        return _done_before(was_done and in_turn, Kind.VOID, block_hash, attempt, block)
    if attempt:
        _write(connection, Kind.VOID, block_hash, attempt, block)
    _move(connection, block_hash, state=BlockState.ORPHANED)
    return Done.CREATED


def _lock(connection: sa.Connection, block_hash: str) -> _Block:
    """Read a block and keep others from moving it until the transaction ends."""
    columns = tables.blocks.c
    row = connection.execute(
        sa.select(columns.state, columns.attempts, columns.reward_sat)
        .where(columns.hash == block_hash)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise LedgerRefusedError(f"block {block_hash} is not in the books: run `kench verify`")
    return _Block(BlockState(row.state), row.attempts, row.reward_sat)


def _write(
    connection: sa.Connection, kind: Kind, block_hash: str, attempt: int, block: _Block
) -> None:
    columns = tables.block_credits.c
    amounts_sat = {
        row.participant_id: row.reward_sat
        for row in connection.execute(
            sa.select(columns.participant_id, columns.reward_sat).where(
                columns.block_hash == block_hash
            )
        )
    }
    lines = list(transfers_of(kind, block_hash, attempt, amounts_sat))
    if sum(line.amount_sat for line in lines) != block.reward_sat:
        raise LedgerRefusedError(
            f"the credits of block {block_hash} do not sum to its reward: run `kench verify`"
        )
    if kind is Kind.PEND:
        open_accounts(connection, map(participant_btc, amounts_sat))
    if insert_lines(connection, [line.row() for line in lines]) != len(lines):
        raise LedgerRefusedError(
            f"attempt {attempt} of block {block_hash} has lines to {kind} it already, though its "
            "state says that it has none: run `kench verify`"
        )


def _move(connection: sa.Connection, block_hash: str, **values: object) -> None:
    connection.execute(
        sa.update(tables.blocks).where(tables.blocks.c.hash == block_hash).values(values)
    )


def _done_before(
    was_done: bool,
    kind: Kind,
    block_hash: str,
    attempt: int,
    block: _Block,
) -> Done:
    if not was_done:
        raise _refused(kind, block_hash, attempt, block)
    return Done.EXISTS


def _refused(kind: Kind, block_hash: str, attempt: int, block: _Block) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"cannot {kind} attempt {attempt} of block {block_hash}, which is {block.state} at attempt "
        f"{block.attempts}: run `kench verify`"
    )
