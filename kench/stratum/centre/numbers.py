"""Front numbers leased from the cluster: none is two live machines', whatever is cut or copied.

    bucket kench-numbers    <number>        who has it: machine, run, place, when it was said last
                            machine.<id>    the same of the machine itself: its run is the fence

A machine keeps its numbers over restarts and partitions. Another may have one only when it was not
renewed for `lease_s`, and only where all others were somebody's before; its own machine, started
anew, has it at once where the run before ended in order or in this very place, which the lock of
the data folder proves to be dead. Otherwise the former run may be alive and cut off: then others
are taken. A run that finds itself replaced stops: the data folder was copied.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import nats.js.errors
from nats.js.kv import KeyValue

from kench.pool.errors import KenchError
from kench.pool.nats.cluster import Cluster
from kench.pool.nats.lease import bucket
from kench.pool.settings import FRONT_NUMBER_MAX

BUCKET = "kench-numbers"
# Whoever may be the same machine, elsewhere, is listened to so often.
LOOK_S = 1.0
_MACHINE = "machine."


class NumbersTakenError(KenchError):
    """No numbers can be had."""


class CopiedFolderError(KenchError):
    """Another process works by the id of this machine: its data folder is a copy."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a number; `run` is drawn at each start, `place` is where its data folder is."""

    machine: str
    run: str
    place: str
    host: str
    renewed_us: int
    ended: bool = False

    def is_live(self, now_us: int, silent_s: float) -> bool:
        """Whether it was heard of so lately."""
        return not self.ended and now_us - self.renewed_us < silent_s * 1e6


@dataclass(frozen=True, slots=True)
class Entry:
    """What the bucket holds under a key, and the revision that a write must name."""

    owner: Owner
    revision: int


Book = Mapping[int, Entry]


def read_owner(value: bytes) -> Owner:
    """Read an entry; one that cannot be read is somebody's for ever."""
    try:
        fields: Any = json.loads(value)
        owner = Owner(**fields)
        if type(owner.renewed_us) is int and type(owner.ended) is bool:
            return owner
    except (TypeError, ValueError, RecursionError):
        pass
    return Owner("unreadable", "", "", "", 2**62)


def is_ours(owner: Owner, me: Owner, lease_s: float) -> bool:
    """Whether a number that this machine had may be its own again, the run before being over."""
    if owner.machine != me.machine:
        return False
    return (
        owner.run == me.run
        or owner.ended
        or owner.place == me.place
        or not owner.is_live(me.renewed_us, lease_s)
    )


def choose(book: Book, me: Owner, count: int, wish: int, lease_s: float) -> range:
    """Return the numbers to take: `count` in a row, from `wish` on where they are free.

    First those that are this machine's own, then such as nobody ever had, then such as nobody has
    renewed for `lease_s`. Raises NumbersTakenError.
    """

    def own(number: int) -> bool:
        return number in book and is_ours(book[number].owner, me, lease_s)

    def fresh(number: int) -> bool:
        return number not in book or own(number)

    def left(number: int) -> bool:
        return fresh(number) or not book[number].owner.is_live(me.renewed_us, lease_s)

    last = FRONT_NUMBER_MAX + 1 - count
    starts = [*range(min(wish, last), last + 1), *range(min(wish, last))]
    for may in (own, fresh, left):
        for start in starts:
            if all(may(number) for number in range(start, start + count)):
                return range(start, start + count)
    raise NumbersTakenError(
        f"no {count} front numbers in a row are free: lower KENCH_STRATUM_PROCESSES, or wait until"
        " machines that are gone have been silent for KENCH_NUMBER_LEASE_S"
    )


