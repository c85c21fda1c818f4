"""The guard: what each session and address costs, and what it earns for it; sans-IO.

The soft limit slows: reading pauses, longer and longer. The hard one of a session cuts it off,
that of an address bans it until the ban expires. What an address costs at other fronts counts too
(`elsewhere`); then the job maker bans it, for all of them.
"""

import enum
import socket
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import structlog

from kench.pool.door_settings import Network
from kench.stratum.addresses import is_within
from kench.stratum.costs import Address, CostLimits, SessionCost, pause_s, scale_of
from kench.stratum.elsewhere import BanEntry, Elsewhere, bans_in
from kench.stratum.faults import Fault

# Addresses whose costs are remembered; the one seen least recently is forgotten first.
ADDRESSES_MAX = 65_536
# Banned addresses and those with connections are passed over so often before one is forgotten.
PASSED_OVER_MAX = 8
# Bans that wait for the job maker to ask.
UNTOLD_MAX = 4096

log = structlog.get_logger("stratum")


class Measure(enum.Enum):
    """What the guard has done to a peer, by its name in status and metrics."""

    SLOWED = "slowed"
    CUT = "cut"
    BANNED = "banned"
    REFUSED = "refused"  # at accept, being banned
    GONE = "gone"  # at accept: reset before its address could be asked for
    EVICTED = "evicted"  # without a login, when its place was needed


