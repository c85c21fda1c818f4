"""One front process put together: feed of jobs, journal, register and the front around a loop."""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from kench.native import JobTable, RecordBuffer
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.job import Job
from kench.pool.register_feed import RegisterFeed
from kench.pool.rpc import Node
from kench.pool.settings import Settings
from kench.stratum.acknowledge import Acknowledger
from kench.stratum.admission import Admissions
from kench.stratum.blocks import FoundBlocks
from kench.stratum.contract import NewWorker
from kench.stratum.costs import CostLimits
from kench.stratum.descriptors import room_for
from kench.stratum.doors import certificate_of, doors_of
from kench.stratum.draining import Draining
from kench.stratum.extranonce import Extranonces
from kench.stratum.feed import Kind
from kench.stratum.feed_line import FeedLine
from kench.stratum.former_shares import FormerShares
from kench.stratum.front import Bounds, Found, Front
from kench.stratum.front_journal import FrontJournal
from kench.stratum.hashrate import Hashrates
from kench.stratum.jobs import JOBS_MAX
from kench.stratum.lag import LagProbe
from kench.stratum.place import Place
from kench.stratum.serving import Doors, Obstacle
from kench.stratum.session import State
from kench.stratum.tally import Tallies

# Hashes remembered for one tip before shares are refused as overloaded (native JobTable).
DUPLICATES_MAX = 1 << 24

log = structlog.get_logger("stratum")


