"""A participant's own shares of a window: its proof, then batches of records and their jobs.

Each line is JSON. The first is the proof; others hold records of one journal, as base64, with the
jobs that they were made on, so that each can be checked without the lines before; those of one
journal are in order. The last line signs all before it, by the manifest's key. Every record is
hashed again, and the work of all of them must be what the leaf says.
"""

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from kench.native import RECORD_SIZE, Job, crc32, sha256d
from kench.payouts.proofs.canonical import Shape, decode, encode, exactly, hex_of, natural
from kench.payouts.proofs.canonical import text as is_text
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import EvidenceKey, check_signature
from kench.payouts.proofs.manifest import DIGEST, SIGNATURE_BYTES
from kench.payouts.proofs.proof import PROOF_BYTES_MAX, Proof
from kench.payouts.totals import Records
from kench.pool.coinbase import EXTRANONCE2_SIZE
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import Flag
from kench.pool.work import target_of, work_of

BATCH_RECORDS = 4096
BATCH_JOBS_MAX = 256
LINE_BYTES_MAX = 8 * 2**20
"""A batch of as many records on as many of the largest jobs."""
RECORDS_MAX = 50_000_000
"""Records that one file may hold: 16 bytes of each are kept to find one that counts twice."""
_RECORD = struct.Struct("<IHHQQQII4s8sIIId")
_KNOWN_BYTES = 16
_JOB_SHAPE: Shape = {
    "job": is_text,
    "height": natural,
    "prevhash": DIGEST,
    "version": hex_of(4),
    "nbits": hex_of(4),
    "ntime": natural,
    "mintime": natural,
    "block_target": DIGEST,
    "coinb1": is_text,
    "coinb2": is_text,
    "branches": is_text,
    "reward_sat": natural,
    "extranonce2_size": exactly(EXTRANONCE2_SIZE),
}
_BATCH_SHAPE: Shape = {"instance": natural, "jobs": [_JOB_SHAPE], "records": is_text}
_END_SHAPE: Shape = {
    "kench_shares": exactly(1),
    "sha256": DIGEST,
    "shares": natural,
    "signature": hex_of(SIGNATURE_BYTES),
}
_END_BEGINS = b'{"kench_shares":'

Progress = Callable[[int], None]
"""Told how many bytes were read."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file proves; `shares` is None where it holds none, so that none were checked."""

    proof: Proof
    shares: int | None


def write_file(
    file: BinaryIO,
    proof: Proof,
    own: Iterable[tuple[int, Records]],
    job_of: Callable[[int, int], ArchivedJob],
    key: EvidenceKey,
) -> int:
    """Write a proof and its shares, those of each journal in order; returns how many.

    Few at a time are gathered until they fill a line.
    """
    digest, shares = hashlib.sha256(), 0
    waiting: dict[int, list[Records]] = {}

    def put(line: bytes) -> None:
        digest.update(line)
        file.write(line)

    def put_waiting(instance: int) -> None:
        records = np.concatenate(waiting.pop(instance))
        for line in _batch_lines(instance, records, partial(job_of, instance)):
            put(line)

    put(proof.line())
    for instance, records in own:
        waiting.setdefault(instance, []).append(records)
        shares += len(records)
        if sum(map(len, waiting[instance])) >= BATCH_RECORDS:
            put_waiting(instance)
    for instance in sorted(waiting):
        put_waiting(instance)
    end = {"kench_shares": 1, "sha256": digest.hexdigest(), "shares": shares}
    file.write(encode({**end, "signature": key.sign(encode(end)).hex()}) + b"\n")
    return shares


def check_file(file: BinaryIO, progress: Progress = lambda _read: None) -> Checked:
    """Check a proof, and the shares where it has some. Raises ProofRefusedError."""
    first = file.readline(PROOF_BYTES_MAX)
    proof = Proof.read(first)
    read, check = len(first), None
    digest = hashlib.sha256(first)
    while line := file.readline(LINE_BYTES_MAX):
        check = check or _SharesCheck(proof)
        check.take(line, digest.digest())
        digest.update(line)
        read += len(line)
        progress(read)
    if check is None:
        return Checked(proof, None)
    check.finish()
    return Checked(proof, check.shares)


