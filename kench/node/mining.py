"""Mining as Core's generatetoaddress does it: at the network's own target, at once."""

from itertools import count

from kench.native import sha256d
from kench.node.blocks import witness_commitment
from kench.node.chain import Chain
from kench.node.template import BITS, POW_LIMIT, TemplateMaker, subsidy_sat
from kench.pool.coinbase import EXTRANONCE1_SIZE, EXTRANONCE2_SIZE, Output, coinbase_halves
from kench.pool.coinbase import with_witness as coinbase_with_witness
from kench.pool.errors import KenchError


class MiningError(KenchError):
    """A block of ours was refused, which no input of a caller can bring about."""


class BlockMaker:
    """Mines blocks that pay one script."""

    def __init__(self, chain: Chain, templates: TemplateMaker) -> None:
        self._chain = chain
        self._templates = templates
        self._keys = count()

    def mine(self, script: bytes, tries_max: int) -> str | None:
        """Mine one block on the tip and return its hash.

        None if another block came first or `tries_max` hashes did not suffice.
        """
        block = self._templates.next_block()
        outputs = [Output(script, subsidy_sat(block.height))]
        # The key and the time keep coinbases of equal heights apart, over restarts too.
        key = ((self._templates.now_us() << 8) % 2**64) | (next(self._keys) % 256)
        head, tail = coinbase_halves(block.height, outputs, witness_commitment([]), key)
        coinbase = head + bytes(EXTRANONCE1_SIZE + EXTRANONCE2_SIZE) + tail
        header = b"".join(
            (
                block.version.to_bytes(4, "little"),
                bytes.fromhex(block.tip.hash)[::-1],
                sha256d(coinbase),
                self._templates.curtime_s(block).to_bytes(4, "little"),
                BITS.to_bytes(4, "little"),
            )
        )
        for nonce in range(min(tries_max, 1 << 32)):
            candidate = header + nonce.to_bytes(4, "little")
            digest = sha256d(candidate)
            if int.from_bytes(digest, "little") <= POW_LIMIT:
                return self._submit(candidate + b"\x01" + coinbase_with_witness(coinbase), digest)
        return None

    def _submit(self, raw: bytes, digest: bytes) -> str | None:
        refused = self._chain.submit(raw)
        if refused not in (None, "inconclusive"):
            raise MiningError(f"the node refused its own block: {refused}")
        return digest[::-1].hex() if refused is None else None
