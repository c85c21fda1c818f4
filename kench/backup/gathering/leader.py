"""What the stream's leader has, message by message: for what a consumer brought late or otherwise.

A consumer is served by the copy of one server. After a server lost its power, or a line between two
of them was cut, that copy may have a message late, or another one under its number (seen with
servers before 2.10): what was acknowledged is what the leader has.
"""

from typing import NamedTuple

import nats.js.errors
from nats.js import api

from kench.backup.gathering.consuming import ASK_S
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.layout import STREAM, number_of, subject_of


class Found(NamedTuple):
    """A message as the leader has it."""

    sequence: int
    number: int | None
    """Of its journal; None where its subject is no journal's."""
    content: bytes


class Leader:
    """Asked in the thread of the caller; raises what `Cluster.ask` does."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def at(self, sequence: int) -> Found | None:
        """Return a message by its sequence; None where there is none."""

        async def ask() -> Found | None:
            try:
                return _found(await self._cluster.jetstream.get_msg(STREAM, sequence))
            except nats.js.errors.NotFoundError:
                return None

        return self._cluster.ask(ask(), ASK_S)

    def next_of(self, number: int, sequence: int) -> Found | None:
        """Return the first message of a journal from a sequence on; None where there is none."""

        async def ask() -> Found | None:
            jetstream, subject = self._cluster.jetstream, subject_of(number)
            try:
                return _found(await jetstream.get_msg(STREAM, sequence, subject=subject, next=True))
            except nats.js.errors.NotFoundError:
                return None

        return self._cluster.ask(ask(), ASK_S)


def _found(message: api.RawStreamMsg) -> Found | None:
    if message.seq is None or message.subject is None:
        return None
    return Found(message.seq, number_of(message.subject), message.data or b"")
