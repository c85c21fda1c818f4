"""Composition root of a front: serves miners on one event loop. `kench stratum` runs it."""

import asyncio
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import uvloop

from kench import native
from kench.pool.clock import Clock, SystemClock
from kench.pool.collector import spare_collector
from kench.pool.errors import KenchError
from kench.pool.journal import JournalError
from kench.pool.roots import EXIT_FAULT, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.shipping.generation import refuse_if_replaced
from kench.stratum.place import Place
from kench.stratum.reactor import install_reactor

ROLE = "stratum"
# Threads that enter new workers into the register; found blocks have their own.
POOL_THREADS = 6
# The interpreter hands the loop's thread to others at least this often, so that a journal commit
# is not kept waiting for it.
SWITCH_INTERVAL_S = 0.0005
# A front of a job maker that was killed leaves its journal within a moment.
JOURNAL_PATIENCE_S, JOURNAL_AGAIN_S = 5.0, 0.1


class FolderUnusableError(KenchError):
    """The front cannot work in its data folder."""


def main() -> int:
    """Serve miners until SIGTERM or SIGINT, or until the job maker is gone."""
    parser = command(
        ROLE,
        "One front of `kench stratum`, which runs as many of these as it is told.",
        example="kench stratum --processes 2",
    )
    parser.add_argument("--number", type=int, required=True, help="number of this front")
    parser.add_argument("--maker-pid", type=int, required=True, help="process of the job maker")
    parser.add_argument("--feed", type=Path, required=True, help="socket of the job maker")
    parser.add_argument(
        "--ports", type=int, nargs="+", required=True, help="port of each door, in their order"
    )
    given = parser.parse_args()
    settings = settings_of(given).model_copy(update={"instance": given.number})
    native.require_compiled()
    refuse_if_replaced(settings.data_dir)
    start_logging(ROLE, process=given.number)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    place = Place(tuple(given.ports), given.feed, given.maker_pid)
    return _serve(settings, SystemClock(), place)


def _serve(settings: Settings, clock: Clock, place: Place) -> int:
    """Run Twisted on uvloop's loop until it is stopped; return the exit status."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    install_reactor(loop, clock)
    # Twisted's modules take the installed reactor when they are imported.
    from twisted.internet import reactor as installed  # noqa: PLC0415 - after the reactor is chosen
    from twisted.internet import task, threads  # noqa: PLC0415 - after the reactor is chosen

    from kench.stratum.service import StratumService  # noqa: PLC0415 - after the reactor is chosen
    from kench.stratum.sweep import SWEEP_S  # noqa: PLC0415 - after the reactor is chosen

    # Its stub names a module, not the object that the module is replaced by.
    reactor: Any = installed
    fatal: list[bool] = []

    def end() -> None:
        if not fatal:
            fatal.append(True)
            reactor.stop()

    deadline = clock.monotonic() + JOURNAL_PATIENCE_S
    while True:
        try:
            service = StratumService(settings, loop, clock, place, end)
            break
        except JournalError:
            if clock.monotonic() > deadline:
                raise
            threading.Event().wait(JOURNAL_AGAIN_S)
        except OSError as error:
            raise FolderUnusableError(
                f"front {settings.instance} cannot use {error.filename or settings.data_dir}"
                f" ({error.strerror}): make it a folder that can be written"
            ) from error
    spare_collector()
    reactor.suggestThreadPoolSize(POOL_THREADS)
    reactor.callWhenRunning(service.start)
    task.LoopingCall(service.tick).start(1.0)
    task.LoopingCall(service.sweep).start(SWEEP_S, now=False)

    def leave() -> None:
        if reactor.running:
            reactor.stop()

    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(service.drain, leave))
    reactor.addSystemEventTrigger("before", "shutdown", service.close_doors)
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: threads.deferToThread(service.stop_threads)
    )
    reactor.run()
    return EXIT_FAULT if fatal else 0


if __name__ == "__main__":
    run_root(ROLE, main)
