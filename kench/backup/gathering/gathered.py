"""One journal as it is gathered: the same files as its front's, made of the stream's messages."""

import json
from pathlib import Path

from kench.native import RECORD_SIZE
from kench.pool.errors import KenchError
from kench.pool.journal.format import HEADER_SIZE, NO_DIGEST, digest_path, segment_path
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.reader import count_whole_records
from kench.pool.journal.remote import RemoteMark, RemoteState, read_remote, write_remote
from kench.pool.journal.segment import OpenSegment, digest_before, last_segment
from kench.pool.shipping.frames import Kind, read_place
from kench.pool.stream.message import Stand, Word, read_message

_RECORD_CRC = slice(-RECORD_SIZE, -RECORD_SIZE + 4)


class GapError(KenchError):
    """A message does not follow what is here; those between may still come."""


class DivergedError(KenchError):
    """What comes is not the journal that is here."""


class GatheredJournal:
    """The copy of one front's journal; the writer's lock is held while it lives.

    `take` what comes, in its order, any number of times, then `commit`; what was committed is on
    disk. After any error it is closed and made anew from what the disk has. Raises GapError,
    DivergedError, StreamMessageError, OSError, JournalError where somebody else writes here.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.directory, self.number = folder / str(number), number
        found = read_remote(self.directory)
        self.state = found.state if found else RemoteState.WRITTEN
        self.sequence = found.sequence if found else 0
        """Of the newest message that was taken, in the stream."""
        self.followed = 0
        """Of the newest message that brought anything, since this was made."""
        if found is None:
            self.directory.mkdir(parents=True)
            write_remote(self.directory, RemoteMark(self.state, 0), durably=True)
        self._lock = DurableMark(self.directory)
        self._watermark_us = self._lock.found.watermark_us
        newest = last_segment(self.directory)
        self._segment = OpenSegment.reopen(newest) if newest else None
        self._jobs, self._shares = bytearray(), bytearray()
        self._state_before = self.state

    @property
    def records(self) -> int:
        """How many records are here, committed or not."""
        one = self._segment
        return one.next_sequence + len(self._shares) // RECORD_SIZE if one else 0

    @property
    def watermark_us(self) -> int:
        """Before this time no record comes any more."""
        return self._watermark_us

    @property
    def place(self) -> tuple[int, int, int]:
        """How far it is on disk: segment, bytes of jobs and of shares; zeros where nothing is."""
        one = self._segment
        return (one.first_sequence, one.jobs_size, one.size) if one else (0, 0, 0)

    def take(self, sequence: int, message: bytes) -> bool:
        """Take a message; False where its journal was declared lost before."""
        frames, stand = read_message(message)
        if self.state is RemoteState.LOST and stand.word is not Word.LOST:
            # One from before that word may come again.
            is_old, self.sequence = sequence <= self.sequence, max(sequence, self.sequence)
            return is_old
        known = self._known()
        for kind, body in frames:
            self._take_frame(kind, *read_place(body))
        self._check(stand)
        self.sequence = sequence
        if stand.watermark_us > self._watermark_us or self._known() != known:
            self.followed = sequence
        self._watermark_us = max(self._watermark_us, stand.watermark_us)
        self.state = {Word.ENDED: RemoteState.ENDED, Word.LOST: RemoteState.LOST}.get(
            stand.word, RemoteState.WRITTEN
        )
        return True

    def _known(self) -> tuple[int, int, bool] | None:
        """Return how far jobs and shares go, and whether their segment is closed."""
        one = self._segment
        if one is None:
            return None
        jobs_size = one.jobs_size + len(self._jobs)
        return jobs_size, self.records, digest_path(one.path).exists()

    def commit(self) -> None:
        """Have all that was taken on disk, then tell readers."""
        self._write()
        records = self._segment.next_sequence if self._segment else 0
        is_new = self.state is not self._state_before
        if is_new and self.state is RemoteState.WRITTEN:
            # Before its time is: nobody takes it for ended from here on.
            self._write_remote(durably=True)
        self._lock.set(Mark(records, self._watermark_us))
        self._write_remote(durably=is_new)
        self._state_before = self.state

    def declare_lost(self, sequence: int) -> None:
        """Take an officer's word that no more comes, whatever is missing or comes behind it."""
        self.state, self.sequence = RemoteState.LOST, sequence

    def wait_for_front(self) -> None:
        """What it lacks comes from its front alone: its time is what was told, until then."""
        if self.state is RemoteState.ENDED:
            self.state = self._state_before = RemoteState.WRITTEN
            self._write_remote(durably=True)

    def pass_time(self, watermark_us: int) -> None:
        """Say that no record before this comes, of a journal that ended."""
        if watermark_us > self._watermark_us:
            self._watermark_us = watermark_us
            records = self._segment.next_sequence if self._segment else 0
            self._lock.set(Mark(records, watermark_us))

    def close(self) -> None:
        """Let go of files and lock."""
        if self._segment is not None:
            self._segment.close()
        self._lock.close()

    def _write_remote(self, *, durably: bool) -> None:
        write_remote(self.directory, RemoteMark(self.state, self.sequence), durably=durably)

    def _take_frame(self, kind: Kind, first: int, offset: int, content: bytes) -> None:
        if kind is Kind.OPEN:
            self._open(first, content)
        elif self._segment is None or first > self._segment.first_sequence:
            raise GapError(f"journal {self.number}: segment {first} was not begun here")
        elif first < self._segment.first_sequence:
            return  # closed long ago, and its digest was the same
        elif kind is Kind.JOBS:
            self._add(self._jobs, self._segment.jobs_size, offset, content)
        elif kind is Kind.SHARES:
            before = len(self._shares)
            self._add(self._shares, self._segment.size, offset, content)
            self._check_whole(self._segment, before)
        elif kind is Kind.SEAL:
            self._seal(self._segment, content)
        else:
            raise DivergedError(f"journal {self.number}: a message has {kind.name} in it")

    def _add(self, waiting: bytearray, size: int, offset: int, content: bytes) -> None:
        """Take what is new of some bytes; what is here already came before."""
        known = size + len(waiting) - offset
        if known < 0:
            raise GapError(f"journal {self.number}: {-known} bytes before {offset} are not here")
        waiting += content[known:]

    def _check_whole(self, one: OpenSegment, before: int) -> None:
        """Raise unless what came behind so many waiting bytes is whole records, in their order."""
        came = bytes(self._shares[before:])
        first = one.next_sequence + before // RECORD_SIZE
        if count_whole_records(came, first) * RECORD_SIZE != len(came):
            raise DivergedError(f"journal {self.number}: records came that are not whole")

    def _open(self, first: int, header: bytes) -> None:
        old = self._segment
        if old is not None:
            self._write()
        if old is not None and first <= old.first_sequence:
            if segment_path(self.directory, first).read_bytes()[:HEADER_SIZE] != header:
                raise DivergedError(f"journal {self.number}: segment {first} is another one here")
            return
        if old is not None and not (old.next_sequence == first and digest_path(old.path).exists()):
            raise GapError(f"journal {self.number}: segment {first} does not follow what is here")
        created_us = int.from_bytes(header[32:40], "little")
        made = OpenSegment.create(self.directory, self.number, first, created_us)
        if made.path.read_bytes() != header:
            made.close()
            made.path.unlink()
            raise DivergedError(f"journal {self.number}: segment {first} begins with no header")
        self._segment = made
        if old is not None:
            old.close()

    def _seal(self, one: OpenSegment, text: bytes) -> None:
        self._write()
        first = one.first_sequence
        if self.records < first + _records_in(text):
            raise GapError(f"journal {self.number}: segment {first} ends later than what is here")
        digest = one.seal(digest_before(one.path) if first else NO_DIGEST)
        if digest.text().encode() != text:
            digest_path(one.path).unlink()
            raise DivergedError(
                f"journal {self.number}: segment {first} has another digest where it is written: "
                "compare both folders with `kench verify`"
            )

    def _check(self, stand: Stand) -> None:
        """Raise where the journal is not as far as the message says, or ends with another share."""
        if self._segment is None and not stand.shares:
            return  # its first word, before its first segment
        if self.records < stand.records:
            raise GapError(
                f"journal {self.number}: {self.records} shares are here and {stand.records} should "
                "be"
            )
        if self._lacks_jobs(stand):
            raise GapError(f"journal {self.number}: jobs before byte {stand.jobs} are not here")
        if self._shares and self.records == stand.records:
            last = int.from_bytes(self._shares[_RECORD_CRC], "little")
            if last != stand.last_crc32:
                raise DivergedError(f"journal {self.number}: share {stand.records - 1} differs")

    def _lacks_jobs(self, stand: Stand) -> bool:
        """Whether the segment that a message is in has fewer jobs here; older ones are whole."""
        one = self._segment
        if one is None or one.first_sequence < stand.first:
            return stand.jobs > 0
        is_same = one.first_sequence == stand.first
        return is_same and one.jobs_size + len(self._jobs) < stand.jobs

    def _write(self) -> None:
        if self._segment is not None and (self._jobs or self._shares):
            self._segment.append(bytes(self._jobs), bytes(self._shares))
        self._jobs.clear()
        self._shares.clear()


def _records_in(digest: bytes) -> int:
    """Return how many records a segment has by the text of its digest; raises DivergedError."""
    try:
        return int(json.loads(digest)["records"])
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        raise DivergedError("a segment ends with a digest that cannot be read") from broken