class Numbers:
    """The bucket; coroutines for the cluster's own loop, in the name of one run of a machine."""

    def __init__(self, cluster: Cluster, me: Owner, lease_s: float, silent_s: float) -> None:
        """Be `me`; a run that was heard of within `silent_s` is alive."""
        self._cluster = cluster
        self._me = me
        self._lease_s = lease_s
        self._silent_s = silent_s
        self._machine_revision = 0
        self._revisions: dict[int, int] = {}

    @property
    def numbers(self) -> list[int]:
        """Those that are held."""
        return sorted(self._revisions)

    async def enter(self, now_us: int) -> None:
        """Be this machine from now on; raises CopiedFolderError where another process is it."""
        store = await self._store()
        found = await _get(store, _MACHINE + self._me.machine)
        while found is not None and self._may_live(found.owner, now_us):
            # A machine that lost power and is up again says nothing more; a copy does.
            await asyncio.sleep(LOOK_S)
            now_us += round(LOOK_S * 1e6)
            seen = await _get(store, _MACHINE + self._me.machine)
            if seen is not None and seen.revision != found.revision:
                raise _copied(seen.owner)
        revision = found.revision if found else 0
        written = await self._write(store, _MACHINE + self._me.machine, now_us, revision)
        if written is None:
            raise _copied(None)
        self._machine_revision = written

    def _may_live(self, before: Owner, now_us: int) -> bool:
        return before.place != self._me.place and before.is_live(now_us, self._silent_s)

    async def take(self, count: int, wish: int, keep: Iterable[int], now_us: int) -> range:
        """Take `count` numbers in a row, and hold on to those of `keep` that are ours.

        Another machine may be quicker: then others are looked for.
        """
        store = await self._store()
        while True:
            book = await _book(store)
            chosen = choose(book, replace(self._me, renewed_us=now_us), count, wish, self._lease_s)
            for number in chosen:
                if not await self._take_one(store, book, number, now_us):
                    break
            else:
                break
        for number in set(keep) - set(chosen):
            entry = book.get(number)
            if entry is not None and is_ours(entry.owner, self._me, self._lease_s):
                await self._take_one(store, book, number, now_us)
        return chosen

    async def renew(self, now_us: int) -> None:
        """Say that this run lives; raises CopiedFolderError where it was replaced."""
        store = await self._store()
        self._machine_revision = await self._again(
            store, _MACHINE + self._me.machine, now_us, self._machine_revision
        )
        for number, revision in self._revisions.items():
            self._revisions[number] = await self._again(store, str(number), now_us, revision)

    async def end(self, now_us: int) -> None:
        """Say that this run is over: its machine, wherever it is by then, may have them at once."""
        self._me = replace(self._me, ended=True)
        await self.renew(now_us)

    async def _take_one(self, store: KeyValue, book: Book, number: int, now_us: int) -> bool:
        entry = book.get(number)
        revision = await self._write(store, str(number), now_us, entry.revision if entry else 0)
        if revision is None:
            return False
        self._revisions[number] = revision
        return True

    async def _again(self, store: KeyValue, key: str, now_us: int, revision: int) -> int:
        """Write what is ours anew; a write whose answer was lost is ours too."""
        written = await self._write(store, key, now_us, revision)
        if written is None:
            found = await _get(store, key)
            if found is not None and found.owner.run != self._me.run:
                raise _copied(found.owner)
            # There is none where the cluster lost everything it had.
            written = await self._write(store, key, now_us, found.revision if found else 0)
        if written is None:
            raise _copied(None)
        return written

    async def _write(self, store: KeyValue, key: str, now_us: int, after: int) -> int | None:
        value = json.dumps(asdict(replace(self._me, renewed_us=now_us))).encode()
        try:
            return await store.update(key, value, last=after)
        except nats.js.errors.KeyWrongLastSequenceError:
            return None

    async def _store(self) -> KeyValue:
        return await bucket(self._cluster, BUCKET)


async def _get(store: KeyValue, key: str) -> Entry | None:
    try:
        entry = await store.get(key)
    except nats.js.errors.KeyNotFoundError:
        return None
    return Entry(read_owner(entry.value or b""), entry.revision or 0)


async def _book(store: KeyValue) -> dict[int, Entry]:
    """Return all numbers that are or were somebody's."""
    found = {}
    watcher = await store.watchall()
    try:
        async for entry in watcher:
            if entry is None:
                break
            if entry.key.isdecimal():
                found[int(entry.key)] = Entry(read_owner(entry.value or b""), entry.revision or 0)
    finally:
        await watcher.stop()  # type: ignore[no-untyped-call] # the library says no types
    return found


def _copied(other: Owner | None) -> CopiedFolderError:
    who = f"{other.host}, since {other.place}" if other else "another process"
    return CopiedFolderError(
        f"this machine's id is in use elsewhere ({who}): the data folder was copied. On the copy"
        " remove DATA/machine.json and DATA/journal, for it to be a machine of its own"
    )
