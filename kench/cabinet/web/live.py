"""Numbers that move by themselves: one poller for all pages of the process that are open.

The numbers are asked for when they were written anew, once for all participants that somebody looks
at; each page is sent its texts, ready to be shown, as server-sent events. An event has all numbers
of its moment, which is its id: whoever comes again with the newest id is sent nothing twice.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import anyio
import anyio.to_thread
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.live import (
    LiveNumbers,
    WorkerNumbers,
    read_live,
    read_worker_numbers,
    read_written,
)
from kench.cabinet.web.states import STATE_TAGS, WORKER_STATES
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language
from kench.pool.moments import moment_of

VIEWERS_MAX = 4_096
"""Pages open at once in this process; one more is told to come again later."""
VIEWERS_PER_LOGIN_MAX = 10
POLL_S = 1.0
PING_S = 15.0
"""So often a page hears something, so that nothing on the way takes it for dead."""
CHECK_S = 30.0
"""So often it is asked whether a page's login is still good, and may see its participant."""
RETRY_MS = 3_000
ID_DIGITS = 20
"""Of the number of the last event that a page had: a header as long as somebody likes."""

AGAIN_US = 60 * 1_000_000
"""Numbers are read again after so long, even if nobody has written any."""
HASHRATES = ("hashrate_1m", "hashrate_10m", "hashrate_1h", "hashrate_24h")
COUNTS = (
    "accepted", "refused", "stale", "low_difficulty", "duplicate", "other", "sessions",
    "active", "low", "silent", "gone",
)  # fmt: skip
WORKER_COUNTS = ("accepted", "stale", "low_difficulty", "duplicate", "other", "sessions")
_GOOD = sa.text("""
    SELECT logins.id AS login_id, people.participant_id
    FROM logins JOIN persons ON persons.id = logins.person_id
    JOIN participant_people AS people ON people.pin = persons.pin AND people.ended_at IS NULL
    WHERE logins.id = ANY(CAST(:logins AS bigint[])) AND logins.ended_at IS NULL
        AND logins.expires_at > :now AND logins.seen_at > :seen
""")

log = structlog.get_logger("live")


class Shown(NamedTuple):
    """What a page shows: a participant, or one of its workers, in a language."""

    participant_id: int
    language: Language
    worker_id: int = 0
    """0 on the pages of the whole participant."""


@dataclass(eq=False)
class Viewer:
    """One open page."""

    shown: Shown
    login_id: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    gone: bool = False


class Read(NamedTuple):
    """What was read at one moment, as events, and when it had been written."""

    at_us: int
    written: datetime | None
    events: dict[Shown, bytes]


