"""A block whose share was lost with the old machine is found on the chain and counts again."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from kench.backup.standby.lost_blocks import LostBlock, find_lost, newest_job_height, write_lost
from kench.native import crc32
from kench.pool.clock import ManualClock
from kench.pool.coinbase import Output, coinbase_halves, with_witness
from kench.pool.journal import SHARE, ArchivedJob, Batch, Flag, JournalReader, JournalWriter
from kench.pool.work import EASIEST_DIFFICULTY

TAG = b"/kench/"
HEIGHT = 7
NOW_US = 1_700_000_000_000_000
FINDER, OTHER = b"\1\0\0\0", b"\2\0\0\0"


def job_of(height: int, key: int) -> ArchivedJob:
    """A job of one transaction beside the coinbase."""
    coinb1, coinb2 = coinbase_halves(height, [Output(b"\x51", 5_000)], None, key, TAG)
    return ArchivedJob(
        job_key=key, height=height, prevhash="00" * 31 + "2a", version=0x20000000,
        nbits=0x207FFFFF, ntime=1_700_000_000, mintime=1_699_999_000, block_target=2**255,
        coinb1=coinb1, coinb2=coinb2, branches=bytes(range(32)), reward_sat=5_000,
        extranonce2_size=8,
    )  # fmt: skip


def share(sequence: int, job: ArchivedJob, extranonce1: bytes, worker: int) -> np.ndarray:
    """One record, whole but for its checksum."""
    record = np.zeros(1, SHARE)
    record["sequence"], record["time_us"], record["job_key"] = sequence, NOW_US, job.job_key
    record["participant"], record["worker"] = 3, worker
    record["extranonce1"] = np.frombuffer(extranonce1, np.uint8)
    record["extranonce2"] = np.arange(8)
    record["ntime"], record["nonce"], record["version"] = job.ntime, sequence, 0x20000000
    record["difficulty"] = EASIEST_DIFFICULTY
    return record


def raw_of(record: np.ndarray) -> bytes:
    raw = bytearray(record.tobytes())
    raw[:4] = crc32(bytes(raw[4:])).to_bytes(4, "little")
    return bytes(raw)


def block_of(job: ArchivedJob, record: np.ndarray, *, witness: bool) -> bytes:
    """The block that a share found, up to its first transaction."""
    nonces = record[0]["extranonce1"].tobytes() + record[0]["extranonce2"].tobytes()
    coinbase = job.coinb1 + nonces + job.coinb2
    whole = with_witness(coinbase) if witness else coinbase
    return job.header(record[0]) + b"\xfd\x2c\x01" + whole + b"rest"


def journal_of(data: Path, jobs: list[ArchivedJob], records: list[np.ndarray]) -> None:
    clock = ManualClock(NOW_US)
    writer = JournalWriter(data / "journal/0", 0, clock, 1 << 30, 3600)
    writer.start(lambda _batch: None, lambda _error: None, lambda fault: None)
    raw = b"".join(raw_of(one) for one in records)
    writer.hand_over(Batch(jobs, raw, len(records), NOW_US + 1))
    writer.stop()


def look(data: Path, blocks: Mapping[int, bytes]) -> list[LostBlock]:
    at: Callable[[int], bytes] = blocks.__getitem__
    return list(find_lost(data, range(min(blocks), max(blocks) + 1), at, TAG))


def test_a_block_that_no_journal_knows_gets_its_share_back(tmp_path: Path) -> None:
    job, foreign = job_of(HEIGHT, 70), job_of(HEIGHT + 1, 99)
    shares = [share(0, job, FINDER, 1), share(1, job, OTHER, 2), share(2, job, FINDER, 1)]
    lost, known = share(3, job, FINDER, 1), shares[1]
    journal_of(tmp_path, [job], shares)
    assert newest_job_height(tmp_path) == HEIGHT
    blocks = {HEIGHT: block_of(job, lost, witness=True)}
    (found,) = look(tmp_path, blocks)
    assert (found.height, found.instance) == (HEIGHT, 0)
    assert found.words == "found by worker 1 of participant 3"
    clock = ManualClock(NOW_US + 60_000_000)
    assert write_lost(found, tmp_path, clock) == 3
    (kept,) = JournalReader(tmp_path / "journal/0").read(3, 10)
    assert job.block_hash(kept) == found.hash
    assert (kept["participant"], kept["worker"], kept["flags"]) == (3, 1, Flag.BLOCK)
    assert kept["time_us"] == NOW_US + 60_000_000
    # What was written counts from a later time, and says nothing of who had an extranonce1 then.
    clock.advance(3600)
    second = share(9, job, FINDER, 1)
    (again,) = look(tmp_path, {HEIGHT: block_of(job, second, witness=True)})
    assert write_lost(again, tmp_path, clock) == 4
    assert (
        len(look(tmp_path, {HEIGHT: block_of(job, share(10, job, FINDER, 1), witness=True)})) == 1
    )
    # Once, however often it is looked for.
    assert not look(tmp_path, blocks)
    assert not look(tmp_path, {HEIGHT: block_of(job, known, witness=False)})
    # Ours by its tag, of a job that was never shipped: told, for people to look at.
    (unknown,) = look(
        tmp_path, {HEIGHT + 1: block_of(foreign, share(0, foreign, FINDER, 1), witness=True)}
    )
    assert (unknown.record, unknown.words) == (None, "its job is not here")


def test_blocks_of_others_and_finders_that_nobody_knows_are_no_shares(tmp_path: Path) -> None:
    job = job_of(HEIGHT, 70)
    journal_of(tmp_path, [job], [share(0, job, OTHER, 2)])
    (found,) = look(tmp_path, {HEIGHT: block_of(job, share(1, job, FINDER, 1), witness=True)})
    assert (found.record, found.words) == (None, "who found it is not known here")
    elsewhere = bytes(80) + b"\x01" + bytes(200)
    assert not look(tmp_path, {HEIGHT: elsewhere})
