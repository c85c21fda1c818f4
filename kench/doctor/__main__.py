"""Root of `kench doctor`: checks a machine and says what to change; it changes nothing."""

import argparse
import json
import sys
from collections.abc import Iterator

from kench.doctor.database import check_database
from kench.doctor.disk import check_disk
from kench.doctor.files import check_certificates, check_secrets
from kench.doctor.finding import Check, Finding, Level, bad, ok, warn
from kench.doctor.machine import (
    check_build,
    check_clock,
    check_limits,
    check_memory,
    check_queue,
    check_zone,
)
from kench.doctor.operating import acting_as_operator, given_nodes
from kench.doctor.services import check_nats, check_nodes, check_wires
from kench.pool.clock import Clock, SystemClock
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import PostgresError
from kench.pool.roots import EXIT_FAULT, command, one_line, run_root, settings_of, start_logging
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings
from kench.pool.settings_file import SettingsError

ROLE = "doctor"
CHECK_WIDTH = 30


def main() -> int:
    """Check everything; 1 where something is bad."""
    parser = command(
        ROLE,
        "Check this machine: build, limits, memory, clock, time zone, disk, certificates,\n"
        "secrets, PostgreSQL, nodes, NATS. A line for each, and what mends it. It changes\n"
        "nothing; status 1 where something is bad. As root it sees all files.",
        example="kench doctor --data /var/lib/kench --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    start_logging(ROLE)
    grave = Level.OK
    findings = []
    for finding in _look(arguments):
        grave = max(grave, finding.level)
        findings.append(finding)
        if not arguments.json:
            # At once: a node that does not answer takes its time.
            print(_line(finding), flush=True)
    if arguments.json:
        print(json.dumps({"level": grave.name.lower(), "findings": [
            {**finding._asdict(), "level": finding.level.name.lower()} for finding in findings
        ]}, ensure_ascii=False))  # fmt: skip
    return EXIT_FAULT if grave is Level.BAD else 0


def _look(arguments: argparse.Namespace) -> Iterator[Finding]:
    """Yield every finding; what settings are needed for only where they can be read."""
    always: list[Check] = [check_build, check_memory, check_queue, check_clock]
    for check in always:
        yield from check()
    clock = SystemClock()
    yield from check_zone(clock)
    try:
        settings = settings_of(arguments)
    except SettingsError as fault:
        yield bad("settings", str(fault), "docs/settings.md")
        return
    yield ok("settings", "they can be read")
    yield from check_limits(settings.connections_max)
    yield from check_disk(settings.data_dir, clock)
    yield from check_certificates(settings, clock)
    yield from check_secrets(settings)
    yield from _database(settings, clock)
    yield from check_nodes(node_urls_of(settings) or given_nodes(), settings.network)
    yield from check_wires(settings)
    yield from check_nats(settings)


def _database(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Look at the one of the settings, else at the embedded one where it runs."""
    if settings.database_url is not None:
        with acting_as_operator():
            found = list(check_database(settings.database_url.get_secret_value(), clock))
        yield from found
        return
    server = EmbeddedPostgres(settings.data_dir)
    if not (server.exists and server.runs):
        yield warn("database", "none is named, and none of `kench up` runs here",
                   "database_url, or start `kench up`")  # fmt: skip
        return
    try:
        yield from check_database(server.start(), clock)
    except PostgresError as fault:
        yield bad("database", str(fault), "start `kench up`")
    finally:
        server.stop(spare_clients=True)


def _line(finding: Finding) -> str:
    """Return what is said of one finding, on one line."""
    colours = {Level.OK: "32", Level.WARN: "33", Level.BAD: "31"}
    level = f"{finding.level.name.lower():<4}"
    if sys.stdout.isatty():
        level = f"\x1b[{colours[finding.level]}m{level}\x1b[0m"
    says = one_line(finding.says)
    mend = f"  [{finding.mend}]" if finding.level is not Level.OK else ""
    return f"{level}  {finding.check:<{CHECK_WIDTH}}{says}{mend}"


if __name__ == "__main__":
    run_root(ROLE, main)
