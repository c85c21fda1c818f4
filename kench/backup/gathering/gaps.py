"""Messages that do not come: how long they are waited for, and which journals are asked for."""

import structlog

from kench.pool.clock import Clock
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.lacks import Lack, tell

LACK_S = 3.0
"""What the stream's leader does not have either for so long is lost there."""

log = structlog.get_logger("gather")


class Gaps:
    """What one archive waits for; for its thread."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._waited_for, self._since_s = 0, 0.0
        self.lacking: set[int] = set()
        """Journals that lack what the stream lost."""

    def may_come(self, sequence: int) -> bool:
        """Whether a message that is not there, or does not follow, is still waited for."""
        now_s = self._clock.monotonic()
        if sequence != self._waited_for:
            self._waited_for, self._since_s = sequence, now_s
        return now_s - self._since_s < LACK_S

    def pass_over(self, sequence: int) -> None:
        """Wait for it no more, and for those right behind it no longer than for it."""
        self._waited_for = sequence + 1
        log.critical("the stream lost a message: its front is asked for it", message=sequence)

    def lacks(self, number: int, why: str) -> None:
        """Begin to ask for a journal."""
        if number not in self.lacking:
            self.lacking.add(number)
            log.critical("a journal lacks what the stream lost", number=number, why=why)

    def has(self, number: int) -> None:
        """A message of that journal follows: it is as far as its front again."""
        if number in self.lacking:
            self.lacking.remove(number)
            log.error("a journal has again what the stream had lost", number=number)

    def tell(self, number: int, place: tuple[int, int, int]) -> None:
        """Ask for it, from where it stands; raises ClusterAwayError."""
        tell(self._cluster, number, Lack(*place))
