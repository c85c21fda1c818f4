"""Variable difficulty: how hard one connection's shares should be. Pure; time is given."""

from dataclasses import dataclass

# Shares at one difficulty after which its rate is looked at before the next sweep.
BURST_SHARES = 24
# A rate is only judged once this many seconds have passed, unless it is a burst.
WINDOW_S = 120.0
# The wished-for rate times these bounds is left alone: with 12 a minute, 6 to 20.
RATE_LOW = 0.5
RATE_HIGH = 20 / 12
# No single step is wider than this, in either direction.
STEP_UP_MAX = 4096.0
STEP_DOWN_MAX = 16.0
# A burst is judged over at least this many seconds, or one read's worth of shares would count as
# an infinite rate.
BURST_FLOOR_S = 0.05


@dataclass(slots=True)
class Vardiff:
    """Estimates one connection's share rate since its difficulty last changed.

    `shares_per_minute` is the rate wished for. `now` is monotonic seconds.
    """

    shares_per_minute: float
    since: float
    shares: int = 0

    def saw(self, count: int) -> bool:
        """Count accepted shares; True when there are enough of them to judge at once."""
        self.shares += count
        return self.shares >= BURST_SHARES

    def restart(self, now: float) -> None:
        """Begin a new estimate, because the difficulty changed."""
        self.since = now
        self.shares = 0

    def judge(self, now: float, difficulty: float) -> float | None:
        """Return the difficulty that fits the rate seen, or None to leave it.

        Fast up: a burst is enough. Slow down: only after a whole window, and never on so few
        seconds that silence proves nothing.
        """
        # A clock of the monotonic kind never steps, but a caller's may be late: never divide by 0.
        elapsed = max(now - self.since, BURST_FLOOR_S)
        expected = self.shares_per_minute / 60 * elapsed
        ratio = self.shares / expected
        burst = self.shares >= BURST_SHARES and ratio > 2.0
        if not burst and elapsed < WINDOW_S:
            if self.shares >= BURST_SHARES and ratio <= RATE_HIGH:
                # Enough shares and a fitting rate: begin anew, so that old ones do not hide a rise.
                self.restart(now)
            return None
        if RATE_LOW <= ratio <= RATE_HIGH:
            self.restart(now)
            return None
        self.restart(now)
        return difficulty * min(max(ratio, 1 / STEP_DOWN_MAX), STEP_UP_MAX)
