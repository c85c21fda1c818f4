"""Composition root of `kench stratum`: serves miners on one event loop."""

import asyncio
import sys
from typing import Any

import sqlalchemy as sa
import uvloop
from twisted.internet import asyncioreactor

from kench import native
from kench.pool.clock import SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.roots import EXIT_FAULT, announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings

ROLE = "stratum"
SWEEP_S = 5.0
# Threads for the register and reports; found blocks have their own.
POOL_THREADS = 6
# The interpreter hands the loop's thread to others at least this often, so that a journal commit
# is not kept waiting for it.
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
        example="kench stratum --data /var/lib/kench --stratum-port 3333",
    )
    parser.add_argument("--stratum-port", type=int, metavar="N", help="port of miners")
    parser.add_argument("--metrics-port", type=int, metavar="N", help="port of metrics and health")
    settings = settings_of(parser.parse_args())
    native.require_compiled()
    if not settings.node_urls:
        raise NoNodeConfiguredError("no node: set KENCH_NODE_URLS, or run `kench up`")
    if settings.database_url is None:
        raise NoDatabaseConfiguredError("no database: set KENCH_DATABASE_URL, or run `kench up`")
    log = start_logging(ROLE)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    url = settings.database_url.get_secret_value()
    engine = open_engine(url, Role.STRATUM, application_name="kench stratum")
    check_schema(engine)
    log.info("started", native=native.IMPLEMENTATION, sha256=native.sha256_backend())
    try:
        return _serve(settings, engine, url)
    finally:
        engine.dispose()


def _serve(settings: Settings, engine: sa.Engine, url: str) -> int:
    """Run Twisted on uvloop's loop until it is stopped; return the exit status."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    # Twisted's modules take the installed reactor when they are imported.
    from twisted.internet import error, task, threads  # noqa: PLC0415
    from twisted.internet import reactor as installed  # noqa: PLC0415
    from twisted.web.server import Site  # noqa: PLC0415

    from kench.stratum.metrics import site_root  # noqa: PLC0415
    from kench.stratum.service import StratumService  # noqa: PLC0415

    # Its stub names a module, not the object that the module is replaced by.
    reactor: Any = installed
    fatal: list[bool] = []

    def end() -> None:
        fatal.append(True)
        reactor.stop()

    service = StratumService(
        settings, loop, SystemClock(), engine, url, lambda: announce(ROLE, "ready"), end
    )
    site = Site(site_root(service.numbers, service.state))
    try:
        reactor.listenTCP(settings.metrics_port, site, interface=settings.metrics_host)
    except error.CannotListenError as taken:
        raise MetricsPortError(
            f"port {settings.metrics_port} is taken: set KENCH_METRICS_PORT to a free one"
        ) from taken
    reactor.suggestThreadPoolSize(POOL_THREADS)
    service.start()
    task.LoopingCall(service.tick).start(1.0)
    task.LoopingCall(service.sweep).start(SWEEP_S, now=False)
    service.numbers.probe_lag(loop)
    reactor.addSystemEventTrigger("before", "shutdown", service.close_doors)
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: threads.deferToThread(service.stop_threads)
    )
    reactor.run()
    return EXIT_FAULT if fatal else 0


if __name__ == "__main__":
    run_root(ROLE, main)
