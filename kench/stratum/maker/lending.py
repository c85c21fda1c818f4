"""Which front holds which extranonce1: the job maker's side of sessions resumed across fronts.

A value has one holder: the front that its session works on, or last worked on. A miner that comes
back to another front claims it; the holder is asked to yield it, unless it died: then the value is
an orphan and is granted at once. So no value ever has two owners, and no claim succeeds twice.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from kench.stratum.claims import CLAIM_PATIENCE_S, HELD, values_in
from kench.stratum.extranonce import RESUMABLE_S, front_of
from kench.stratum.feed import FeedBrokenError, Kind, content_of

# Values remembered; beyond, a session can be resumed on its own front only. Those that live away
# from their own front come in always: they have a bound of their own.
VALUES_MAX = 200_000
AWAY_MAX = 100_000
# A value that has lived on so many fronts is not granted any more: too many journals to read.
HOLDERS_MAX = 8
# Claims that wait for a front to answer, or to be known dead.
WAITING_MAX = 20_000

log = structlog.get_logger("stratum")


class Say(Protocol):
    """Says something to a front; False where it has no line."""

    def __call__(self, number: int, kind: Kind, body: bytes) -> bool:
        """Send one message."""
        ...


@dataclass(slots=True)
class Held:
    """What is known of one value."""

    session_id: str
    difficulty: float
    holder: int | None  # None for an orphan
    since_s: float  # when it was told, or became an orphan
    holders: tuple[tuple[int, int], ...]  # the fronts before this one, each with its epoch


@dataclass(frozen=True, slots=True)
class _Claim:
    number: int
    ask: int
    session_id: str
    at_s: float


class Lending:
    """Runs on the loop of the job maker; `now_s` tells its time."""

    def __init__(self, say: Say, now_s: Callable[[], float]) -> None:
        self._say = say
        self._now_s = now_s
        self._values: dict[bytes, Held] = {}
        self._orphans: dict[bytes, None] = {}  # those left longest ago first
        self._sessions: dict[str, bytes] = {}
        self._away = 0
        self._pids: dict[int, int] = {}
        self._lines: set[int] = set()
        self._dead: set[int] = set()
        self._untold: dict[int, set[bytes]] = {}
        self._asked = 0
        self._asking: dict[int, _Claim] = {}
        self._parked: list[_Claim] = []
        self.granted = 0
        self.refused = 0

    # -- fronts come and go -----------------------------------------------------------------

    def introduced(self, number: int, pid: int) -> None:
        """Hear that a front has a line; tell it which of its values live elsewhere."""
        if self._pids.get(number) != pid:
            self._bury(number)
            self._pids[number] = pid
        else:
            self._untold[number] = {
                value for value, held in self._values.items() if held.holder == number
            }
        self._dead.discard(number)
        self._lines.add(number)
        reserved = [
            value
            for value, held in self._values.items()
            if held.holder != number and front_of(value) == number
        ]
        self._say(number, Kind.RESERVED, b"".join(reserved))

    def lost(self, number: int) -> None:
        """Hear that a front's line is lost: it may be dead, or come again."""
        self._lines.discard(number)
        self._untold.pop(number, None)
        self._parked = [claim for claim in self._parked if claim.number != number]
        for ask, claim in tuple(self._asking.items()):
            if claim.number == number:  # who asked is gone
                del self._asking[ask]
            elif self._holder(claim.session_id) == number:
                del self._asking[ask]
                self._park(claim)
        if number in self._dead:
            self._bury(number)

    def ended(self, number: int) -> None:
        """Hear that a front's process has ended; what it had said may still be on the way."""
        self._dead.add(number)
        if number not in self._lines:
            self._bury(number)

    def _bury(self, number: int) -> None:
        """Make orphans of all that a dead front held."""
        self._dead.discard(number)
        now, epoch = self._now_s(), self._pids.pop(number, 0)
        for value, held in self._values.items():
            if held.holder == number:
                self._leave(value, held, number, epoch, now)
        self._retry()

    def _leave(self, value: bytes, held: Held, number: int, epoch: int, now: float) -> None:
        """Make an orphan of a value."""
        before = tuple(one for one in held.holders if one[0] != number)
        held.holders = (*before, (number, epoch))
        held.since_s = now
        self._move(value, held, None)

    # -- what fronts say --------------------------------------------------------------------

    def take(self, number: int, kind: int, body: bytes) -> None:
        """Take what a front says of values; raises FeedBrokenError."""
        try:
            self._take(number, kind, body)
        except (ArithmeticError, KeyError, TypeError, ValueError) as wrong:
            raise FeedBrokenError(f"the feed carries what cannot be read ({wrong!r})") from wrong

    def _take(self, number: int, kind: int, body: bytes) -> None:
        if kind == Kind.HELD:
            self._take_held(number, body)
        elif kind == Kind.HELD_ALL:
            for value in self._untold.pop(number, ()):
                self._drop(value, number)
        elif kind == Kind.GONE:
            for value in values_in(body):
                self._drop(value, number)
        elif kind == Kind.CLAIM:
            content = content_of(body)
            self._claim(_Claim(number, content["ask"], str(content["session"]), self._now_s()))
        elif kind == Kind.YIELDED:
            self._yielded(number, content_of(body))

    def _take_held(self, number: int, body: bytes) -> None:
        if len(body) % HELD.size:
            raise FeedBrokenError("the feed carries half a session")
        untold = self._untold.get(number, set())
        for raw_id, value, difficulty in HELD.iter_unpack(body):
            untold.discard(value)
            held = self._values.get(value)
            session_id = raw_id.hex()
            if held is None:
                if front_of(value) != number:
                    log.error("a front holds a value that it was not granted", process=number)
                elif len(self._values) >= VALUES_MAX:
                    continue
                held = self._new(value, number)
            elif held.holder != number:
                log.error("two fronts hold one value", process=number, other=held.holder)
                continue
            self._sessions.pop(held.session_id, None)
            self._sessions[session_id] = value
            held.session_id, held.difficulty = session_id, difficulty

    def _new(self, value: bytes, number: int) -> Held:
        held = Held("", 0.0, number, self._now_s(), ())
        self._values[value] = held
        self._away += front_of(value) != number
        return held

    def _remove(self, value: bytes) -> Held:
        held = self._values.pop(value)
        self._orphans.pop(value, None)
        if self._sessions.get(held.session_id) == value:
            del self._sessions[held.session_id]
        self._away -= front_of(value) != held.holder
        return held

    def _drop(self, value: bytes, holder: int | None) -> None:
        """Forget a value that nobody can resume; its own front may give it again."""
        held = self._values.get(value)
        if held is None or held.holder != holder:
            return
        self._remove(value)
        if front_of(value) != holder:
            self._say(front_of(value), Kind.RETURNED, value)

    # -- claims -----------------------------------------------------------------------------

    def _holder(self, session_id: str) -> int | None:
        value = self._sessions.get(session_id)
        return None if value is None else self._values[value].holder

    def _claim(self, claim: _Claim) -> None:
        value = self._sessions.get(claim.session_id)
        held = None if value is None else self._values[value]
        if held is None or value is None or held.holder == claim.number:
            self._refuse(claim)
        elif held.holder is None:
            if self._now_s() - held.since_s <= RESUMABLE_S:
                self._grant(claim, value, held)
            else:
                self._refuse(claim)
        elif held.holder in self._lines and held.holder not in self._dead:
            if len(self._asking) >= WAITING_MAX:
                self._refuse(claim)
                return
            self._asked += 1
            self._asking[self._asked] = claim
            question = {"ask": self._asked, "session": claim.session_id}
            self._say(held.holder, Kind.YIELD, json.dumps(question).encode())
        else:
            self._park(claim)

    def _yielded(self, number: int, content: dict[str, Any]) -> None:
        claim = self._asking.pop(content["ask"], None)
        if content["value"] is None:
            if claim is not None:
                self._refuse(claim)
            return
        value = bytes.fromhex(content["value"])
        held = self._values.get(value)
        if held is None or held.holder != number:
            return
        held.difficulty = float(content["difficulty"])
        self._leave(value, held, number, self._pids.get(number, 0), self._now_s())
        if claim is not None:
            self._grant(claim, value, held)

    def _grant(self, claim: _Claim, value: bytes, held: Held) -> None:
        others = tuple(one for one in held.holders if one[0] != claim.number)
        away = self._away - (front_of(value) != held.holder) + (front_of(value) != claim.number)
        if len(others) > HOLDERS_MAX or (away > AWAY_MAX and away > self._away):
            self._refuse(claim)
            return
        grant = {
            "ask": claim.ask,
            "session": claim.session_id,
            "value": value.hex(),
            "difficulty": held.difficulty,
            "holders": others,
        }
        if self._say(claim.number, Kind.GRANT, json.dumps(grant).encode()):
            self._move(value, held, claim.number)
            held.holders = others
            self.granted += 1

    def _move(self, value: bytes, held: Held, holder: int | None) -> None:
        self._away -= front_of(value) != held.holder
        held.holder = holder
        self._away += front_of(value) != holder
        self._orphans.pop(value, None)
        if holder is None:
            self._orphans[value] = None

    def _refuse(self, claim: _Claim) -> None:
        self.refused += 1
        self._say(claim.number, Kind.GRANT, json.dumps({"ask": claim.ask, "value": None}).encode())

    def _park(self, claim: _Claim) -> None:
        """Have a claim wait until its holder is dead or speaks again."""
        if len(self._parked) < WAITING_MAX:
            self._parked.append(claim)
        else:
            self._refuse(claim)

    def _retry(self) -> None:
        parked, self._parked = self._parked, []
        for claim in parked:
            self._claim(claim)

    # -- time -------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due several times a second: claims that waited too long, or may go on."""
        if self._parked:
            now = self._now_s()
            self._parked = [one for one in self._parked if now - one.at_s < CLAIM_PATIENCE_S]
            self._retry()

    def forget_old(self) -> None:
        """Do what is due each second: orphans that nobody came for."""
        due = self._now_s() - RESUMABLE_S
        while self._orphans:
            oldest = next(iter(self._orphans))
            if self._values[oldest].since_s >= due:
                break
            self._drop(oldest, None)

    # -- handed over ------------------------------------------------------------------------

    def dump(self) -> list[list[Any]]:
        """Return what is known of all values, for a successor."""
        return [
            [value.hex(), held.session_id, held.difficulty, held.holder, list(held.holders)]
            for value, held in self._values.items()
        ]

    def load(self, dumped: Iterable[list[Any]], pids: dict[int, int]) -> None:
        """Take over what a predecessor knew, and the processes of the fronts that live."""
        self._pids.update(pids)
        for value_hex, session_id, difficulty, holder, holders in dumped:
            value = bytes.fromhex(value_hex)
            pairs = tuple((int(number), int(epoch)) for number, epoch in holders)
            self._values[value] = Held(session_id, difficulty, holder, self._now_s(), pairs)
            self._sessions[session_id] = value
            self._away += front_of(value) != holder
            if holder is None:
                self._orphans[value] = None
