"""Settings of backups: the programs of others that make and open them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator


class BackupSettings(BaseModel):
    """Those of `Settings` that backups alone read."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    backup_openssl: Path = Path("/usr/bin/openssl")
    """Backup: the openssl command, 3.0 or later, that seals and opens it."""
    backup_postgres_bin: Path | None = None
    """Backup: folder of `pg_dump` and `pg_restore` for a database by `database_url`, as new as that
    server or newer. Unset: those that come with Kench (18)."""

    postgres_wal_archive: Path | None = None
    """Backup: folder, best on another disk, into which `kench archive` streams what PostgreSQL
    writes; `kench up` runs it. Unset: no restore to a moment between two backups."""

    @field_validator("backup_postgres_bin", "postgres_wal_archive")
    @classmethod
    def _resolve_backup_path(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()
