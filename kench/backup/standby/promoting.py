"""Promoting the standby: the main machine is shut out, the database leads, and the loss is told."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg2

from kench.backup.errors import RestoreError
from kench.backup.journals import journal_folders
from kench.backup.standby.hearing import require_silence
from kench.backup.standby.told import Told, read_told
from kench.backup.totals import Totals, read_totals
from kench.pool.clock import Clock
from kench.pool.database_url import libpq_url
from kench.pool.journal import JournalError, Mark
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.format import HEADER_SIZE, segment_paths
from kench.pool.journal.mark import DurableMark
from kench.pool.journal.reader import last_time_us
from kench.pool.journal.remote import is_remote
from kench.pool.journal.segment import OpenSegment, digest_before
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.settings import Settings
from kench.pool.shipping.database_generation import set_generation
from kench.pool.shipping.generation import read_generation, write_generation
from kench.pool.shipping.leading import FOLLOWING

PROMOTE_S = 60
LEAVE_S = 15.0
"""`kench standby serve` leaves a front that hangs within this time."""


class PromotedJournal(NamedTuple):
    """One journal as the standby has it."""

    instance: int
    records: int
    last_us: int
    """Time of its last share; 0 where there is none."""
    told: Told
    lost: int
    """Shares that the books have and this journal has not: they are on the old main machine."""


class Promoted(NamedTuple):
    """What there was when this machine began to lead."""

    generation: int
    took_s: float
    journals: list[PromotedJournal]
    totals: Totals | None


def promote(settings: Settings, clock: Clock, *, main_is_off: bool = False) -> Promoted:
    """Have this folder's machine lead. Raises RestoreError where it is no standby's.

    StillHeardError where the main machine was heard a moment ago, unless somebody vouches for it.
    """
    data = settings.data_dir
    began = clock.monotonic()
    if not (data / FOLLOWING).exists():
        raise RestoreError(f"{data} is no standby's folder, or leads already: nothing was changed")
    if not main_is_off:
        require_silence(data, clock)
    generation = read_generation(data) + 1
    # From here on no front's word counts, though the process that listens lives on.
    write_generation(data, generation)
    locks = [_own(folder) for folder in journal_folders(data / "journal")]
    for lock in locks:
        lock.close()
    totals = _lead_database(settings, generation)
    journals = [
        _take_over(data, folder, totals, clock) for folder in journal_folders(data / "journal")
    ]
    (data / FOLLOWING).unlink()
    return Promoted(generation, clock.monotonic() - began, journals, totals)


def _own(folder: Path) -> DurableMark:
    """Wait until nobody writes a journal any more."""
    deadline = time.monotonic() + LEAVE_S
    while True:
        try:
            return DurableMark(folder)
        except JournalError as error:
            if time.monotonic() > deadline:
                raise RestoreError(
                    f"{folder} is still written: stop `kench standby serve`, then promote again"
                ) from error


def _lead_database(settings: Settings, generation: int) -> Totals | None:
    """Promote the embedded database; of another, look whether it leads."""
    with _database(settings) as url:
        if url is None:
            return None
        connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_is_in_recovery()")
                row = cursor.fetchone()
                follows = row is not None and bool(row[0])
                if follows and settings.database_url is not None:
                    raise RestoreError(
                        "the database still follows: promote it (pg_ctl promote), then this again"
                    )
                if follows:
                    cursor.execute("SELECT pg_promote(true, %s)", (PROMOTE_S,))
                    row = cursor.fetchone()
                    if row is None or not row[0]:
                        raise RestoreError(f"the database did not lead after {PROMOTE_S} s")
                set_generation(cursor, generation)
        except psycopg2.Error as error:
            raise RestoreError(f"the database cannot lead: {str(error).strip()}") from error
        finally:
            connection.close()
        return read_totals(url, "kench standby")


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[str | None]:
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = EmbeddedPostgres(settings.data_dir)
    if not server.exists:
        yield None
        return
    url = server.start()
    try:
        yield url
    finally:
        server.stop(spare_clients=True)


def _take_over(data: Path, folder: Path, totals: Totals | None, clock: Clock) -> PromotedJournal:
    """Complete a journal as it is; where the books are ahead, go on after what they have."""
    instance = int(folder.name)
    mark = complete_if_free(folder, clock)
    if mark is None:
        raise RestoreError(f"{folder} is written again: promote once more")
    settled = totals.positions.get(instance, 0) if totals else 0
    # What is gathered comes from the stream, and no gap may stand in its way.
    lost = 0 if is_remote(folder) else max(0, settled - mark.records)
    last_us = last_time_us(folder, mark.records)
    if lost:
        _leave_gap(folder, instance, mark, settled, clock)
    return PromotedJournal(instance, mark.records, last_us, read_told(data, instance), lost)


def _leave_gap(folder: Path, instance: int, mark: Mark, settled: int, clock: Clock) -> None:
    """Begin the next segment where the books are: what they have is never booked twice.

    `kench verify` names the missing shares, and `kench standby compare` finds them on the old one.
    """
    paths = segment_paths(folder)
    if paths and paths[-1].stat().st_size >= HEADER_SIZE:
        last = OpenSegment.reopen(paths[-1])
        last.seal(digest_before(last.path))
        last.close()
    lock = DurableMark(folder)
    try:
        OpenSegment.create(folder, instance, settled, clock.now_us()).close()
        lock.set(Mark(settled, mark.watermark_us))
    finally:
        lock.close()
