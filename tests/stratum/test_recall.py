"""A front that starts again knows the shares it recorded on a job that is still mined."""

from pathlib import Path

import pytest

from kench.native import Gate, JobTable, RecordBuffer, Verdict
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.pool.journal import JournalReader
from kench.pool.journal.format import segment_paths
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.work import EASIEST_DIFFICULTY, target_of
from kench.stratum.recall import recall
from tests.support.jobs import Jobs, now_of, small_template

SHARES = 20
TEMPLATE = small_template()


def gate_on(table: JobTable, records: RecordBuffer) -> Gate:
    gate = Gate(table, records, b"\x01\x00\x00\x00")
    gate.allow(b"1.a", 1, 1)
    target_le = target_of(EASIEST_DIFFICULTY).to_bytes(32, "little")
    gate.set_difficulty(EASIEST_DIFFICULTY, target_le, 0)
    return gate


def submit(gate: Gate, job: Job, nonce: int) -> Verdict:
    return gate.submit(
        b"1.a", b"%x" % job.key, b"%016x" % nonce, b"%08x" % TEMPLATE.curtime, b"%08x" % nonce,
        None, now_of(TEMPLATE),
    )  # fmt: skip


@pytest.fixture
def mined(tmp_path: Path) -> Job:
    """The job of a process that died after twenty shares; one more was never made durable."""
    table, records = JobTable(), RecordBuffer(SHARES + 1, 0)
    job, _ = Jobs(table, ManualClock()).add(TEMPLATE)
    gate = gate_on(table, records)
    assert {submit(gate, job, nonce) for nonce in range(SHARES)} == {Verdict.ACCEPTED}
    segment = OpenSegment.create(tmp_path, 0, 0, 0)
    segment.append(job.archived.line(), records.take()[0])
    segment.close()
    mark = DurableMark(tmp_path)
    mark.set(Mark(SHARES, 0))
    mark.close()
    return job


def test_what_the_journal_has_is_a_duplicate_after_a_restart(tmp_path: Path, mined: Job) -> None:
    table = JobTable()
    table.add(mined.prepared)
    assert recall(table, JournalReader(tmp_path), mined, SHARES) == SHARES
    gate = gate_on(table, RecordBuffer(100, SHARES))
    assert {submit(gate, mined, nonce) for nonce in range(SHARES)} == {Verdict.DUPLICATE}
    assert submit(gate, mined, SHARES) == Verdict.ACCEPTED


def test_only_the_jobs_own_shares_are_recalled(tmp_path: Path, mined: Job) -> None:
    table = JobTable()
    table.add(mined.prepared)
    other, _ = Jobs(table, ManualClock(2 * 10**15)).add(TEMPLATE)
    assert recall(table, JournalReader(tmp_path), other, SHARES) == 0
    assert recall(table, JournalReader(tmp_path / "none"), mined, SHARES) == 0


def test_a_journal_that_is_spoilt_does_not_keep_the_front_from_serving(
    tmp_path: Path, mined: Job
) -> None:
    (segment,) = segment_paths(tmp_path)
    raw = bytearray(segment.read_bytes())
    raw[-1] ^= 1
    segment.write_bytes(raw)
    table = JobTable()
    table.add(mined.prepared)
    assert recall(table, JournalReader(tmp_path), mined, SHARES) == 0
