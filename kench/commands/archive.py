"""`kench archive`: stream the database's WAL into a folder, for restores to any moment."""

from kench.backup.archiving import prepare_archive, replace_process
from kench.backup.errors import BackupError
from kench.pool.clock import SystemClock
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.roots import announce, command, run_root, settings_of, start_logging

ROLE = "archive"


def main() -> None:
    """Archive until SIGTERM or Ctrl-C, or until the database goes."""
    parser = command(
        ROLE,
        "Stream what the database writes into KENCH_POSTGRES_WAL_ARCHIVE, so that `kench restore\n"
        "--wal FOLDER --until MOMENT` can bring a backup to any moment since. `kench up` runs it\n"
        "by itself where that is set.",
        example="KENCH_POSTGRES_WAL_ARCHIVE=/srv/wal kench archive --data /var/lib/kench",
    )
    settings = settings_of(parser.parse_args())
    start_logging(ROLE)
    if settings.postgres_wal_archive is None:
        raise BackupError("no folder for the WAL: set KENCH_POSTGRES_WAL_ARCHIVE")
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
    else:
        server = EmbeddedPostgres(settings.data_dir)
        if not server.runs:
            raise BackupError(f"the database of {settings.data_dir} does not run: start `kench up`")
        url = server.start()
    receiving = prepare_archive(
        url, settings.postgres_wal_archive, settings.backup_postgres_bin, SystemClock()
    )
    announce(ROLE, "ready")
    replace_process(receiving)


if __name__ == "__main__":
    run_root(ROLE, main)
