"""The way back of the schema: to what an older version knows, if nothing is lost by it."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from kench.pool.database import (
    MIGRATION_LOCK,
    MigrationFailedError,
    SchemaMismatchError,
    downgrade,
    first_line,
    found_revision,
    known_revisions,
    open_engine,
    unavailable,
)
from kench.pool.database_url import safe_url

STATEMENT_S = 600
PASSING = frozenset({"leases", "allowances"})
"""Tables whose rows are of the moment: nothing is lost when they go."""
COLUMNS = sa.text("""
    SELECT table_name, column_name FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1, ordinal_position
""")


def migrate_back(url: str, revision: str) -> str:
    """Take the schema back to an older revision, all in one transaction; return the one before.

    Raises SchemaMismatchError where that is no older one, DatabaseUnavailableError, and
    MigrationFailedError where something that is kept now has no place there; nothing changed then.
    """
    engine = open_engine(
        url, application_name="kench migrate", statement_timeout_s=STATEMENT_S, lock_timeout_s=30
    )
    try:
        with engine.begin() as db:
            db.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            found = found_revision(db)
            if revision not in known_revisions() or found is None or revision >= found:
                raise SchemaMismatchError(
                    f"the schema is {found or '(none)'} and {revision} is no older one: "
                    "`kench migrate` without --to goes forward"
                )
            lost = list(_lost(db, revision))
            if lost:
                raise MigrationFailedError(
                    f"schema {revision} has no place for {', '.join(lost)}: nothing was changed; "
                    "mend forward, or restore the backup of before (deploy/README.md, Going back)"
                )
            downgrade(db, revision)
            return found
    except NotImplementedError as error:
        raise MigrationFailedError(f"{error} (deploy/README.md, Going back)") from error
    except OperationalError as error:
        raise unavailable(url, error) from error
    except DBAPIError as error:
        raise MigrationFailedError(
            f"the schema of {safe_url(url)} could not be taken back: {first_line(error)}; the "
            "user of database_url must own the database"
        ) from error
    finally:
        engine.dispose()


def _lost(db: sa.Connection, revision: str) -> Iterator[str]:
    """Yield tables and columns that hold something and would be gone, as a trial shows them."""
    before = set(db.execute(COLUMNS).all())
    with db.begin_nested() as trial:
        downgrade(db, revision)
        after = set(db.execute(COLUMNS).all())
        trial.rollback()
    left = {table for table, _ in after}
    gone = sorted({(table, None) if table not in left else (table, column)
                   for table, column in before - after}, key=str)  # fmt: skip
    for table, column in gone:
        if table in PASSING:
            continue
        name = f'"{table}"'
        asked = f"SELECT EXISTS (SELECT FROM {name}"  # noqa: S608 - names of our own schema
        asked += ")" if column is None else f' WHERE "{column}" IS NOT NULL)'
        if db.scalar(sa.text(asked)):
            yield table if column is None else f"{table}.{column}"
