"""What every composition root needs alike, so that each stays short.

A root is a package's `__main__.py` (or a module of `kench.commands`), run by `kench <role>`:

    def main() -> int | None:
        parser = command("stratum", "Serve miners.", example="kench stratum --data /var/lib/kench")
        arguments = parser.parse_args()
        settings = settings_of(arguments)           # --data and KENCH_..., raises SettingsError
        log = start_logging("stratum")              # JSON lines on stderr, returns the logger
        ...
        announce("stratum", "ready")                # `kench stratum: ready` on stdout, flushed

    if __name__ == "__main__":
        run_root("stratum", main)                   # KenchError -> one line on stderr, exit 1

`command` gives the parser `--data`; its other flags are named as the settings they override
(`--stratum-port` is `stratum_port`), and `settings_of` takes those whose name is a setting.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, TextIO

import structlog
from structlog.typing import EventDict, Processor

from kench.native import NativeMissingError
from kench.pool.errors import KenchError
from kench.pool.secret_sources import FILE_SUFFIX, secret_names, tells_secret, variable_of
from kench.pool.settings import Settings
from kench.pool.settings_file import SettingsError, read_settings

EXIT_FAULT = 1
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


def command(
    role: str, description: str, *, example: str, data: bool = True
) -> argparse.ArgumentParser:
    """Parser of `kench <role>`, with an example under its help and `--data` unless not wanted."""
    parser = argparse.ArgumentParser(
        prog=f"kench {role}",
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if data:
        parser.add_argument(
            "--data",
            dest="data_dir",
            metavar="DIR",
            help="folder of everything kept (default: data; KENCH_DATA)",
        )
    return parser


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Settings, overridden by those arguments that are named as a setting and were given.

    Raises SettingsError, also where an argument holds a password.
    """
    flags = {
        name: value for name, value in vars(arguments).items() if name in Settings.model_fields
    }
    for name in secret_names(Settings):
        if tells_secret(flags.get(name)):
            raise SettingsError(
                f"an argument holds a secret, and everybody on this machine sees it: write it into "
                f"a file of mode 600 and set {variable_of(name + FILE_SUFFIX)} to its path"
            )
    return read_settings(**flags)


_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Where a fault came from, and no values: those may be secrets, and people's data."""


def start_logging(
    role: str, stream: TextIO | None = None, process: str | int | None = None
) -> structlog.stdlib.BoundLogger:
    """Send structlog and the standard library's warnings to `stream` (stderr) as JSON lines.

    The lines carry `role`, `level`, `event` and `timestamp` (UTC), and `process` where a role has
    several. Whoever runs the process owns
    the file: `kench up` and systemd both do.
    """

    def add_role(_logger: object, _method: str, event: EventDict) -> EventDict:
        # Not a context variable: threads start with an empty context.
        event["role"] = role
        if process is not None:
            event.setdefault("process", process)
        return event

    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_role,
        structlog.stdlib.add_log_level,
        stamp,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_TRACEBACKS),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(role)
    _log_faults(logger)
    return logger


def _log_faults(logger: structlog.stdlib.BoundLogger) -> None:
    """Have what ends a thread, or this process, be a line of the log as well.

    Python would write it as many lines, and what somebody sent may stand in them.
    """

    def of_process(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        logger.critical("the process ends by a fault", exc_info=(kind, error, trace))

    def of_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
            fault = found.exc_type, found.exc_value, found.exc_traceback
            logger.critical("a thread ended by a fault", exc_info=fault)

    sys.excepthook, threading.excepthook = of_process, of_thread


def announce(role: str, words: str) -> None:
    """Print `kench <role>: <words>` on stdout at once; `kench up` and people wait for it."""
    sys.stdout.write(f"kench {role}: {words}\n")
    sys.stdout.flush()


def one_line(text: str) -> str:
    """Return text as one line without what would move a terminal's cursor: others may have said it.

    What cannot be printed is `?`.
    """
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def end_tidily() -> None:
    """Have SIGTERM end a short command as Ctrl-C does: what is half made is taken away."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))


def run_root(role: str, main: Callable[[], int | None]) -> NoReturn:
    """Run `main`, end with its result or 0; a KenchError is one line on stderr and status 1."""
    try:
        status = main() or 0
        sys.stdout.flush()
    except (KenchError, NativeMissingError) as error:
        sys.stderr.write(f"kench {role}: {one_line(str(error))}\n")
        sys.exit(EXIT_FAULT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output left (`kench status | head`): nothing to tell it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAULT)
    sys.exit(status)