class Guard:
    """Keeps the addresses; decides. `now` is monotonic seconds."""

    def __init__(self, limits: CostLimits, exempt: Iterable[Network] = ()) -> None:
        self.limits = limits
        self.faults: Counter[Fault] = Counter()  # all there were, paid for and exempt ones too
        self.measures: Counter[Measure] = Counter()
        self._exempt = tuple(exempt)
        self._addresses: OrderedDict[str, Address] = OrderedDict()
        self._banned: set[Address] = set()  # as of the last state, and since
        self._elsewhere = Elsewhere(limits)
        self._untold: dict[str, Address] = {}  # banned here, which the job maker does not know

    def arrive(self, peer: str, now: float) -> Address | None:
        """Count a new connection to its (plain) address; None where that is banned or gone."""
        if not peer:
            self.measures[Measure.GONE] += 1
            return None
        address = self._find(peer, now)
        if now < address.banned_until:
            self.measures[Measure.REFUSED] += 1
            return None
        address.connections += 1
        return address

    def leave(self, address: Address, *, authorised: bool) -> None:
        """Take an ended connection from its address."""
        address.connections -= 1
        address.authorised -= authorised

    def charge(
        self, address: Address, session: SessionCost, fault: Fault, count: float, now: float
    ) -> float | None:
        """Have a session and its address pay for what it did.

        Returns the seconds for which nothing should be read from it, None where it is to be cut.
        """
        self.faults[fault] += round(count)
        if address.exempt:
            return 0.0
        limits = self.limits
        amount = fault.amount * count
        self._charge_address(address, amount, now)
        level = session.add(amount, now, limits.half_life_s)
        if level >= limits.session_hard:
            self.measures[Measure.CUT] += 1
            return None
        return self._slowed(pause_s(level, limits.session_soft))

    def charge_ended(self, address: Address, fault: Fault, now: float) -> None:
        """Have an address pay for a connection that is gone."""
        self.faults[fault] += 1
        if not address.exempt:
            self._charge_address(address, fault.amount, now)

    def evict(self, address: Address, now: float) -> None:
        """Have an address pay for a connection that only took a place."""
        self.measures[Measure.EVICTED] += 1
        self.charge_ended(address, Fault.IDLE, now)

    def forgive(self, address: Address, accepted: int, now: float) -> None:
        """Let accepted shares take from what an address costs."""
        elsewhere = self._elsewhere.level(address.name, now)
        address.add(-float(accepted), now, self.limits.half_life_s, least=-elsewhere)

    def entry_pause_s(self, address: Address, now: float) -> float:
        """Return how long a new connection of this address waits before it is read from."""
        level = address.level(now, self.limits.half_life_s)
        level += self._elsewhere.level(address.name, now)
        if level < self.limits.address_soft:
            return 0.0
        return self._slowed(pause_s(level, self.limits.address_soft * self._scale(address, now)))

    def is_banned(self, address: Address, now: float) -> bool:
        """Say whether no new connection of this address is taken now."""
        return now < address.banned_until

    # -- over all fronts --------------------------------------------------------------------

    def answer(self, question: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Take what the job maker tells of costs elsewhere; return what it wants to know.

        Raises FeedBrokenError.
        """
        self._elsewhere.take(question, now)
        untold, self._untold = self._untold, {}
        bans: list[BanEntry] = [
            (name, round(one.banned_until - now, 3), one.bans) for name, one in untold.items()
        ]
        return {"costs": self._elsewhere.report(self._addresses, now), "bans": bans}

    def tell_bans_anew(self, now: float) -> None:
        """Have the bans that run here told to a job maker that may have none of them."""
        running = (one for one in self._banned if self.is_banned(one, now))
        self._untold = {one.name: one for one in islice(running, UNTOLD_MAX)}

    def take_bans(self, content: Mapping[str, Any], now: float) -> None:
        """Hear whom the job maker, or another front, has banned; raises FeedBrokenError."""
        for name, seconds, count in bans_in(content):
            address = self._addresses.get(name) or self._add(name, name.partition("/")[0], now)
            if address.exempt:
                continue
            address.bans = count
            address.banned_until = max(address.banned_until, now + seconds)
            self._banned.add(address)

    def state(self, now: float) -> dict[str, Any]:
        """Return the counts since start, and the addresses known and banned now."""
        self._banned = {one for one in self._banned if self.is_banned(one, now)}
        return {
            "faults": {fault.value: self.faults[fault] for fault in Fault},
            "measures": {measure.value: self.measures[measure] for measure in Measure},
            "addresses": len(self._addresses),
            "banned": len(self._banned),
        }

    def _slowed(self, pause: float) -> float:
        if pause:
            self.measures[Measure.SLOWED] += 1
        return pause

    def _scale(self, address: Address, now: float) -> float:
        return scale_of(address.standing(now) + self._elsewhere.standing(address.name))

    def _charge_address(self, address: Address, amount: float, now: float) -> None:
        level = address.add(amount, now, self.limits.half_life_s)
        self._elsewhere.note(address, level)
        if self._elsewhere.is_led(now):
            return
        level += self._elsewhere.level(address.name, now)
        if level < self.limits.address_hard or self.is_banned(address, now):
            return
        if level >= self.limits.address_hard * self._scale(address, now):
            seconds = address.ban(now, self.limits)
            self._banned.add(address)
            if len(self._untold) < UNTOLD_MAX:
                self._untold[address.name] = address
            self.measures[Measure.BANNED] += 1
            log.warning("address banned", address=address.name, seconds=round(seconds))

    def _find(self, peer: str, now: float) -> Address:
        name = peer if ":" not in peer else _network_of(peer)
        address = self._addresses.get(name)
        if address is None:
            return self._add(name, peer, now)
        self._addresses.move_to_end(name)
        return address

    def _add(self, name: str, peer: str, now: float) -> Address:
        address = Address(name, exempt=is_within(peer, self._exempt))
        self._addresses[name] = address
        passed_over = 0
        while len(self._addresses) > ADDRESSES_MAX:
            oldest, held = next(iter(self._addresses.items()))
            kept = held.connections or self.is_banned(held, now)
            if kept and passed_over < PASSED_OVER_MAX:
                self._addresses.move_to_end(oldest)
                passed_over += 1
            else:
                del self._addresses[oldest]
        return address


def _network_of(peer: str) -> str:
    """Return what an IPv6 peer is known by: its /64, which one customer has."""
    packed = socket.inet_pton(socket.AF_INET6, peer)
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"
