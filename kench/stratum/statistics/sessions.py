"""What fronts tell of their sessions, and each worker's share of it: who, since when, how hard."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kench.stratum.statistics.copying import NEVER
from kench.stratum.statistics.workers import Ids

# session, since when (Unix microseconds), difficulty, workers, bytes of the user agent
_HEAD = struct.Struct("<IqdHB")
_OWNER = struct.Struct("<II")
# Bytes of a user agent that are told.
AGENT_BYTES_MAX = 255
# Workers of one session that are told; a proxy may have more.
OWNERS_MAX = 65_535
# Sessions' workers kept at once, and different user agents; what is beyond is not shown.
PLACES_MAX = 1 << 21
AGENTS_MAX = 4096


class SessionFacts(NamedTuple):
    """One session as a front tells it; without workers it has ended."""

    session: int  # its extranonce1 as a number
    since_us: int
    difficulty: float
    user_agent: str
    owners: tuple[tuple[int, int], ...]  # participant, worker


def encode(facts: Iterable[SessionFacts]) -> bytes:
    """Return facts as they go through the feed."""
    pieces = []
    for one in facts:
        agent = one.user_agent.encode()[:AGENT_BYTES_MAX]
        owners = one.owners[:OWNERS_MAX]
        pieces.append(
            _HEAD.pack(one.session, one.since_us, one.difficulty, len(owners), len(agent))
        )
        pieces.append(agent)
        pieces += [_OWNER.pack(*owner) for owner in owners]
    return b"".join(pieces)


def decode(body: bytes) -> Iterator[SessionFacts]:
    """Read facts from the feed; raises ValueError where they are cut short."""
    at = 0
    while at < len(body):
        try:
            session, since_us, difficulty, owners, agent_bytes = _HEAD.unpack_from(body, at)
            at += _HEAD.size
            agent = body[at : at + agent_bytes].decode("utf-8", "ignore")
            at += agent_bytes
            end = at + owners * _OWNER.size
            pairs = tuple(_OWNER.iter_unpack(body[at:end]))
        except struct.error as short:
            raise ValueError("facts of sessions are cut short") from short
        if end > len(body):
            raise ValueError("facts of sessions are cut short")
        at = end
        yield SessionFacts(session, since_us, difficulty, agent, pairs)


@dataclass(frozen=True, slots=True)
class WorkerSessions:
    """Sessions by worker, one entry a row of the workers asked for."""

    sessions: npt.NDArray[np.int64]
    since_us: npt.NDArray[np.int64]  # of the oldest; NEVER where there is none
    difficulty: npt.NDArray[np.float64]  # the highest
    user_agent: npt.NDArray[np.intp]  # of one of them; 0 where there is none


class SessionBook:
    """All sessions of all fronts now: a place in the arrays for each worker of each."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], list[int]] = {}
        self._free: list[int] = []
        self._used = 0
        self._numbers = np.zeros(
            1024,
            [("participant", "u4"), ("worker", "u4"), ("since_us", "i8"), ("difficulty", "f8"),
             ("agent", "i4"), ("live", "?")],
        )  # fmt: skip
        self.user_agents = [""]
        self._agents = {"": 0}

    def __len__(self) -> int:
        return len(self._places)

    def take(self, front: int, facts: Iterable[SessionFacts]) -> None:
        """Take what a front tells."""
        for one in facts:
            self._forget((front, one.session))
            if one.owners:
                self._enter((front, one.session), one)

    def drop(self, front: int) -> None:
        """Forget every session of a front that is gone."""
        for key in [key for key in self._places if key[0] == front]:
            self._forget(key)

    def workers(self) -> tuple[Ids, Ids]:
        """Return participant and worker ids of all places in use, a worker as often as it is."""
        live = self._live()
        return live["participant"], live["worker"]

    def by_row(self, rows: npt.NDArray[np.intp], size: int) -> WorkerSessions:
        """Sum up for `size` workers, given the row of each entry of `workers`."""
        live = self._live()
        since_us = np.full(size, np.iinfo(np.int64).max)
        np.minimum.at(since_us, rows, live["since_us"])
        since_us[since_us == np.iinfo(np.int64).max] = NEVER
        difficulty = np.zeros(size)
        np.maximum.at(difficulty, rows, live["difficulty"])
        user_agent = np.zeros(size, np.intp)
        user_agent[rows] = live["agent"]
        return WorkerSessions(np.bincount(rows, minlength=size), since_us, difficulty, user_agent)

    def _live(self) -> npt.NDArray[Any]:
        used = self._numbers[: self._used]
        live: npt.NDArray[Any] = used[used["live"]]
        return live

    def _enter(self, key: tuple[int, int], one: SessionFacts) -> None:
        agent = self._agents.get(one.user_agent)
        if agent is None:
            agent = self._agent_number(one.user_agent)
        places = self._places[key] = []
        for participant, worker in one.owners:
            place = self._place()
            if place is None:
                break
            self._numbers[place] = (
                participant, worker, one.since_us, one.difficulty, agent, True,
            )  # fmt: skip
            places.append(place)

    def _forget(self, key: tuple[int, int]) -> None:
        places = self._places.pop(key, None)
        if places:
            self._numbers["live"][places] = False
            self._free += places

    def _place(self) -> int | None:
        if self._free:
            return self._free.pop()
        if self._used >= PLACES_MAX:
            return None
        if self._used == len(self._numbers):
            self._numbers = np.concatenate((self._numbers, np.zeros_like(self._numbers)))
        self._used += 1
        return self._used - 1

    def _agent_number(self, text: str) -> int:
        """Give a user agent a number; when there are too many, begin anew with those in use."""
        if len(self.user_agents) >= AGENTS_MAX:
            used = np.unique(self._live()["agent"])
            renumbered = np.zeros(len(self.user_agents), np.int32)
            kept = [number for number in used.tolist() if number]
            renumbered[kept] = np.arange(1, len(kept) + 1)
            self.user_agents = ["", *(self.user_agents[number] for number in kept)]
            self._numbers["agent"] = renumbered[self._numbers["agent"]]
            self._agents = {known: number for number, known in enumerate(self.user_agents)}
            if len(self.user_agents) >= AGENTS_MAX:
                return 0
        self._agents[text] = len(self.user_agents)
        self.user_agents.append(text)
        return self._agents[text]
