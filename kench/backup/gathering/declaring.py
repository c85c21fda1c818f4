"""What an officer decides about a journal or an archive that does not come back."""

import datetime as dt

from kench.backup.errors import RestoreError
from kench.backup.gathering.consuming import ASK_S, PREFIX
from kench.pool.clock import Clock
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.layout import STREAM, Last, publish, read_last
from kench.pool.stream.message import (
    Stand,
    StreamMessageError,
    Word,
    message_id,
    message_of,
)

SILENT_S = 10.0
"""A front that writes is heard twice a second; after so long it is gone, or cut off."""


def declare_lost(cluster: Cluster, number: int, clock: Clock) -> Stand:
    """Say in the stream that a journal's machine does not come back; return where it stands.

    All archives hear it at the same place, and what its front publishes later is set aside. Raises
    RestoreError where it is heard, or unknown.
    """
    last = cluster.ask(read_last(cluster, number), ASK_S)
    if last is None:
        raise RestoreError(f"the stream has no journal {number}: nothing was changed")
    before = _stand_of(last)
    if before.word is Word.LOST:
        raise RestoreError(f"journal {number} was declared lost before: nothing was changed")
    now = dt.datetime.fromtimestamp(clock.now_us() / 1_000_000, dt.UTC)
    ago_s = (now - last.at).total_seconds()
    if before.word is not Word.ENDED and ago_s < SILENT_S:
        raise RestoreError(
            f"journal {number} was heard {max(0.0, ago_s):.1f} s ago: nothing was changed. Stop "
            f"its front, wait {SILENT_S:.0f} s, then this again"
        )
    stand = before._replace(life=0, word=Word.LOST)
    name = message_id(number, 0, before.place, stand)
    said = publish(cluster, number, message_of([], stand), name, last.sequence)
    if cluster.ask(said, ASK_S) is None:
        raise RestoreError(f"journal {number} was heard this moment: nothing was changed")
    return stand


def _stand_of(last: Last) -> Stand:
    """Return where a journal says that it is; at nothing where that cannot be read."""
    try:
        return last.stand
    except StreamMessageError:
        return Stand(0, 0, 0, 0, 0, 0, 0, Word.GOES_ON)


def forget_archive(cluster: Cluster, name: str) -> None:
    """Have the stream wait no more for an archive; raises ClusterRefusedError where none is."""
    if not name.startswith(PREFIX):
        raise RestoreError(f"{name} is no archive's name: `kench gather status` lists them")

    async def forget() -> None:
        await cluster.jetstream.delete_consumer(STREAM, name)

    cluster.ask(forget(), ASK_S)
