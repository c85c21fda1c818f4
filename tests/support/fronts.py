"""Several fronts and their job maker, as far as extranonces go; time and messages by hand."""

import itertools
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kench.native import JobTable
from kench.stratum.claims import TOLD_AFTER_S, Claims
from kench.stratum.contract import Claim, Resumable
from kench.stratum.extranonce import Extranonces
from kench.stratum.feed import Kind
from kench.stratum.former_shares import FormerShares
from kench.stratum.maker.lending import Lending
from kench.stratum.session import State


class Loop:
    """Time and turns, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.later: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self.soon.append((callback, args))

    def call_later(self, delay: float, callback: Callable[..., None], *args: Any) -> Any:
        entry = (self.now + delay, callback, args)
        self.later.append(entry)
        return SimpleNamespace(cancel=lambda: entry in self.later and self.later.remove(entry))

    def turn(self) -> None:
        while self.soon:
            callback, args = self.soon.popleft()
            callback(*args)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for entry in sorted((one for one in self.later if one[0] <= self.now), key=lambda e: e[0]):
            if entry in self.later:
                self.later.remove(entry)
                entry[1](*entry[2])
        self.turn()


class Miner:
    """A connection, as far as values go."""

    _ids = itertools.count(1)

    def __init__(self, front: "Front", former: str | None) -> None:
        self.front = front
        self.held_difficulty = 0.0
        self.session: Any = SimpleNamespace(
            session_id=f"{next(self._ids):016x}",
            extranonce1=front.claims.take(),
            state=State.CONNECTED,
            difficulty=SimpleNamespace(in_force=0.0, start=8.0),
            resumed=False,
        )
        self.answers = 0
        left = former and front.claims.resume(former, self.session.extranonce1)
        if isinstance(left, Claim):
            front.claims.ask(self, left)
        else:
            self.claim_answered(left or None)

    def claim_answered(self, left: Resumable | None) -> None:
        if self.session.state is State.CLOSED:
            return
        self.answers += 1
        if left is not None:
            self.session.resumed = True
            self.session.extranonce1 = left.extranonce1
            self.session.difficulty.start = left.difficulty
        self.session.state = State.SUBSCRIBED

    def work(self) -> None:
        if self.session.state is State.SUBSCRIBED:
            self.session.state = State.WORKING
            self.session.difficulty.in_force = self.session.difficulty.start
            self.front.claims.look_at(self)

    def end(self) -> None:
        self.front.miners.remove(self)
        self.front.claims.farewell(self, 0)
        self.session.state = State.CLOSED


class Front:
    """One process: its values, and what is on the way between it and the maker."""

    def __init__(self, world: "World", number: int, pid: int) -> None:
        self.number, self.pid = number, pid
        self.miners: list[Miner] = []
        self.to_maker: deque[tuple[Kind, bytes]] = deque()
        self.from_maker: deque[tuple[Kind, bytes]] = deque()
        self.has_line = False
        self.knows_away = False
        self.values = Extranonces(number)
        loop: Any = world.loop
        self.claims = Claims(
            loop,
            self.values,
            JobTable(),
            FormerShares(Path("/nonexistent")),
            dict,
            lambda _sequence: True,
            self.say,
        )

    def say(self, kind: Kind, body: bytes) -> bool:
        if self.has_line:
            self.to_maker.append((kind, body))
        return self.has_line


class World:
    """Fronts and their maker; nothing arrives before it is delivered."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.lending = Lending(self.say, self.loop.time)
        self.fronts: dict[int, Front] = {}
        self.sessions: list[str] = []
        self._pids = itertools.count(100)

    def say(self, number: int, kind: Kind, body: bytes) -> bool:
        front = self.fronts.get(number)
        if front is None or not front.has_line:
            return False
        front.from_maker.append((kind, body))
        return True

    def start(self, number: int) -> None:
        self.fronts[number] = Front(self, number, next(self._pids))
        self.connect_line(number)

    def connect_line(self, number: int) -> None:
        front = self.fronts[number]
        front.has_line = True
        self.lending.introduced(number, front.pid)
        front.claims.tell_anew(front.miners)

    def lose_line(self, number: int) -> None:
        front = self.fronts[number]
        front.has_line = False
        front.to_maker.clear()
        self.lending.lost(number)

    def kill(self, number: int, *, ended_first: bool) -> None:
        """The process is gone; what it said last may be heard after its end is known."""
        front = self.fronts[number]
        if ended_first:
            self.lending.ended(number)
        while front.to_maker and ended_first:
            self.lending.take(number, *front.to_maker.popleft())
        if front.has_line:
            self.lose_line(number)
        if not ended_first:
            self.lending.ended(number)
        del self.fronts[number]

    def deliver(self, number: int) -> None:
        """Carry one message each way."""
        front = self.fronts[number]
        self.loop.turn()
        if front.to_maker:
            self.lending.take(number, *front.to_maker.popleft())
        if front.from_maker:
            kind, body = front.from_maker.popleft()
            front.knows_away = True
            front.claims.take_message(kind, body)
        self.loop.turn()

    def settle(self) -> None:
        """Carry everything, what is told together after a while too."""
        self.loop.advance(TOLD_AFTER_S)
        for _ in range(100):
            for number in tuple(self.fronts):
                self.deliver(number)

    def miner(self, number: int, former: str | None = None) -> Miner:
        front = self.fronts[number]
        miner = Miner(front, former)
        front.miners.append(miner)
        self.sessions.append(miner.session.session_id)
        self.loop.turn()
        return miner
