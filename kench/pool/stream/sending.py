"""One journal's way into the stream: where it goes on, and message after message, each once."""

from pathlib import Path
from typing import NamedTuple

import structlog

from kench.native import RECORD_SIZE
from kench.pool.errors import KenchError
from kench.pool.journal.format import (
    HEADER_SIZE,
    first_sequence_of,
    jobs_path,
    segment_path,
    segment_paths,
)
from kench.pool.journal.reader import JournalReader
from kench.pool.journal.replica import Reached
from kench.pool.nats.cluster import Cluster
from kench.pool.shipping.catching_up import Cursor
from kench.pool.stream.lacks import Lack
from kench.pool.stream.layout import NotKeptError, ensure_stream, publish, read_last
from kench.pool.stream.message import Stand, Word, message_id, message_of
from kench.pool.stream.pieces import messages, records_at

log = structlog.get_logger("stream")


class OvertakenError(KenchError):
    """Another message came before ours: where the journal goes on must be asked again."""


class StreamTakenError(KenchError):
    """Another process writes this journal, or an officer said that this machine is lost."""


class JournalBehindError(KenchError):
    """The stream has what this disk has not."""


class Sending(NamedTuple):
    """Where and as whom."""

    cluster: Cluster
    directory: Path
    number: int
    life: int
    bytes_max: int


class StreamLine:
    """What the stream has of one journal, as it was last heard. For one thread at a time.

    Raises ClusterAwayError where it is not known whether a message was taken: `agree` asks.
    """

    def __init__(self, sending: Sending) -> None:
        self._to = sending
        self._sequence = 0
        """Of the newest message of ours that was acknowledged."""
        self._again = 0
        """How often the cluster remembered the name of what it had lost."""
        self._last_crc32 = (0, 0)
        self.stand: Stand | None = None
        """What the stream has; None before it was asked."""

    @property
    def is_lost(self) -> bool:
        """Whether the journal was declared lost."""
        return self.stand is not None and self.stand.word is Word.LOST

    def agree(self, end: Reached, wait_s: float, lack: Lack | None = None) -> Cursor:
        """Ask how far the stream is, and return from where it goes on.

        That is earlier where an archive lacks what the stream had. Raises StreamTakenError where
        another writes since we began, JournalBehindError.
        """
        to = self._to
        to.cluster.ask(ensure_stream(to.cluster, to.bytes_max), wait_s)
        last = to.cluster.ask(read_last(to.cluster, to.number), wait_s)
        if last is None:
            # The first message of a journal, or of a stream that was made anew.
            self._sequence, self.stand = 0, None
            return Cursor(_first_of(to.directory), 0, 0)
        stand = last.stand
        self._refuse_if_taken(last.sequence, stand)
        self._check_prefix(stand, end)
        self._sequence, self.stand = last.sequence, stand
        if lack is not None and lack < stand.place:
            return self._again_from(lack)
        return Cursor(*stand.place)

    def say(self, word: Word, cursor: Cursor, watermark_us: int, wait_s: float) -> None:
        """Publish a word alone."""
        self._publish([], word, cursor, cursor, watermark_us, wait_s)

    def send(self, cursor: Cursor, end: Reached, wait_s: float) -> int:
        """Publish what the stream lacks up to `end`, from `cursor` on, which moves; return bytes.

        `wait_s` is for each message. Nothing is published where nothing is new.
        """
        sent = 0
        told_us = self.stand.watermark_us if self.stand else 0
        for frames, after, is_end in messages(self._to.directory, cursor, end):
            watermark_us = max(told_us, end.watermark_us) if is_end else told_us
            if frames or watermark_us > told_us:
                sent += sum(map(len, frames))
                self._publish(frames, Word.GOES_ON, cursor, after, watermark_us, wait_s)
                cursor.first, cursor.jobs, cursor.shares = after.first, after.jobs, after.shares
        return sent

    def _publish(  # noqa: PLR0913, PLR0917 - a message is all of these
        self,
        frames: list[bytes],
        word: Word,
        before: Cursor,
        after: Cursor,
        watermark_us: int,
        wait_s: float,
    ) -> None:
        to = self._to
        records = records_at(after)
        stand = Stand(
            to.life, after.first, after.jobs, after.shares, records,
            watermark_us, self._crc32_at(records), word,
        )  # fmt: skip
        place = before.first, before.jobs, before.shares
        name = message_id(to.number, self._again, place, stand)
        message = message_of(frames, stand)
        said = publish(to.cluster, to.number, message, name, self._sequence)
        try:
            sequence = to.cluster.ask(said, wait_s)
        except NotKeptError as lost:
            self._again += 1
            log.error("a message is published again", number=to.number, why=str(lost))
            raise OvertakenError(f"{lost}: it is published again") from lost
        if sequence is None:
            raise OvertakenError("another message of this journal came first: it is asked again")
        self._sequence, self.stand = sequence, stand

    def _again_from(self, lack: Lack) -> Cursor:
        """Return where an archive stands, or where its segment begins if that is not as ours."""
        log.error(
            "an archive lacks what the stream had: it is published again", number=self._to.number
        )
        if lack == (0, 0, 0):
            return Cursor(_first_of(self._to.directory), 0, 0)
        path = segment_path(self._to.directory, lack.first)
        if not path.exists():
            raise JournalBehindError(
                f"an archive stands in segment {lack.first} of journal {self._to.number}, which is "
                f"not here: restore {self._to.directory} from a backup"
            )
        is_ours = (
            lack.jobs <= jobs_path(path).stat().st_size
            and HEADER_SIZE <= lack.shares <= path.stat().st_size
            and (lack.shares - HEADER_SIZE) % RECORD_SIZE == 0
        )
        return Cursor(*lack) if is_ours else Cursor(lack.first, 0, 0)

    def _refuse_if_taken(self, sequence: int, stand: Stand) -> None:
        """Raise where another came behind what was acknowledged to us."""
        is_ours = stand.life == self._to.life or stand.word is Word.LOST
        if self._sequence and not is_ours and sequence > self._sequence:
            raise StreamTakenError(
                f"another process writes journal {self._to.number} into the stream since: stop "
                "one of the two, or give it another KENCH_INSTANCE"
            )

    def _check_prefix(self, stand: Stand, end: Reached) -> None:
        """Raise unless what the stream has is the beginning of what is on this disk."""
        to, words = self._to, None
        path = segment_path(to.directory, stand.first)
        is_last = stand.first == end.first_sequence
        if stand.records > end.records:
            words = f"{stand.records} shares where this disk has {end.records}"
        elif not path.exists():
            words = f"segment {stand.first}, which is not here"
        elif stand.jobs > (end.jobs_size if is_last else jobs_path(path).stat().st_size):
            words = "jobs that are not here"
        elif stand.records and self._crc32_at(stand.records) != stand.last_crc32:
            words = f"another share {stand.records - 1} than this disk"
        if words is not None:
            raise JournalBehindError(
                f"the stream has {words}: restore {to.directory} from where `kench gather` runs, "
                "or give this machine another KENCH_INSTANCE"
            )

    def _crc32_at(self, records: int) -> int:
        """Return the check of the last of so many records."""
        if not records:
            return 0
        if self._last_crc32[0] != records:
            one = JournalReader(self._to.directory).read_within(records - 1, 1, records)
            self._last_crc32 = (records, int(one["crc32"][0]) if len(one) else 0)
        return self._last_crc32[1]


def _first_of(directory: Path) -> int:
    paths = segment_paths(directory)
    return first_sequence_of(paths[0]) if paths else 0
