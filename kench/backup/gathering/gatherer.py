"""Takes journals from the stream to this disk, tells the stream, and has time pass for the ended.

What was fetched is on disk, and readers are told, before it is acknowledged; killed at any point it
does the rest again, to the same effect.
"""

import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

from kench.backup.gathering.consuming import ASK_S, Archive, Begin, purge
from kench.backup.gathering.gaps import Gaps
from kench.backup.gathering.gathered import DivergedError, GapError, GatheredJournal
from kench.backup.gathering.leader import Leader
from kench.backup.gathering.own import check_own
from kench.backup.gathering.progress import JournalStand, Progress
from kench.pool.clock import Clock
from kench.pool.durable import write_durably
from kench.pool.errors import KenchError
from kench.pool.journal.remote import LATE_NAME, RemoteState, is_remote
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.pool.shipping.frames import ShippingError
from kench.pool.stream.layout import ensure_stream, number_of, read_last, read_numbers
from kench.pool.stream.message import Word, read_message

CLOCKS_US = 2_000_000
"""Clocks of a pool's machines differ by less: so far behind ours is the time of what ended."""
TEND_S, PURGE_S = 1.0, 20.0
AGAIN_S, IDLE_S = 0.2, 0.05
LATE_MAX = 4096
"""Messages of a gap that the stream's leader is asked for in one turn; past it they come later."""

log = structlog.get_logger("gather")


