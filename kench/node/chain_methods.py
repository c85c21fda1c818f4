"""RPC methods that ask about blocks and the chain."""

from collections.abc import Mapping
from typing import Any

from kench.node.answers import (
    NETWORK,
    block_answer,
    chainwork,
    difficulty,
    header_answer,
    next_answer,
    transaction_answer,
)
from kench.node.blocks import HEADER_BYTES, Reader, read_block, read_transaction
from kench.node.chain import Chain
from kench.node.kernel import Entry
from kench.node.rpc import Code, Method, Parameter, RpcError
from kench.node.template import BITS, POW_LIMIT
from kench.pool.clock import Clock

HASH_DIGITS = 64
IBD_TIP_AGE_S = 24 * 60 * 60
"""A node whose tip was never younger than this says that it is in initial block download."""


def hash_argument(text: str, name: str) -> str:
    """Check a block hash as Core does; raises RpcError."""
    if len(text) != HASH_DIGITS:
        raise RpcError(
            Code.INVALID_PARAMETER,
            f"{name} must be of length {HASH_DIGITS} (not {len(text)}, for '{text}')",
        )
    try:
        bytes.fromhex(text)
    except ValueError:
        raise RpcError(
            Code.INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{text}')"
        ) from None
    return text.lower()


class ChainMethods:
    """getblock and its kin."""

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._synced = False

    def methods(self) -> Mapping[str, Method]:
        """Table of these methods."""
        height = Parameter("height", (int,))
        block_hash = (Parameter("blockhash", (str,)),)
        return {
            "decoderawtransaction": Method(
                self.decoderawtransaction, (Parameter("hexstring", (str,)),)
            ),
            "getbestblockhash": Method(self.getbestblockhash),
            "getblockchaininfo": Method(self.getblockchaininfo),
            "getblockcount": Method(self.getblockcount),
            "getblockhash": Method(self.getblockhash, (height,)),
            "getblockheader": Method(
                self.getblockheader,
                (
                    Parameter("blockhash", (str,)),
                    Parameter("verbose", (bool,), required=False, default=True),
                ),
            ),
            "getblock": Method(
                self.getblock,
                (
                    Parameter("blockhash", (str,)),
                    Parameter("verbosity", (int, bool), required=False, default=1),
                ),
            ),
            "getmininginfo": Method(self.getmininginfo),
            "invalidateblock": Method(self.invalidateblock, block_hash),
            "preciousblock": Method(self.preciousblock, block_hash),
            "reconsiderblock": Method(self.reconsiderblock, block_hash),
        }

    def find(self, text: str, name: str) -> Entry:
        """Look a block up by the hash that a caller gave; raises RpcError."""
        entry = self._chain.find(hash_argument(text, name))
        if entry is None:
            raise RpcError(Code.INVALID_ADDRESS_OR_KEY, "Block not found")
        return entry

    def getbestblockhash(self) -> str:
        """Hash of the tip."""
        return self._chain.tip.hash

    def getblockcount(self) -> int:
        """Height of the tip."""
        return self._chain.tip.height

    def getblockhash(self, height: int) -> str:
        """Hash of the block of the best chain at a height."""
        entry = self._chain.kernel.at(height)
        if entry is None:
            raise RpcError(Code.INVALID_PARAMETER, "Block height out of range")
        return entry.hash

    def getblockheader(self, block_hash: str, verbose: bool) -> Any:
        """Header of a block: an object, or 80 bytes in hex."""
        with self._chain.kernel.steady():
            entry = self.find(block_hash, "hash")
            if not verbose:
                return entry.header.hex()
            return header_answer(self._chain, entry, self._count_transactions(entry))

    def getblock(self, block_hash: str, verbosity: int) -> Any:
        """Return a block: hex at verbosity 0, else an object."""
        with self._chain.kernel.steady():
            entry = self.find(block_hash, "blockhash")
            raw = self._chain.block(entry.hash)
            if raw is None:
                raise RpcError(Code.MISC, "Block not available (not fully downloaded)")
            if verbosity <= 0:
                return raw.hex()
            return block_answer(self._chain, entry, read_block(raw), int(verbosity))

    def getblockchaininfo(self) -> dict[str, Any]:
        """State of the chain."""
        with self._chain.kernel.steady():
            tip = self._chain.tip
            median_time_s = self._chain.median_time(tip)
        return {
            "chain": NETWORK,
            "blocks": tip.height,
            "headers": tip.height,
            "bestblockhash": tip.hash,
            "bits": f"{tip.nbits:08x}",
            "target": f"{POW_LIMIT:064x}",
            "difficulty": difficulty(tip.nbits),
            "time": tip.time_s,
            "mediantime": median_time_s,
            "verificationprogress": 1,
            "initialblockdownload": self._is_initial_download(tip),
            "chainwork": chainwork(tip.height),
            "size_on_disk": self._chain.kernel.size_on_disk(),
            "pruned": False,
            "warnings": [],
        }

    def getmininginfo(self) -> dict[str, Any]:
        """State of mining; `networkhashps` is not estimated."""
        tip = self._chain.tip
        return {
            "blocks": tip.height,
            "bits": f"{BITS:08x}",
            "difficulty": difficulty(BITS),
            "target": f"{POW_LIMIT:064x}",
            "networkhashps": 0,
            "pooledtx": 0,
            "blockmintxfee": 0.00000001,
            "chain": NETWORK,
            "next": next_answer(tip.height + 1),
            "warnings": [],
        }

    def invalidateblock(self, block_hash: str) -> None:
        """Call a block invalid; the chain is built anew without it."""
        entry = self.find(block_hash, "blockhash")
        if entry.height == 0:
            raise RpcError(Code.MISC, "the first block cannot be invalid")
        self._chain.invalidate(entry)

    def reconsiderblock(self, block_hash: str) -> None:
        """Take back invalidateblock."""
        self._chain.reconsider(self.find(block_hash, "blockhash"))

    def preciousblock(self, block_hash: str) -> None:
        """Prefer a block to another of the same work; the chain is built anew if it must be."""
        self._chain.prefer(self.find(block_hash, "blockhash"))

    def _is_initial_download(self, tip: Entry) -> bool:
        """Tell whether the chain may still be old, until it once was not (Core latches it too)."""
        if not self._synced:
            self._synced = tip.time_s >= self._clock.now_us() // 1_000_000 - IBD_TIP_AGE_S
        return not self._synced

    def _count_transactions(self, entry: Entry) -> int:
        raw = self._chain.block(entry.hash)
        return 0 if raw is None else Reader(raw, HEADER_BYTES).count()

    def decoderawtransaction(self, hexstring: str) -> dict[str, Any]:
        """Tell what a serialized transaction holds."""
        try:
            reader = Reader(bytes.fromhex(hexstring))
            transaction = read_transaction(reader)
        except ValueError:
            raise RpcError(Code.DESERIALIZATION, "TX decode failed") from None
        if 2 * reader.position != len(hexstring):
            raise RpcError(Code.DESERIALIZATION, "TX decode failed")
        answer = transaction_answer(transaction)
        del answer["hex"]
        return answer
