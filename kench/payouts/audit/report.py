"""What an audit found: differences, which must not be, and remarks, which may."""

from collections.abc import Callable
from dataclasses import dataclass, field

DIFFERENCES_KEPT_MAX = 200
"""Differences kept in words; further ones are counted."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass
class Report:
    """Filled as an audit goes on; an audit that ends without differences found nothing wrong."""

    differences: list[str] = field(default_factory=list)
    differences_count: int = 0
    shares: int = 0
    unsettled_shares: int = 0
    blocks: int = 0
    waiting_blocks: int = 0
    transfers: int = 0
    manifests: int = 0
    waiting_manifests: int = 0

    def differ(self, words: str) -> None:
        """Take note of a difference."""
        self.differences_count += 1
        if len(self.differences) < DIFFERENCES_KEPT_MAX:
            self.differences.append(words)

    def compare(self, what: str, found: object, expected: object) -> None:
        """Take note where the books do not hold what was expected."""
        if found != expected:
            self.differ(f"{what} is {found}, and should be {expected}")

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.differences_count
