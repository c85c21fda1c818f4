"""The job maker put together: nodes and jobs, the feed, the fronts' processes, their reports."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.job import Job, JobKeys
from kench.pool.journal.writer import last_job_key
from kench.pool.orders.book import OrderBook
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from kench.pool.template import Template
from kench.stratum.bodies import BodyFolder
from kench.stratum.centre.place import Centre
from kench.stratum.costs import CostLimits
from kench.stratum.lag import LagProbe
from kench.stratum.maker.former import Former, Kept
from kench.stratum.maker.fronts import Fronts
from kench.stratum.maker.hub import Hub
from kench.stratum.maker.judge import Judge
from kench.stratum.maker.lending import Lending
from kench.stratum.maker.retargets import Retargets
from kench.stratum.maker.state import FrontStates, whole
from kench.stratum.maker.upstream import Source, Upstream, body_hex
from kench.stratum.reports import Reports
from kench.stratum.statistics.agents import AgentRefusals
from kench.stratum.statistics.keeper import keeper_of
from kench.stratum.tally import told

# Long enough for the loop to wake up and take its turn; sleep(0) is not.
HAND_OVER_S = 0.000_05

log = structlog.get_logger("stratum")


class MakerService:
    """Owns every part of the process; what is not said to be called by threads runs on the loop."""

    def __init__(  # noqa: PLR0913, PLR0917 - the composition point of a process
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        engine: sa.Engine,
        orders: OrderWatch,
        kept: Kept,
        port: int,
        on_ready: Callable[[], None],
        on_hopeless: Callable[[], None],
        former: Former | None = None,
        centre: Centre | None = None,
    ) -> None:
        self._loop = loop
        self._instance = settings.instance
        self._port = port
        self.kept = kept
        self._fronts = kept.fronts
        self._on_ready: Callable[[], None] | None = on_ready
        self._on_hopeless = on_hopeless
        self._states = FrontStates(kept.generation.numbers)
        paths = [kept.generation.feed_path]
        if former is not None:
            paths.append(former.kept.generation.feed_path)
            self._states.add(former.kept.generation.numbers)
        self._former = former
        self._hub = Hub(loop, self, *paths)
        self._lending = Lending(self._hub.say, loop.time)
        if former is not None:
            self._lending.load(former.values, former.kept.fronts.pids)
        self._judge = Judge(CostLimits.of(settings), self._fronts.count, self._hub.say)
        self._bodies = BodyFolder(settings.bodies_directory, clock)
        self._reports = Reports(engine)
        self._reporting = False
        self._settlement: dict[str, Any] | None = None
        self._tally = told(())
        self._agents = AgentRefusals()
        self._statistics = keeper_of(settings, clock)
        self.lag_probe = LagProbe(loop)
        journals = settings.journal_directory.parent
        newest = max((last_job_key(one) for one in journals.glob("[0-9]*")), default=0)
        self._orders = orders
        keys = JobKeys(clock, newest, centre.lane if centre is not None else None)
        book: Callable[[], OrderBook] = lambda: self._orders.book  # noqa: E731 - for two
        self._upstream: Source = (
            centre.source(settings, clock, keys, book, self)
            if centre is not None and settings.job_source == "nats"
            else Upstream(settings, clock, keys, book, self)
        )
        self._keeping = None if centre is None else centre.keeping
        shared = centre if settings.job_source == "nats" else None
        accepted = self._upstream.block_accepted
        self._telling = None if shared is None else shared.telling(settings)
        self._taking = None if shared is None else shared.taking(settings, clock, accepted)
        self._retargets = Retargets(loop, self._upstream.make_retarget_job)

    async def start(self) -> None:
        """Open the feed, then start nodes' threads and the fronts."""
        await self._hub.listen()
        self._orders.start(self._orders_changed)
        self.lag_probe.start()
        self._upstream.start()
        for way in (self._telling, self._taking):
            if way is not None:
                way.start()
        self._statistics.start()
        self._fronts.tick()

    def stop_fronts(self) -> None:
        """Begin to stop: every front closes its door and ends."""
        for fronts in self._alive():
            fronts.stop()

    def stop_threads(self) -> None:
        """Stop everything else, in a thread, when the fronts have ended."""
        self.pause_threads()
        states = {
            number: state | {"serving": False, "why": "stopped"}
            for number, state in self._reported().items()
        }
        try:
            self._reports.write(self._tally, states)
        except SQLAlchemyError as error:
            log.warning("last state not reported", error=type(error).__name__)

    def pause_threads(self) -> None:
        """Stop what has threads and files, in a thread; fronts serve on with the job they have."""
        self._statistics.stop()
        self._bodies.stop()
        self._orders.stop()
        for way in (self._telling, self._taking):
            if way is not None:
                way.stop()
        self._upstream.stop()

    def values(self) -> list[list[Any]]:
        """Return who holds which extranonce1, for a successor."""
        return self._lending.dump()

    def close(self) -> None:
        """Close the feed: the last thing."""
        self._hub.close()

    # -- told by threads --------------------------------------------------------------------

    def job_made(self, job: Job, template: Template, for_all: bool) -> None:
        """Take a job from upstream."""
        self._loop.call_soon_threadsafe(self._take_job, job, template, for_all)
        # The interpreter goes to the loop now; else it would wait for it with the others.
        time.sleep(HAND_OVER_S)

    def job_heard(self, job: Job, for_all: bool, body: Callable[[], bytes] | None) -> None:
        """Take a job that another machine made, with the way to its transactions."""
        self._loop.call_soon_threadsafe(self._take_heard, job, for_all, body)

    def no_job(self, why: str) -> None:
        """Hear from upstream why there is none."""
        self._loop.call_soon_threadsafe(self._hub.send_no_job, why)

    def _orders_changed(self, _book: OrderBook) -> None:
        """Have a job by the new orders made at once, where there is a template."""
        self._upstream.make_again(for_all=True)

    def proposal_judged(self, reason: str | None) -> None:
        """Hear from upstream whether a node would take our blocks."""
        self._loop.call_soon_threadsafe(self._hub.send_proposal, reason)

    # -- told by fronts ---------------------------------------------------------------------

    def front_state(self, number: int, state: dict[str, Any]) -> None:
        """Take the newest state of a front, and the refusals that it counted."""
        tally = told(state.pop("tally", ()))
        self._tally.update(tally)
        self._agents.add(tally)
        self._statistics.refuse(tally)
        self._states.take(number, state, self._loop.time())
        if state["serving"] and self._on_ready is not None:
            on_ready, self._on_ready = self._on_ready, None
            on_ready()

    def front_came(self, number: int, pid: int) -> None:
        """Hear that a front has a line."""
        self._lending.introduced(number, pid)
        self._judge.front_came(number, self._loop.time())

    def front_values(self, number: int, kind: int, body: bytes) -> None:
        """Hear which sessions a front has, or wants to resume."""
        self._lending.take(number, kind, body)

    def front_costs(self, number: int, content: dict[str, Any]) -> None:
        """Hear what addresses cost at a front, and whom it banned."""
        self._judge.take(number, content, self._loop.time())

    def front_gone(self, number: int) -> None:
        """Hear that a front's line is lost."""
        self._lending.lost(number)
        self._judge.front_gone(number)
        self._states.forget(number)
        self._forget_sessions(number)

    def front_sessions(self, number: int, facts: bytes) -> bool:
        """Hear what changed about a front's sessions."""
        return self._statistics.take_sessions(number, facts)

    def front_origins(self, origins: bytes) -> bool:
        """Hear from which addresses participants mine that did not before today."""
        return self._statistics.take_origins(origins)

    def successor_came(self) -> None:
        """Have a job made for a front that was started again; how often, its restarts pace."""
        self._upstream.make_retarget_job()

    def retarget_wanted(self) -> None:
        """Have another job of the same template made, for all fronts at the pace of one (A6.4)."""
        self._retargets.want()

    def block_found(self, message: bytes) -> None:
        """Tell the centre of a block that a front left word of."""
        if self._telling is not None:
            self._telling.wake(message)

    def block_accepted(self) -> None:
        """Build on our own block at once (B6)."""
        self._upstream.block_accepted()

    # -- on the loop ------------------------------------------------------------------------

    def _take_job(self, job: Job, template: Template, for_all: bool) -> None:
        self._take_heard(job, for_all, partial(body_hex, template))

    def _take_heard(self, job: Job, for_all: bool, body: Callable[[], bytes] | None) -> None:
        self._hub.send_job(job, for_all=for_all)
        self._statistics.take_target(job.archived.nbits, job.archived.block_target)
        # Bulk comes after the job.
        if body is not None:
            self._bodies.keep(job, body)

    def _forget_sessions(self, number: int) -> None:
        if not self._statistics.front_gone(number):
            self._loop.call_later(1.0, self._forget_sessions, number)

    def tick(self) -> None:
        """Do what is due several times a second: look at the fronts' processes."""
        for fronts in self._alive():
            fronts.tick()
            for number in fronts.take_ended():
                self._lending.ended(number)
        self._lending.tick()
        if self._former is not None:
            self._look_at_former(self._former)
        self._judge.tick(self._loop.time())
        if self._on_ready is not None and self._fronts.hopeless:
            self._on_ready = None
            log.critical("no front starts: what they said last stands above")
            self._on_hopeless()

    def _alive(self) -> list[Fronts]:
        return [self._fronts] + ([self._former.kept.fronts] if self._former else [])

    def _look_at_former(self, former: Former) -> None:
        """Go on with a reload; when it is over, one generation is left."""
        old, new = former.kept, self.kept
        states = self._states.of(new.generation.numbers)
        left = self._states.of(old.generation.numbers)
        former.succession.tick(
            serving=sum(bool(state["serving"]) for state in states),
            connections=sum(int(state["connections"]) for state in left),
        )
        if former.succession.is_over:
            gone = new if former.succession.failed else old
            if gone is new:
                self.kept, self._fronts = old, old.fronts
            self._former = None
            self._states.remove(gone.generation.numbers)
            gone.generation.close()

    @property
    def is_reloading(self) -> bool:
        """Whether two generations of fronts are alive."""
        return self._former is not None

    @property
    def fronts_ended(self) -> bool:
        """Whether no front runs any more."""
        return all(fronts.ended for fronts in self._alive())

    def report(self) -> None:
        """Do what is due each second: tell PostgreSQL."""
        self._lending.forget_old()
        if self._reporting:
            return
        self._reporting = True
        tally, self._tally = self._tally, told(())
        report = deferToThread(self._reports.write, tally, self._reported())
        report.addErrback(_log_report_failure)
        report.addBoth(self._report_done)

    def _report_done(self, settlement: dict[str, Any] | None) -> None:
        self._settlement, self._reporting = settlement, False

    def _reported(self) -> dict[int, dict[str, Any]]:
        """Return each front's state with what only the job maker knows."""
        shared = {
            "network": self._upstream.network,
            "nodes": self._upstream.status(),
            "custody": self._custody(),
            "feed": self._feed(),
        }
        fronts = self._states.current(self._loop.time())
        tip = self._tip()
        return {number: state | tip | shared for number, state in fronts.items()}

    def _custody(self) -> dict[str, Any]:
        return self._upstream.custody() | {
            "newest_order": self._orders.book.newest,
            "orders_fault": self._orders.fault,
        }

    def _feed(self) -> dict[str, Any] | None:
        """Return how this machine stands with the others, None where it has none."""
        feed = self._upstream.state()
        if feed is None or self._telling is None:
            return feed
        blocks = self._telling.state() | (self._taking.state() if self._taking else {})
        return feed | {"blocks": blocks}

    def _tip(self) -> dict[str, Any]:
        job = self._hub.job
        return {
            "height": job.archived.height - 1 if job else None,
            "tip": job.archived.prevhash if job else None,
        }

    def state(self) -> dict[str, Any]:
        """Return the state of the whole, as /status shows it."""
        facts = {
            "instance": self._instance,
            "port": self._port,
            **self._tip(),
            "network": self._upstream.network,
            "nodes": self._upstream.status(),
            "custody": self._custody(),
            "feed": self._feed(),
            "machine": self._keeping and self._keeping.state(),
            "front_restarts": self._fronts.restarts,
            "sessions_moved": self._lending.granted,
            "maker_loop_lag_s": self.lag_probe.last_s,
            "maker_loop_lag_max_s": self.lag_probe.max_s,
            "statistics": self._statistics.status(),
            "settlement": self._settlement,
            "refused_by_agent": self._agents.entries(),
        }
        now = self._loop.time()
        state = whole(facts, self._states.current(now))
        return state | {"guard": self._judge.counted(state["guard"], now)}


def _log_report_failure(failure: Failure) -> None:
    # Its counts are kept and written with the next one.
    expected = failure.check(SQLAlchemyError, KenchError)
    tell = log.warning if expected else log.error
    tell("state not reported", error=repr(failure.value) if not expected else expected.__name__)
