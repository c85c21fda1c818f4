"""What must hold after each step, whatever befell the pool.

each acknowledged share is in the journal, once; the journal holds nothing that nobody sent
the totals are what the journal makes them, for each worker
the books hold what `kench audit` asks of them
no two sessions that stand have the same extranonce1, nor ever had it on the same job
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from kench.payouts.audit.invariants import differences
from kench.payouts.tables import journal_positions, totals
from kench.payouts.totals import Records, Totals, totals_of
from kench.pool.database import open_engine
from kench.pool.journal import Flag, JournalReader
from tests.chaos.hosts import Host
from tests.chaos.miners import Miners
from tests.support.load import ShareKey

CHUNK = 50_000
BOOKED_S = 45.0
"""Settlement has booked all that there is within this time: it waits for each journal's mark."""
LOOK_S, REACHED_S = 0.1, 10.0


class BrokenPromiseError(Exception):
    """Something that must hold does not."""


@dataclass(frozen=True)
class Place:
    """Where the pool keeps its books now."""

    journals: Path
    database_url: str
    host: Host | None = None
    """From which the database is reached; None: from anywhere."""


@dataclass(frozen=True)
class Held:
    """What a check counted."""

    acknowledged: int
    """Shares that miners were told of, since the beginning."""
    lost: int
    """Of them those that are in no journal."""
    beyond: int
    """Shares in the journals whose answer reached nobody: a miner was cut off meanwhile."""
    blocks: int
    booked_s: float
    """How long settlement took to book all, once nothing came any more."""
    wrong: tuple[str, ...]


@dataclass
class _Journal:
    reader: JournalReader
    position: int = 0


@dataclass
class Checks:
    """Goes on from check to check; after a move to another machine it reads all again."""

    place: Place
    acknowledged: set[int] = field(default_factory=set)
    unanswered: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.move(self.place)

    def move(self, place: Place) -> None:
        """Have the books be elsewhere from now on."""
        self.place = place
        self._journals: dict[int, _Journal] = {}
        self._kept: set[int] = set()
        self._unpaid: set[int] = set()
        self._totals: Totals = {}

    def look(self, miners: Miners) -> Held:
        """Check all. The miners must be paused, so that nothing is on its way."""
        host = self.place.host
        return self._look(miners) if host is None else host.within(lambda: self._look(miners))

    def _look(self, miners: Miners) -> Held:
        heard = miners.take()
        wrong = heard.faults
        fresh = {hash(key) for key in heard.acknowledged}
        if len(fresh) != len(heard.acknowledged):
            wrong.append("a share was acknowledged twice")
        self.acknowledged |= fresh
        self.unanswered |= {hash(key) for key in heard.unanswered}
        self.refused |= {hash(key) for key in heard.refused}
        wrong += _twice(miners.living())
        waited_s = self._wait_until_booked(wrong)
        if waited_s is None:
            wrong.append(f"not all is booked after {BOOKED_S:.0f} s")
        lost = len(self.acknowledged - self._kept)
        if lost:
            wrong.append(f"{lost} acknowledged shares are in no journal")
        paid = len(self._kept & self.refused)
        if paid:
            wrong.append(f"{paid} refused shares are in the journals")
        unknown = len(
            (self._kept | self._unpaid) - self.acknowledged - self.unanswered - self.refused
        )
        if unknown:
            wrong.append(f"{unknown} shares in the journals were sent by nobody")
        with self._connected() as connection:
            if waited_s is not None:
                wrong += self._compare_totals(connection)
            wrong += differences(connection)
            blocks = connection.execute(sa.text("SELECT count(*) FROM blocks")).scalar_one()
        beyond = len(self._kept - self.acknowledged)
        return Held(
            len(self.acknowledged), lost, beyond, int(blocks), waited_s or BOOKED_S, tuple(wrong)
        )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        engine = open_engine(self.place.database_url, application_name="chaos", pool_size=1)
        try:
            with _reached(engine) as connection:
                yield connection
        finally:
            engine.dispose()

    def _wait_until_booked(self, wrong: list[str]) -> float | None:
        """Wait until all is in the journals here and booked; None where it takes too long."""
        began = time.monotonic()
        with self._connected() as connection:
            while (passed := time.monotonic() - began) < BOOKED_S:
                rows = connection.execute(sa.select(journal_positions)).all()
                connection.rollback()
                booked = {row.instance: row.next_sequence for row in rows}
                wrong += self._read_on()
                read = {number: one.position for number, one in self._journals.items()}
                if self.acknowledged <= self._kept and all(
                    booked.get(number, 0) == position for number, position in read.items()
                ):
                    return passed
                time.sleep(LOOK_S)
        return None

    def _all(self) -> dict[int, _Journal]:
        for folder in self.place.journals.iterdir():
            if folder.name.isdecimal() and int(folder.name) not in self._journals:
                self._journals[int(folder.name)] = _Journal(JournalReader(folder))
        return self._journals

    def _read_on(self) -> Iterator[str]:
        for number, journal in sorted(self._all().items()):
            while len(records := journal.reader.read(journal.position, CHUNK)):
                journal.position += len(records)
                for key, total in totals_of(records).items():
                    before = self._totals.get(key)
                    self._totals[key] = total if before is None else type(total)(
                        *(one + other for one, other in zip(before, total, strict=True))
                    )  # fmt: skip
                # Kept for its block alone: the share was refused, and nobody is paid for it.
                unpaid = (records["flags"] & Flag.UNCREDITED) != 0
                self._unpaid.update(hash(key) for key in _keys(records[unpaid]))
                found = [hash(key) for key in _keys(records[~unpaid])]
                twice = len(found) - len(set(found) - self._kept)
                if twice:
                    yield f"{twice} shares of journal {number} are in the journals twice"
                self._kept.update(found)

    def _compare_totals(self, connection: sa.Connection) -> Iterator[str]:
        rows = connection.execute(sa.select(totals)).all()
        booked = {
            (row.participant_id, row.worker_id): (row.accepted, row.work_hashes) for row in rows
        }
        for key in sorted(booked.keys() | self._totals.keys()):
            ours = tuple(self._totals.get(key, (0, 0)))
            if booked.get(key, (0, 0)) != ours:
                yield f"the totals of {key} are {booked.get(key)}, the journals make them {ours}"


def _reached(engine: sa.Engine) -> sa.Connection:
    """Connect; a host that was away a moment ago is asked for its address by three calls first."""
    deadline = time.monotonic() + REACHED_S
    while True:
        try:
            return engine.connect()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_S)


def _twice(extranonces: Iterable[bytes]) -> Iterator[str]:
    seen: set[bytes] = set()
    for one in extranonces:
        if one in seen:
            yield f"extranonce1 {one.hex()} stands in two sessions"
        seen.add(one)


def _keys(records: Records) -> Iterator[ShareKey]:
    for record in records:
        yield (
            int(record["job_key"]),
            record["extranonce1"].tobytes(),
            record["extranonce2"].tobytes(),
            int(record["ntime"]),
            int(record["nonce"]),
        )
