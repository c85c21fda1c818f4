"""Where this machine's fronts get their jobs from, where one of several machines makes them all.

leads      holds the lease: jobs of our own nodes go to our fronts, and to the board for all others
follows    jobs of the board go to our fronts; our own nodes, if any, are kept warm
alone      the cluster is away, and we have nodes: jobs of our own, for our own fronts

Everything of the cluster happens on its own loop, the lease in a thread of its own.
"""

import enum
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from nats.aio.msg import Msg

from kench.pool.clock import Clock
from kench.pool.custody import CustodyError, check_archived
from kench.pool.errors import KenchError
from kench.pool.job import Job, JobKeys
from kench.pool.looking import Looking
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.pool.nats.lease import Lease
from kench.pool.orders.book import OrderBook
from kench.pool.settings import Settings
from kench.pool.template import Template
from kench.pool.watched import RENEWALS
from kench.stratum.bodies import BodyMissingError
from kench.stratum.centre import bodies
from kench.stratum.centre.board import ASK_S, LEASE, SUBJECT, Board, Posted
from kench.stratum.centre.delivery import Delivery
from kench.stratum.centre.message import (
    HeardJob,
    MessageRefusedError,
    Refusal,
    decode,
    encode,
)
from kench.stratum.maker.upstream import Downstream, Upstream, body_hex

if TYPE_CHECKING:
    from concurrent.futures import Future

# The board is looked at so often, for what was not heard.
LOOK_S = 2.0
# Turns of the lease in a row that the cluster did not answer, after which it counts as away.
UNANSWERED_MAX = 3
STOP_S = 3.0
# A body of some megabytes is there after its job, within this.
BODY_S, BODY_AGAIN_S = 5.0, 0.1

log = structlog.get_logger("centre")


class Role(enum.StrEnum):
    """What this machine does about jobs."""

    LEADS = "leads"
    FOLLOWS = "follows"
    ALONE = "alone"


class Followers(Downstream, Protocol):
    """Who takes the jobs; called from threads, must not wait."""

    def job_heard(self, job: Job, for_all: bool, body: Callable[[], bytes] | None) -> None:
        """Take a job that another machine made; `body` waits for its transactions in hex."""
        ...