class LiveFeed:
    """All open pages and the newest numbers; lives on the event loop, reads in a thread."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        self._viewers: set[Viewer] = set()
        self._per_login: Counter[int] = Counter()
        self._newest = Read(0, None, {})
        self._events: dict[Shown, tuple[int, bytes]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._limiter = anyio.CapacityLimiter(1)

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return len(self._viewers)

    def open(self, shown: Shown, login_id: int) -> Viewer | None:
        """Let a page in; None where there are too many."""
        if len(self._viewers) >= VIEWERS_MAX or self._per_login[login_id] >= VIEWERS_PER_LOGIN_MAX:
            return None
        viewer = Viewer(shown, login_id)
        self._viewers.add(viewer)
        self._per_login[login_id] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())
        return viewer

    def close(self, viewer: Viewer) -> None:
        """Forget a page."""
        self._viewers.discard(viewer)
        self._per_login[viewer.login_id] -= 1
        if not self._per_login[viewer.login_id]:
            del self._per_login[viewer.login_id]

    async def stop(self) -> None:
        """End it: the process goes."""
        for viewer in self._viewers:
            viewer.gone = True
            viewer.woken.set()
        if self._poller is not None:
            self._poller.cancel()

    async def events(self, viewer: Viewer, last_id: str) -> AsyncIterator[bytes]:
        """Yield what the page is sent, until it or its login goes."""
        yield b"retry: %d\n\n" % RETRY_MS
        sent = int(last_id[:ID_DIGITS]) if last_id.isascii() and last_id.isdigit() else 0
        try:
            while not viewer.gone:
                viewer.woken.clear()
                at_us, event = self._events.get(viewer.shown, (0, b""))
                if at_us and at_us != sent:
                    sent = at_us
                    yield event
                try:
                    await asyncio.wait_for(viewer.woken.wait(), PING_S)
                except TimeoutError:
                    yield b": ping\n\n"
        finally:
            self.close(viewer)

    async def _poll(self) -> None:
        clock = self._cabinet.clock
        checked = clock.monotonic()
        while self._viewers:
            wanted = {viewer.shown for viewer in self._viewers}
            for one in self._events.keys() - wanted:
                del self._events[one]
            try:
                read = await self._in_thread(self._read, wanted, frozenset(self._events))
                if read is not None:
                    self._tell(read)
                if clock.monotonic() - checked >= CHECK_S:
                    checked = clock.monotonic()
                    asked = [(one.login_id, one.shown.participant_id) for one in self._viewers]
                    self._part(await self._in_thread(self._may_see, asked))
            except SQLAlchemyError as error:
                log.warning("numbers not read", error=type(error).__name__)
            await asyncio.sleep(POLL_S)

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        # A thread of its own, so that pages under way do not delay those that move.
        return await anyio.to_thread.run_sync(work, *given, limiter=self._limiter)

    def _read(self, wanted: set[Shown], known: frozenset[Shown]) -> Read | None:
        """Read what is new, as events; in a thread."""
        now_us = self._cabinet.clock.now_us()
        with self._cabinet.engine.connect() as db:
            written = read_written(db)
            # Numbers that nobody writes any more fall to zero too, after a while.
            same = written == self._newest.written and now_us - self._newest.at_us < AGAIN_US
            due = wanted - known if same else wanted
            if not due:
                return None
            whole = {one.participant_id for one in due if not one.worker_id}
            single = {(one.participant_id, one.worker_id) for one in due if one.worker_id}
            numbers = read_live(db, whole, now_us) if whole else {}
            workers = read_worker_numbers(db, single, now_us) if single else {}
        events = {}
        for one in due:
            formats = Formats(one.language)
            if not one.worker_id:
                events[one] = event_of(now_us, numbers[one.participant_id], formats)
            elif one.worker_id in workers:
                gettext = words_of(one.language).gettext
                events[one] = worker_event_of(now_us, workers[one.worker_id], formats, gettext)
        return Read(now_us, written, events)

    def _tell(self, read: Read) -> None:
        self._newest = read
        self._events.update({one: (read.at_us, event) for one, event in read.events.items()})
        for viewer in self._viewers:
            if viewer.shown in read.events:
                viewer.woken.set()

    def _may_see(self, asked: list[tuple[int, int]]) -> set[tuple[int, int]]:
        """Return those of the logins that are good, each with a participant of its person."""
        settings, now_us = self._cabinet.settings, self._cabinet.clock.now_us()
        with self._cabinet.engine.connect() as db:
            rows = db.execute(
                _GOOD,
                {
                    "logins": [login for login, _ in asked],
                    "now": moment_of(now_us),
                    "seen": moment_of(now_us - settings.cabinet_idle_s * 1_000_000),
                },
            )
            return {(row.login_id, row.participant_id) for row in rows}

    def _part(self, good: set[tuple[int, int]]) -> None:
        """Leave the pages whose login is over, or acts for the participant no more."""
        for viewer in self._viewers:
            if (viewer.login_id, viewer.shown.participant_id) not in good:
                viewer.gone = True
                viewer.woken.set()


def live_texts(live: LiveNumbers, formats: Formats) -> dict[str, str]:
    """Return the numbers as pages show them, by the name that an element has in `data-live`."""
    texts = {name: formats.hashrate(getattr(live, name)) for name in HASHRATES}
    texts |= {name: formats.number(getattr(live, name)) for name in COUNTS}
    texts["refused_part"] = formats.percent(refused_part(live), 2)
    texts["last_share_at"] = formats.moment(live.last_share_at, "short")
    return texts


def refused_part(live: LiveNumbers) -> float | None:
    """Return which part of the day's shares was refused."""
    whole = live.accepted + live.refused
    return live.refused / whole if whole else None


def event_of(at_us: int, live: LiveNumbers, formats: Formats) -> bytes:
    """Return numbers as one event: the texts, and the newest point of the chart."""
    return _event(
        at_us,
        {
            "texts": live_texts(live, formats),
            "point": [at_us // 1_000_000, live.hashrate_10m],
            "begun": live.workers > 0,
        },
    )


def worker_texts(worker: WorkerNumbers, formats: Formats) -> dict[str, str]:
    """Return a worker's numbers as its page shows them."""
    refused = worker.stale + worker.low_difficulty + worker.duplicate + worker.other
    whole = worker.accepted + refused
    texts = {name: formats.hashrate(getattr(worker, name)) for name in HASHRATES[1:]}
    texts |= {name: formats.number(getattr(worker, name)) for name in WORKER_COUNTS}
    texts["refused"] = formats.number(refused)
    texts["refused_part"] = formats.percent(refused / whole if whole else None, 2)
    texts["last_share_at"] = formats.moment(worker.last_share_at, "short")
    texts["difficulty"] = formats.number(worker.difficulty) if worker.sessions else "—"
    return texts


def worker_event_of(
    at_us: int, worker: WorkerNumbers, formats: Formats, gettext: Callable[[str], str]
) -> bytes:
    """Return a worker's numbers as one event, with its state and the tone of that."""
    texts = worker_texts(worker, formats) | {"state": gettext(WORKER_STATES[worker.state])}
    point = [at_us // 1_000_000, worker.hashrate_10m]
    tones = {"state": STATE_TAGS[worker.state]}
    return _event(at_us, {"texts": texts, "point": point, "tones": tones, "begun": True})


def _event(at_us: int, data: dict[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {at_us}\ndata: {text}\n\n".encode()
