"""Found blocks that are to be told to the centre: a file each, until the cluster has it.

    DATA/blocks/<front>/<height>-<hash>.found    to be told
    DATA/blocks/<front>/<height>-<hash>.told     the cluster has it

The front writes the file, the job maker tells what it finds, whoever wrote it and however long ago.
"""

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import structlog
from nats.js.api import Header, StreamConfig

from kench.pool.durable import sync_file, write_whole
from kench.pool.looking import Looking
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.pool.nats.streams import ensure_stream
from kench.stratum.centre.found import MESSAGE_BYTES_MAX, FoundStart

STREAM = "KENCH_BLOCKS"
SUBJECT = "kench.blocks.found"
SUFFIX, TOLD = ".found", ".told"
LOOK_S = 2.0
TELL_S = 2.0
# The stream keeps blocks for machines that are away, and knows those that come twice.
KEPT_S = 7 * 86_400
TWICE_S = 3600
# Blocks that the disk refused and the cluster has not: kept in memory, the newest.
UNWRITTEN_MAX = 16
STREAM_BYTES_MAX = 64 * 1024 * 1024

log = structlog.get_logger("centre")


def put(directory: Path, start: FoundStart) -> None:
    """Write the file of a found block; it outlives the machine when this returns."""
    path = directory / f"{start.height:08d}-{start.hash}{SUFFIX}"
    write_whole(path, start.encode())
    sync_file(path)


def waiting(blocks: Path) -> Iterator[Path]:
    """Yield the files that are to be told, of all fronts."""
    yield from sorted(blocks.glob(f"*/*{SUFFIX}"))


async def open_stream(cluster: Cluster) -> None:
    """Make the stream where there is none; for machines that may lead."""
    wanted = StreamConfig(
        name=STREAM,
        subjects=[SUBJECT],
        max_age=KEPT_S,
        max_bytes=STREAM_BYTES_MAX,
        max_msg_size=MESSAGE_BYTES_MAX,
        duplicate_window=TWICE_S,
    )
    await ensure_stream(cluster, wanted)


class Telling(Looking):
    """The thread of the job maker that tells the cluster; `wake` when a front wrote a file."""

    def __init__(self, cluster: Cluster, blocks: Path) -> None:
        super().__init__("telling blocks")
        self._cluster = cluster
        self._blocks = blocks
        self._woken = threading.Event()
        self._unwritten: deque[bytes] = deque(maxlen=UNWRITTEN_MAX)
        self._told = 0
        self._waits = 0

    def wake(self, unwritten: bytes = b"") -> None:
        """Look now, and tell what the disk refused; from any thread."""
        if unwritten:
            self._unwritten.append(unwritten)
        self._woken.set()

    def stop(self) -> None:
        """End; what was not told is told after the next start."""
        self._stop.set()
        self._woken.set()
        super().stop()

    def state(self) -> dict[str, int]:
        """Return how many were told since start, and how many wait."""
        return {"told": self._told, "waiting": self._waits}

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tell_all()
            except OSError as error:
                log.error("found blocks cannot be looked for", why=error.strerror)
            self._woken.wait(LOOK_S)
            self._woken.clear()

    def _tell_all(self) -> None:
        while self._unwritten:
            if self._stop.is_set() or not self._publish(self._unwritten[0], None):
                break
            self._unwritten.popleft()
        paths = list(waiting(self._blocks))
        self._waits = len(paths) + len(self._unwritten)
        for path in paths:
            if self._stop.is_set() or not self._tell(path):
                return
            self._waits -= 1

    def _tell(self, path: Path) -> bool:
        """Tell of one block; False where the cluster does not take it now."""
        if not self._publish(path.read_bytes(), path.stem):
            return False
        path.rename(path.with_suffix(TOLD))
        return True

    def _publish(self, message: bytes, name: str | None) -> bool:
        headers = {Header.MSG_ID.value: name} if name else None
        asked = self._cluster.jetstream.publish(
            SUBJECT, message, timeout=TELL_S, stream=STREAM, headers=headers
        )
        try:
            self._cluster.ask(asked, TELL_S)
        except (ClusterAwayError, ClusterRefusedError) as away:
            log.error("a found block is not with the centre yet", block=name, why=str(away))
            return False
        self._told += 1
        log.info("the centre was told of a block", block=name)
        return True
