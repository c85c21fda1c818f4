"""A database that the release before made: upgraded, and taken back, with every row there."""

import lzma
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from kench.pool import schema_steps
from kench.pool.database import MigrationFailedError, SchemaMismatchError, head_revision, migrate
from kench.pool.postgres_account import wheel_binaries
from kench.pool.schema_steps import COLUMNS, PASSING, migrate_back
from tests.conftest import execute, url_of_database

DUMP = Path(__file__).parents[1] / "vectors/releases/0053.sql.xz"
RELEASE = DUMP.name[:4]
Digests = dict[str, tuple[int, str | None]]


@pytest.fixture
def former(postgres_url: str, template_name: str) -> Iterator[str]:
    """URL of a database as the release before left it; its roles come with the template."""
    name = f"kench_former_{os.getpid()}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0")
    url = url_of_database(postgres_url, name)
    subprocess.run(
        [wheel_binaries() / "psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"],
        input=lzma.decompress(DUMP.read_bytes()), check=True, timeout=120,
    )  # fmt: skip
    yield url
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def columns_of(url: str) -> dict[str, list[str]]:
    """The columns of each table."""
    found: dict[str, list[str]] = {}
    with psycopg2.connect(url) as db, db.cursor() as cursor:
        cursor.execute(COLUMNS.text)
        for table, column in cursor.fetchall():
            found.setdefault(table, []).append(column)
    db.close()
    return found


def digests(url: str, columns: dict[str, list[str]]) -> Digests:
    """How many rows each table has, and a digest of what those columns hold."""
    found: Digests = {}
    with psycopg2.connect(url) as db, db.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        for table, names in columns.items():
            if table in PASSING | {"alembic_version"}:
                continue
            row = "ROW({})::text".format(", ".join(f'"{name}"' for name in names))
            cursor.execute(
                f'SELECT count(*), md5(string_agg({row}, chr(10) ORDER BY {row})) FROM "{table}"'
            )
            (found[table],) = cursor.fetchall()
    db.close()
    return found


def schema_of(url: str) -> list[str]:
    """The schema as PostgreSQL tells it, but for the number of the dump."""
    said = subprocess.run(
        [wheel_binaries() / "pg_dump", "--schema-only", "--no-owner", url],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    return sorted(line for line in said.splitlines() if not line.startswith(("\\", "--")))


def audited(url: str) -> subprocess.CompletedProcess[str]:
    """`kench audit` of it."""
    return subprocess.run(
        [sys.executable, Path(sys.executable).parent / "kench", "audit", "--json"],
        env=os.environ | {"KENCH_DATABASE_URL": url},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_an_upgrade_keeps_every_row_and_the_way_back_does_too(former: str) -> None:
    columns, schema = columns_of(former), schema_of(former)
    before = digests(former, columns)
    # It is a pool that worked: with these empty nothing would be proved.
    for table in ("participants", "totals", "blocks", "transfers", "lots", "fills", "acts"):
        assert before[table][0] > 0, table
    migrate(former)
    assert digests(former, columns) == before
    audit = audited(former)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert migrate_back(former, RELEASE) == head_revision()
    assert digests(former, columns) == before
    assert schema_of(former) == schema


def test_a_way_back_that_would_lose_something_changes_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = columns_of(database)
    # These rows are of the moment, and are nobody's loss; were they not, it would be refused.
    monkeypatch.setattr(schema_steps, "PASSING", frozenset())
    with pytest.raises(MigrationFailedError, match="has no place for leases"):
        migrate_back(database, RELEASE)
    with pytest.raises(MigrationFailedError, match="restore a backup"):
        migrate_back(database, "0019")
    assert columns_of(database) == columns


def test_the_way_back_is_to_older_schemas_alone(database: str) -> None:
    for revision in (head_revision(), "0099", "none"):
        with pytest.raises(SchemaMismatchError, match="no older one"):
            migrate_back(database, revision)
