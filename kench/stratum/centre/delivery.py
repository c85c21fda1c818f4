"""Jobs on their way to this machine's fronts, ours and others', with keys that rise.

Fronts take no job whose key is not above the last one's. Makers' clocks differ, so a job that
comes too low, and a job made only because difficulties changed, gets a key of this machine's own.
"""

import threading
from collections.abc import Callable

from kench.pool.job import Job, JobKeys

Give = Callable[[Job], None]


class Delivery:
    """Gives jobs to the fronts, one at a time; for any thread."""

    def __init__(self, keys: JobKeys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._current: Job | None = None

    @property
    def current(self) -> Job | None:
        """The newest job that was given."""
        return self._current

    def give(self, job: Job, give: Give) -> Job:
        """Give a job, under another key where its own is too low; return it as given."""
        with self._lock:
            last = self._current
            if last is not None and job.key <= last.key:
                self._keys.raise_to(last.key)
                job = job.rekeyed(self._keys.next())
            return self._given(job, give)

    def again(self, give: Give) -> bool:
        """Give the newest job under another key; False where there is none yet."""
        with self._lock:
            if self._current is None:
                return False
            self._given(self._current.rekeyed(self._keys.next()), give)
            return True

    def _given(self, job: Job, give: Give) -> Job:
        self._keys.raise_to(job.key)
        self._current = job
        give(job)
        return job
