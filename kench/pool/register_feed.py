"""The register in memory: a thread keeps a snapshot that the event loop reads without waiting.

The thread listens on PostgreSQL's channel `kench_register`, reads again what changed, and reads
everything after each reconnection and every 30 s, when it also writes which tokens are in use.
While PostgreSQL is away the last snapshot stays in force: whoever may mine goes on mining.
"""

import contextlib
import hmac
import re
import selectors
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import psycopg2
import structlog
from psycopg2.extensions import connection as PgConnection  # noqa: N812 - it is a class
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kench.pool import primary
from kench.pool.clock import Clock
from kench.pool.database import Role, connect_arguments, open_engine
from kench.pool.errors import KenchError
from kench.pool.register import State, WorkerRefusal, ensure_worker
from kench.pool.tokens import token_digest

CHANNEL = "kench_register"
RELOAD_S = 30.0
WAIT_MAX_S = 1.0
"""Longest sleep of the thread, so that an injected clock is looked at."""
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 1.0
BATCH = 1000
"""Rows read at once: building more would hold the interpreter, and so the event loop, too long."""
LATE_IDS = 10_000
"""Worker ids below the highest seen that are read again: a lower id may be committed later."""
CREATE_CONNECTIONS = 4
USED_AGAIN_S = 3600.0
"""How often it is written of a token that it is in use."""
ENTRIES = """
SELECT one.id, state,
    ARRAY(SELECT tokens.id FROM participant_tokens AS tokens
        WHERE participant_id = one.id AND revoked_at IS NULL ORDER BY tokens.id),
    ARRAY(SELECT sha256 FROM participant_tokens AS tokens
        WHERE participant_id = one.id AND revoked_at IS NULL ORDER BY tokens.id)
FROM participants AS one WHERE"""
PARTICIPANT_ID = re.compile(r"[1-9][0-9]{0,9}")

log = structlog.get_logger("register")


class RegisterUnavailableError(KenchError):
    """The register cannot be read, or written, now."""


_Entry = tuple[str, tuple[tuple[int, bytes], ...]]
"""State and tokens of a participant."""


def _entries_of(rows: Iterable[tuple[int, str, list[int], list[memoryview]]]) -> dict[int, _Entry]:
    return {
        id_: (state, tuple(zip(tokens, map(bytes, digests), strict=True)))
        for id_, state, tokens, digests in rows
    }


