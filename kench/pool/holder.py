"""The one process of a database that does a kind of work; others stand by and take over."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.database import first_line
from kench.pool.lease import LEASE_S, Lease, LeaseLostError, Work, this_process
from kench.pool.watched import RENEWALS

CONNECTIONS = 1
"""To the database, for the lease alone, beside those of the work."""
JOIN_S = 5.0
"""How long a renewal that is under way is waited for when the work has ended."""
AWAY = (DBAPIError, PoolTimeoutError)

log = structlog.get_logger("holder")


class Holder:
    """Works while this process has the lease, renewed by a thread of its own; stands by otherwise.

    What the work writes goes through `engine`: while `run` runs, each of its transactions begins
    with the fence.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        engine: sa.Engine,
        work: Work,
        clock: Clock,
        backoff: Backoff,
        *,
        lease_s: float = LEASE_S,
        name: str | None = None,
    ) -> None:
        """Prepare it; `engine` needs CONNECTIONS for it, `name` says who we are."""
        self._bare = engine
        self._work = work
        self._clock = clock
        self._backoff = backoff
        self._lease_s = lease_s
        self._name = name or this_process()
        self._runs = False
        self._stands_by = False
        self.is_away = False
        """Whether PostgreSQL did not answer when it was asked last; for any thread to read."""
        self._lease = self._new_lease()
        # The same connections, and events of its own.
        self.engine = engine.execution_options()
        sa.event.listen(self.engine, "begin", self._fence)

    @property
    def is_held(self) -> bool:
        """Whether this process is the one at work, by its own clock; for any thread."""
        return self._lease.is_held

    def require(self) -> None:
        """See that nobody has taken the work over for our silence; raises LeaseLostError.

        It asks nobody. For what no transaction can take back: the answer is as good as the clock,
        true of the moment before it was given, and not where our connection ended unnoticed.
        """
        if not self._lease.is_held:
            raise LeaseLostError(
                f"the lease {self._work.name} was not renewed for {self._lease_s:g} s, or is "
                "another's: nothing is sent"
            )

    def run(self, stop: threading.Event, work: Callable[[], None]) -> None:
        """Call `work` while the lease is held, again where it was lost and comes back.

        `work` returns when `stop` is set, and raises DBAPIError where PostgreSQL is lost and
        LeaseLostError where the lease is; other errors of its end all.
        """
        self._runs = True
        try:
            while not stop.is_set():
                stop.wait(self._guarded_turn(work))
        finally:
            self._runs = False
            self._lease.close()

    def _guarded_turn(self, work: Callable[[], None]) -> float:
        """Take a turn; return how long to wait before the next, whatever became of it."""
        try:
            return self._turn(work)
        except LeaseLostError as lost:
            log.error("lease lost, standing by", work=self._work.name, why=str(lost))
            return self._lease_s / RENEWALS
        except AWAY as away:
            self.is_away = True
            wait_s = self._backoff.fail()
            log.warning("database away", why=first_line(away), retry_s=wait_s)
            return wait_s

    def _turn(self, work: Callable[[], None]) -> float:
        """Work if the lease can be had; return how long to wait before the next try."""
        try:
            held = self._lease.take()
        except AWAY:
            self._lease.close()
            raise
        self.is_away = False
        if not held:
            self._stand_by()
            return self._lease_s / RENEWALS
        self._stands_by = False
        self._backoff.succeed()
        log.info("lease taken", work=self._work.name, epoch=self._lease.epoch)
        with self._renewed():
            work()
        return 0.0

    def _stand_by(self) -> None:
        if not self._stands_by:
            seen = self._lease.seen
            log.warning("another is at work, standing by", work=self._work.name,
                        holder=seen and seen.holder)  # fmt: skip
        self._stands_by = True

    @contextlib.contextmanager
    def _renewed(self) -> Iterator[None]:
        """Renew the lease meanwhile; it is let go afterwards."""
        ended, lease = threading.Event(), self._lease
        thread = threading.Thread(target=self._renew, args=(lease, ended), daemon=True,
                                  name=f"lease of {self._work.name}")  # fmt: skip
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(JOIN_S)
            # A renewal that hangs keeps its connection until that is cut; we take another lease.
            self._lease = self._new_lease()
            if not thread.is_alive():
                with contextlib.suppress(*AWAY):
                    lease.release()
                lease.close()

    def _renew(self, lease: Lease, ended: threading.Event) -> None:
        while not ended.wait(self._lease_s / RENEWALS):
            try:
                if not lease.renew():
                    taker = lease.seen and lease.seen.holder
                    log.error("lease taken from us", work=self._work.name, taker=taker)
                    return
            except AWAY as away:
                log.warning("lease not renewed", work=self._work.name, why=first_line(away))

    def _fence(self, connection: sa.Connection) -> None:
        if self._runs:
            self._lease.fence(connection)

    def _new_lease(self) -> Lease:
        return Lease(self._bare, self._work, self._name, self._lease_s, self._clock)
