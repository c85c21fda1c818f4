"""A small pool with two journals whose blocks were settled, and their manifests made."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from kench.payouts.proofs.service import ManifestMaker
from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.register import add_participant
from tests.payouts.journals import EASY, START_US, JournalBuilder
from tests.payouts.proofs.samples import KEY, name_of

PARTICIPANTS = 5
HARDER = 2.0**-29
"""One hash in eight meets it."""
REWARD_SAT = 5_000_000_001


@dataclass
class ProvenPool:
    """Journals 0 and 1, settled in small chunks."""

    engine: sa.Engine
    settle_engine: sa.Engine
    root: Path
    journals: list[JournalBuilder]
    block_hashes: list[str]

    def __post_init__(self) -> None:
        self.maker = ManifestMaker(self.settle_engine, self.root, KEY, SystemClock())

    def settle(self) -> None:
        """Settle all there is."""
        settlement = Settlement(self.root, SystemClock(), chunk_records=7)
        with self.engine.connect() as connection:
            while settlement.settle_chunk(connection).records:
                pass

    def round(self, height: int, *, shares: int = 9, uncredited: bool = False) -> str:
        """Mine a round over both journals, whose last share is a block; returns its hash."""
        finder = self.journals[height % 2]
        job = finder.job(height, height, branches=height % 3, reward_sat=REWARD_SAT)
        other = self.journals[1 - height % 2]
        other_job = other.job(height, height, branches=height % 3, reward_sat=REWARD_SAT)
        for index in range(shares):
            who = 1 + (index * height) % PARTICIPANTS
            time_us = START_US + height * 1000 + index
            difficulty = EASY if index % 3 else HARDER
            finder.share(job, who, who * 10, time_us=time_us, difficulty=difficulty)
            if index % 2:
                other.share(other_job, who, who * 10, time_us=time_us)
        last_us = START_US + height * 1000 + shares
        won = finder.share(job, 2, 20, block=True, time_us=last_us, uncredited=uncredited)
        # One record of the same microsecond on each side of the block.
        other.share(other_job, 3, 30, time_us=last_us)
        self.flush(last_us + 1)
        block_hash = job.block_hash(won)
        self.block_hashes.append(block_hash)
        return block_hash

    def flush(self, watermark_us: int) -> None:
        """Make both journals complete up to a time."""
        for journal in self.journals:
            journal.flush(watermark_us)

    def rotate(self) -> None:
        """Close the segments of both journals."""
        for journal in self.journals:
            journal.rotate()


def open_pool(engine: sa.Engine, settle_engine: sa.Engine, tmp_path: Path) -> ProvenPool:
    """A pool with its participants in the register and nothing mined."""
    with engine.begin() as connection:
        for number in range(1, PARTICIPANTS + 1):
            assert add_participant(connection, name_of(number))[0] == number
    root = tmp_path / "journal"
    journals = [JournalBuilder(root / str(number), number, seed=number + 1) for number in range(2)]
    return ProvenPool(engine, settle_engine, root, journals, [])