@dataclass(frozen=True, slots=True)
class RegisteredParticipant:
    """What a front end needs to know of a participant."""

    id: int
    state: State
    tokens: tuple[tuple[int, bytes], ...] = field(repr=False)
    """Id and SHA-256 of each token in force."""
    workers: Mapping[str, int]
    """Worker ids by name."""

    @property
    def active(self) -> bool:
        """Whether it may mine (D2)."""
        return self.state is State.ACTIVE

    def accepts(self, token: str) -> int | None:
        """Id of the token that this is; takes the same time whatever is wrong with it."""
        digest, found = token_digest(token), None
        for id_, known in self.tokens:
            if hmac.compare_digest(digest, known):
                found = id_
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The register at one moment; never changed, replaced by a newer one."""

    participants: Mapping[int, RegisteredParticipant]

    def worker_id(self, participant_id: int, name: str) -> int | None:
        """Id of a worker that is known here already."""
        participant = self.participants.get(participant_id)
        return participant.workers.get(name) if participant else None


class RegisterFeed:
    """Keeps `snapshot` true to the register in PostgreSQL.

    `on_change` is called from the feed's thread with the ids of the participants that appeared,
    changed state or tokens, or vanished, after `snapshot` shows it; it must not wait nor raise.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        on_change: Callable[[frozenset[int]], None],
        *,
        workers_per_participant: int,
        role: Role | None = Role.STRATUM,
    ) -> None:
        self._url = url
        self._clock = clock
        self._on_change = on_change
        self._limit = workers_per_participant
        self._role = role
        self._engine = open_engine(
            url, role, application_name="kench workers", pool_size=CREATE_CONNECTIONS
        )
        self._snapshot = Snapshot(MappingProxyType({}))
        self._publishing = threading.Lock()
        self._highest_worker_id = 0
        self._using = threading.Lock()
        self._used: set[int] = set()
        self._told_used: set[int] = set()
        self._fault: str | None = "not started"
        self._loaded = threading.Event()
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="register feed", daemon=True)

    @property
    def snapshot(self) -> Snapshot:
        """The register as last heard; empty before `start` has returned."""
        return self._snapshot

    @property
    def fault(self) -> str | None:
        """Why the snapshot is not being followed now, in one line; None if it is."""
        return self._fault if self._thread.is_alive() else self._fault or "the feed has ended"

    def start(self, timeout_s: float = 10.0) -> None:
        """Start following; return when the register was read. Raises RegisterUnavailableError."""
        self._thread.start()
        if not self._loaded.wait(timeout_s):
            fault = self._fault
            self.stop()
            raise RegisterUnavailableError(
                f"the register could not be read within {timeout_s:.0f} s: {fault}; see that "
                "PostgreSQL of KENCH_DATABASE_URL runs"
            )

    def stop(self) -> None:
        """Stop following; the last snapshot stays. Doing it twice is doing it once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.send(b"x")
        if self._thread.is_alive():
            self._thread.join(10)
        self._wake.close()
        self._woken.close()
        self._engine.dispose()

    def create_worker(self, participant_id: int, name: str) -> int | WorkerRefusal:
        """Enter a worker at its first login and show it in the snapshot; waits for PostgreSQL.

        For a worker thread of the caller's, never the event loop's. Raises
        RegisterUnavailableError while PostgreSQL is away.
        """
        try:
            with self._engine.begin() as connection:
                made = ensure_worker(connection, participant_id, name, self._limit)
        except (DBAPIError, PoolTimeoutError) as error:
            raise RegisterUnavailableError(
                f"worker {name!r} of participant {participant_id} could not be entered: "
                f"{type(error).__name__}; see that PostgreSQL of KENCH_DATABASE_URL runs"
            ) from error
        if isinstance(made, int):
            with self._publishing:
                self._publish_workers({participant_id: {name: made}})
        return made

    def tokens_used(self, tokens: Collection[int]) -> None:
        """Have it written that these are in use, soon and not more often than each hour."""
        if tokens:
            with self._using:  # held for a moment alone
                self._used.update(tokens)

    def _run(self) -> None:
        retry_s = RETRY_FIRST_S
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    self._reload(connection, 0)
                    if self._fault is not None:
                        log.info("register followed", participants=len(self._snapshot.participants))
                    self._fault, retry_s = None, RETRY_FIRST_S
                    self._loaded.set()
                    self._follow(connection)
            except psycopg2.Error as error:
                fault = next(iter(str(error).strip().splitlines()), "PostgreSQL closed the line")
                if fault != self._fault:
                    log.warning("register not followed", fault=fault)
                self._fault = fault
                self._stopping.wait(retry_s)
                retry_s = min(retry_s * 2, RETRY_MAX_S)

    def _connect(self) -> PgConnection:
        arguments = connect_arguments(self._role, application_name="kench register feed")
        connection = primary.connect(self._url, arguments)
        connection.autocommit = True
        with connection.cursor() as cursor:
            # First listen, then read: what is committed in between is heard of twice, not never.
            cursor.execute(f"LISTEN {CHANNEL}")
        return connection

    def _follow(self, connection: PgConnection) -> None:
        """Wait for news and for the next full reading, until stopped or the line breaks."""
        due = self._clock.monotonic() + RELOAD_S
        anew = self._clock.monotonic() + USED_AGAIN_S
        # No select(): it takes no file numbers above 1023, of which a front end has many.
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select(min(WAIT_MAX_S, max(0.0, due - self._clock.monotonic())))
                connection.poll()
                heard = {notice.payload for notice in connection.notifies}
                connection.notifies.clear()
                changed = {int(payload) for payload in heard if PARTICIPANT_ID.fullmatch(payload)}
                # Anybody may shout on the channel: what is no id means, look at everything.
                all_of_it = len(changed) < len(heard) or len(changed) > BATCH
                now = self._clock.monotonic()
                if all_of_it or now >= due:
                    self._reload(connection, max(0, self._highest_worker_id - LATE_IDS))
                    due = now + RELOAD_S
                    if now >= anew:
                        self._told_used.clear()
                        anew = now + USED_AGAIN_S
                    self._write_used(connection)
                elif changed:
                    self._reread(connection, changed)

    def _reload(self, connection: PgConnection, workers_above: int) -> None:
        """Read all participants, and workers with ids above `workers_above` (none is deleted)."""
        # Rows are compared batch by batch and dropped: holding them all would bring on a full
        # garbage collection, which stops the event loop for some 50 ms.
        seen: set[int] = set()
        last = 0
        with connection.cursor() as cursor:
            while True:
                cursor.execute(f"{ENTRIES} id > %s ORDER BY id LIMIT %s", (last, BATCH))
                rows = cursor.fetchall()
                self._publish(_entries_of(rows), set())
                seen.update(row[0] for row in rows)
                if len(rows) < BATCH:
                    break
                last = rows[-1][0]
        self._publish({}, gone=self._snapshot.participants.keys() - seen)
        self._read_workers(connection, workers_above)

    def _write_used(self, connection: PgConnection) -> None:
        with self._using:
            used, self._used = self._used, set()
        fresh = sorted(used - self._told_used)
        with connection.cursor() as cursor:
            for first in range(0, len(fresh), BATCH):
                some = fresh[first : first + BATCH]
                cursor.execute(
                    "UPDATE participant_tokens SET used_at = now()"
                    " WHERE id = ANY(%s) AND revoked_at IS NULL",
                    (some,),
                )
                self._told_used.update(some)

    def _read_workers(self, connection: PgConnection, above: int) -> None:
        with connection.cursor() as cursor:
            while True:
                cursor.execute(
                    "SELECT id, participant_id, name FROM workers WHERE id > %s"
                    " ORDER BY id LIMIT %s",
                    (above, BATCH),
                )
                rows = cursor.fetchall()
                added: dict[int, dict[str, int]] = {}
                for id_, participant_id, name in rows:
                    added.setdefault(participant_id, {})[name] = id_
                    above = id_
                with self._publishing:
                    self._publish_workers(added)
                self._highest_worker_id = max(self._highest_worker_id, above)
                if len(rows) < BATCH:
                    return

    def _reread(self, connection: PgConnection, ids: set[int]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"{ENTRIES} id = ANY(%s)", (list(ids),))
            found = _entries_of(cursor.fetchall())
        self._publish(found, gone=ids - found.keys())

    def _publish(self, found: Mapping[int, _Entry], gone: set[int]) -> None:
        """Replace the snapshot by one with `found` and without `gone`; tell what changed."""
        with self._publishing:
            old = self._snapshot.participants
            new: dict[int, RegisteredParticipant] = {}
            for id_, (state, tokens) in found.items():
                known = old.get(id_)
                if known is None or (known.state, known.tokens) != (state, tokens):
                    workers = known.workers if known else MappingProxyType[str, int]({})
                    new[id_] = RegisteredParticipant(id_, State(state), tokens, workers)
            vanished = gone & old.keys()
            if not (new or vanished):
                return
            kept = {id_: entry for id_, entry in old.items() if id_ not in vanished}
            self._snapshot = Snapshot(MappingProxyType(kept | new))
        if self._loaded.is_set():
            self._on_change(frozenset(new.keys() | vanished))

    def _publish_workers(self, added: Mapping[int, Mapping[str, int]]) -> None:
        """Replace the snapshot by one that knows these workers too; the lock is held."""
        old = self._snapshot.participants
        new = {
            id_: replace(old[id_], workers=MappingProxyType({**old[id_].workers, **names}))
            for id_, names in added.items()
            if id_ in old and not names.items() <= old[id_].workers.items()
        }
        if new:
            self._snapshot = Snapshot(MappingProxyType({**old, **new}))