class StratumService:
    """Owns every part of the process; what is not said to be called by threads runs on the loop."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        place: Place,
        on_fatal: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_fatal = on_fatal
        self._instance = settings.instance
        self._refresh_s = settings.job_refresh_s
        self._stale_serve_s = _stale_serve_s(settings)
        self._template_at: float | None = None
        self._job_sent_at = loop.time()
        self._lag_ms = 0.0
        self._drain_s = settings.drain_s
        self._draining: Draining | None = None
        self._why_no_template = "waiting for a node"
        directory = settings.journal_directory
        self._journal = FrontJournal(settings, clock, self._replaced)
        writer = self._journal.writer
        self._table = JobTable(JOBS_MAX, DUPLICATES_MAX)
        self._tallies = Tallies()
        self._recovered_records = writer.next_sequence
        records = RecordBuffer(settings.journal_buffer_records, writer.next_sequence)
        self._acknowledger = Acknowledger(loop, records, writer, clock)
        self._register = RegisterFeed(
            settings.database_url.get_secret_value() if settings.database_url else "",
            clock,
            self._participants_changed,
            workers_per_participant=settings.workers_per_participant,
        )
        self.front = Front(
            loop,
            clock,
            Extranonces(settings.instance),
            FormerShares(directory.parent),
            Admissions(self._register),
            self._acknowledger,
            records,
            self._table,
            self,
            _bounds(settings),
        )
        certificate = certificate_of(settings)
        self.doors = Doors(
            loop,
            self.front,
            doors_of(settings, certificate, place.ports),
            lambda _opened: self.tell(),
            certificate,
        )
        self._hashrates = Hashrates(loop.time())
        self._lag_probe = LagProbe(loop)
        self._feed = FeedLine(loop, place.feed_path, place.maker_pid, settings.instance, self)
        self._blocks = FoundBlocks(
            [Node(url.get_secret_value()) for url in settings.node_urls],
            settings.blocks_directory / str(settings.instance),
            settings.bodies_directory,
            clock,
            self._block_accepted,
            self._block_told if settings.job_source == "nats" else None,
        )

    def start(self) -> None:
        """Start threads; the doors open with the first job."""
        self._journal.start(
            self._acknowledger.on_durable, self._journal_trouble, self._journal_fault
        )
        self._register.start()
        self._blocks.start()
        self._lag_probe.start()
        self._feed.start()
        self.doors.watch_certificate()

    def close_doors(self) -> None:
        """Begin to stop: no miner is served any more."""
        self.doors.close()
        self.tell()
        self._feed.close()

    def drain(self, on_drained: Callable[[], None]) -> None:
        """Let go of all miners slowly: others serve them from now on."""
        if self._draining is None:
            self.doors.drain()
            chance = random.Random(os.urandom(8))  # noqa: S311 - an order, no secret
            self._draining = Draining(self._loop, self.front, self._drain_s, on_drained, chance)
            self._draining.begin()

    def stop_threads(self) -> None:
        """Stop everything else, in a thread, in the order of dependence."""
        self._register.stop()
        self._journal.stop()
        self.front.claims.stop()
        self._blocks.stop()

    # -- told by threads --------------------------------------------------------------------

    def _block_accepted(self) -> None:
        self._loop.call_soon_threadsafe(self._feed.send, Kind.BLOCK_ACCEPTED)

    def _block_told(self, message: bytes | None) -> None:
        self._loop.call_soon_threadsafe(self._feed.send_bytes, Kind.FOUND, message or b"")

    def _participants_changed(self, changed: frozenset[int]) -> None:
        self._loop.call_soon_threadsafe(self.front.participants_changed, changed)

    def _journal_trouble(self, error: OSError | None) -> None:
        self._loop.call_soon_threadsafe(self._take_journal_trouble, error)

    def _replaced(self, fault: KenchError) -> None:
        self._loop.call_soon_threadsafe(self._take_journal_fault, fault)

    def _journal_fault(self, fault: Exception) -> None:
        self._loop.call_soon_threadsafe(self._take_journal_fault, fault)

    # -- told by the job maker --------------------------------------------------------------

    def connected(self) -> None:
        """Tell the maker where this front stands."""
        self.front.teller.begin_anew(self.front.connections)
        self.front.origins.begin_anew(self.front.connections)
        self.front.claims.tell_anew(self.front.connections)
        self.front.guard.tell_bans_anew(self._loop.time())
        self.tell()

    def orphaned(self) -> None:
        """End the process: who made the jobs is gone, and a new one starts its own fronts."""
        log.error("the job maker is gone")
        self._on_fatal()

    def take_job(self, job: Job, *, for_all: bool) -> None:
        """Give a job to the miners it is for."""
        if for_all:
            self._template_at = self._job_sent_at = self._loop.time()
        self.front.new_job(job, for_all=for_all)
        self.doors.clear(Obstacle.NO_JOB)
        self.doors.clear(Obstacle.NO_NODE)

    def take_no_job(self, why: str) -> None:
        """Remember why no template comes; serving goes on with the last job for a while (B18)."""
        self._why_no_template = why
        if self.front.current_job() is None:
            self.doors.block(Obstacle.NO_JOB, why)

    def take_proposal(self, reason: str | None) -> None:
        """Serve only where a node would take our blocks (B20)."""
        if reason is None:
            self.doors.clear(Obstacle.NOT_PROPOSED)
        else:
            self.doors.block(Obstacle.NOT_PROPOSED, f"the node says {reason}")

    def take_values(self, kind: int, body: bytes) -> None:
        """Hear about extranonces: granted, wanted, or back."""
        self.front.claims.take_message(kind, body)

    def take_costs(self, content: dict[str, Any]) -> None:
        """Say what addresses cost here, having heard what they cost at other fronts."""
        self._feed.send(Kind.COSTS, self.front.guard.answer(content, self._loop.time()))

    def take_bans(self, content: dict[str, Any]) -> None:
        """Refuse addresses that are banned for what they did at any front."""
        self.front.guard.take_bans(content, self._loop.time())

    # -- on the loop ------------------------------------------------------------------------

    def _take_journal_trouble(self, error: OSError | None) -> None:
        if error is None:
            self.doors.clear(Obstacle.JOURNAL)
        else:
            self.doors.block(Obstacle.JOURNAL, f"{error.strerror} (it is tried again by itself)")

    def _take_journal_fault(self, fault: Exception) -> None:
        """End the process: nothing can be acknowledged any more, and a new one starts clean."""
        log.critical("journal stopped", error=repr(fault))
        self.doors.block(Obstacle.JOURNAL, str(fault))
        self._on_fatal()

    def tick(self) -> None:
        """Do what is due each second."""
        now = self._loop.time()
        if self._template_at is not None:
            if now - self._template_at > self._refresh_s + self._stale_serve_s:
                self.doors.block(Obstacle.NO_NODE, self._why_no_template)
            elif now - self._job_sent_at > self._refresh_s + 1:
                self._job_sent_at = now
                self.front.ping_all()
        self._lag_ms = self._acknowledger.take_lag_ms()
        self.tell()

    def sweep(self) -> None:
        """Do what is due each few seconds: look at every connection."""
        self._hashrates.add(self.front.take_work(), self._loop.time())
        self._register.tokens_used(self.front.take_tokens())
        self.front.sweep()
        self.front.claims.forget_old()

    def tell(self) -> None:
        """Tell the job maker the state of this front, and the refusals since the last time."""
        self._tallies.add(self.front.take_tally())
        if self._feed.is_connected:
            self._feed.send(Kind.STATE, self.state() | {"tally": self._tallies.take()})
            facts = self.front.teller.take()
            if facts:
                self._feed.send_bytes(Kind.SESSIONS, facts)
            origins = self.front.origins.take()
            if origins:
                self._feed.send_bytes(Kind.ORIGINS, origins)

    def state(self) -> dict[str, Any]:
        """Return the state of this front, as /status and PostgreSQL show it."""
        job = self.front.current_job()
        sessions = tuple(self.front.connections)
        return {
            "instance": self._instance,
            "pid": os.getpid(),
            "port": self.doors.doors[0].port,
            "height": job.archived.height - 1 if job else None,
            "tip": job.archived.prevhash if job else None,
            "job_age_s": round(self._loop.time() - self._job_sent_at, 3) if job else None,
            "connections": len(sessions),
            "sessions": sum(one.session.state is State.WORKING for one in sessions),
            "doors": [door.status() for door in self.doors.doors],
            "certificate": self.doors.certificate and self.doors.certificate.status(),
            "serving": self.doors.is_open,
            "why": self.doors.why,
            "durable_lag_ms": self._lag_ms,
            "journal_records": self._acknowledger.durable_records,
            "accepted": self._acknowledger.durable_records - self._recovered_records,
            "work_hashes": self.front.work_hashes,
            "refused": self._tallies.refused(),
            "found_blocks": self.front.found_blocks,
            "logins_refused": self.front.admissions.refused,
            "guard": self.front.guard.state(self._loop.time()),
            "turns_waiting": len(self.front.pacer),
            "fan_out_s": self.front.broadcast.last_s,
            "fan_out_sessions": self.front.broadcast.last_sent,
            "loop_lag_s": self._lag_probe.last_s,
            "loop_lag_max_s": self._lag_probe.max_s,
            "hashrate": {str(one): rate for one, rate in self._hashrates.current().items()},
            "register_fault": self._register.fault,
        } | self._journal.state()

    # -- the front's edges ------------------------------------------------------------------

    def block_found(self, found: Found) -> None:
        """Send a block to the nodes before anything else (B15)."""
        self._blocks.send(found)

    def make_worker(self, wanted: NewWorker, done: Callable[[int | None], None]) -> None:
        """Put a worker into the register, in a thread."""
        made = deferToThread(self._register.create_worker, wanted.participant, wanted.worker)
        made.addErrback(_log_worker_failure)
        made.addCallback(lambda result: done(result if isinstance(result, int) else None))

    def say(self, kind: Kind, body: bytes) -> bool:
        """Tell the job maker something of extranonces."""
        return self._feed.send_bytes(kind, body)

    def make_retarget_job(self) -> None:
        """Ask the job maker for another job of the same template."""
        self._feed.send(Kind.RETARGET)


def _log_worker_failure(failure: Failure) -> None:
    failure.trap(KenchError, SQLAlchemyError)
    log.warning("worker not entered", error=type(failure.value).__name__)


def _stale_serve_s(settings: Settings) -> float:
    """Return how long the last job is served when no new one comes from where jobs come from."""
    if settings.job_source == "nats":
        return settings.feed_away_s
    return settings.node_stale_serve_s


def _bounds(settings: Settings) -> Bounds:
    fits = room_for(settings.connections_max)
    if fits < settings.connections_max:
        log.warning(
            "fewer connections than KENCH_CONNECTIONS_MAX: raise the limit of open files "
            "(LimitNOFILE, ulimit -n)",
            fits=fits,
        )
    return Bounds(
        fits,
        settings.login_timeout_s,
        settings.send_timeout_s,
        settings.stale_grace_ms,
        settings.logins_per_s,
        CostLimits.of(settings),
        settings.cost_exempt,
        settings.shared_addresses,
    )
