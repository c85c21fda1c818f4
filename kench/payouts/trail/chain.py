"""Whether a stretch of the trail is what was sealed and anchored; what differs is named.

It works on links wherever they come from, a database or a file, one at a time.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kench.payouts.trail.anchors import Anchor
from kench.payouts.trail.lines import START, Head, hash_of

FINDINGS_MAX = 100
"""Findings that are named; all are counted."""


class Link(NamedTuple):
    """A line of the chain as it is found; without a line its act is gone."""

    number: int
    previous: bytes
    hash: bytes
    line: bytes | None


@dataclass(slots=True)
class Verified:
    """What came of it."""

    begins: Head
    ends: Head
    lines: int = 0
    anchors: int = 0
    """Good ones."""
    anchored: int = 0
    """The last number that an anchor covers."""
    keys: set[bytes] = field(default_factory=set)
    """By which the anchors are signed."""
    count: int = 0
    """Of findings; none where the trail is whole."""
    findings: list[str] = field(default_factory=list)

    def add(self, words: str) -> None:
        """Keep a finding."""
        self.count += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(words)


def verify(  # noqa: PLR0913 - what is checked, and against what
    links: Iterable[Link],
    anchors: Sequence[Anchor],
    *,
    begins: Head = START,
    until: int | None = None,
    key: bytes | None = None,
    known: Collection[Head] = (),
) -> Verified:
    """Check links that follow `begins`, and anchors of them, by number.

    `until` is the number at which they should end. `key` is the only one that anchors may be signed
    by; without it each is taken with its own, and they are told. `known` are lines that somebody
    has noted elsewhere: an end that was cut off together with its anchors lacks them.
    """
    found = Verified(begins, begins)
    waiting = sorted(anchors, key=lambda anchor: anchor.number)
    for anchor in waiting:
        _check_anchor(found, anchor, key)
    at, noted = 0, dict(known)
    _compare_noted(found, noted, begins)
    for link in _in_turn(found, links):
        _compare_noted(found, noted, found.ends)
        while at < len(waiting) and waiting[at].number <= link.number:
            _hold(found, waiting[at], link)
            at += 1
    for anchor in waiting[at:]:
        found.add(
            f"day {anchor.day} is anchored at line {anchor.number}, and the trail ends with line "
            f"{found.ends.number}: its end was cut off"
        )
    for number in sorted(noted):
        found.add(f"line {number}, which you know, is not there: it ends with line "
                  f"{found.ends.number}")  # fmt: skip
    if until is not None and found.ends.number != until:
        found.add(f"it should end with line {until}, and ends with line {found.ends.number}")
    return found


def _in_turn(found: Verified, links: Iterable[Link]) -> Iterator[Link]:
    """Yield each link, checked against the one before; `ends` is the last that was in its turn."""
    for link in links:
        head = found.ends
        if link.number <= head.number:
            found.add(f"line {link.number} stands after line {head.number}: the order was changed")
            continue
        if link.number > head.number + 1:
            found.add(f"lines {head.number + 1} to {link.number - 1} are missing")
        elif link.previous != head.hash:
            found.add(f"line {link.number} does not follow line {head.number}: one was replaced")
        if link.line is None:
            found.add(f"line {link.number}: what it sealed was removed")
        elif hash_of(link.previous, link.line) != link.hash:
            found.add(f"line {link.number} was changed: it has not the hash that it was sealed by")
        found.lines += 1
        found.ends = Head(link.number, link.hash)
        yield link


def _check_anchor(found: Verified, anchor: Anchor, key: bytes | None) -> None:
    if not anchor.is_good():
        found.add(f"the anchor of day {anchor.day} is not signed by its key")
    elif key is not None and anchor.public_key != key:
        found.add(f"the anchor of day {anchor.day} is signed by key {anchor.public_key.hex()}, "
                  "not by the one that was given")  # fmt: skip
    else:
        found.anchors += 1
        found.keys.add(anchor.public_key)
        found.anchored = max(found.anchored, anchor.number)


def _compare_noted(found: Verified, noted: dict[int, bytes], head: Head) -> None:
    """See that a line has the hash that somebody noted of it."""
    hash_ = noted.pop(head.number, head.hash)
    if hash_ != head.hash:
        found.add(f"line {head.number} is {head.hash.hex()}, not what you know: the trail was "
                  "written anew")  # fmt: skip


def _hold(found: Verified, anchor: Anchor, link: Link) -> None:
    if link.number != anchor.number:
        found.add(f"line {anchor.number}, at which day {anchor.day} is anchored, is missing")
    elif link.hash != anchor.hash:
        found.add(f"line {link.number} is not the one at which day {anchor.day} was anchored: "
                  "the trail was written anew")  # fmt: skip
