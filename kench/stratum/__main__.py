"""Composition root of `kench stratum`: makes jobs on one event loop, for fronts that it runs."""

import asyncio
import os
import sys
from functools import partial
from typing import Any

import sqlalchemy as sa
import uvloop
from twisted.internet import asyncioreactor

from kench import native
from kench.pool.clock import Clock, SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.roots import EXIT_FAULT, announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.submission_journal import adopt_unsettled
from kench.stratum.maker.fronts import Fronts, front_command, front_variables
from kench.stratum.maker.generation import Generation, claim
from kench.stratum.maker.ports import HeldPorts
from kench.stratum.place import Place

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
    settings = settings_of(parser.parse_args())
    native.require_compiled()
    if not settings.node_urls:
        raise NoNodeConfiguredError("no node: set KENCH_NODE_URLS, or run `kench up`")
    if settings.database_url is None:
        raise NoDatabaseConfiguredError("no database: set KENCH_DATABASE_URL, or run `kench up`")
    log = start_logging(ROLE, process="maker")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    url = settings.database_url.get_secret_value()
    engine = open_engine(url, Role.STRATUM, application_name="kench stratum")
    check_schema(engine)
    count = settings.stratum_processes or max(1, len(os.sched_getaffinity(0)) - 1)
    generation = claim(settings.run_directory, settings.instance, count)
    ports = HeldPorts()
    log.info("started", native=native.IMPLEMENTATION, processes=count)
    try:
        clock = SystemClock()
        blocks = settings.blocks_directory
        own, *rest = [blocks / str(one) for one in (*generation.numbers, *generation.others)]
        if adopted := adopt_unsettled(blocks, own, frozenset(rest)):
            log.warning("blocks of former fronts are sent again", blocks=adopted)
        chosen = tuple(ports.hold(plan, clock) for plan in settings.all_doors)
        place = Place(chosen, generation.feed_path, os.getpid())
        return _serve(settings, engine, clock, generation, place)
    finally:
        ports.close()
        generation.close()
        engine.dispose()


def _serve(
    settings: Settings, engine: sa.Engine, clock: Clock, generation: Generation, place: Place
) -> int:
    """Run Twisted on uvloop's loop until it is stopped; return the exit status."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    # Twisted's modules take the installed reactor when they are imported.
    from twisted.internet import defer, error, task, threads  # noqa: PLC0415
    from twisted.internet import reactor as installed  # noqa: PLC0415
    from twisted.web.server import Site  # noqa: PLC0415

    from kench.stratum.maker.service import MakerService  # noqa: PLC0415
    from kench.stratum.metrics import site_root  # noqa: PLC0415

    # Its stub names a module, not the object that the module is replaced by.
    reactor: Any = installed
    fatal: list[bool] = []

    def end() -> None:
        if not fatal:
            fatal.append(True)
            reactor.stop()

    fronts = Fronts(
        generation.numbers,
        partial(front_command, place),
        front_variables(settings),
        clock,
    )
    service = MakerService(
        settings,
        loop,
        clock,
        engine,
        generation,
        fronts,
        place.ports[0],
        partial(announce, ROLE, "ready"),
        end,
    )
    try:
        reactor.listenTCP(
            settings.metrics_port, Site(site_root(service.state)), interface=settings.metrics_host
        )
    except error.CannotListenError as taken:
        raise MetricsPortError(
            f"port {settings.metrics_port} is taken: set KENCH_METRICS_PORT to a free one"
        ) from taken
    reactor.suggestThreadPoolSize(POOL_THREADS)
    loop.run_until_complete(service.start())
    task.LoopingCall(service.tick).start(TICK_S)
    reports = task.LoopingCall(service.report)
    reports.start(REPORT_S, now=False)

    @defer.inlineCallbacks
    def stop() -> Any:
        service.stop_fronts()
        while not service.fronts_ended:
            yield task.deferLater(reactor, TICK_S)
        reports.stop()
        yield threads.deferToThread(service.stop_threads)
        service.close()

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.run()
    return EXIT_FAULT if fatal else 0


if __name__ == "__main__":
    run_root(ROLE, main)
