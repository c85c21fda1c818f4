"""The jobs that miners work on: made off the loop, kept while their shares may come."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from kench.native import Job as NativeJob
from kench.native import JobTable
from kench.pool.job import Job, JobMaker
from kench.pool.template import Template

# Jobs whose shares can still be judged. With a refresh each 25 s and a retarget job each 3 s at
# the most, that is more than the ten minutes of A7.5.
JOBS_MAX = 256


class JobBook:
    """Current and recent jobs, the same ones that native code judges shares by. Loop only."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self.current: Job | None = None

    def add(self, job: Job, stale_from_us: int) -> bool:
        """Make `job` the current one; True if it is the first on a new tip.

        Shares of the tip before are stale from `stale_from_us` on (A8.9).
        """
        before = self.current
        new_tip = before is None or before.prevhash_le != job.prevhash_le
        if new_tip and before is not None:
            self._table.new_tip(stale_from_us)
        self._table.add(job.prepared)
        self._jobs[job.key] = job
        if len(self._jobs) > JOBS_MAX:
            self._jobs.popitem(last=False)
        self.current = job
        return new_tip

    def recent(self) -> dict[int, NativeJob]:
        """Return the jobs of this tip and the one before, whose shares may still earn work."""
        found: dict[int, NativeJob] = {}
        tips: set[bytes] = set()
        for job in reversed(self._jobs.values()):
            tips.add(job.prevhash_le)
            if len(tips) > 2:
                break
            found[job.key] = job.prepared
        return found

    def get(self, key: int) -> Job | None:
        """Return a job by key while it is kept."""
        return self._jobs.get(key)


class JobFactory:
    """Makes jobs in worker threads, in order, delivered by `deliver(job, template, for_all)`.

    `deliver` is called in the thread that made the job, under the factory's lock: jobs arrive in
    the order of their keys. None is delivered that `check` does not let pass.
    """

    def __init__(
        self,
        maker: JobMaker,
        check: Callable[[Job, Template], None],
        deliver: Callable[[Job, Template, bool], None],
    ) -> None:
        self._maker = maker
        self._check = check
        self._deliver = deliver
        self._lock = threading.Lock()
        self._template: Template | None = None
        self._body_key: int | None = None

    def from_template(self, template: Template) -> Job:
        """Make the job of a new template, deliver it to all, and return it.

        Raises a KenchError where no lawful coinbase can be built, or the one that was built does
        not pass; nothing is delivered then.
        """
        with self._lock:
            self._template, self._body_key = template, None
            return self._make(template, for_all=True)

    def again(self, *, for_all: bool = False) -> None:
        """Make and deliver another job of the newest template; raises as `from_template` does.

        It is for all where the template has no job yet.
        """
        with self._lock:
            if self._template is not None:
                self._make(self._template, for_all=for_all or self._body_key is None)

    def _make(self, template: Template, *, for_all: bool) -> Job:
        job = self._maker.make(template, self._body_key)
        self._check(job, template)
        self._deliver(job, template, for_all)
        self._body_key = job.facts.body_key
        return job
