"""Faults of backups; each message says what to do."""

from kench.pool.errors import KenchError


class BackupError(KenchError):
    """A backup cannot be made."""


class RestoreError(KenchError):
    """A backup cannot be opened, or not be restored where it was to be."""


class BackupDamagedError(RestoreError):
    """What was opened is not what was written."""
