"""One session's difficulty: what was wished for, what is in force, what its shares are worth."""

from dataclasses import dataclass

from kench.pool.job import Job
from kench.pool.work import EASIEST_DIFFICULTY, settle_difficulty, work_of
from kench.stratum.agent_defaults import defaults_of
from kench.stratum.login import Password
from kench.stratum.vardiff import Vardiff


@dataclass(frozen=True, slots=True)
class DifficultyLimits:
    """What bounds every session's difficulty; from the settings."""

    start: float
    lowest: float
    highest: float
    shares_per_minute: float


class Difficulty:
    """Wishes come from the miner and from vardiff; `renew` puts them in force with a job.

    `changed` tells the shell to see whether a job should be sent for it (A6.4).
    """

    __slots__ = (
        "_asked_floor",
        "_limits",
        "_password_floor",
        "_password_start",
        "_share_work_hashes",
        "_suggested",
        "_vardiff",
        "changed",
        "floor",
        "in_force",
        "settled_at",
        "start",
        "work_hashes",
    )

    def __init__(self, limits: DifficultyLimits, now: float) -> None:
        self._limits = limits
        self._vardiff = Vardiff(limits.shares_per_minute, now)
        self._password_start: float | None = None
        self._suggested: float | None = None
        self._share_work_hashes = 0
        self.changed = False
        self._asked_floor = self._password_floor = 0.0
        self.floor = limits.lowest  # the highest of the door's, the password's, the firmware's
        self.start = limits.start  # wished for, before bounds
        self.in_force = 0.0  # for the next job; 0 before the first
        # The network's difficulty for which the wish is in force, bounds and all; 0 if it is not.
        self.settled_at = 0.0
        self.work_hashes = 0  # accepted since the connection began, for display

    # -- wishes -----------------------------------------------------------------------------

    def wish(self, difficulty: float) -> None:
        """Have the next job sent at this difficulty, as far as the bounds allow."""
        self.start = difficulty
        self.changed, self.settled_at = True, 0.0

    def ask_floor(self, difficulty: float) -> None:
        """Take the firmware's own floor in the place of the one it asked for before (A4.6)."""
        self._asked_floor = difficulty
        self._renew_floor()

    def _renew_floor(self) -> None:
        self.floor = max(self._limits.lowest, self._password_floor, self._asked_floor)
        self.changed, self.settled_at = True, 0.0

    def take_options(self, password: Password) -> None:
        """Take a password's minimum first, then its start (A3.7).

        A start said again changes nothing, so that logging in anew floods nobody (A3.5).
        """
        if password.minimum_difficulty is not None:
            self._password_floor = password.minimum_difficulty
            self._renew_floor()
        start = password.start_difficulty
        if start is not None and start != self._password_start:
            self._password_start = start
            self.wish(start)

    def suggest(self, wished: float) -> None:
        """Take a suggestion once: repeats are keep-alives (A6.6), a password is stronger (A3.8)."""
        if wished != self._suggested:
            self._suggested = wished
            if self._password_start is None:
                self.wish(wished)

    # -- the share rate ---------------------------------------------------------------------

    def count(self, accepted: int, timely: int) -> None:
        """Count accepted shares, and of them those later than `counts_after`."""
        self.work_hashes += accepted * self._share_work_hashes
        self._vardiff.shares += timely

    @property
    def counts_after(self) -> float:
        """From when on shares tell of the rate."""
        return self._vardiff.since

    @property
    def burst_shares(self) -> int:
        """How many shares more would make the rate worth judging at once."""
        return self._vardiff.burst_shares

    def judge(self, now: float) -> None:
        """Wish for another difficulty if the share rate says so."""
        wished = self._vardiff.judge(now, self.in_force)
        if wished is not None:
            self.wish(wished)

    # -- in force ---------------------------------------------------------------------------

    def bounded(self, job: Job, user_agent: str) -> float:
        """Return the difficulty that the wish comes to with this job: within all bounds (A8.14)."""
        highest = min(self._limits.highest, job.network_difficulty)
        lowest = max(self.floor, self._agent_floor(user_agent), EASIEST_DIFFICULTY)
        return settle_difficulty(self.start, lowest, highest)

    def renew(self, job: Job, user_agent: str, now: float) -> bool:
        """Put the wish in force from this job on; True if that changes anything."""
        wished = self.bounded(job, user_agent)
        self.settled_at = job.network_difficulty
        if wished == self.in_force:
            return False
        self.in_force = wished
        self._share_work_hashes = work_of(wished)
        self._vardiff.restart(now)
        return True

    def _agent_floor(self, user_agent: str) -> float:
        """Return the floor that this software wants, unless it asked for less (A3.8, A10)."""
        floor = defaults_of(user_agent).floor
        asked = self._suggested if self._password_start is None else self._password_start
        return floor if asked is None else min(floor, asked)
