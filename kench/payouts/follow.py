"""Found blocks followed on the chain: pended rewards are posted when deep, voided when orphaned.

What to do is a pure function of a block, its confirmations and the tip (`decide`). `ChainWatch`
asks the chain, and no database; `act` writes, and asks no chain: the two may run in two threads.

A block is asked about whenever its answer may have changed: the nodes are asked once for the last
tip seen, and where that still stands, all that stood below it stands too, one block deeper. Nothing
is written on such an inference: whatever would move money is asked of the node by hash first.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from kench.payouts import ledger, tables
from kench.payouts.transfers import BlockState
from kench.pool.nodes.chain import HeaderView
from kench.pool.nodes.facts import Tip

UNKNOWN_DEPTH = 10
"""A block that no node knows is given up when the chain is this far past its height."""
REST_MATURITIES = 2
"""A mature block is followed until it is this many times as deep as maturity asks."""
FOLLOWED_MAX = 1000
"""Blocks asked about in one look, oldest first; the rest wait until those are settled."""


class Chain(Protocol):
    """The best chain as nodes know it; `kench.pool.nodes.chain.ChainView` is the real one."""

    def tip(self) -> Tip:
        """Return the end of the best chain."""
        ...

    def header(self, block_hash: str) -> HeaderView:
        """Return where a block stands (B17)."""
        ...


class Action(enum.Enum):
    """What a look at the chain asks for."""

    NONE = "none"
    PEND = "pend"
    POST = "post"
    VOID = "void"
    ALARM = "alarm"
    CALM = "calm"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Followed:
    """A block that is still followed, as the books have it."""

    hash: str
    height: int
    state: BlockState
    attempts: int
    alarm: bool
    awaits_day: bool = False
    """By method `period`, and its day is not over: nobody knows yet what it pays to whom."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be done with a block, and on what ground."""

    block: Followed
    action: Action
    confirmations: int | None


def decide(
    block: Followed, confirmations: int | None, tip_height: int, maturity_confirmations: int
) -> Action:
    """Return what a block needs that has these confirmations (-1 off the chain, None unknown).

    Unknown is no verdict before the chain has gone on without the block for UNKNOWN_DEPTH.
    """
    on_chain = confirmations is not None and confirmations >= 1
    if confirmations is not None and on_chain:
        return _decide_on_chain(block, confirmations, maturity_confirmations)
    depth = tip_height - block.height
    is_lost = confirmations is not None or depth >= UNKNOWN_DEPTH
    if block.state is BlockState.ORPHANED:
        return Action.REST if depth >= maturity_confirmations else Action.NONE
    if not is_lost:
        return Action.NONE
    if block.state is BlockState.MATURE:
        return Action.NONE if block.alarm else Action.ALARM
    return Action.VOID


def _decide_on_chain(block: Followed, confirmations: int, maturity_confirmations: int) -> Action:
    if block.awaits_day:
        return Action.NONE
    if block.state is BlockState.ORPHANED or not block.attempts:
        return Action.PEND
    if block.state is BlockState.PENDING:
        return Action.POST if confirmations >= maturity_confirmations else Action.NONE
    if block.alarm:
        return Action.CALM
    return Action.REST if confirmations >= maturity_confirmations * REST_MATURITIES else Action.NONE


class ChainWatch:
    """Asks the chain about followed blocks, and no more often than their answers can change."""

    def __init__(self, chain: Chain, maturity_confirmations: int) -> None:
        self._chain = chain
        self._maturity_confirmations = maturity_confirmations
        self._tip: Tip | None = None
        # Last answers by hash: those on the chain of `_tip`, and others as seen under that tip.
        self._known: dict[str, int | None] = {}

    def look(self, blocks: Sequence[Followed]) -> list[Finding]:
        """Return what must be done, lowest blocks first.

        Raises what the chain raises: KenchError where no node can be asked.
        """
        tip = self._chain.tip()
        self._forget(tip, {block.hash for block in blocks})
        findings = []
        for block in sorted(blocks, key=lambda block: (block.height, block.hash)):
            if block.hash in self._known and self._decide_known(block, tip) is Action.NONE:
                continue
            view = self._chain.header(block.hash)
            if view.tip.hash == tip.hash:
                self._known[block.hash] = view.confirmations
            else:
                # Of a later chain than the one remembered: good for acting on, not for keeping.
                self._known.pop(block.hash, None)
            action = decide(
                block, view.confirmations, view.tip.height, self._maturity_confirmations
            )
            if action is not Action.NONE:
                findings.append(Finding(block, action, view.confirmations))
        return findings

    def _decide_known(self, block: Followed, tip: Tip) -> Action:
        confirmations = self._known[block.hash]
        if confirmations is not None and confirmations >= 1:
            confirmations = max(1, tip.height - block.height + 1)
        return decide(block, confirmations, tip.height, self._maturity_confirmations)

    def _forget(self, tip: Tip, hashes: set[str]) -> None:
        """Drop the answers that a change of tip may have made untrue, and those of no interest."""
        before, self._tip = self._tip, None
        if before is not None and before.hash != tip.hash:
            confirmations = self._chain.header(before.hash).confirmations
            still_stands = confirmations is not None and confirmations >= 1
            self._known = {
                block_hash: confirmations
                for block_hash, confirmations in self._known.items()
                if still_stands and confirmations is not None and confirmations >= 1
            }
        self._known = {key: self._known[key] for key in self._known.keys() & hashes}
        # Only now: had the question failed, the next look must not trust the old answers.
        self._tip = tip
        if before is None:
            self._known = {}


def read_followed(connection: sa.Connection) -> list[Followed]:
    """Return the blocks to ask about, oldest first, those that await their day or in alarm last."""
    columns = tables.blocks.c
    rows = connection.execute(
        sa.select(
            columns.hash,
            columns.height,
            columns.state,
            columns.attempts,
            columns.alarm,
            awaits_day().label("awaits_day"),
        )
        .where(columns.followed)
        .order_by(columns.alarm, awaits_day(), columns.height, columns.hash)
        .limit(FOLLOWED_MAX)
    )
    return [
        Followed(
            row.hash, row.height, BlockState(row.state), row.attempts, row.alarm, row.awaits_day
        )
        for row in rows
    ]


def awaits_day() -> sa.ColumnElement[bool]:
    """Return the condition that a row of `blocks` pays a day which is not over."""
    columns = tables.blocks.c
    return sa.and_(columns.day.is_not(None), columns.credits == 0)


def act(connection: sa.Connection, findings: Iterable[Finding]) -> None:
    """Write what was found, each in a transaction of its own.

    Raises LedgerRefusedError where the books moved since the blocks were read.
    """
    for finding in findings:
        with connection.begin():
            _act(connection, finding)


def _act(connection: sa.Connection, finding: Finding) -> None:
    block = finding.block
    match finding.action:
        case Action.PEND:
            ledger.pend(connection, block.hash, block.attempts + 1)
        case Action.POST:
            ledger.post(connection, block.hash, block.attempts)
        case Action.VOID:
            ledger.void(connection, block.hash, block.attempts)
        case Action.ALARM:
            _mark(connection, block, alarm=True)
        case Action.CALM:
            _mark(connection, block, alarm=False)
        case Action.REST:
            _mark(connection, block, followed=False)
        case Action.NONE:
            pass


def _mark(connection: sa.Connection, block: Followed, **values: bool) -> None:
    blocks = tables.blocks
    connection.execute(
        sa.update(blocks)
        .where(blocks.c.hash == block.hash, blocks.c.state == block.state)
        .values(values)
    )
