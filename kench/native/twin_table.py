"""The twin's jobs: one Job, the table of those that shares may name, and the share records.

A JobTable and a RecordBuffer serve all connections of one process, from one thread.
"""

import re
import struct
from dataclasses import dataclass, field

from kench.native.checks import (
    I63_MAX,
    U32_MAX,
    U64_MAX,
    check_bytes,
    check_hashes,
    check_int,
    check_kind,
)
from kench.native.twin import crc32, merkle_root, sha256d
from kench.native.verdicts import Verdict

RECORD_SIZE = 72
FLAG_BLOCK = 1  # the hash meets the template's block target
FLAG_UNCREDITED = 2  # kept for the block only: no work is credited
# After the crc32 of what follows: flags, reserved, sequence, time_us, job_key, participant,
# worker, extranonce1, extranonce2, ntime, nonce, version, difficulty; little-endian, packed.
RECORD_AFTER_CRC = struct.Struct("<HHQQQII4s8sIIId")

BRANCHES_MAX = 32  # ESP-Miner takes no more (A7.1); a block has far fewer
COINBASE_BYTES_MAX = 1_000_000  # BIP141: what a block's non-witness part can hold at most
JOBS_MAX = 4096
RECORDS_MAX = 1 << 24
DUPLICATES_MAX = 1 << 26
AGENT_MAX = (1 << 16) - 1
# Block candidates listed for one tip. Only the first can win, and the others but stand by should
# it fail; where the network's difficulty is next to nothing (regtest) every second share is one,
# and a pool that sent them all would fight over its own tip. Beyond, they are shares like others.
# A full set of hashes has this many places more, for candidates alone.
CANDIDATES_PER_TIP_MAX = 4

_CANONICAL_KEY = re.compile(rb"[1-9a-f][0-9a-f]{0,15}")

Candidate = tuple[int, bytes, bytes, bytes, bytes, int, int, Verdict, int]


class Job:
    """One Stratum job, prepared once and hashed many times.

    The coinbase is coinb1 + extranonce1 (4 bytes) + extranonce2 + coinb2; ``branches`` are its
    merkle branches (32*n bytes). ``block_target_le`` is the template's own 256-bit target.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the fields of mining.notify, each its own
        self,
        job_key: int,
        coinb1: bytes,
        coinb2: bytes,
        branches: bytes,
        prevhash_le: bytes,
        version: int,
        nbits: int,
        ntime: int,
        mintime: int,
        block_target_le: bytes,
        extranonce2_size: int = 8,
    ) -> None:
        check_int("job_key", job_key, U64_MAX, 1)
        check_bytes("coinb1", coinb1)
        check_bytes("coinb2", coinb2)
        if len(coinb1) + len(coinb2) > COINBASE_BYTES_MAX:
            msg = f"coinb1 and coinb2 must be at most {COINBASE_BYTES_MAX} bytes together"
            raise ValueError(msg)
        check_hashes("branches", branches)
        if len(branches) > 32 * BRANCHES_MAX:
            msg = f"branches must be at most {BRANCHES_MAX}"
            raise ValueError(msg)
        check_bytes("prevhash_le", prevhash_le, 32)
        for name, value in (
            ("version", version),
            ("nbits", nbits),
            ("ntime", ntime),
            ("mintime", mintime),
        ):
            check_int(name, value, U32_MAX)
        check_bytes("block_target_le", block_target_le, 32)
        check_int("extranonce2_size", extranonce2_size, 8, 1)
        self._job_key = int(job_key)
        self._coinbase_ends = (coinb1, coinb2)
        self._branches = branches
        self._prevhash_le = prevhash_le
        self._nbits = nbits
        self.version = version
        self.ntime = ntime
        self.mintime = mintime
        self.block_target = int.from_bytes(block_target_le, "little")
        self.extranonce2_size = int(extranonce2_size)

    @property
    def job_key(self) -> int:
        """The job's number in this process and in the journal; its id on the wire is ``%x``."""
        return self._job_key

    def header(
        self, extranonce1: bytes, extranonce2: bytes, ntime: int, nonce: int, version: int
    ) -> bytes:
        """Return the 80-byte block header that a share of this job stands for."""
        check_bytes("extranonce1", extranonce1, 4)
        check_bytes("extranonce2", extranonce2, self.extranonce2_size)
        check_int("ntime", ntime, U32_MAX)
        check_int("nonce", nonce, U32_MAX)
        check_int("version", version, U32_MAX)
        coinb1, coinb2 = self._coinbase_ends
        coinbase_txid = sha256d(coinb1 + extranonce1 + extranonce2 + coinb2)
        return b"".join(
            (
                struct.pack("<I", version),
                self._prevhash_le,
                merkle_root(coinbase_txid, self._branches),
                struct.pack("<III", ntime, self._nbits, nonce),
            )
        )


