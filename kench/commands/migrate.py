"""`kench migrate`: bring the schema of the database to this version's shape.

`kench up` does the same by itself. This one is for a PostgreSQL of one's own, whose daily users
should not own the tables: run it with the owner's KENCH_DATABASE_URL after each update. With
`--to` it goes back to what the version before knows, before that one is put in place again.
"""

from kench.pool.database import head_revision, migrate
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.schema_steps import migrate_back


def main() -> None:
    """Migrate the database of the settings; a second time changes nothing."""
    parser = command(
        "migrate",
        "Bring the database's schema to this version's shape (`kench up` does so by itself), or\n"
        "back to an older one's: all in one transaction, and not where anything would be lost.",
        example="kench migrate\n  kench migrate --to 0053",
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--to", metavar="NNNN", help="go back to this schema (deploy/README.md)")
    ways.add_argument("--show", action="store_true", help="print this version's, change nothing")
    given = parser.parse_args()
    if given.show:
        print(head_revision())
        return
    settings = settings_of(given)
    start_logging("migrate")
    with database_url(settings, make=not given.to) as url:
        if given.to:
            before = migrate_back(url, given.to)
            announce("migrate", f"the schema is {given.to}, it was {before}")
            return
        migrate(url)
    announce("migrate", f"the schema is {head_revision()}")


if __name__ == "__main__":
    run_root("migrate", main)
