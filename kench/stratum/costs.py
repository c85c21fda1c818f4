"""Costs of sessions and addresses: decaying sums, pure; time is given in monotonic seconds."""

from dataclasses import dataclass

from kench.native import Gate
from kench.pool.settings import Settings

# A pause of reading begins at this and is four times as long for each soft limit more.
PAUSE_S, PAUSE_GROWTH, PAUSE_MAX_S = 0.25, 4.0, 15.0
# Each accepted share pays for one that was refused; so many may be kept in hand.
PAID_AHEAD_MAX = 1000
# Late shares (stale, job not found, duplicate) cost nothing so long after a new tip (A8.15), or
# after a session began, which may bring those of the session before (A8.16); at most so many.
LATE_AFTER_TIP_S, LATE_AFTER_BEGIN_S, LATE_FREE_MAX = 60.0, 150.0, 2000
# An address has its limits once, and once more for each so many sessions that were authorised at
# the same time; of the most there were, half are still believed in after this long.
SESSIONS_PER_LIMIT = 16.0
STANDING_HALF_LIFE_S = 6 * 3600.0
# Without another ban for so many of its length, an address begins again with the shortest.
BAN_FORGOTTEN_AFTER = 4.0


@dataclass(frozen=True, slots=True)
class CostLimits:
    """From where on costs have consequences; from the settings."""

    half_life_s: float
    session_soft: float
    session_hard: float
    address_soft: float
    address_hard: float
    ban_s: float
    ban_max_s: float

    @classmethod
    def of(cls, settings: Settings) -> "CostLimits":
        """Return the limits of the settings."""
        return cls(
            half_life_s=settings.cost_half_life_s,
            session_soft=settings.session_cost_soft,
            session_hard=settings.session_cost_hard,
            address_soft=settings.address_cost_soft,
            address_hard=settings.address_cost_hard,
            ban_s=settings.ban_s,
            ban_max_s=settings.ban_max_s,
        )


def decayed(amount: float, elapsed_s: float, half_life_s: float) -> float:
    """Return what is left of an amount that halves each half-life."""
    # A clock that was set back forgives nothing.
    return float(amount * 0.5 ** (max(elapsed_s, 0.0) / half_life_s))


def next_ban(earlier: int, ended: float, now: float, limits: CostLimits) -> tuple[int, float]:
    """Return how many bans one more makes, and its seconds; `ended` is when the last one did.

    Each that comes soon again is twice as long.
    """
    if now - ended > BAN_FORGOTTEN_AFTER * limits.ban_max_s:
        earlier = 0
    return earlier + 1, min(limits.ban_s * 2.0 ** min(earlier, 32), limits.ban_max_s)


class Cost:
    """A sum that halves each half-life."""

    __slots__ = ("_at", "_level")

    def __init__(self) -> None:
        self._level = 0.0
        self._at = 0.0

    def level(self, now: float, half_life_s: float) -> float:
        """Return what is left of all that was added."""
        if not self._level:
            return 0.0
        return decayed(self._level, now - self._at, half_life_s)

    def add(self, amount: float, now: float, half_life_s: float, least: float = 0.0) -> float:
        """Add to the sum (or take from it, down to `least`) and return it."""
        level = self.level(now, half_life_s)
        self._level = max(min(level, least), level + amount)
        self._at = now
        return self._level


def scale_of(standing: float) -> float:
    """Return how many times an address with so many sessions has the limits of a small one."""
    return 1.0 + standing / SESSIONS_PER_LIMIT


def pause_s(level: float, soft: float) -> float:
    """Return for how long one that costs so much is not read from; 0 below the soft limit.

    The pause grows so fast that who connects, does wrong once and waits, again and again, never
    comes to five times the soft limit.
    """
    if level < soft:
        return 0.0
    steps = min(level / soft - 1.0, 16.0)
    return float(min(PAUSE_S * PAUSE_GROWTH**steps, PAUSE_MAX_S))


class SessionCost(Cost):
    """What one session costs, and which of its refused shares are paid for."""

    __slots__ = ("_accepted", "_late", "_late_free", "_paid_ahead", "_tip_at", "_wrong")

    def __init__(self) -> None:
        super().__init__()
        self._accepted = self._wrong = self._late = 0  # of the gate, as of the last look
        self._paid_ahead = 0
        self._late_free = LATE_FREE_MAX
        self._tip_at = 0.0

    def unpaid(self, gate: Gate, since: float, tip_at: float, now: float) -> tuple[int, int]:
        """Return the wrong and the late shares refused since last asked that nothing excuses.

        `since` is when the session began, `tip_at` when the tip came.
        """
        wrong, late = gate.wrong - self._wrong, gate.late - self._late
        self._paid_ahead = min(self._paid_ahead + gate.accepted - self._accepted, PAID_AHEAD_MAX)
        self._accepted, self._wrong, self._late = gate.accepted, gate.wrong, gate.late
        if tip_at != self._tip_at:
            self._tip_at, self._late_free = tip_at, LATE_FREE_MAX
        if now - tip_at <= LATE_AFTER_TIP_S or now - since <= LATE_AFTER_BEGIN_S:
            free = min(late, self._late_free)
            self._late_free -= free
            late -= free
        late -= self._pay(late)
        wrong -= self._pay(wrong)
        return wrong, late

    def _pay(self, count: int) -> int:
        paid = min(count, self._paid_ahead)
        self._paid_ahead -= paid
        return paid


class Address(Cost):
    """What all connections of one address cost, those that ended too."""

    __slots__ = (
        "_standing",
        "_standing_at",
        "authorised",
        "banned_until",
        "bans",
        "connections",
        "exempt",
        "name",
    )

    def __init__(self, name: str, *, exempt: bool) -> None:
        super().__init__()
        self.name = name
        self.exempt = exempt
        self.connections = 0  # open now
        self.authorised = 0  # of them
        self.banned_until = 0.0
        self._standing = 0.0
        self._standing_at = 0.0
        self.bans = 0  # in a row

    def enter(self, now: float) -> None:
        """Count a session that was authorised."""
        self.authorised += 1
        self._standing = max(self.standing(now), float(self.authorised))
        self._standing_at = now

    def standing(self, now: float) -> float:
        """Return how many authorised sessions this address is known to have.

        A farm that lost its line has as many to come back as were there.
        """
        left = decayed(self._standing, now - self._standing_at, STANDING_HALF_LIFE_S)
        return max(left, float(self.authorised))

    def ban(self, now: float, limits: CostLimits) -> float:
        """Ban the address, longer each time that it comes soon again; return for how long."""
        self.bans, seconds = next_ban(self.bans, self.banned_until, now, limits)
        self.banned_until = now + seconds
        return seconds
