"""A job as machines send it to each other: encoded, and read as what anybody may have written.

A message is version, flags, epoch and time (18 bytes, little-endian), then the body of a job's
frame as the fronts get it (`stratum/feed.py`). What cannot be a job of this pool is refused here;
whom its coinbase pays is custody's to say.
"""

import enum
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kench.pool.coinbase import EXTRANONCE2_SIZE
from kench.pool.errors import KenchError
from kench.pool.job import Job, carries_its_key, notify_lines
from kench.pool.template import ROLLING_MASK
from kench.stratum.feed import LENGTH_BYTES, FeedBrokenError, job_frame, job_of

VERSION = 1
HEAD = struct.Struct("<BBQQ")
# A job takes about 5 KB.
MESSAGE_BYTES_MAX = 64 * 1024
# Another machine's clock may be so far ahead of ours.
AHEAD_US = 60_000_000
_FRAME_HEAD_BYTES = LENGTH_BYTES + 1
_HASH_BYTES = 32
_BRANCHES_MAX = 32
_TRANSACTIONS_MAX = 1_000_000
_MONEY_SAT_MAX = 21_000_000 * 100_000_000
_DISPLAY_HASH = re.compile(r"[0-9a-f]{64}")


class Refusal(enum.StrEnum):
    """Why a message about jobs is not followed; each is counted."""

    UNREADABLE = "unreadable"
    NO_JOB = "no-job"
    AHEAD = "ahead-of-our-clock"
    OLD = "old"
    NOT_LEADING = "not-leading"
    CUSTODY = "custody"


class MessageRefusedError(KenchError):
    """A message is not followed."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        super().__init__(f"a job of another machine is not followed: {why}")
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class HeardJob:
    """A job of another machine; `epoch` is that of the lease by which it was made."""

    epoch: int
    time_us: int
    job: Job
    for_all: bool


def encode(job: Job, epoch: int, time_us: int) -> bytes:
    """Return the message of a job for all miners."""
    frame = job_frame(job, for_all=True)
    return HEAD.pack(VERSION, 0, epoch, time_us) + frame[_FRAME_HEAD_BYTES:]


def decode(message: bytes, now_us: int, age_max_s: float) -> HeardJob:
    """Read a message; raises MessageRefusedError for whatever is no job to serve now."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise MessageRefusedError(Refusal.UNREADABLE, f"it has {len(message)} bytes")
    try:
        version, _flags, epoch, time_us = HEAD.unpack_from(message)
        if version != VERSION:
            raise MessageRefusedError(Refusal.UNREADABLE, f"it is of version {version}")
        job, for_all = job_of(message[HEAD.size :])
        wrong = _what_is_wrong(job)
    except (struct.error, FeedBrokenError, ArithmeticError, TypeError, ValueError) as error:
        raise MessageRefusedError(Refusal.UNREADABLE, str(error)) from error
    if wrong is not None:
        raise MessageRefusedError(Refusal.NO_JOB, wrong)
    if max(time_us, job.key) > now_us + AHEAD_US:
        ahead_s = (max(time_us, job.key) - now_us) / 1e6
        raise MessageRefusedError(
            Refusal.AHEAD, f"it was made {ahead_s:.0f} s from now: set the machines' clocks by NTP"
        )
    if time_us < now_us - age_max_s * 1e6:
        age_s = (now_us - time_us) / 1e6
        raise MessageRefusedError(Refusal.OLD, f"it was made {age_s:.0f} s ago")
    return HeardJob(epoch, time_us, job, for_all)


def _what_is_wrong(job: Job) -> str | None:
    """Say why it cannot be a job that our own maker made, None where it can."""
    return next((why for is_wrong, why in _faults(job) if is_wrong), None)


def _faults(job: Job) -> Iterator[tuple[bool, str]]:
    """Yield what may be wrong, types first: what comes later takes them for granted."""
    archived, facts = job.archived, job.facts
    for name, value, most in (
        ("job_key", archived.job_key, 2**63 - 1),
        ("height", archived.height, 2**31 - 1),
        ("ntime", archived.ntime, 2**32 - 1),
        ("mintime", archived.mintime, 2**32 - 1),
        ("reward_sat", archived.reward_sat, _MONEY_SAT_MAX),
        ("rolling_mask", facts.rolling_mask, 2**32 - 1),
        ("transactions", facts.transactions, _TRANSACTIONS_MAX),
        ("body_key", facts.body_key, 2**63 - 1),
        ("extranonce2_size", archived.extranonce2_size, EXTRANONCE2_SIZE),
    ):
        yield not _is_count(value, most), f"its {name} is {value!r}"
    yield not isinstance(facts.has_witness, bool), f"its has_witness is {facts.has_witness!r}"
    yield bool(facts.rolling_mask & ~ROLLING_MASK), f"it lets miners roll {facts.rolling_mask:x}"
    yield archived.extranonce2_size != EXTRANONCE2_SIZE, "its extranonce2 is too short"
    prevhash: Any = archived.prevhash
    is_hash = isinstance(prevhash, str) and _DISPLAY_HASH.fullmatch(prevhash) is not None
    yield not is_hash, f"it builds on {prevhash!r}"
    branches, odd = divmod(len(archived.branches), _HASH_BYTES)
    yield bool(odd) or branches > _BRANCHES_MAX, f"its branches have {len(archived.branches)} bytes"
    yield not carries_its_key(archived), "its coinbase does not carry its key"
    lines = job.notify_clean, job.notify_more
    yield lines != notify_lines(archived), "its line for miners is not that of the journal"


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
