"""Block templates as Core's getblocktemplate gives them: no mempool, so no transactions."""

from dataclasses import dataclass
from typing import Any

from kench.node.blocks import witness_commitment
from kench.node.chain import Chain
from kench.node.deployments import BIT, NAME, TOP_BITS, State, TestDummy
from kench.node.kernel import Entry
from kench.pool.bitcoin import target_from_bits
from kench.pool.clock import Clock
from kench.pool.work import target_of

BITS = 0x207F_FFFF
"""Regtest never retargets: every block has these bits."""
POW_LIMIT = target_from_bits(BITS)
BLOCK_WORK = 2
"""Expected hashes of one regtest block: floor(2**256 / (target + 1))."""

SUBSIDY_SAT = 50 * 100_000_000
HALVING_INTERVAL = 150
RETARGET_INTERVAL = 144
MAX_TIMEWARP_S = 600

_TRANSACTIONS_UPDATED = 0
"""Core counts changes of its mempool in a longpollid; without a mempool there are none."""


def subsidy_sat(height: int) -> int:
    """New coins of the block at `height` on regtest, satoshi."""
    halvings = height // HALVING_INTERVAL
    return SUBSIDY_SAT >> halvings if halvings < 64 else 0


def longpoll_id(tip_hash: str) -> str:
    """Longpollid of templates on that tip (B4): the tip's hash and a counter."""
    return f"{tip_hash}{_TRANSACTIONS_UPDATED}"


@dataclass(frozen=True, slots=True)
class NextBlock:
    """What consensus asks of the block after `tip`."""

    tip: Entry
    height: int
    version: int
    mintime_s: int
    deployment: State


class TemplateMaker:
    """Makes templates; all but the time is kept while the tip stays."""

    def __init__(self, chain: Chain, clock: Clock, block_difficulty: float) -> None:
        """`block_difficulty` 0 makes `target` that of `bits`; more makes it harder (BIP22)."""
        self._chain = chain
        self._clock = clock
        self._deployment = TestDummy(chain.kernel)
        self._next: NextBlock | None = None
        self.target = min(POW_LIMIT, target_of(block_difficulty)) if block_difficulty else POW_LIMIT

    def next_block(self) -> NextBlock:
        """Describe the block after the tip."""
        with self._chain.kernel.steady():
            return self._describe(self._chain.tip)

    def _describe(self, tip: Entry) -> NextBlock:
        known = self._next
        if known is not None and known.tip.hash == tip.hash:
            return known
        height = tip.height + 1
        mintime_s = self._chain.median_time(tip) + 1
        if height % RETARGET_INTERVAL == 0:
            # Core keeps to BIP94's timewarp rule on every network (B8).
            mintime_s = max(mintime_s, tip.time_s - MAX_TIMEWARP_S)
        state = self._deployment.state_after(tip)
        signalling = state in (State.STARTED, State.LOCKED_IN)
        version = TOP_BITS | (1 << BIT if signalling else 0)
        self._next = NextBlock(tip, height, version, mintime_s, state)
        return self._next

    def now_us(self) -> int:
        """Unix time in microseconds."""
        return self._clock.now_us()

    def curtime_s(self, block: NextBlock) -> int:
        """Time to put in a header now."""
        return max(block.mintime_s, self._clock.now_us() // 1_000_000)

    def template(self) -> dict[str, Any]:
        """Answer of getblocktemplate for the block after the tip (BIP22, BIP23, BIP9, BIP145)."""
        block = self.next_block()
        signalling = block.deployment in (State.STARTED, State.LOCKED_IN)
        active = [NAME] if block.deployment is State.ACTIVE else []
        return {
            "capabilities": ["proposal"],
            "version": block.version,
            "rules": ["csv", "!segwit", "taproot", *active],
            "vbavailable": {NAME: BIT} if signalling else {},
            "vbrequired": 0,
            "previousblockhash": block.tip.hash,
            "transactions": [],
            "coinbaseaux": {},
            "coinbasevalue": subsidy_sat(block.height),
            "longpollid": longpoll_id(block.tip.hash),
            "target": f"{self.target:064x}",
            "mintime": block.mintime_s,
            "mutable": ["time", "transactions", "prevblock"],
            "noncerange": "00000000ffffffff",
            "sigoplimit": 80_000,
            "sizelimit": 4_000_000,
            "weightlimit": 4_000_000,
            "curtime": self.curtime_s(block),
            "bits": f"{BITS:08x}",
            "height": block.height,
            "default_witness_commitment": witness_commitment([]).hex(),
        }
