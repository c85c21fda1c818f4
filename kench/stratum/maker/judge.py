"""The judge of addresses: what each costs over all fronts, and whom all of them ban; sans-IO.

Each half second it asks every front what its dearest addresses cost there, and tells it what they
cost at the others. It bans by the limits of one front, when all have said what they know.
"""

import heapq
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from kench.stratum.costs import Cost, CostLimits, next_ban, scale_of
from kench.stratum.elsewhere import bans_in, entries_in
from kench.stratum.feed import Kind

ASK_S = 0.5
# A front that has not answered for so long is not waited for.
SILENT_S = 5.0
# Addresses whose costs are added up; later ones are taken in when there is room.
ADDRESSES_MAX = 16_384
# Addresses that fronts are told of and asked about, those nearest to a ban.
ASKED_MAX = 256
# Bans remembered, those that ended for the length of the next; the oldest is forgotten.
BANS_MAX = 16_384
# Reports are rounded: by no more than this does a cost rise without a charge.
ROUNDING = 0.5

log = structlog.get_logger("stratum")


class Say(Protocol):
    """Says something to a front; False where it has no line."""

    def __call__(self, number: int, kind: Kind, body: bytes) -> bool:
        """Send one message."""
        ...


class _Known:
    """What fronts said of an address: its cost and its sessions at each."""

    __slots__ = ("_costs", "_standings", "_was_banned", "charged")

    def __init__(self, *, was_banned: bool) -> None:
        self._costs: dict[int, Cost] = {}
        self._standings: dict[int, float] = {}
        self._was_banned = was_banned
        self.charged = False  # since its last ban

    def take(
        self, number: int, level: float, standing: float, now: float, half_life_s: float
    ) -> None:
        """Put a front's newest word in the place of the one before."""
        # What is left of what it was banned for is no new charge.
        is_leftover = self._was_banned and number not in self._costs
        cost = self._costs.setdefault(number, Cost())
        rise = level - cost.level(now, half_life_s)
        if rise > ROUNDING and not is_leftover:
            self.charged = True
        cost.add(rise, now, half_life_s, least=level)
        self._standings[number] = standing

    def is_told_by(self, number: int) -> bool:
        """Say whether a front has spoken of the address."""
        return number in self._costs

    def levels(self, now: float, half_life_s: float) -> dict[int, float]:
        """Return what it costs at each front; negative where it is in credit there."""
        return {number: cost.level(now, half_life_s) for number, cost in self._costs.items()}

    def standing(self, without: int = -1) -> float:
        """Return how many authorised sessions it has at all fronts, or all but one."""
        return sum(self._standings.values()) - self._standings.get(without, 0.0)


class _Ban:
    """When a ban ends or ended, and how many there were in a row."""

    __slots__ = ("count", "until")

    def __init__(self, count: int, until: float) -> None:
        self.count = count
        self.until = until


