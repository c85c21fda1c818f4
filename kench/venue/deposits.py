"""Deposits from the chain: blocks are read in order, outputs to the venue's address noted.

A deposit is credited when it is deep enough, and stays so. One whose block leaves the chain before
is rejected, and seen anew if another block has it. Where the reading is, is kept without care: a
lost place means reading blocks again, which changes nothing.
"""

import json
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

from kench.pool.durable import write_whole
from kench.venue.exchange import Exchange, Place

COINBASE_MATURITY = 100
KEPT_BLOCKS = 300
"""A reorganisation of more blocks than this is read like a chain never seen."""
BLOCKS_AT_ONCE = 500
BACK_MAX = 20_000
"""A venue that starts without memory looks at no older blocks."""
SATOSHI_PER_BITCOIN = 100_000_000
LEFT_THE_CHAIN = "its block left the chain"


class ChainSource(Protocol):
    """A node's calls, as `kench.pool.rpc.Node` has them."""

    def call(self, method: str, *params: Any) -> Any:
        """Call `method`; raises NodeFaultError."""
        ...


class ReadBlock(NamedTuple):
    """A block that was read."""

    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Which outputs are deposits, and when they are credited."""

    script: bytes
    confirmations: int


class DepositWatch:
    """Reads the chain into the exchange; `look` is called again and again by one thread."""

    def __init__(self, exchange: Exchange, lock: Lock, rules: Rules, place_path: Path) -> None:
        self._exchange = exchange
        self._lock = lock
        self._rules = rules
        self._script_hex = rules.script.hex()
        self._place_path = place_path
        self._read: deque[ReadBlock] = deque(_kept(place_path), maxlen=KEPT_BLOCKS)

    def look(self, node: ChainSource) -> bool:
        """Read what is new, at most BLOCKS_AT_ONCE blocks; return whether there is more.

        Raises NodeFaultError.
        """
        before = self._read[-1] if self._read else None
        tip = int(node.call("getblockcount"))
        self._leave_orphans(node, tip)
        more = self._read_blocks(node, tip)
        self._credit(node)
        if self._read and self._read[-1] != before:
            write_whole(self._place_path, json.dumps(list(self._read)).encode())
        return more

    def _leave_orphans(self, node: ChainSource, tip: int) -> None:
        while self._read:
            last = self._read[-1]
            if last.height <= tip and node.call("getblockhash", last.height) == last.block_hash:
                return
            with self._lock:
                for deposit in list(self._exchange.uncredited.values()):
                    if deposit.place.block_hash == last.block_hash:
                        self._exchange.reject_deposit(deposit.txid, deposit.vout, LEFT_THE_CHAIN)
            self._read.pop()

    def _read_blocks(self, node: ChainSource, tip: int) -> bool:
        first = self._read[-1].height + 1 if self._read else max(0, tip + 1 - BACK_MAX)
        last = min(tip, first + BLOCKS_AT_ONCE - 1)
        for height in range(first, last + 1):
            block_hash = str(node.call("getblockhash", height))
            block = node.call("getblock", block_hash, 2)
            if self._read and block.get("previousblockhash") != self._read[-1].block_hash:
                return True  # The chain changed under our eyes: the next look begins below.
            self._note_outputs(block, ReadBlock(height, block_hash))
            self._read.append(ReadBlock(height, block_hash))
        return last < tip

    def _note_outputs(self, block: dict[str, Any], read: ReadBlock) -> None:
        for transaction in block["tx"]:
            is_coinbase = "coinbase" in (transaction.get("vin") or [{}])[0]
            needed = self._rules.confirmations
            if is_coinbase:
                needed = max(needed, COINBASE_MATURITY)
            for output in transaction["vout"]:
                amount_sat = int(Decimal(output["value"]) * SATOSHI_PER_BITCOIN)
                if output["scriptPubKey"]["hex"] == self._script_hex and amount_sat:
                    place = Place(read.height, read.block_hash, needed)
                    with self._lock:
                        self._exchange.see_deposit(
                            transaction["txid"], int(output["n"]), amount_sat, place
                        )

    def _credit(self, node: ChainSource) -> None:
        """Credit what is deep enough under the newest block that was read."""
        if not self._read:
            return
        height = self._read[-1].height
        with self._lock:
            due = [
                deposit
                for deposit in self._exchange.uncredited.values()
                if height - deposit.place.height + 1 >= deposit.place.needed
            ]
        for deposit in due:
            # Its block may have left the chain while nobody looked, and the place was lost.
            stands = node.call("getblockhash", deposit.place.height) == deposit.place.block_hash
            with self._lock:
                if stands:
                    self._exchange.credit_deposit(deposit.txid, deposit.vout)
                else:
                    self._exchange.reject_deposit(deposit.txid, deposit.vout, LEFT_THE_CHAIN)


def _kept(path: Path) -> list[ReadBlock]:
    """Return the blocks read last, oldest first; none where that is not known."""
    try:
        return [ReadBlock(int(height), str(name)) for height, name in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
