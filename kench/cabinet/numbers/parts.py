"""A participant's part in blocks: its work, and what that gave."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

HEIGHT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A block with its part for one participant."""

    height: int
    hash: str
    state: str
    found_at: datetime
    block_reward_sat: int
    work_hashes: int
    reward_sat: int


_PARTS = sa.text("""
    SELECT height, hash, state, found_at, blocks.reward_sat AS block_reward_sat,
        block_credits.work_hashes, block_credits.reward_sat
    FROM blocks JOIN block_credits
        ON block_credits.block_hash = blocks.hash AND participant_id = :participant_id
    WHERE height < :before ORDER BY height DESC, hash LIMIT :most
""")


def read_parts(
    db: sa.Connection, participant_id: int, *, before_height: int | None = None, at_most: int = 50
) -> list[BlockPart]:
    """Return blocks that paid the participant, newest first."""
    before = HEIGHT_MAX if before_height is None else before_height
    asked = {"participant_id": participant_id, "before": before, "most": at_most}
    return [
        BlockPart(
            row.height, row.hash, row.state, row.found_at, row.block_reward_sat,
            int(row.work_hashes), row.reward_sat,
        )
        for row in db.execute(_PARTS, asked)
    ]  # fmt: skip