class Gatherer:
    """One archive of all journals in the stream; for one thread."""

    def __init__(
        self, data: Path, cluster: Cluster, name: str, clock: Clock, bytes_max: int
    ) -> None:
        self._data, self._cluster, self._clock = data, cluster, clock
        self._bytes_max = bytes_max
        self._archive = Archive(cluster, name)
        self._leader = Leader(cluster)
        self._gaps = Gaps(cluster, clock)
        self._begin: Begin | None = None
        self._taken = 0
        """Sequence of the message that was taken last."""
        self._open: dict[int, GatheredJournal] = {}
        self._own: dict[int, int] = {}
        """Newest message of each journal that is written on this machine itself."""
        self._ends: dict[int, int] = {}
        """First message of a journal that is none of its front's, and that was declared lost."""
        self._marks: dict[int, int] = {}
        """Of each journal, a message before which all is taken away once every archive has it."""
        self._tended_s = self._purged_s = clock.monotonic()
        self.progress = Progress(clock)

    @property
    def journals(self) -> dict[int, int]:
        """Records of each journal that is gathered."""
        return {number: one.records for number, one in sorted(self._open.items())}

    @property
    def lacking(self) -> frozenset[int]:
        """Journals that lack what the stream lost: their fronts are asked."""
        return frozenset(self._gaps.lacking)

    def run(self, stop: threading.Event) -> None:
        """Gather until told to stop; what stands in the way is logged once, and tried again."""
        fault: str | None = None
        while not stop.is_set():
            try:
                taken = self.turn()
            except (KenchError, OSError) as error:
                self.progress.failed(error)
                said = str(error) or type(error).__name__
                if said != fault:
                    log.error("journals are not gathered", why=said)
                fault = said
                stop.wait(AGAIN_S)
            else:
                self.progress.turned(taken, self._stands(), self.lacking)
                if not taken:
                    stop.wait(IDLE_S)
                if fault is not None:
                    log.info("journals are gathered again")
                fault = None
        self.close()

    def _stands(self) -> list[JournalStand]:
        return [
            JournalStand(number, one.state, one.records, one.watermark_us)
            for number, one in sorted(self._open.items())
        ]

    def turn(self) -> int:
        """Fetch, take, and acknowledge; return how many messages were taken.

        Raises what stands in the way; the next turn begins with what the disk has.
        """
        try:
            return self._turn()
        except GapError:
            raise
        except (ClusterAwayError, ClusterRefusedError):
            self._begin = None
            raise
        except BaseException:
            # What was taken and is not on disk comes again.
            self.close()
            raise

    def close(self) -> None:
        """Let go of all files; nothing is lost."""
        self._begin = None
        open_, self._open = self._open, {}
        for one in open_.values():
            one.close()

    def _turn(self) -> int:
        if self._begin is None:
            self._cluster.ask(ensure_stream(self._cluster, self._bytes_max), ASK_S)
            begin = self._archive.begin()
            self._open_all()
            self._begin, self._taken = begin, begin.acked
        fetched = self._archive.fetch()
        taken, touched, gap = 0, set[int](), None
        for sequence, subject, message in fetched:
            try:
                touched |= self._take_missing(sequence, self._begin.sparse)
                if sequence > self._taken:
                    touched |= self._take_next(sequence, number_of(subject), message)
            except GapError as missing:
                gap = missing
                break
            taken += 1
        for number in touched:
            if number in self._open:
                self._open[number].commit()
        self._archive.acknowledge(taken)
        self._tend()
        if gap is not None:
            raise gap
        return taken

    def _take_missing(self, sequence: int, sparse: int) -> set[int]:
        """Take from the leader what the consumer did not bring before a message; of which journals.

        The order is kept over all journals: before one's time passes, all that began are here.
        Raises GapError where the leader has not all of it.
        """
        touched: set[int] = set()
        missing = range(max(self._taken, sparse) + 1, sequence)
        for at in missing[:LATE_MAX]:
            found = self._leader.at(at)
            if found is not None:
                touched |= self._take_next(at, found.number, found.content)
            elif self._gaps.may_come(at):
                break
            else:
                self._gaps.pass_over(at)
                self._taken = at
        if missing and self._taken < missing[-1]:
            raise GapError(f"message {self._taken + 1} of the stream comes later: it is waited for")
        return touched

    def _take_next(self, sequence: int, number: int | None, message: bytes) -> set[int]:
        """Take the next message of the stream; return the journal that it is of.

        Raises GapError, DivergedError.
        """
        if number is None:
            log.critical("a message of the stream is of no journal", message=sequence)
            self._taken = sequence
            return set()
        try:
            self._take_or_pass(number, sequence, message)
        except (DivergedError, ShippingError) as fault:
            raise self._diverged(number, sequence, fault) from fault
        return {number}

    def _diverged(self, number: int, sequence: int, fault: KenchError) -> DivergedError:
        """Return what is raised for a message that no front wrote: somebody has to look.

        Where its journal was declared lost, it ends there, and from the next turn on all goes on.
        """
        words = f"message {sequence} of the stream does not go on journal {number} ({fault})"
        last = self._cluster.ask(read_last(self._cluster, number), ASK_S)
        if last is not None and last.is_lost:
            self._ends[number] = sequence
            return DivergedError(f"{words}: it ends there, as it was declared lost")
        return DivergedError(
            f"{words}: take its machine's certificate away, then `kench gather lost {number}`"
        )

    def _take_or_pass(self, number: int, sequence: int, message: bytes) -> None:
        """Take a message; one that does not follow is waited for, then its front is asked.

        Until it is there what comes of that journal is passed over, and others go on. Raises
        GapError.
        """
        try:
            self._take_right(number, sequence, message)
        except GapError as missing:
            if number not in self._gaps.lacking and self._gaps.may_come(sequence):
                raise
            journal = self._open[number]
            self._gaps.lacks(number, str(missing))
            if read_message(message)[1].word is Word.LOST:
                self._gaps.has(number)
                journal.declare_lost(sequence)
            else:
                journal.wait_for_front()
        else:
            self._gaps.has(number)
        self._taken = sequence

    def _take_right(self, number: int, sequence: int, message: bytes) -> None:
        """Take a message; where it does not follow, what the leader has of its journal up to it.

        Raises GapError where that does not follow either.
        """
        try:
            self._take(number, sequence, message)
        except GapError:
            at = self._open[number].followed
            for _ in range(LATE_MAX):
                found = self._leader.next_of(number, at + 1)
                if found is None or found.sequence > sequence:
                    raise
                at = found.sequence
                self._take(number, at, found.content)
                if at == sequence:
                    words = "a NATS server has another message than the leader, whose was taken"
                    log.critical(words, number=number, message=sequence)
                    return
            raise

    def _open_all(self) -> None:
        """Hold every journal that is gathered, so that its time can pass."""
        folder = self._data / "journal"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.name.isdecimal() and is_remote(path):
                number = int(path.name)
                if number not in self._open:
                    self._open[number] = GatheredJournal(folder, number)

    def _take(self, number: int, sequence: int, message: bytes) -> None:
        journal = self._open.get(number)
        if journal is None:
            folder = self._data / "journal"
            if (folder / str(number)).is_dir():
                check_own(folder / str(number), number, message)
                self._own[number] = sequence
                return
            journal = self._open[number] = GatheredJournal(folder, number)
            log.info("a journal is gathered", number=number)
        if sequence >= self._ends.get(number, sequence + 1):
            journal.declare_lost(sequence)
            self._set_aside(number, sequence, message)
        elif not journal.take(sequence, message):
            self._set_aside(number, sequence, message)

    def _set_aside(self, number: int, sequence: int, message: bytes) -> None:
        """Keep what comes of a journal that was declared lost: a message is a file."""
        folder = self._data / LATE_NAME / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / f"{sequence:020d}.frames", message)
        self.progress.set_aside += 1
        log.error("shares of a journal that was declared lost are set aside", number=number)

    def purge(self) -> None:
        """Take away from the stream what every archive has."""
        newest = self._own | {number: one.sequence for number, one in self._open.items()}
        for number, sequence in newest.items():
            self._marks.setdefault(number, sequence)
        floor = self._cluster.ask(purge(self._cluster, self._marks), ASK_S)
        # Others may always be a little behind; a mark waits until they have passed it.
        self._marks = {number: mark for number, mark in self._marks.items() if mark > floor}

    # -- each second ------------------------------------------------------------------------

    def _tend(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._tended_s >= TEND_S:
            self._tended_s = now_s
            for number in self._gaps.lacking:
                self._gaps.tell(number, self._open[number].place)
            self._pass_time()
        if now_s - self._purged_s >= PURGE_S:
            self._purged_s = now_s
            self.purge()

    def _pass_time(self) -> None:
        """Have time pass for journals that ended: nobody who began yet is before it.

        The stream is asked after the clock: who begins later has read its own clock later, and
        reads what all others told. Where anything began that is not here yet, time waits.
        """
        until_us = self._clock.now_us() - CLOCKS_US
        acked = self._begin.acked if self._begin else 0
        ended = [one for one in self._open.values() if one.state is not RemoteState.WRITTEN]
        if not ended or not self._knows(self._cluster.ask(read_numbers(self._cluster), ASK_S)):
            return
        for journal in ended:
            last = self._cluster.ask(read_last(self._cluster, journal.number), ASK_S)
            if last is None or last.sequence <= max(journal.sequence, acked):
                journal.pass_time(until_us)

    def _knows(self, numbers: Iterable[int]) -> bool:
        return all((self._data / "journal" / str(number)).is_dir() for number in numbers)
