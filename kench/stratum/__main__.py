"""Composition root of `kench stratum`: makes jobs on one event loop, for fronts that it runs."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
import uvloop

from kench import native
from kench.pool.clock import Clock, SystemClock
from kench.pool.collector import spare_collector
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.journal.passing import Passing
from kench.pool.looking import Looking
from kench.pool.orders.verifying import verifier_of
from kench.pool.orders.watch import OrderWatch
from kench.pool.roots import EXIT_FAULT, announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.shipping.generation import read_generation
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import policy_of, require_lead
from kench.pool.shipping.left_behind import LeftBehind
from kench.pool.stream.left_behind import LeftBehind as LeftUnpublished
from kench.pool.stream.opening import connect_of
from kench.pool.submission_journal import adopt_unsettled
from kench.stratum.centre.place import Centre, first_number, keeping_of
from kench.stratum.maker import handover
from kench.stratum.maker.former import Former, Kept
from kench.stratum.maker.fronts import Fronts, front_command, front_variables
from kench.stratum.maker.generation import Generation, adopt, claim
from kench.stratum.maker.handover import Handover
from kench.stratum.maker.ports import HeldPorts, rehearse_ports
from kench.stratum.maker.reloading import REHEARSE_FLAG, Reloader, Succession, Teller, rehearse
from kench.stratum.place import Place
from kench.stratum.reactor import install_reactor

if TYPE_CHECKING:
    from kench.stratum.maker.service import MakerService

ROLE = "stratum"
TICK_S, REPORT_S = 0.05, 1.0
# Threads for reports.
POOL_THREADS = 3
# The interpreter hands the loop's thread to others at least this often, so that a template that
# is being read does not keep a job waiting.
SWITCH_INTERVAL_S = 0.0005


class NoNodeConfiguredError(KenchError):
    """There is nothing to mine on."""


class NoDatabaseConfiguredError(KenchError):
    """There is no register to ask."""


class MetricsPortError(KenchError):
    """The metrics port cannot be opened."""


def main() -> int:
    """Serve miners until SIGTERM or SIGINT."""
    parser = command(
        ROLE,
        "Serve miners over Stratum V1: jobs out, shares checked, journalled and acknowledged.",
        example="kench stratum --data /var/lib/kench --stratum-port 3333 --processes 4",
    )
    parser.add_argument("--stratum-port", type=int, metavar="N", help="port of miners")
    parser.add_argument("--metrics-port", type=int, metavar="N", help="port of metrics and health")
    parser.add_argument(
        "--processes",
        dest="stratum_processes",
        type=int,
        metavar="N",
        help="processes that serve miners (0: one for each core but one)",
    )
    parser.add_argument(REHEARSE_FLAG, type=int, nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    settings = settings_of(given)
    native.require_compiled()
    url = _database_of(settings)
    require_lead(settings)
    log = start_logging(ROLE, process="maker")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    engine = open_engine(url, Role.STRATUM, application_name="kench stratum")
    check_schema(engine)
    orders = OrderWatch(engine, verifier_of(settings))
    orders.load()
    if given.rehearse is not None:
        rehearse_ports(settings, given.rehearse)
        return 0
    handed = handover.take(settings.run_directory)
    count = settings.stratum_processes or max(1, len(os.sched_getaffinity(0)) - 1)
    former = adopt(settings.run_directory, handed) if handed else None
    clock = SystemClock()
    keeping = keeping_of(settings, clock)
    served = former.numbers if former else range(0)
    first = partial(first_number, settings.instance, keeping, count, served)
    generation = claim(settings.run_directory, first, count, beside=bool(handed))
    centre = Centre(keeping, generation.numbers.start) if keeping is not None else None
    ports = HeldPorts()
    log.info("started", native=native.IMPLEMENTATION, processes=count, again=bool(handed))
    lead = LeadWatch(settings, clock).start()
    try:
        blocks = settings.blocks_directory
        own, *rest = [blocks / str(one) for one in (*generation.numbers, *generation.others)]
        if adopted := adopt_unsettled(blocks, own, frozenset(rest)):
            log.warning("blocks of former fronts are sent again", blocks=adopted)
        before = handed.ports if handed else {}
        ports.adopt(handed.held if handed else ())
        chosen = {
            plan.name: ports.hold(plan, clock, before.get(plan.name, 0))
            for plan in settings.all_doors
        }
        status = _serve(
            Start(
                settings, engine, orders, clock, generation, ports, chosen, handed, former, centre
            )
        )
    finally:
        if centre is not None:
            centre.close()
        ports.close()
        generation.close()
        engine.dispose()
    lead.end()
    return status


def _database_of(settings: Settings) -> str:
    """Return the database's URL; raises where there is nothing to mine on, or no register."""
    if not settings.node_urls and settings.job_source == "nodes":
        raise NoNodeConfiguredError(
            "no node: set KENCH_NODE_URLS, or run `kench up`; or KENCH_JOB_SOURCE=nats where"
            " another machine makes the jobs"
        )
    if settings.database_url is None:
        raise NoDatabaseConfiguredError("no database: set KENCH_DATABASE_URL, or run `kench up`")
    return settings.database_url.get_secret_value()