class Judge:
    """Runs on the loop of the job maker; `now` is monotonic seconds."""

    def __init__(self, limits: CostLimits, fronts: int, say: Say) -> None:
        self._limits = limits
        self._fronts_least = fronts
        self._say = say
        self._known: dict[str, _Known] = {}
        self._bans: OrderedDict[str, _Ban] = OrderedDict()
        self._heard_at: dict[int, float] = {}
        self._asked_at = float("-inf")
        self.banned = 0
        """Bans decided here; those of a front that judges for itself are in its own count."""

    @property
    def _fronts(self) -> int:
        """How many fronts may have connections: more than usual while a reload drains the old."""
        return max(self._fronts_least, len(self._heard_at))

    # -- fronts come and go -----------------------------------------------------------------

    def front_came(self, number: int, now: float) -> None:
        """Tell a front that connects who judges, and of the bans that run."""
        self._heard_at[number] = now
        running = [
            (name, round(ban.until - now, 3), ban.count)
            for name, ban in self._bans.items()
            if ban.until > now
        ]
        if running:
            self._tell_bans(number, running)
        self._say(number, Kind.COSTS_ELSEWHERE, self._question(number, {}))

    def front_gone(self, number: int) -> None:
        """Wait no more for a front; what it said stays and fades."""
        self._heard_at.pop(number, None)

    # -- asking and hearing -----------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Ask every front when it is time to."""
        if now - self._asked_at < ASK_S:
            return
        self._asked_at = now
        asked = self._to_ask(now)
        questions = {number: self._question(number, asked) for number in self._heard_at}
        for number, question in questions.items():
            self._say(number, Kind.COSTS_ELSEWHERE, question)

    def _question(self, number: int, asked: Mapping[str, Mapping[int, float]]) -> bytes:
        costs = [
            (
                name,
                round(sum(levels.values()) - levels.get(number, 0.0), 1),
                round(self._known[name].standing(without=number), 1),
            )
            for name, levels in asked.items()
        ]
        return _json({"fronts": self._fronts, "costs": costs})

    def take(self, number: int, content: Mapping[str, Any], now: float) -> None:
        """Take a front's answer; raises FeedBrokenError."""
        costs, bans = entries_in(content), bans_in(content)
        if number in self._heard_at:
            self._heard_at[number] = now
        news = [ban for ban in bans if not self._is_banned(ban[0], now)]
        for name, seconds, count in news:
            self._keep_ban(name, count, now + seconds)
        if news:
            for other in self._heard_at.keys() - {number}:
                self._tell_bans(other, news)
        if self._fronts == 1:
            return  # it sees all there is, and judges for itself
        for name, level, standing in costs:
            if self._is_banned(name, now):
                continue  # what comes late is paid for by the ban
            known = self._known.get(name)
            if known is None:
                if len(self._known) >= ADDRESSES_MAX:
                    continue
                known = self._known[name] = _Known(was_banned=name in self._bans)
            known.take(number, level, standing, now, self._limits.half_life_s)
            self._judge(name, known, now)

    def _to_ask(self, now: float) -> dict[str, dict[int, float]]:
        """Return what the addresses nearest to a ban cost at each front; forget the cheap."""
        least = self._limits.address_soft / self._fronts / 2
        found = {}
        for name, known in tuple(self._known.items()):
            levels = known.levels(now, self._limits.half_life_s)
            if all(abs(level) < least for level in levels.values()):
                del self._known[name]
            else:
                found[name] = levels
        if len(found) <= ASKED_MAX:
            return found

        def nearness(name: str) -> float:
            return sum(found[name].values()) / scale_of(self._known[name].standing())

        return {name: found[name] for name in heapq.nlargest(ASKED_MAX, found, key=nearness)}

    # -- bans -------------------------------------------------------------------------------

    def _judge(self, name: str, known: _Known, now: float) -> None:
        """Ban an address over its limit, when all fronts have said what they know of it."""
        if not known.charged:
            return
        level = sum(known.levels(now, self._limits.half_life_s).values())
        if level < self._limits.address_hard * scale_of(known.standing()):
            return
        if not all(
            known.is_told_by(number)
            for number, heard_at in self._heard_at.items()
            if now - heard_at < SILENT_S
        ):
            return
        former = self._bans.get(name) or _Ban(0, now)
        count, seconds = next_ban(former.count, former.until, now, self._limits)
        self._keep_ban(name, count, now + seconds)
        self.banned += 1
        log.warning("address banned", address=name, seconds=round(seconds))
        for number in self._heard_at:
            self._tell_bans(number, [(name, seconds, count)])

    def _is_banned(self, name: str, now: float) -> bool:
        ban = self._bans.get(name)
        return ban is not None and now < ban.until

    def _keep_ban(self, name: str, count: int, until: float) -> None:
        self._known.pop(name, None)
        self._bans[name] = _Ban(count, until)
        self._bans.move_to_end(name)
        while len(self._bans) > BANS_MAX:
            self._bans.popitem(last=False)

    def _tell_bans(self, number: int, bans: list[tuple[str, float, int]]) -> None:
        self._say(number, Kind.BANS, _json({"bans": bans}))

    def counted(self, guard: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Return the sum of the fronts' guards with each ban counted once."""
        measures = dict(guard.get("measures") or {})
        measures["banned"] = measures.get("banned", 0) + self.banned
        running = sum(ban.until > now for ban in self._bans.values())
        return {**guard, "measures": measures, "banned": running}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
