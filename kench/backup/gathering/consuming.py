"""This archive's place in the stream: a durable consumer, by a name that its folder has drawn."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import nats.js.errors
from nats.aio.msg import Msg
from nats.js import api

from kench.backup.errors import BackupError
from kench.pool.durable import write_durably
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.layout import STREAM, SUBJECTS, subject_of

PREFIX = "gather-"
# One fetch, which is on disk and acknowledged before the next: 32 MiB at most.
MESSAGES_MAX = 64
# A message that was not acknowledged for so long comes again.
REDELIVER_S = 3.0
ASK_S = 5.0


def name_of(data: Path) -> str:
    """Return the name of this folder's archive, drawn where it has none."""
    path = data / "gather.json"
    try:
        return str(json.loads(path.read_text())["name"])
    except FileNotFoundError:
        name = PREFIX + os.urandom(6).hex()
        write_durably(path, json.dumps({"name": name}).encode())
        return name
    except (ValueError, KeyError, TypeError) as broken:
        raise BackupError(f"{path} cannot be read: take it away, a new one is made") from broken


class Begin(NamedTuple):
    """Where an archive stands in the stream."""

    acked: int
    """All messages up to this are on its disk."""
    sparse: int
    """Up to this, messages may be missing: all other archives have them."""


class Archive:
    """Messages for one archive, in the thread of the caller; raises what `Cluster.ask` does."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self.name = cluster, name
        self._inbox: str | None = None
        self._came: asyncio.Queue[Msg] = asyncio.Queue()
        self._fetched: list[Msg] = []

    def begin(self) -> "Begin":
        """Return where this archive stands; makes its consumer where there is none."""

        async def ask() -> Begin:
            jetstream = self._cluster.jetstream
            last = (await jetstream.stream_info(STREAM)).state.last_seq
            try:
                info = await jetstream.consumer_info(STREAM, self.name)
                if floor_of(info) > last:
                    # The stream lost messages; their fronts publish them again.
                    await jetstream.delete_consumer(STREAM, self.name)
                    info = await self._make()
            except nats.js.errors.NotFoundError:
                info = await self._make()
            # Asked when ours is there: from now on nothing is taken away that ours has not.
            others = [one for one in await archives(self._cluster) if one.name != self.name]
            return Begin(floor_of(info), min(map(floor_of, others), default=0))

        return self._cluster.ask(ask(), ASK_S)

    async def _make(self) -> api.ConsumerInfo:
        return await self._cluster.jetstream.add_consumer(
            STREAM,
            durable_name=self.name,
            deliver_policy=api.DeliverPolicy.ALL,
            ack_policy=api.AckPolicy.ALL,
            ack_wait=REDELIVER_S,
            filter_subject=SUBJECTS,
            max_ack_pending=MESSAGES_MAX * 16,
        )

    def fetch(self) -> list[tuple[int, str, bytes]]:
        """Return (sequence, subject, message) of what the stream has next; nothing after a while.

        The library's own fetch may wait beyond its time, so we ask the consumer ourselves.
        """

        async def ask() -> list[Msg]:
            if self._inbox is None:
                self._inbox, self._came = self._cluster.client.new_inbox(), asyncio.Queue()
                await self._cluster.client.subscribe(self._inbox, cb=self._came.put)
            wanted = json.dumps({"batch": MESSAGES_MAX, "no_wait": True}).encode()
            where = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self.name}"
            await self._cluster.client.publish(where, wanted, reply=self._inbox)
            fetched: list[Msg] = []
            while len(fetched) < MESSAGES_MAX:
                message = await self._came.get()
                if _status_of(message) is not None:
                    break  # there is no more
                fetched.append(message)
            return fetched

        self._fetched = self._cluster.ask(ask(), ASK_S)
        return [(one.metadata.sequence.stream, one.subject, one.data) for one in self._fetched]

    def acknowledge(self, count: int) -> None:
        """Say that the first so many of what was fetched are on disk, and all before them."""
        if count:
            self._cluster.ask(self._fetched[count - 1].ack_sync(ASK_S), ASK_S)


async def archives(cluster: Cluster) -> list[api.ConsumerInfo]:
    """Return the consumers of all archives."""
    found = await cluster.jetstream.consumers_info(STREAM)
    return [one for one in found if one.name.startswith(PREFIX)]


def floor_of(info: api.ConsumerInfo) -> int:
    """Return up to which message an archive has all."""
    return info.ack_floor.stream_seq if info.ack_floor else 0


async def purge(cluster: Cluster, marks: Mapping[int, int]) -> int:
    """Take away what every archive has, before the message of each journal that `marks` names.

    Returns up to which message all have all. A journal whose mark is beyond that is left alone.
    What stays of a journal begins with a message that every archive has: servers before 2.10 take
    a purge of one subject for one of all, and move each archive to where that subject begins, past
    messages of other journals.
    """
    floor = min(map(floor_of, await archives(cluster)), default=0)
    for number, mark in marks.items():
        if 0 < mark <= floor:
            await cluster.jetstream.purge_stream(STREAM, seq=mark, subject=subject_of(number))
    return floor


def _status_of(message: Msg) -> str | None:
    """Return the server's word in place of a message, None where it is a message."""
    return (message.headers or {}).get("Status") if not message.data else None