@dataclass(frozen=True, slots=True)
class Start:
    """What is decided before anything runs."""

    settings: Settings
    engine: sa.Engine
    orders: OrderWatch
    clock: Clock
    generation: Generation
    ports: HeldPorts
    chosen: dict[str, int]
    handed: Handover | None
    former: Generation | None
    centre: Centre | None

    def fronts(self, generation: Generation, adopted: Mapping[int, int] | None = None) -> Fronts:
        """Return the fronts of a generation, none started yet but those adopted."""
        place = Place(tuple(self.chosen.values()), generation.feed_path, os.getpid())
        return Fronts(
            generation.numbers,
            partial(front_command, place),
            front_variables(self.settings),
            self.clock,
            adopted,
        )

    def found(
        self, loop: asyncio.AbstractEventLoop, teller: Teller, successors: Fronts
    ) -> Former | None:
        """Return what served before a reload, to be drained when its successors serve."""
        if self.handed is None or self.former is None:
            return None
        old = Kept(self.former, self.fronts(self.former, self.handed.fronts))
        succession = Succession(loop, teller, self.settings.drain_s, old.fronts, successors)
        return Former(old, succession, self.handed.values)


def _serve(start: Start) -> int:
    """Run Twisted on uvloop's loop until it is stopped; return the exit status."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    install_reactor(loop, start.clock)
    # Twisted's modules take the installed reactor when they are imported.
    from twisted.internet import defer, error, task, threads  # noqa: PLC0415 - after the reactor is chosen
    from twisted.internet import reactor as installed  # noqa: PLC0415 - after the reactor is chosen

    from kench.stratum.maker.service import MakerService  # noqa: PLC0415 - after the reactor is chosen
    from kench.stratum.metrics import site_of  # noqa: PLC0415 - after the reactor is chosen

    # Its stub names a module, not the object that the module is replaced by.
    reactor: Any = installed
    fatal: list[bool] = []
    settings, handed = start.settings, start.handed

    def end() -> None:
        if not fatal:
            fatal.append(True)
            reactor.stop()

    keep_numbers(start, partial(reactor.callFromThread, end))
    left_behind = _left_behind(start)
    teller = Teller(loop, settings.run_directory, handed.number if handed else 0)
    kept = Kept(start.generation, start.fronts(start.generation))
    service = MakerService(
        settings,
        loop,
        start.clock,
        start.engine,
        start.orders,
        kept,
        next(iter(start.chosen.values())),
        (lambda: None) if handed else partial(announce, ROLE, "ready"),
        (lambda: None) if handed else end,
        start.found(loop, teller, kept.fronts),
        start.centre,
    )
    try:
        reactor.listenTCP(
            settings.metrics_port, site_of(service.state), interface=settings.metrics_host
        )
    except error.CannotListenError as taken:
        raise MetricsPortError(
            f"port {settings.metrics_port} is taken: set KENCH_METRICS_PORT to a free one"
        ) from taken
    spare_collector()
    reactor.suggestThreadPoolSize(POOL_THREADS)
    loop.run_until_complete(service.start())
    task.LoopingCall(service.tick).start(TICK_S)
    reports = task.LoopingCall(service.report)
    reports.start(REPORT_S, now=False)

    reload_on_signal(start, service, teller, reactor)

    @defer.inlineCallbacks
    def stop() -> Any:
        service.stop_fronts()
        while not service.fronts_ended:
            yield task.deferLater(reactor, TICK_S)
        reports.stop()
        for one in left_behind:
            yield threads.deferToThread(one.stop)
        yield threads.deferToThread(service.stop_threads)
        service.close()

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.run()
    return EXIT_FAULT if fatal else 0


def _left_behind(start: Start) -> list[Looking]:
    """Return what sees to journals that no front writes, started: marks, ships, publishes them."""
    settings, policy = start.settings, policy_of(start.settings)
    data, cluster = settings.data_dir, connect_of(settings)
    found: list[Looking] = [Passing(data / "journal", start.clock)]
    if cluster is not None:
        found.append(LeftUnpublished(settings, cluster, start.clock))
    elif policy is not None:
        found.append(LeftBehind(data, policy, read_generation(data), start.clock))
    for one in found:
        one.start()
    return found


def keep_numbers(start: Start, end: Callable[[], object]) -> None:
    """Say from now on that this machine's front numbers are in use; `end` where they are lost."""

    def lost(why: KenchError) -> None:
        structlog.get_logger(ROLE).critical("front numbers are lost; all stops", why=str(why))
        end()

    if start.centre is not None:
        start.centre.keeping.start_renewing(lost)


def reload_on_signal(start: Start, service: "MakerService", teller: Teller, reactor: Any) -> None:
    """Have SIGHUP reload."""
    from twisted.internet import threads  # noqa: PLC0415 - after the reactor is chosen

    def in_thread(work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        threads.deferToThread(work).addCallback(done)

    ours = [*start.chosen.values(), start.settings.metrics_port]
    reloader = Reloader(
        teller,
        partial(in_thread, partial(rehearse, ours)),
        lambda number: in_thread(
            service.pause_threads, lambda _: replace_program(start, service, number)
        ),
        lambda: service.is_reloading,
    )
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reloader.begin))


def replace_program(start: Start, service: "MakerService", number: int) -> None:
    """Start this program anew in this process; its fronts and what it holds stay."""
    kept = service.kept
    numbers = kept.generation.numbers
    handover.leave(
        start.settings.run_directory,
        Handover(
            number=number,
            slot=kept.generation.slot,
            lock=kept.generation.lock,
            first=numbers.start,
            count=len(numbers),
            ports=start.chosen,
            held=start.ports.descriptors,
            fronts=kept.fronts.pids,
            values=service.values(),
        ),
    )
    # Another signal may come before the new program listens to it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


if __name__ == "__main__":
    run_root(ROLE, main)
