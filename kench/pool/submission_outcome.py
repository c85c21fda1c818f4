"""What may become of a block that was sent to a node: Core's result strings, understood (B14)."""

import enum
from typing import Any

from kench.pool.rpc import RPC_DESERIALIZATION_ERROR, RPC_VERIFY_ERROR, NodeError


class Outcome(enum.StrEnum):
    """One outcome of a block; each is counted.

    The first group is a node's verdict, the second that there is none yet, the third how the
    block ended on the best chain.
    """

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    INCONCLUSIVE = "inconclusive"
    DUPLICATE_INCONCLUSIVE = "duplicate-inconclusive"
    REJECTED = "rejected"
    DUPLICATE_INVALID = "duplicate-invalid"
    UNDECODABLE = "undecodable"
    UNVERIFIABLE = "unverifiable"

    UNREACHABLE = "unreachable"
    NOT_QUEUED = "not-queued"

    CONFIRMED = "confirmed"
    LOST = "lost"

    @property
    def is_taken(self) -> bool:
        """Whether the node holds the block and may build on it."""
        return self in {self.ACCEPTED, self.DUPLICATE, self.INCONCLUSIVE}

    @property
    def is_refused(self) -> bool:
        """Whether the node will never build on the block."""
        return self in {
            self.REJECTED,
            self.DUPLICATE_INVALID,
            self.UNDECODABLE,
            self.UNVERIFIABLE,
        }

    @property
    def is_alarm(self) -> bool:
        """Whether a person must look: the block we built is wrong, or the node is."""
        return self.is_refused or self is self.DUPLICATE_INCONCLUSIVE

    @property
    def is_end(self) -> bool:
        """Whether the block needs no more following."""
        return self in {self.CONFIRMED, self.LOST}


_BY_RESULT = {
    None: Outcome.ACCEPTED,
    "duplicate": Outcome.DUPLICATE,
    "inconclusive": Outcome.INCONCLUSIVE,
    "duplicate-inconclusive": Outcome.DUPLICATE_INCONCLUSIVE,
    "duplicate-invalid": Outcome.DUPLICATE_INVALID,
}
_BY_CODE = {
    RPC_DESERIALIZATION_ERROR: Outcome.UNDECODABLE,
    RPC_VERIFY_ERROR: Outcome.UNVERIFIABLE,
}


def outcome_of_result(result: Any) -> tuple[Outcome, str | None]:
    """Read submitblock's result; every other string is the reason of a rejection."""
    if result is None or isinstance(result, str):
        outcome = _BY_RESULT.get(result, Outcome.REJECTED)
        return outcome, result
    return Outcome.REJECTED, f"submitblock answered {result!r}"


def outcome_of_error(error: NodeError) -> tuple[Outcome, str]:
    """Read an RPC error that submitblock gave."""
    outcome = _BY_CODE.get(error.code, Outcome.REJECTED)
    return outcome, f"{error.code}: {error.message}"
