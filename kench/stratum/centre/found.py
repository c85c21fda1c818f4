"""A found block as machines tell each other of it: what its body is put behind, and where that is.

JSON: the block's start (header, count of transactions, coinbase) in hex, the key of its body, and
who found it. Anybody may have written one: it is read so that nothing follows but a block that
has done the work its own header asks for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kench.native import sha256d
from kench.pool.bitcoin import compact_size, hash_hex, target_from_bits
from kench.pool.coinbase import MAX_COINBASE_BYTES
from kench.pool.errors import KenchError
from kench.pool.job import HEADER_BYTES, JobFacts
from kench.stratum.front import Found

MESSAGE_BYTES_MAX = 16 * 1024
# Marker, flag and witness of the coinbase, and the count before it.
_BEGUN_BYTES_MAX = HEADER_BYTES + MAX_COINBASE_BYTES + 64
_HASH = re.compile(r"[0-9a-f]{64}")
_NBITS = slice(72, 76)
_NOTE_MAX = 2**63 - 1


class FoundUnreadableError(KenchError):
    """A message about a found block is none."""


@dataclass(frozen=True, slots=True)
class FoundStart:
    """A found block without its body; `hash` as RPC spells it, `begun_hex` up to the body."""

    hash: str
    height: int
    begun_hex: str
    transactions: int
    body_key: int
    has_witness: bool
    job: int
    participant: int
    worker: int
    found_us: int

    @classmethod
    def of(cls, found: Found, now_us: int) -> "FoundStart":
        """Return what is told of a block that a miner of ours found."""
        job = found.job
        begun = job.block_start(found.header, found.extranonce1, found.extranonce2)
        return cls(
            hash_hex(found.block_hash_le),
            job.archived.height,
            begun.hex(),
            job.facts.transactions,
            job.facts.body_key,
            job.facts.has_witness,
            job.key,
            found.participant,
            found.worker,
            now_us,
        )

    @property
    def facts(self) -> JobFacts:
        """Where its body is, as jobs say it."""
        return JobFacts(0, self.has_witness, self.transactions, self.body_key)

    @property
    def note(self) -> dict[str, str | int]:
        """What the block journal keeps of who found it."""
        return {"participant": self.participant, "worker": self.worker, "job": f"{self.job:x}"}

    def encode(self) -> bytes:
        """Return the message."""
        return json.dumps(asdict(self)).encode()


def read_found(message: bytes) -> FoundStart:
    """Read a message; raises FoundUnreadableError unless it begins a block with its work done."""
    if len(message) > MESSAGE_BYTES_MAX:
        raise FoundUnreadableError(f"a found block's message has {len(message)} bytes")
    try:
        fields = json.loads(message)
        if not isinstance(fields, dict):
            raise FoundUnreadableError("a found block's message is no object")
        start = FoundStart(**fields)
        why = _what_is_wrong(start)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise FoundUnreadableError(f"a found block's message cannot be read: {wrong!r}") from wrong
    if why is not None:
        raise FoundUnreadableError(f"a found block's message says {why}")
    return start


def _what_is_wrong(start: FoundStart) -> str | None:
    """Say why it begins no block, None where it does; raises ValueError for what is no hex."""
    return next((why for is_wrong, why in _faults(start) if is_wrong), None)


def _faults(start: FoundStart) -> Iterator[tuple[bool, str]]:
    """Yield what may be wrong, types first: what comes later takes them for granted."""
    counts: tuple[Any, ...] = (
        start.height, start.transactions, start.body_key, start.job,
        start.participant, start.worker, start.found_us,
    )  # fmt: skip
    counted = all(type(one) is int and 0 <= one <= _NOTE_MAX for one in counts)
    yield not counted, "a number that is none"
    flag: Any = start.has_witness
    yield type(flag) is not bool, "neither that it has a witness nor that it has none"
    hash_: Any = start.hash
    yield not (isinstance(hash_, str) and _HASH.fullmatch(hash_)), "a hash that is none"
    begun = bytes.fromhex(start.begun_hex)
    header = begun[:HEADER_BYTES]
    fits = HEADER_BYTES < len(begun) <= _BEGUN_BYTES_MAX
    yield not fits, f"a start of {len(begun)} bytes"
    counts_all = begun.startswith(compact_size(start.transactions + 1), HEADER_BYTES)
    yield not counts_all, "another count of transactions than its start"
    hash_le = sha256d(header)
    yield hash_hex(hash_le) != start.hash, "another hash than its header's"
    target = target_from_bits(int.from_bytes(header[_NBITS], "little"))
    yield int.from_bytes(hash_le, "little") > target, "a header without the work it asks for"
