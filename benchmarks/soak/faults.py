"""What goes wrong, once a minute, in an order that a seed decides: each kind as often as others."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from benchmarks.soak.site import Site

HELD_S, DISK_S = 12.0, 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault; `do` returns when it is over, whatever follows from it."""

    name: str
    do: Callable[[Site, random.Random], None]


def _kill(role: str) -> Fault:
    def do(site: Site, chance: random.Random) -> None:
        those = site.parts().get(role, [])
        if those:
            _send(chance.choice(those).pid, signal.SIGKILL)

    return Fault(f"kill -9 of {role}", do)


def _hold(role: str, seconds: float, words: str) -> Fault:
    """Stop a process for a while: it neither answers nor ends."""

    def do(site: Site, chance: random.Random) -> None:
        those = site.parts().get(role, [])
        if not those:
            return
        pid = chance.choice(those).pid
        try:
            _send(pid, signal.SIGSTOP)
            time.sleep(seconds)
        finally:
            _send(pid, signal.SIGCONT)

    return Fault(words, do)


def _database(number: signal.Signals, words: str) -> Fault:
    def do(site: Site, _chance: random.Random) -> None:
        pid = site.postmaster()
        if pid is not None:
            _send(pid, number)

    return Fault(words, do)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.kill(pid, number)


FAULTS = (
    _kill("front"),
    _kill("settle"),
    _database(signal.SIGINT, "PostgreSQL stopped in order"),
    _hold("venue", HELD_S, "the venue does not answer"),
    _kill("sell"),
    _hold("node", HELD_S, "the node does not answer"),
    _hold("front", DISK_S, "a front stands still, as on a slow disk"),
    _kill("cabinet"),
    _kill("stratum"),
    _kill("tax"),
    _database(signal.SIGKILL, "kill -9 of PostgreSQL"),
    _kill("screening"),
    _kill("node"),
    _kill("venue"),
)


def order_of(seed: int) -> Callable[[], Fault]:
    """Return what gives the next fault: all kinds once, then all again in another order."""
    chance = random.Random(seed)
    waiting: list[Fault] = []

    def following() -> Fault:
        if not waiting:
            waiting.extend(chance.sample(FAULTS, len(FAULTS)))
        return waiting.pop()

    return following
