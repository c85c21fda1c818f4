"""The pool's current job in the cluster: put there by who leads, read by all who come later.

A stream keeps the last message of its one subject. Who listens hears a message as soon as a server
has it, before the others have it too; the stream is for who came late, or missed it.
"""

import asyncio
import json
from dataclasses import dataclass

import nats.js.errors
from nats.js.api import Header, StreamConfig

from kench.pool.nats.cluster import Cluster
from kench.pool.nats.lease import BUCKET, Seen
from kench.pool.nats.streams import ensure_stream
from kench.stratum.centre.message import HEAD, MESSAGE_BYTES_MAX

STREAM = "KENCH_JOBS"
SUBJECT = "kench.jobs.current"
LEASE = "job-maker"
ASK_S = 1.0
# One of servers before 2.12 and after.
_WRONG_LAST_SEQUENCE = {10071, 10164}


@dataclass(frozen=True, slots=True)
class Posted:
    """The last message, and where it stands in the stream."""

    sequence: int
    message: bytes

    @property
    def epoch(self) -> int:
        """The epoch that it says; 0 where it is too short to say any."""
        if len(self.message) < HEAD.size:
            return 0
        epoch: int = HEAD.unpack_from(self.message)[2]
        return epoch


class Board:
    """What is asked of the cluster about jobs; coroutines for the cluster's own loop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._posting = asyncio.Lock()
        self._sequence: int | None = None

    async def open(self) -> None:
        """Make the stream where there is none; for machines that may lead."""
        wanted = StreamConfig(
            name=STREAM, subjects=[SUBJECT], max_msgs_per_subject=1, max_msg_size=MESSAGE_BYTES_MAX
        )
        await ensure_stream(self._cluster, wanted)

    async def last(self) -> Posted | None:
        """Return the last message, None where there never was one."""
        try:
            found = await self._cluster.jetstream.get_last_msg(STREAM, SUBJECT)
        except nats.js.errors.NotFoundError:
            return None
        return Posted(found.seq or 0, found.data or b"")

    async def post(self, message: bytes, epoch: int, *, is_sure: bool) -> bool:
        """Put a message there behind the last one; False where a later leader has written.

        Who `is_sure` to lead, since the lease was renewed after this was False, writes all the
        same: what stands there is nobody's.
        """
        async with self._posting:
            for _ in range(2):
                if self._sequence is None:
                    posted = await self.last()
                    if posted is not None and posted.epoch > epoch and not is_sure:
                        return False
                    self._sequence = posted.sequence if posted else 0
                after, self._sequence = self._sequence, None
                headers = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(after)}
                try:
                    done = await self._cluster.jetstream.publish(
                        SUBJECT, message, timeout=ASK_S, stream=STREAM, headers=headers
                    )
                except nats.js.errors.APIError as error:
                    if error.err_code not in _WRONG_LAST_SEQUENCE:
                        raise
                else:
                    self._sequence = done.seq
                    return True
            return False

    async def leader(self) -> Seen | None:
        """Return who holds the lease to make jobs; None where nobody ever did."""
        try:
            leases = await self._cluster.jetstream.key_value(BUCKET)
            entry = await leases.get(LEASE)
        except nats.js.errors.NotFoundError:
            return None
        content = json.loads(entry.value or b"{}")
        return Seen(content.get("holder"), int(content.get("epoch", 0)), entry.revision or 0)
