"""The embedded database as `kench up` keeps it: started first, revived, stopped last."""

import threading

from kench.pool.postgres import EmbeddedPostgres
from kench.pool.settings import Settings

STOP_S = 1.5


class KeptDatabase:
    """The embedded PostgreSQL of a data folder, held running until `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._data_dir = settings.data_dir
        self._held: EmbeddedPostgres | None = None
        self._lock = threading.Lock()

    def start(self) -> str:
        """Start or attach to the server, or start it again; return its URL. Raises PostgresError.

        The new hold is taken before the old is let go, so that nobody stops the server in between.
        """
        with self._lock:
            fresh = EmbeddedPostgres(self._data_dir, stop_timeout_s=STOP_S)
            url = fresh.start()
            if self._held is not None:
                self._held.stop()
            self._held = fresh
            return url

    def revive(self) -> None:
        """Start the server again if it died; one that lives is left as it is."""
        self.start()

    def stop(self) -> None:
        """Stop the server, unless another command still needs it."""
        with self._lock:
            if self._held is not None:
                self._held.stop()
                self._held = None
