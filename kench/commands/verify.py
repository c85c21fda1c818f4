"""`kench verify`: recompute everything from journal and chain, and say what differs."""

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.progress import Progress as Bar
from sqlalchemy.exc import DBAPIError

from kench.payouts.audit.report import Progress, Report
from kench.payouts.audit.run import audit
from kench.payouts.orders import OrdersInForce
from kench.pool.clock import SystemClock
from kench.pool.database import DatabaseUnavailableError, Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.nodes.chain import ChainView
from kench.pool.orders.verifying import verifier_of
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.pool.secret_sources import variables_for
from kench.pool.settings import Settings
from kench.pool.wire_settings import networks_to_take

ROLE = "verify"
NODE_STOP_S = 10.0


class NodeNotStartedError(KenchError):
    """The embedded node could not be started for the duration of the audit."""


def main() -> int:
    """Audit the settings' pool; 0 where nothing differs, 1 where something does."""
    parser = command(
        ROLE,
        "Hash every share again, add every total, split every reward, check the ledger and the "
        "chain,\nand print what differs (exit status 1) or that nothing does. The pool may run.",
        example="kench verify --data ./data",
    )
    settings = settings_of(parser.parse_args())
    start_logging(ROLE)
    with (
        contextlib.ExitStack() as node,
        database_url(settings) as url,
        _snapshot(url) as connection,
        _progress() as progress,
    ):
        report = audit(
            connection,
            settings.data_dir / "journal",
            lambda: ChainView(
                node.enter_context(_nodes(settings)),
                SystemClock(),
                settings.network,
                networks_to_take(settings),
            ),
            settings.maturity_confirmations,
            progress,
            orders=OrdersInForce(lambda: verifier_of(settings)).on(connection),
        )
    return _tell(report)


def _tell(report: Report) -> int:
    for words in report.differences:
        print(words)
    unsaid = report.differences_count - len(report.differences)
    if unsaid:
        print(f"and {unsaid} more")
    what = (
        f"{report.shares} shares, {report.blocks} blocks, {report.transfers} transfers, "
        f"{report.manifests} manifests checked; {report.unsettled_shares} shares and "
        f"{report.waiting_blocks} blocks wait for settlement, {report.waiting_manifests} manifests "
        "to be signed"
    )
    found = "nothing differs" if report.is_clean else f"{report.differences_count} differences"
    print(f"kench verify: {found} ({what})")
    return 0 if report.is_clean else 1


@contextlib.contextmanager
def _snapshot(url: str) -> Iterator[sa.Connection]:
    """One read-only snapshot of the database, which may stand for as long as hashing takes."""
    engine = open_engine(url, Role.READ, application_name="kench verify", pool_size=1)
    try:
        check_schema(engine)
        with engine.connect() as opened:
            connection = opened.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
                    connection.execute(sa.text(f"SET LOCAL {name} = 0"))
                connection.execute(sa.text("SET TRANSACTION READ ONLY"))
                yield connection
    except DBAPIError as error:
        raise DatabaseUnavailableError(
            f"the database was lost while it was read ({error.orig}): run `kench verify` again"
        ) from error
    finally:
        engine.dispose()


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far the audit is, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _all: None
        return
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the books", total=None)

        def show(what: str, done: int, whole: int) -> None:
            bar.update(task, description=what, completed=done, total=whole)

        yield show


@contextlib.contextmanager
def _nodes(settings: Settings) -> Iterator[list[Node]]:
    """Nodes of the settings, else those of `kench up`, else the embedded one, started."""
    urls = node_urls_of(settings)
    if urls:
        yield [Node(url) for url in urls]
        return
    if not settings.node_directory.is_dir():
        raise NodeNotStartedError("no node is known: set KENCH_NODE_URLS to those of this pool")
    with _embedded_node(settings) as url:
        yield [Node(url)]


@contextlib.contextmanager
def _embedded_node(settings: Settings) -> Iterator[str]:
    """Run the data folder's own node for a while; yields its URL."""
    program = Path(sysconfig.get_path("scripts")) / "kench"
    unasked = variables_for("database_url")
    with subprocess.Popen(  # noqa: S603 - our own program with our own flags
        [
            sys.executable, str(program), "node", "--data", str(settings.data_dir),
            "--rpc-port", "0", "--zmq-port", "0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name not in unasked},
        text=True,
    ) as process:  # fmt: skip
        try:
            # `kench node: rpc URL zmq ENDPOINT`, then `kench node: ready`; nothing if it ends.
            said = process.stdout.readline().split() if process.stdout else []
            if process.stdout is None or not said or not process.stdout.readline():
                raise NodeNotStartedError(
                    f"the node of {settings.data_dir} does not start: run `kench node --data "
                    f"{settings.data_dir}` to see why"
                )
            yield f"{said[3]}?cookie={settings.node_directory / '.cookie'}"
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(NODE_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    run_root(ROLE, main)
