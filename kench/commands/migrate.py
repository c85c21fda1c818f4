"""`kench migrate`: bring the schema of the database to this version's shape.

`kench up` does the same by itself. This one is for a PostgreSQL of one's own, whose daily users
should not own the tables: run it with the owner's KENCH_DATABASE_URL after each update.
"""

from kench.pool.database import head_revision, migrate
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging


def main() -> None:
    """Migrate the database of the settings; a second time changes nothing."""
    parser = command(
        "migrate",
        "Bring the database's schema to this version's shape (`kench up` does so by itself).",
        example="KENCH_DATABASE_URL_FILE=/etc/kench/owner kench migrate",
    )
    settings = settings_of(parser.parse_args())
    start_logging("migrate")
    with database_url(settings, make=True) as url:
        migrate(url)
    announce("migrate", f"the schema is {head_revision()}")


if __name__ == "__main__":
    run_root("migrate", main)
