"""Bodies of blocks to be, between machines: a template's transactions in pieces of a stream.

Who leads puts them there after the job. Machines with nodes fetch them, so that each can send a
block on any of the jobs, should the machine that made it be gone.
"""

import struct

import nats.js.errors
from nats.js.api import StreamConfig

from kench.pool.nats.cluster import Cluster
from kench.pool.nats.streams import ensure_stream

STREAM = "KENCH_BODIES"
SUBJECTS = "kench.bodies.>"
PIECE_BYTES = 512 * 1024
PIECES_MAX = 64
# Ours, and those of the message itself.
HEADERS_BYTES = 1024
STREAM_BYTES_MAX = 256 * 1024 * 1024
# Shares on older jobs are of no account.
KEPT_S = 3600
PIECE_S = 2.0
# How many pieces there are, and which this one is.
_HEAD = struct.Struct("<HH")


async def open_stream(cluster: Cluster) -> None:
    """Make the stream where there is none; for machines that may lead."""
    wanted = StreamConfig(
        name=STREAM,
        subjects=[SUBJECTS],
        max_msgs_per_subject=1,
        max_age=KEPT_S,
        max_bytes=STREAM_BYTES_MAX,
        max_msg_size=PIECE_BYTES + HEADERS_BYTES,
    )
    await ensure_stream(cluster, wanted)


async def share(cluster: Cluster, key: int, body_hex: bytes) -> None:
    """Put a body there."""
    body = bytes.fromhex(body_hex.decode("ascii"))
    pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
    if len(pieces) > PIECES_MAX:
        raise AssertionError("no block is so large")
    for number, piece in enumerate(pieces):
        message = _HEAD.pack(len(pieces), number) + piece
        await cluster.jetstream.publish(
            _subject(key, number), message, timeout=PIECE_S, stream=STREAM
        )


async def fetch(cluster: Cluster, key: int) -> bytes | None:
    """Return a body in hex; None where it is not there, or not wholly."""
    pieces: list[bytes] = []
    count = 1
    while len(pieces) < count:
        try:
            found = await cluster.jetstream.get_last_msg(STREAM, _subject(key, len(pieces)))
        except nats.js.errors.NotFoundError:
            return None
        message = found.data or b""
        if len(message) < _HEAD.size:
            return None
        count, number = _HEAD.unpack_from(message)
        if number != len(pieces) or not number < count <= PIECES_MAX:
            return None
        pieces.append(message[_HEAD.size :])
    return b"".join(pieces).hex().encode("ascii")


def _subject(key: int, number: int) -> str:
    return f"kench.bodies.{key:x}.{number}"
