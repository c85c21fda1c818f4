"""The stream as the cluster has it: its name, its subjects, and what is asked of it."""

import datetime as dt
from typing import NamedTuple

import nats.js.errors
from nats.js import api

from kench.pool.errors import KenchError
from kench.pool.nats import streams
from kench.pool.nats.cluster import Cluster
from kench.pool.settings import FRONT_NUMBER_MAX
from kench.pool.stream.message import Stand, StreamMessageError, Word, read_message

STREAM = "KENCH_JOURNAL"
SUBJECTS = "kench.journal.*"
DUPLICATE_S = 120.0
# Of the server's errors: another message of the subject came before; there is none.
_WRONG_LAST_SEQUENCE, _NO_MESSAGE = 10071, 10037


def subject_of(number: int) -> str:
    """Return the subject of a front's journal."""
    return f"kench.journal.{number}"


def number_of(subject: str) -> int | None:
    """Return the front's number of a subject, None where it is no journal's.

    One spelling is a number's: by another, who writes a journal would not hear of a second writer.
    """
    word = subject.rpartition(".")[2]
    if not (word.isascii() and word.isdecimal() and len(word) <= len(str(FRONT_NUMBER_MAX))):
        return None
    number = int(word)
    return number if subject == subject_of(number) and number <= FRONT_NUMBER_MAX else None


class NotKeptError(KenchError):
    """The cluster remembers the name of a message that it does not have any more."""


class Last(NamedTuple):
    """The newest message of a journal, whoever wrote it."""

    sequence: int
    content: bytes
    at: dt.datetime
    """When the cluster took it, by its clock."""

    @property
    def stand(self) -> Stand:
        """Where it says that its journal is; raises StreamMessageError."""
        return read_message(self.content)[1]

    @property
    def is_lost(self) -> bool:
        """Whether it is an officer's word that the journal's machine does not come back."""
        try:
            return self.stand.word is Word.LOST
        except StreamMessageError:
            return False


async def ensure_stream(cluster: Cluster, bytes_max: int) -> None:
    """Make the stream where there is none."""
    wanted = api.StreamConfig(
        name=STREAM,
        subjects=[SUBJECTS],
        retention=api.RetentionPolicy.LIMITS,
        # Full, it refuses what is new: what was taken is never thrown away.
        discard=api.DiscardPolicy.NEW,
        max_bytes=bytes_max,
        duplicate_window=DUPLICATE_S,
    )
    await streams.ensure_stream(cluster, wanted)


async def read_last(cluster: Cluster, number: int) -> Last | None:
    """Return the newest message of a journal, None where the stream has none."""
    try:
        found = await cluster.jetstream.get_last_msg(STREAM, subject_of(number))
    except nats.js.errors.NotFoundError as none:
        if none.err_code == _NO_MESSAGE:
            return None
        raise
    if found.seq is None or found.time is None:
        raise StreamMessageError(f"the newest message of journal {number} has no place or time")
    return Last(found.seq, found.data or b"", found.time)


async def read_numbers(cluster: Cluster) -> list[int]:
    """Return the numbers of all journals that the stream has messages of."""
    info = await cluster.jetstream.stream_info(STREAM, subjects_filter=SUBJECTS)
    numbers = (number_of(subject) for subject in info.state.subjects or {})
    return sorted(number for number in numbers if number is not None)


async def publish(
    cluster: Cluster, number: int, message: bytes, name: str, after: int
) -> int | None:
    """Publish behind the message `after`, which a quorum has then; return its sequence.

    None where another message came behind that one. A name that was published within the last two
    minutes is not published again, and its sequence is returned. Raises NotKeptError where the
    cluster says so of a message that it lost.
    """
    headers = {
        api.Header.MSG_ID.value: name,
        api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(after),
    }
    try:
        taken = await cluster.jetstream.publish(
            subject_of(number), message, stream=STREAM, headers=headers
        )
    except nats.js.errors.BadRequestError as refused:
        if refused.err_code == _WRONG_LAST_SEQUENCE:
            return None
        raise
    if taken.duplicate:
        last = await read_last(cluster, number)
        if last is None or last.sequence != taken.seq:
            raise NotKeptError(f"the stream has lost message {taken.seq}, and remembers its name")
    return taken.seq
