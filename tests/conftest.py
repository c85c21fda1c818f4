"""Fixtures that all tests share: a real PostgreSQL for the run, a fresh database for a test, NATS.

The server is the embedded one. `KENCH_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin` takes other
binaries, `KENCH_TEST_DATABASE_URL=postgresql://...` a server that runs already (its user must be
allowed to make databases and roles).
"""

import contextlib
import itertools
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
import structlog
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from kench.pool.database import migrate, open_engine
from kench.pool.nats.cluster import Cluster
from kench.pool.postgres import EmbeddedPostgres
from tests.support.browser import running_chromium
from tests.support.nats import Servers, connected, running_servers

# A slow machine must not fail a property that holds; how many examples is said where it matters.
settings.register_profile(
    "kench",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("kench")

FOLDER = "kench-tests"
FOLDERS = f"{FOLDER}-*-*"
# The databases of tests are many and short-lived: on a disk, each costs a second or two.
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 1024**3
# Whole pools and sites wait much and take long, so several processes that share a suite begin
# with them (`--no-loadscope-reorder` keeps this order).
LONG_FIRST = ("sale/campaign", "up", "integration", "benchmarks", "commands", "node", "venue")
_OWN_FOLDER = pytest.StashKey[Path]()
_serial = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the run a folder of its own for temporary files.

    Every run of pytest closes the shared one (`/tmp/pytest-of-root`) to other accounts again, and
    with that the way of a running embedded PostgreSQL to its files. Folders of runs
    that have ended are taken away; a PostgreSQL that a killed run left there ends by itself then.
    """
    if config.option.basetemp is None:
        left = [*Path(tempfile.gettempdir()).glob(FOLDERS), *MEMORY.glob(FOLDERS)]
        for folder in left:
            run = folder.name.split("-")[2]
            if run.isdigit() and not Path("/proc", run).exists():
                shutil.rmtree(folder, ignore_errors=True)
        config.option.basetemp = tempfile.mkdtemp(prefix=f"{FOLDER}-{os.getpid()}-")
        config.stash[_OWN_FOLDER] = Path(config.option.basetemp)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first, else keep the order."""
    tests = config.rootpath / "tests"

    def turn(item: pytest.Item) -> int:
        folders = (tests / name for name in LONG_FIRST)
        places = (at for at, folder in enumerate(folders) if item.path.is_relative_to(folder))
        return next(places, len(LONG_FIRST))

    items.sort(key=turn)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Take that folder away, unless a test failed and somebody may want to look."""
    folder = session.config.stash.get(_OWN_FOLDER, None)
    if folder is not None and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say their settings themselves."""
    for name in [name for name in os.environ if name.startswith("KENCH_")]:
        if not name.startswith("KENCH_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a root begins in this process ends with its test: its stream is closed by then."""
    level, hooks = logging.root.level, (sys.excepthook, threading.excepthook)
    yield
    sys.excepthook, threading.excepthook = hooks
    if structlog.is_configured():
        structlog.reset_defaults()
        # Handlers of pytest are of classes of its own.
        left = [one for one in logging.root.handlers if type(one) is logging.StreamHandler]
        for handler in left:
            logging.root.removeHandler(handler)
        logging.root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the run's PostgreSQL server, as a superuser of it."""
    given = os.environ.get("KENCH_TEST_DATABASE_URL")
    if given:
        yield given
        return
    binaries = os.environ.get("KENCH_TEST_POSTGRES_BIN")
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    folder = Path(
        tempfile.mkdtemp(prefix=f"{FOLDER}-{os.getpid()}-", dir=MEMORY if roomy else None)
    )
    server = EmbeddedPostgres(folder, binaries=Path(binaries) if binaries else None)
    url = server.start()
    # Nobody pulls this machine's plug while a test runs.
    execute(url, "ALTER SYSTEM SET fsync = off")
    execute(url, "SELECT pg_reload_conf()")
    try:
        yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_name(postgres_url: str) -> Iterator[str]:
    """Name of a database at the newest schema, from which each test's is copied."""
    name = f"kench_template_{os.getpid()}"
    execute(postgres_url, f"CREATE DATABASE {name}")
    migrate(url_of_database(postgres_url, name))
    yield name
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgres_url: str, template_name: str) -> Iterator[str]:
    """URL of a fresh database at the newest schema, for one test."""
    with _fresh_database(postgres_url, template_name) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(postgres_url: str, template_name: str) -> Iterator[str]:
    """The same, one for all tests of a module: for those that leave nothing behind."""
    with _fresh_database(postgres_url, template_name) as url:
        yield url


@contextlib.contextmanager
def _fresh_database(server_url: str, template: str) -> Iterator[str]:
    name = f"kench_test_{os.getpid()}_{next(_serial)}"
    # Files in memory are copied in half the time that pages through the log take.
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield url_of_database(server_url, name)
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database: str) -> Iterator[sa.Engine]:
    """Engine on that database, as its owner."""
    opened = open_engine(database, application_name="test")
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for the tests of a module."""
    with running_chromium() as browser:
        yield browser


def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def url_of_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One server of NATS; a test takes a stream of its own, or takes that of others away."""
    with running_servers(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="module")
def line(servers: Servers) -> Iterator[Cluster]:
    """A connection to it."""
    with connected(servers.plan("line")) as cluster:
        yield cluster
