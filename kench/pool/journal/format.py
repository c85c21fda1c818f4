"""The journal's files: record layout, segment header, names, digests."""

import enum
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE
from kench.pool.errors import KenchError

HEADER_SIZE = 64
MAGIC = b"KENCHJ01"
DURABLE_NAME = "durable"

SHARE = np.dtype(
    [
        ("crc32", "<u4"),  # of the 68 bytes after it
        ("flags", "<u2"),  # Flag
        ("reserved", "<u2"),
        ("sequence", "<u8"),  # 0, 1, 2, … in this instance's journal
        ("time_us", "<u8"),  # when the server judged it, Unix microseconds
        ("job_key", "<u8"),
        ("participant", "<u4"),
        ("worker", "<u4"),
        ("extranonce1", "u1", (4,)),
        ("extranonce2", "u1", (8,)),
        ("ntime", "<u4"),
        ("nonce", "<u4"),
        ("version", "<u4"),  # the header's whole version
        ("difficulty", "<f8"),  # credited; the very double that was sent to the miner
    ]
)


class Flag(enum.IntFlag):
    """What a share record is beside a share."""

    BLOCK = 1  # meets its template's block target
    UNCREDITED = 2  # kept for the block alone: its share was refused and earns no work


class JournalError(KenchError):
    """The journal cannot be used as it is; the message says what to do."""


class JournalCorruptError(JournalError):
    """Bytes that were durable are not what was written."""


class JobNotArchivedError(JournalError):
    """A share names a job that the archive does not hold."""


def segment_path(directory: Path, first_sequence: int) -> Path:
    """Return where the segment that begins with `first_sequence` is kept."""
    return directory / f"{first_sequence:016d}.shares"


def jobs_path(segment: Path) -> Path:
    """Return the job archive beside a segment."""
    return segment.with_suffix(".jobs")


def digest_path(segment: Path) -> Path:
    """Return the digest of a closed segment."""
    return segment.with_suffix(".digest")


def segment_paths(directory: Path) -> list[Path]:
    """Return the segments of a journal, oldest first."""
    return sorted(directory.glob("[0-9]*.shares"))


def segment_header(instance: int, first_sequence: int, created_us: int) -> bytes:
    """Return a segment's first 64 bytes."""
    fields = b"".join(n.to_bytes(8, "little") for n in (instance, first_sequence, created_us))
    return (MAGIC + RECORD_SIZE.to_bytes(8, "little") + fields).ljust(HEADER_SIZE, b"\0")


def first_sequence_of(segment: Path) -> int:
    """Return the first sequence of a segment from its name."""
    return int(segment.stem)


def check_header(segment: Path, header: bytes) -> None:
    """Raise JournalCorruptError unless `header` opens this segment."""
    named = first_sequence_of(segment)
    if (
        len(header) != HEADER_SIZE
        or header[:8] != MAGIC
        or int.from_bytes(header[8:16], "little") != RECORD_SIZE
        or int.from_bytes(header[24:32], "little") != named
    ):
        raise JournalCorruptError(f"{segment} does not open as a journal segment: restore it")


@dataclass(frozen=True, slots=True)
class SegmentDigest:
    """What a closed segment held; `digest` chains it to all segments before."""

    first_sequence: int
    records: int
    shares_sha256: str
    jobs_sha256: str
    previous: str

    @property
    def digest(self) -> str:
        """SHA-256 over the four other facts and the digest before, in canonical JSON."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def text(self) -> str:
        """Return the digest file's contents."""
        return json.dumps(asdict(self) | {"digest": self.digest}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> "SegmentDigest":
        """Read a digest file; JournalCorruptError where it does not hold together."""
        try:
            fields = json.loads(path.read_text())
            stated = fields.pop("digest")
            found = cls(**fields)
        except (ValueError, TypeError, KeyError) as broken:
            raise JournalCorruptError(f"{path} cannot be read: restore it") from broken
        if found.digest != stated:
            raise JournalCorruptError(f"{path} does not match its own digest: restore it")
        return found


NO_DIGEST = "0" * 64
