"""Variable difficulty: how hard one connection's shares should be. Pure; time is given.

Shares of a steady miner come as a Poisson process, so a rate is only believed wrong once the
evidence is strong: with n shares seen where e were expected, n ln(n/e) - n + e, the logarithm of
how much better the rate seen explains them than the rate wished for. A burst is believed within
its first shares, silence after seven that should have come, and a rate that is off by little
after some minutes. Without evidence the difficulty stays, so that a steady miner is left alone.
"""

import math
from dataclasses import dataclass

# Logarithm of the odds from which a rate is believed to be another than the one wished for.
EVIDENCE = 7.0
# Shares from which a rate above the one wished for is an estimate, and looked at at once.
BURST_SHARES = 24
# Shares expected after which an estimate begins anew, so that old ones do not hide a change.
WINDOW_SHARES = 60.0
# The wished-for rate times these bounds is left alone: with 12 a minute, 6 to 20.
RATE_LOW = 0.5
RATE_HIGH = 20 / 12
# No single step is wider than this, in either direction.
STEP_UP_MAX = 4096.0
STEP_DOWN_MAX = 16.0
# A miner that fell silent may only be resting: it comes back to no less than this part of the
# last difficulty that its shares were known to come at.
SILENCE_MAX = 256.0
# Shares in the first seconds after a change were mostly made for the job before; a miner that
# reconnects begins with those of the session before (A8.16). They are not counted.
SETTLE_S = 3.0
# An estimate is over at least this many seconds.
ELAPSED_MIN_S = 0.05


@dataclass(slots=True)
class Vardiff:
    """Estimates one connection's share rate since its difficulty last changed.

    `shares_per_minute` is the rate wished for. `now` is monotonic seconds. `since` is when
    counting began or will begin. `proven` is the last difficulty at which shares came and were
    not too many, 0 if there was none yet.
    """

    shares_per_minute: float
    since: float
    shares: int = 0
    proven: float = 0.0

    @property
    def burst_shares(self) -> int:
        """How many shares more there must be to judge at once."""
        return max(BURST_SHARES - self.shares, 1)

    def restart(self, now: float) -> None:
        """Begin a new estimate, because the difficulty changed."""
        self.since = now + SETTLE_S
        self.shares = 0

    def judge(self, now: float, difficulty: float) -> float | None:
        """Return the difficulty that fits the rate seen at `difficulty`, or None to leave it."""
        if now <= self.since:
            # A clock that was set back must not stop the counting until it has caught up.
            self.since = min(self.since, now + SETTLE_S)
            return None
        elapsed = max(now - self.since, ELAPSED_MIN_S)
        expected = self.shares_per_minute / 60 * elapsed
        ratio = self.shares / expected
        off = not RATE_LOW <= ratio <= RATE_HIGH
        if off and _evidence(self.shares, expected) >= EVIDENCE:
            if ratio < 1 or self.shares >= BURST_SHARES:
                return self._fitting(now, difficulty, ratio)
        elif expected >= WINDOW_SHARES:
            self.proven = difficulty
            self.since, self.shares = now, 0
        return None

    def _fitting(self, now: float, difficulty: float, ratio: float) -> float | None:
        """Return the next difficulty and begin to look at how it fits."""
        fitting = difficulty * min(max(ratio, 1 / STEP_DOWN_MAX), STEP_UP_MAX)
        if not self.shares:
            fitting = max(fitting, self.proven / SILENCE_MAX)
        elif ratio < 1:
            self.proven = fitting
        self.restart(now)
        return fitting if fitting != difficulty else None


def _evidence(seen: int, expected: float) -> float:
    return (seen * math.log(seen / expected) if seen else 0.0) - seen + expected
