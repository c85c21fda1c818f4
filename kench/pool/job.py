"""A Stratum job: made from a template, encoded once, able to become a block."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from kench import native
from kench.pool.bitcoin import compact_size, hash_le, push_data, stratum_prevhash
from kench.pool.clock import Clock
from kench.pool.coinbase import (
    EXTRANONCE2_SIZE,
    KEY_BYTES,
    Output,
    coinbase_halves,
    with_witness,
)
from kench.pool.journal.archive import ArchivedJob
from kench.pool.template import Template
from kench.pool.work import difficulty_of_target

HEADER_BYTES = 80
# Makers of one pool each have a lane: of so many keys in a row, one is theirs.
LANES = 4096


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a job's template says beyond the archive.

    Jobs of one template share its body: `body_key` is the key of the first of them, and
    `transactions` how many the body has.
    """

    rolling_mask: int
    has_witness: bool
    transactions: int
    body_key: int


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work that miners are given.

    It holds what judges shares and begins a block, not the template's transactions: they are the
    body, many times as large, and are asked for by `facts.body_key` when a block is found.
    `network_difficulty` is that of the template's block target: no share may be asked to be
    harder (A8.14). `prepared` is the same job inside native code.
    """

    key: int
    archived: ArchivedJob
    facts: JobFacts
    prevhash_le: bytes
    network_difficulty: float
    prepared: native.Job = field(repr=False)
    notify_clean: bytes = field(repr=False)
    notify_more: bytes = field(repr=False)

    @classmethod
    def of(
        cls, archived: ArchivedJob, facts: JobFacts, notify_clean: bytes, notify_more: bytes
    ) -> "Job":
        """Return the job that these say, made ready for judging."""
        return cls(
            key=archived.job_key,
            archived=archived,
            facts=facts,
            prevhash_le=hash_le(archived.prevhash),
            network_difficulty=difficulty_of_target(archived.block_target),
            prepared=archived.prepare(),
            notify_clean=notify_clean,
            notify_more=notify_more,
        )

    def rekeyed(self, key: int) -> "Job":
        """Return a job of the same template under another key: a search space of its own.

        Raises ValueError where the coinbase does not carry the key that it has.
        """
        before, found, after = self.archived.coinb1.partition(_key_push(self.key))
        if not found:
            raise ValueError(f"the coinbase of job {self.key:x} does not carry its key")
        archived = replace(self.archived, job_key=key, coinb1=before + _key_push(key) + after)
        return Job.of(archived, self.facts, *notify_lines(archived))

    def notify(self, *, clean: bool) -> bytes:
        """Return the whole `mining.notify` line, which is the same for every connection."""
        return self.notify_clean if clean else self.notify_more

    def block_start(self, header: bytes, extranonce1: bytes, extranonce2: bytes) -> bytes:
        """Return the serialized block of a header found on this job up to its body (B13)."""
        stripped = self.archived.coinb1 + extranonce1 + extranonce2 + self.archived.coinb2
        coinbase = with_witness(stripped) if self.facts.has_witness else stripped
        return header + compact_size(self.facts.transactions + 1) + coinbase


class JobKeys:
    """Hands out job keys: rising, never used twice, not even across restarts (A7.2).

    A key is the microsecond it was made in, or the next one after the key before; `after` is the
    last key the archive knows, so a clock that was set back repeats none. With a `lane` it is the
    next one that leaves it as the rest by LANES: makers with lanes of their own, on whatever
    machines, never make the same key.
    """

    def __init__(self, clock: Clock, after: int = 0, lane: int | None = None) -> None:
        self._clock = clock
        self._last = after
        self._lane = lane
        self._lock = threading.Lock()

    def next(self) -> int:
        """Return a new key."""
        with self._lock:
            key = max(self._last + 1, self._clock.now_us())
            if self._lane is not None:
                key += (self._lane - key) % LANES
            self._last = key
            return key

    def raise_to(self, key: int) -> None:
        """Hand out none from now on that is not above `key`, which another maker made."""
        with self._lock:
            self._last = max(self._last, key)


class JobMaker:
    """Turns templates into jobs; called in a worker thread, by one thread at a time."""

    def __init__(
        self,
        keys: JobKeys,
        outputs_for: Callable[[Template], Sequence[Output]],
        tag: bytes,
    ) -> None:
        self._keys = keys
        self._outputs_for = outputs_for
        self._tag = tag

    def make(self, template: Template, body_key: int | None = None) -> Job:
        """Return a new job on `template`, whose body an earlier job may have named already.

        Raises CoinbaseError where no lawful coinbase can be built. The outputs must sum to the
        template's value exactly (B9).
        """
        key = self._keys.next()
        outputs = self._outputs_for(template)
        reward_sat = sum(output.amount_sat for output in outputs)
        if reward_sat != template.coinbase_value_sat:
            raise AssertionError("the coinbase's outputs do not sum to the template's value")
        coinb1, coinb2 = coinbase_halves(
            template.height,
            outputs,
            template.witness_commitment,
            key,
            self._tag,
            template.coinbase_flags,
        )
        archived = ArchivedJob(
            job_key=key,
            height=template.height,
            prevhash=template.prevhash,
            version=template.version,
            nbits=template.nbits,
            ntime=template.curtime,
            mintime=template.mintime,
            block_target=template.block_target,
            coinb1=coinb1,
            coinb2=coinb2,
            branches=template.branches,
            reward_sat=reward_sat,
            extranonce2_size=EXTRANONCE2_SIZE,
        )
        facts = JobFacts(
            rolling_mask=template.rolling_mask,
            has_witness=template.witness_commitment is not None,
            transactions=len(template.transactions_hex),
            body_key=key if body_key is None else body_key,
        )
        return Job.of(archived, facts, *notify_lines(archived))


def notify_lines(job: ArchivedJob) -> tuple[bytes, bytes]:
    """Return the line for miners that are to leave their work (A7.3), and that for the others."""
    return _notify_line(job, clean=True), _notify_line(job, clean=False)


def carries_its_key(job: ArchivedJob) -> bool:
    """Say whether a coinbase holds its job's key, without which two jobs are one search space."""
    return _key_push(job.job_key) in job.coinb1


def _key_push(key: int) -> bytes:
    return push_data(key.to_bytes(KEY_BYTES, "big"))


def _notify_line(job: ArchivedJob, *, clean: bool) -> bytes:
    """Encode `mining.notify` (A7.1); nothing may follow clean_jobs in its params."""
    branches = [job.branches[i : i + 32].hex() for i in range(0, len(job.branches), 32)]
    params = [
        f"{job.job_key:x}",
        stratum_prevhash(hash_le(job.prevhash)),
        job.coinb1.hex(),
        job.coinb2.hex(),
        branches,
        f"{job.version:08x}",
        f"{job.nbits:08x}",
        f"{job.ntime:08x}",
        clean,
    ]
    message = {"id": None, "method": "mining.notify", "params": params}
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
