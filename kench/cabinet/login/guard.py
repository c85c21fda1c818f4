"""What a browser and an address may ask for: entries, and signatures that turn out wrong.

Counts are kept for who asks, never for who is named: nobody can lock another person out. Where many
share an address, a browser by which somebody has entered before has an allowance of its own, so
that a neighbour cannot use it up.
"""

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from kench.cabinet.signing.requests import browser_digest

SUBJECTS_MAX = 65_536
"""Browsers and addresses whose counts are kept; the one seen least recently is forgotten."""


class Asked(StrEnum):
    """What is counted."""

    ENTRY = "entry"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, and one more each so many seconds."""

    at_once: int
    each_s: float


BROWSER = {Asked.ENTRY: Allowance(10, 30.0), Asked.WRONG: Allowance(8, 60.0)}
ADDRESS = {Asked.ENTRY: Allowance(60, 2.0), Asked.WRONG: Allowance(30, 10.0)}


class Guard:
    """Allowances of all who ask, in memory; for any thread."""

    def __init__(self, subjects_max: int = SUBJECTS_MAX) -> None:
        """Create it with nobody known."""
        self._lock = threading.Lock()
        self._subjects_max = subjects_max
        self._used: OrderedDict[tuple[Asked, bytes], tuple[float, float]] = OrderedDict()

    def admits(
        self, asked: Asked, *, browser: bytes, address: str, known: bool, now_s: float
    ) -> bool:
        """Whether one more is allowed now; counts it if so.

        `known` is a browser by which somebody has entered before: its address does not matter.
        `now_s` is monotonic.
        """
        subjects = self._subjects(asked, browser, address, known=known)
        with self._lock:
            levels = [
                (key, allowance, self._level((asked, key), allowance, now_s))
                for key, allowance in subjects
            ]
            if any(level + 1 > allowance.at_once for _, allowance, level in levels):
                return False
            for key, _, level in levels:
                self._keep((asked, key), level + 1, now_s)
        return True

    def give_back(self, asked: Asked, *, browser: bytes, address: str, known: bool) -> None:
        """Take back what was counted last: it was not wrong."""
        with self._lock:
            for key, _ in self._subjects(asked, browser, address, known=known):
                level, at_s = self._used.get((asked, key), (0.0, 0.0))
                self._used[asked, key] = (max(0.0, level - 1), at_s)

    @staticmethod
    def _subjects(
        asked: Asked, browser: bytes, address: str, *, known: bool
    ) -> list[tuple[bytes, Allowance]]:
        subjects = [(browser_digest(browser), BROWSER[asked])]
        if not known:
            subjects.append((network_of(address).encode(), ADDRESS[asked]))
        return subjects

    def _level(self, key: tuple[Asked, bytes], allowance: Allowance, now_s: float) -> float:
        level, at_s = self._used.get(key, (0.0, now_s))
        return max(0.0, level - (now_s - at_s) / allowance.each_s)

    def _keep(self, key: tuple[Asked, bytes], level: float, now_s: float) -> None:
        self._used[key] = (level, now_s)
        self._used.move_to_end(key)
        while len(self._used) > self._subjects_max:
            self._used.popitem(last=False)


def network_of(address: str) -> str:
    """Return whom an address stands for: itself, or an IPv6 /64, which one line has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