class SharedSource(Looking):
    """The `Source` of a machine of several; `upstream_of` makes the part that has nodes."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        settings: Settings,
        clock: Clock,
        cluster: Cluster,
        holder: str,
        keys: JobKeys,
        book: Callable[[], OrderBook],
        downstream: Followers,
        upstream_of: Callable[[Downstream], Upstream] | None,
    ) -> None:
        super().__init__("centre", STOP_S)
        self._clock = clock
        self._cluster = cluster
        self._book = book
        self._downstream = downstream
        self._age_max_s = settings.feed_away_s
        self._refresh_s = settings.job_refresh_s
        self._began_s = clock.monotonic()
        self._turn_s = settings.job_lease_s / RENEWALS
        self._board = Board(cluster)
        self._delivery = Delivery(keys)
        self._upstream = upstream_of(self) if upstream_of else None
        self._lease = Lease(cluster, LEASE, holder, settings.job_lease_s, clock)
        self._role = Role.FOLLOWS
        self._network = settings.network
        # Of our own nodes: whether there are jobs, and whether they would take our blocks.
        self._makes = self._proposed = False
        self._why_none: str | None = None
        self._unanswered = 0
        self._listening = False
        self._looked_s = float("-inf")
        self._looking: Future[None] | None = None
        self._unposted: tuple[bytes, int] | None = None
        self._posting: Future[None] | None = None
        self._contested = False
        self._leader: str | None = None
        self._epoch = 0
        self._sequence = 0
        self._judged = 0
        self._served = 0
        self._shared = 0
        self._heard_s: float | None = None
        self._told: str | None = None
        self._refused: Counter[str] = Counter()

    # -- the Source that the job maker sees -------------------------------------------------

    @property
    def network(self) -> str | None:
        """The network that jobs are of, as far as it is known."""
        return (self._upstream and self._upstream.network) or self._network or self._book().network

    def status(self) -> list[Any]:
        """Return one line for each node of ours."""
        return list(self._upstream.status()) if self._upstream else []

    def custody(self) -> dict[str, Any]:
        """Return what came of checking jobs of our own against the orders."""
        if self._upstream is not None:
            return self._upstream.custody()
        return {"order": None, "checked": 0, "refused": 0, "why": None, "refused_at_us": None}

    def start(self) -> None:
        """Watch our nodes, and the cluster."""
        if self._upstream is not None:
            self._upstream.start()
        super().start()

    def stop(self) -> None:
        """Stop all threads; a lease that is held is let go, so that another leads at once."""
        super().stop()
        if self._upstream is not None:
            self._upstream.stop()
        self._let_go()

    def block_accepted(self) -> None:
        """Build on a block of ours at once, where we have nodes."""
        if self._upstream is not None:
            self._upstream.block_accepted()

    def make_retarget_job(self) -> None:
        """Give the fronts the newest job anew, whoever made it, in a search space of its own.

        It is this machine's alone: no other needs it, and the centre may be away.
        """
        threading.Thread(target=self._again, name="retarget", daemon=True).start()

    def make_again(self, *, for_all: bool = False) -> None:
        """Have a job made anew by the orders in force now; waits."""
        if self._upstream is not None and self._role is not Role.FOLLOWS:
            self._upstream.make_again(for_all=for_all)
        else:
            # The board's job may be one that the orders allow by now.
            self._sequence = self._judged = 0
            self._looked_s = float("-inf")

    def state(self) -> dict[str, Any]:
        """Return what /status and metrics show."""
        now_s = self._clock.monotonic()
        return {
            "role": self._role.value,
            "candidate": self._upstream is not None,
            "leader": self._leader,
            "epoch": self._epoch,
            "heard_s": None if self._heard_s is None else round(now_s - self._heard_s, 3),
            "away": self._why_away(),
            "refused": {one.value: self._refused[one] for one in Refusal},
        }

    # -- what our own nodes give (Downstream of Upstream) -----------------------------------

    def job_made(self, job: Job, template: Template, for_all: bool) -> None:
        """Take a job of our own: it counts while we lead, or are alone."""
        self._makes, self._why_none = True, None
        role = self._role
        if role is Role.FOLLOWS:
            return
        given = self._delivery.give(
            job, lambda one: self._downstream.job_made(one, template, for_all)
        )
        if role is Role.LEADS and self._lease.is_held and for_all:
            self._heard_s = self._clock.monotonic()
            self._unposted = (
                encode(given, self._lease.epoch, self._clock.now_us()),
                self._lease.epoch,
            )
            self._post()
            self._share_body(job, template)

    def no_job(self, why: str) -> None:
        """Hear that our nodes give nothing: another machine is to lead."""
        self._makes, self._why_none = False, why
        if self._role is not Role.FOLLOWS:
            self._downstream.no_job(why)

    def proposal_judged(self, reason: str | None) -> None:
        """Hear whether our node would take our blocks: else we do not lead."""
        self._proposed, self._why_none = reason is None, reason
        if self._role is not Role.FOLLOWS or reason is None:
            self._downstream.proposal_judged(reason)

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(self._turn_s):
            try:
                self._look()
            except Exception:
                # A defect must not leave the pool without jobs: it is said, and we go on.
                log.exception("fault in the thread of the centre")

    def _look(self) -> None:
        if not self._listening:
            self._begin()
        if self._upstream is not None:
            self._stand()
        if self._unposted is not None:
            self._post()
        now_s = self._clock.monotonic()
        if now_s - self._looked_s >= LOOK_S and (self._looking is None or self._looking.done()):
            self._looked_s = now_s
            self._looking = self._cluster.submit(self._look_at_board(), LOOK_S)
            self._looking.add_done_callback(_seen)
        self._tell_why()

    def _begin(self) -> None:
        if self._cluster.why_away is not None:
            return
        try:
            if self._upstream is not None:
                self._cluster.ask(self._board.open(), ASK_S)
                self._cluster.ask(bodies.open_stream(self._cluster), ASK_S)
            self._cluster.ask(self._cluster.client.subscribe(SUBJECT, cb=self._hear), ASK_S)
        except (ClusterAwayError, ClusterRefusedError) as away:
            log.warning("jobs of others are not heard yet", why=str(away))
        else:
            self._listening = True

    def _stand(self) -> None:
        """Take our turn at the lease, if our nodes give us jobs; see what we are now."""
        if not (self._makes and self._proposed):
            self._let_go()
            self._become(Role.FOLLOWS)
            return
        try:
            self._lease.turn()
        except (ClusterAwayError, ClusterRefusedError) as away:
            self._unanswered += 1
            if self._unanswered == UNANSWERED_MAX:
                log.warning("the cluster does not answer", why=str(away))
        else:
            self._unanswered = 0
            seen = self._lease.seen
            if seen is not None:
                self._leader, self._epoch = seen.holder, seen.epoch
        if self._lease.is_held:
            self._become(Role.LEADS)
        elif self._unanswered >= UNANSWERED_MAX:
            self._become(Role.ALONE)
        elif not self._unanswered or self._role is Role.LEADS:
            self._become(Role.FOLLOWS)

    def _become(self, role: Role) -> None:
        if role is self._role:
            return
        log.warning("jobs", now=role.value, before=self._role.value, epoch=self._lease.epoch)
        self._role = role
        if role is Role.FOLLOWS:
            self._unposted = None
            self._sequence = self._served = 0  # the board's job is to be served
        elif self._upstream is not None:
            self._downstream.proposal_judged(None)
            self._upstream.make_again(for_all=True)

    def _let_go(self) -> None:
        try:
            self._lease.release()
        except (ClusterAwayError, ClusterRefusedError) as away:
            log.warning("the lease was not let go", why=str(away))

    def _why_away(self) -> str | None:
        """Say why no job of others can come, None where it can."""
        if self._cluster.why_away is not None:
            return f"the cluster is away: {self._cluster.why_away}"
        if self._unanswered >= UNANSWERED_MAX:
            return "the cluster does not answer"
        if self._role is Role.FOLLOWS and self._leader is None:
            return "no machine makes jobs"
        quiet_s = self._clock.monotonic() - (self._heard_s or self._began_s)
        if self._role is Role.FOLLOWS and quiet_s > self._refresh_s + 2 * LOOK_S:
            return f"no job came from {self._leader}"
        return None

    def _tell_why(self) -> None:
        """Tell the fronts why the job is the last one, once for each reason."""
        why = self._why_away() if self._role is Role.FOLLOWS else None
        if why is not None and self._why_none and self._upstream is not None:
            why = f"{why}; our own nodes: {self._why_none}"
        if why != self._told:
            self._told = why
            if why is not None:
                self._downstream.no_job(why)

    # -- posting ----------------------------------------------------------------------------

    def _post(self) -> None:
        """Send what is not on the board yet, one at a time, the newest."""
        if self._posting is None or self._posting.done():
            self._posting = self._cluster.submit(self._post_newest(), 2 * ASK_S)
            self._posting.add_done_callback(_seen)

    async def _post_newest(self) -> None:
        while (unposted := self._unposted) is not None:
            message, epoch = unposted
            if not self._lease.is_held or self._lease.epoch != epoch:
                self._unposted = None
                return
            is_sure, self._contested = self._contested, False
            if not await self._board.post(message, epoch, is_sure=is_sure):
                # The next turn of the lease says who leads; if it is still us, we write over it.
                self._contested = True
                return
            if self._unposted is unposted:
                self._unposted = None

    # -- bodies -----------------------------------------------------------------------------

    def _share_body(self, job: Job, template: Template) -> None:
        """Put a template's transactions where the other machines find them, once."""
        key = job.facts.body_key
        if not job.facts.transactions or key == self._shared:
            return
        self._shared = key

        async def share() -> None:
            try:
                await bodies.share(self._cluster, key, body_hex(template))
            except BaseException:
                self._shared = 0  # the next job of the template has it tried again
                raise

        self._cluster.submit(share(), BODY_S).add_done_callback(_seen)

    def _fetch_body(self, job: Job) -> bytes:
        """Wait for a body that who leads puts there after its job; raises BodyMissingError."""
        due_s = self._clock.monotonic() + BODY_S
        key = job.facts.body_key
        while True:
            try:
                body = self._cluster.ask(bodies.fetch(self._cluster, key), BODY_S)
            except (ClusterAwayError, ClusterRefusedError) as away:
                log.debug("a body was not fetched", why=str(away))
                body = None
            if body is not None:
                return body
            if self._clock.monotonic() > due_s or self._stop.wait(BODY_AGAIN_S):
                raise BodyMissingError(f"body {key:x} did not come from the centre")

    # -- hearing, on the cluster's loop -----------------------------------------------------

    async def _hear(self, message: Msg) -> None:
        if self._stop.is_set():
            return
        try:
            await self._judge(message.data, None)
        except KenchError as fault:
            log.warning("a job of another machine could not be judged", why=str(fault))

    async def _look_at_board(self) -> None:
        if self._stop.is_set():
            return
        posted = await self._board.last()
        if self._upstream is None:
            await self._see_leader()
        if posted is not None and posted.sequence > self._sequence:
            await self._judge(posted.message, posted)

    async def _see_leader(self) -> None:
        seen = await self._board.leader()
        if seen is not None:
            self._leader, self._epoch = seen.holder, seen.epoch

    async def _judge(self, message: bytes, posted: Posted | None) -> None:
        """Follow a message, or count why not: the board's once, though it is looked at often."""
        if self._role is Role.LEADS and self._lease.is_held:
            return
        try:
            heard = decode(message, self._clock.now_us(), self._age_max_s)
            await self._check(heard)
        except MessageRefusedError as refused:
            if posted is None or posted.sequence != self._judged:
                self._refused[refused.refusal] += 1
                log.warning("job not followed", why=str(refused), refusal=refused.refusal.value)
            if posted is not None:
                self._judged = posted.sequence
        else:
            self._take(heard)
            if posted is not None:
                self._sequence = self._judged = posted.sequence

    async def _check(self, heard: HeardJob) -> None:
        """See that who leads made it and that it pays whom our orders say; else raise."""
        if heard.epoch > self._epoch:
            await self._see_leader()
        if heard.epoch != self._epoch:
            raise MessageRefusedError(
                Refusal.NOT_LEADING, f"it is of epoch {heard.epoch}, the lease is at {self._epoch}"
            )
        archived = heard.job.archived
        try:
            check_archived(archived, self._book().venues_at(archived.height).rule)
        except CustodyError as refused:
            log.critical("custody: a job of another machine was not served", why=str(refused))
            raise MessageRefusedError(Refusal.CUSTODY, refused.what) from refused
        except KenchError as none:
            raise MessageRefusedError(Refusal.CUSTODY, str(none)) from none

    def _take(self, heard: HeardJob) -> None:
        """Serve a job of another machine, unless we have it already."""
        if self._role is not Role.FOLLOWS:
            return
        self._heard_s = self._clock.monotonic()
        if heard.job.key == self._served:
            return
        self._served = heard.job.key
        self._downstream.proposal_judged(None)
        self._delivery.give(heard.job, partial(self._give_heard, for_all=heard.for_all))

    def _give_heard(self, job: Job, *, for_all: bool) -> None:
        """Give a job of another machine to the fronts, and have its body fetched for our nodes."""
        body = None if self._upstream is None else partial(self._fetch_body, job)
        self._downstream.job_heard(job, for_all, body)

    def _again(self) -> None:
        """Make another job: of our own template where we lead, else the last under a new key."""
        if self._upstream is not None and self._role is not Role.FOLLOWS:
            self._upstream.make_again()
        else:
            self._delivery.again(partial(self._give_heard, for_all=False))


def _seen(done: "Future[None]") -> None:
    """Say what came of asking the cluster, where it was not well."""
    error = None if done.cancelled() else done.exception()
    if isinstance(error, (ClusterAwayError, ClusterRefusedError)):
        log.debug("the board was not asked", why=str(error))
    elif error is not None:
        log.error("fault on the cluster's line", error=repr(error))