class RecordBuffer:
    """Share records on their way to the journal, at most ``capacity`` of them.

    A Gate appends; the journal takes them all at once. Each record gets the next sequence
    number, without gaps, and the CRC-32 of its bytes after the CRC field. Times never descend,
    whatever the clock does: a record is never before the one before it, nor before `advance`.
    """

    def __init__(self, capacity: int, next_sequence: int) -> None:
        check_int("capacity", capacity, RECORDS_MAX, 1)
        check_int("next_sequence", next_sequence, I63_MAX)
        self._capacity = capacity
        self._next_sequence = next_sequence
        self._records: list[bytes] = []
        self._last_us = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next record will get."""
        return self._next_sequence

    @property
    def full(self) -> bool:
        """Whether no record can be appended until the journal takes what is here."""
        return len(self._records) >= self._capacity

    def take(self) -> tuple[bytes, int]:
        """Hand out all records as one string of bytes, with their number, and forget them."""
        count = len(self._records)
        records = b"".join(self._records)
        self._records.clear()
        return records, count

    def advance(self, now_us: int) -> int:
        """Return a time that every record so far is before and that none to come is before."""
        check_int("now_us", now_us, I63_MAX)
        self._last_us = min(max(now_us, self._last_us + 1), I63_MAX)
        return self._last_us

    def append(self, flags: int, time_us: int, *fields: float | bytes) -> int:
        """Append one record (``fields`` from job_key on) and return its sequence number.

        Only a Gate calls this, and only when the buffer is not full.
        """
        sequence = self._next_sequence
        self._last_us = max(self._last_us, time_us)
        body = RECORD_AFTER_CRC.pack(flags, 0, sequence, self._last_us, *fields)
        self._records.append(struct.pack("<I", crc32(body)) + body)
        self._next_sequence = sequence + 1
        return sequence


@dataclass(slots=True)
class TableEntry:
    """A job in the table, and how many tips ago it was made: 0 current, 1 previous, 2 older."""

    job: Job
    tips_ago: int = 0
    stale_from_us: int = I63_MAX


@dataclass(slots=True)
class _SeenHashes:
    """First 16 little-endian bytes of each hash that has a record: current and previous tip."""

    current: set[bytes] = field(default_factory=set)
    previous: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Listed:
    """How many candidates were listed for the current tip, and for all tips before."""

    current: int = 0
    previous: int = 0


class JobTable:
    """The jobs that shares may name, the hashes seen, the candidates found, the refusals.

    ``candidates`` are block candidates not taken yet: tuples of job_key, header (80 bytes),
    hash_le, extranonce1, extranonce2, participant, worker, verdict, sequence (-1: no room in the
    records), at most CANDIDATES_PER_TIP_MAX for a tip. The caller takes them after each call.
    ``tally`` counts refusals by (participant, worker, verdict, user agent's number), 0 where
    unknown; the caller bounds it by taking it. No other place counts refusals.
    """

    def __init__(self, capacity: int = 64, duplicates_max: int = 1 << 22) -> None:
        check_int("capacity", capacity, JOBS_MAX, 1)
        check_int("duplicates_max", duplicates_max, DUPLICATES_MAX, 1)
        self.candidates: list[Candidate] = []
        self.tally: dict[tuple[int, int, Verdict, int], int] = {}
        self._capacity = capacity
        self._duplicates_max = duplicates_max
        self._entries: dict[int, TableEntry] = {}
        self._last_key = 0
        self._seen = _SeenHashes()
        self._listed = _Listed()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, job: Job) -> None:
        """Add a job of the current tip; the oldest leaves when the table is full.

        Keys ascend strictly, so that an id is never used twice (A7.2): else ValueError.
        """
        check_kind("job", job, Job)
        if job.job_key <= self._last_key:
            msg = "job keys must ascend"
            raise ValueError(msg)
        if len(self._entries) == self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[job.job_key] = TableEntry(job)
        self._last_key = job.job_key

    def new_tip(self, stale_from_us: int) -> None:
        """Begin a new tip: jobs present are judged normally until ``stale_from_us``, then STALE.

        Jobs already of the previous tip are STALE from now on (A8.9). Blocks are looked for in
        shares of all of them as long as they are known (A8.13).
        """
        check_int("stale_from_us", stale_from_us, I63_MAX)
        for entry in self._entries.values():
            if entry.tips_ago == 0:
                entry.stale_from_us = stale_from_us
            entry.tips_ago = min(entry.tips_ago + 1, 2)
        self._seen = _SeenHashes(previous=self._seen.current)
        self._listed = _Listed(previous=self._listed.current)

    def remember(self, job_key: int, hash_le: bytes) -> bool:
        """Take the hash of a share as seen that was recorded on a job before this table was made.

        False when there is no room. The job is in the table: else ValueError.
        """
        check_int("job_key", job_key, U64_MAX)
        check_bytes("hash_le", hash_le, 32)
        entry = self._entries.get(job_key)
        if entry is None:
            msg = "there is no such job"
            raise ValueError(msg)
        seen = self.seen_hashes(entry)
        if hash_le[:16] not in seen:
            if not self.has_room(seen, candidate=False):
                return False
            seen.add(hash_le[:16])
        return True

    def take_candidates(self) -> list[Candidate]:
        """Return the block candidates found since the last call."""
        candidates, self.candidates = self.candidates, []
        return candidates

    def take_tally(self) -> dict[tuple[int, int, Verdict, int], int]:
        """Return the refusals counted since the last call."""
        tally, self.tally = self.tally, {}
        return tally

    def refuse(self, participant: int, worker: int, verdict: int, agent: int = 0) -> None:
        """Count one refusal, also those a session decides before it asks a Gate."""
        check_int("participant", participant, U32_MAX)
        check_int("worker", worker, U32_MAX)
        check_int("verdict", verdict, max(Verdict), 1)
        check_int("agent", agent, AGENT_MAX)
        key = (participant, worker, Verdict(verdict), agent)
        self.tally[key] = self.tally.get(key, 0) + 1

    def find(self, job_id: bytes) -> TableEntry | None:
        """Return the entry of a job id as sent on the wire; only the canonical form is known."""
        if not _CANONICAL_KEY.fullmatch(job_id):
            return None
        return self._entries.get(int(job_id, 16))

    def seen_hashes(self, entry: TableEntry) -> set[bytes]:
        """Return the set that the hashes of this job's shares belong to."""
        return self._seen.current if entry.tips_ago == 0 else self._seen.previous

    def takes_candidate(self, entry: TableEntry) -> bool:
        """Whether one more candidate of this job's tip may be listed."""
        listed = self._listed.current if entry.tips_ago == 0 else self._listed.previous
        return listed < CANDIDATES_PER_TIP_MAX

    def list_candidate(self, entry: TableEntry, candidate: Candidate) -> None:
        """List a candidate; only a Gate calls this."""
        if entry.tips_ago == 0:
            self._listed.current += 1
        else:
            self._listed.previous += 1
        self.candidates.append(candidate)

    def has_room(self, seen: set[bytes], *, candidate: bool) -> bool:
        """Whether ``seen`` can take one more hash; candidates have places of their own."""
        reserve = CANDIDATES_PER_TIP_MAX if candidate else 0
        return len(seen) < self._duplicates_max + reserve