def _batch_lines(
    instance: int, records: Records, job_of: Callable[[int], ArchivedJob]
) -> Iterator[bytes]:
    start = 0
    while start < len(records):
        keys = records["job_key"][start : start + BATCH_RECORDS].tolist()
        jobs: dict[int, ArchivedJob] = {}
        count = 0
        for key in keys:
            if key not in jobs:
                if len(jobs) == BATCH_JOBS_MAX:
                    break
                jobs[key] = job_of(key)
            count += 1
        value = {
            "instance": instance,
            "jobs": [_value_of(jobs[key]) for key in sorted(jobs)],
            "records": base64.b64encode(records[start : start + count].tobytes()).decode(),
        }
        yield encode(value) + b"\n"
        start += count


class _SharesCheck:
    """Takes the lines behind a proof, one after the other."""

    def __init__(self, proof: Proof) -> None:
        self.lines = 0
        self.shares = 0
        self._proof = proof
        self._bounds = proof.manifest.bounds()
        self._last: dict[int, int] = {}
        self._work_hashes = 0
        self._known = bytearray()
        self._holds_the_refused = False
        self._is_ended = False

    def take(self, line: bytes, sha256_before: bytes) -> None:
        """Check one line."""
        self.lines += 1
        what = f"line {self.lines + 1}"
        if self._is_ended:
            raise ProofRefusedError(f"{what} is behind the end")
        if not line.endswith(b"\n"):
            raise ProofRefusedError(f"{what} is longer than any, or was cut off")
        if line.startswith(_END_BEGINS):
            self._check_end(decode(line[:-1], _END_SHAPE, what), sha256_before)
        else:
            self._check_batch(what, line)

    def _check_end(self, value: dict[str, Any], sha256_before: bytes) -> None:
        self._is_ended = True
        signature = bytes.fromhex(value.pop("signature"))
        try:
            check_signature(self._proof.manifest.key, signature, encode(value))
        except ProofRefusedError:
            raise ProofRefusedError("the shares are not signed by the manifest's key") from None
        if value["sha256"] != sha256_before.hex() or value["shares"] != self.shares:
            raise ProofRefusedError("the shares are not those that were signed: some were changed")

    def _check_batch(self, what: str, line: bytes) -> None:
        value = decode(line[:-1], _BATCH_SHAPE, what)
        if len(value["jobs"]) > BATCH_JOBS_MAX:
            raise ProofRefusedError(f"{what} has more than {BATCH_JOBS_MAX} jobs")
        try:
            raw = base64.b64decode(value["records"], validate=True)
            jobs = {job.job_key: job.prepare() for job in map(_job_of, value["jobs"])}
        except (ValueError, KeyError, TypeError, OverflowError, binascii.Error) as broken:
            raise ProofRefusedError(f"{what} has a job or records that are none") from broken
        if not raw or len(raw) % RECORD_SIZE or len(raw) > BATCH_RECORDS * RECORD_SIZE:
            raise ProofRefusedError(f"{what} does not hold 1 to {BATCH_RECORDS} whole records")
        if base64.b64encode(raw).decode() != value["records"] or len(jobs) != len(value["jobs"]):
            raise ProofRefusedError(f"{what} is not written in the canonical way: it was changed")
        self._check_records(value["instance"], raw, jobs)

    def finish(self) -> None:
        """See that nothing is missing or counts twice, and that the work is what the leaf says."""
        if not self._is_ended:
            raise ProofRefusedError("the file was cut off: its last line is missing")
        known = np.frombuffer(self._known, np.dtype((np.void, _KNOWN_BYTES)))
        if len(np.unique(known)) != len(known):
            raise ProofRefusedError("a share is in the file twice")
        if self._holds_the_refused and self.shares > 1:
            raise ProofRefusedError("a refused share counts beside others")
        if self._work_hashes != self._proof.work_hashes:
            raise ProofRefusedError(
                f"the file's {self.shares} shares are {self._work_hashes} hashes of work, and the "
                f"leaf says {self._proof.work_hashes}"
            )

    def _check_records(self, instance: int, raw: bytes, jobs: dict[int, Job]) -> None:
        start, end = self._bounds.get(instance, (0, 0))
        used = set()
        for position in range(0, len(raw), RECORD_SIZE):
            record = raw[position : position + RECORD_SIZE]
            (
                checksum, flags, reserved, sequence, _time_us, job_key, participant, _worker,
                extranonce1, extranonce2, ntime, nonce, version, difficulty,
            ) = _RECORD.unpack(record)  # fmt: skip
            share = f"share {sequence} of journal {instance}"
            if checksum != crc32(record[4:]) or reserved:
                raise ProofRefusedError(f"{share} is not what was written")
            if not start <= sequence < end and not flags & Flag.UNCREDITED:
                raise ProofRefusedError(f"{share} is outside the window {start} to {end - 1}")
            if sequence <= self._last.get(instance, -1):
                raise ProofRefusedError(f"{share} is not behind the share before it")
            self._last[instance] = sequence
            if participant != self._proof.participant_id:
                raise ProofRefusedError(f"{share} is participant {participant}'s")
            job = jobs.get(job_key)
            if job is None:
                raise ProofRefusedError(f"{share} is of job {job_key:x}, which is not beside it")
            used.add(job_key)
            digest = sha256d(job.header(extranonce1, extranonce2, ntime, nonce, version))
            self._known += digest[:_KNOWN_BYTES]
            self._work_hashes += self._work_of(share, instance, sequence, flags, difficulty, digest)
            self.shares += 1
        if used != jobs.keys():
            raise ProofRefusedError(f"line {self.lines + 1} has jobs of no share")
        if self.shares > RECORDS_MAX:
            raise ProofRefusedError(f"the file holds more than {RECORDS_MAX} shares")

    def _work_of(  # noqa: PLR0913, PLR0917 - what a record says, and what it is called
        self, share: str, instance: int, sequence: int, flags: int, difficulty: float, digest: bytes
    ) -> int:
        """Return what a share counts; refuse one that does not meet its difficulty."""
        try:
            target = target_of(difficulty)
        except ValueError as wrong:
            raise ProofRefusedError(f"{share}: {wrong}") from wrong
        manifest = self._proof.manifest
        block, cut = manifest.block, manifest.cut
        if flags & ~(Flag.BLOCK | Flag.UNCREDITED).value:
            raise ProofRefusedError(f"{share} has flags that nobody knows")
        if flags & Flag.UNCREDITED:
            # The one hash of a candidate that was refused, where its window held no work at all.
            if block.credited or (instance, sequence) != (block.instance, block.sequence):
                raise ProofRefusedError(f"{share} was refused and earns nothing")
            self._holds_the_refused = True
        elif int.from_bytes(digest, "little") > target:
            raise ProofRefusedError(f"{share} does not meet its difficulty {difficulty}")
        work = work_of(difficulty)
        if cut is not None and (instance, sequence) == (cut.instance, cut.sequence):
            if cut.work_hashes > work:
                raise ProofRefusedError(f"{share} counts for more than its work")
            return cut.work_hashes
        return work


def _value_of(job: ArchivedJob) -> dict[str, Any]:
    """Return a job as its line in the archive has it."""
    value: dict[str, Any] = json.loads(job.line())
    return value


def _job_of(value: dict[str, Any]) -> ArchivedJob:
    job = ArchivedJob.from_line(encode(value))
    if _value_of(job) != value:
        raise ValueError("a job is written in one way")
    return job
