"""A chain told what to be: the honest twin of ChainView, with branches, for the payout tests."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from kench.pool.nodes.chain import OFF_CHAIN, HeaderView
from kench.pool.nodes.facts import NoUsableNodeError, Tip


@dataclass
class ScriptedChain:
    """Blocks by hash; `best` is the best chain from height 0 on, as its hashes."""

    best: list[str] = field(default_factory=lambda: ["00" * 32])
    heights: dict[str, int] = field(default_factory=lambda: {"00" * 32: 0})
    away: bool = False
    questions: int = 0

    def mine(self, count: int = 1, hashes: Sequence[str] = (), salt: str = "") -> None:
        """Extend the best chain by these hashes, or by `count` blocks of others."""
        for index in range(len(hashes) or count):
            height = len(self.best)
            made = hashlib.sha256(f"{salt} {height} {self.best[-1]}".encode()).hexdigest()
            self.best.append(hashes[index] if hashes else made)
            self.heights[self.best[-1]] = height

    def reorganise(self, depth: int, salt: str = "other") -> list[str]:
        """Replace the last `depth` blocks by as many others and one more; return what fell off."""
        fallen = self.best[-depth:]
        del self.best[-depth:]
        self.mine(depth + 1, salt=salt)
        return fallen

    def bring_back(self, fallen: Sequence[str]) -> None:
        """Make a branch that fell off the best one again, longer than what replaced it."""
        height = self.heights[fallen[0]]
        longer = len(self.best) - height + 1
        del self.best[height:]
        self.mine(hashes=fallen)
        self.mine(max(0, longer - len(fallen)), salt="back")

    def tip(self) -> Tip:
        if self.away:
            raise NoUsableNodeError("no node answered: see KENCH_NODE_URLS")
        return Tip(self.best[-1], len(self.best) - 1, 2 * len(self.best))

    def header(self, block_hash: str) -> HeaderView:
        self.questions += 1
        tip = self.tip()
        height = self.heights.get(block_hash)
        if height is None:
            return HeaderView(None, None, tip)
        if height < len(self.best) and self.best[height] == block_hash:
            return HeaderView(tip.height - height + 1, height, tip)
        return HeaderView(OFF_CHAIN, height, tip)
