"""Jobs, share records and the job table, in both implementations."""

import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from kench.native import FLAG_BLOCK, FLAG_UNCREDITED, RECORD_SIZE, Verdict

from .builders import ANY_HASH, NOW_S, NOW_US, Bench, a_job

# The journal's record, written down a second time so that a slip in one of them shows.
RECORD = np.dtype(
    [
        ("crc32", "<u4"),
        ("flags", "<u2"),
        ("reserved", "<u2"),
        ("sequence", "<u8"),
        ("time_us", "<u8"),
        ("job_key", "<u8"),
        ("participant", "<u4"),
        ("worker", "<u4"),
        ("extranonce1", "u1", 4),
        ("extranonce2", "u1", 8),
        ("ntime", "<u4"),
        ("nonce", "<u4"),
        ("version", "<u4"),
        ("difficulty", "<f8"),
    ]
)


def test_a_record_holds_the_share_field_by_field(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.gate.set_difficulty(0.3, ANY_HASH, 1)
    bench.submit(extranonce2=b"00112233445566fF", version_bits=b"00c00000")
    data, count = bench.records.take()
    (record,) = np.frombuffer(data, RECORD)
    assert count == 1
    assert RECORD.itemsize == RECORD_SIZE == len(data)
    assert record["crc32"] == zlib.crc32(data[4:])
    assert (record["flags"], record["reserved"], record["sequence"]) == (0, 0, 0)
    assert (record["time_us"], record["job_key"]) == (NOW_US, 1)
    assert (record["participant"], record["worker"]) == (17, 5)
    assert bytes(record["extranonce1"]) == b"\xaa\xbb\xcc\xdd"
    assert bytes(record["extranonce2"]) == bytes.fromhex("00112233445566ff")
    assert (record["ntime"], record["nonce"]) == (NOW_S, 0x2D52)
    assert record["version"] == 0x20C00000
    assert record["difficulty"] == 0.3


def test_a_short_extranonce2_is_filled_with_zeros_in_the_record(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, extranonce2_size=4))
    assert bench.submit(job_id=b"2", extranonce2=b"01020304") == Verdict.ACCEPTED
    record = np.frombuffer(bench.records.take()[0], RECORD)[0]
    assert bytes(record["extranonce2"]) == b"\x01\x02\x03\x04\0\0\0\0"


def test_records_are_numbered_without_gaps_across_takes(native: SimpleNamespace) -> None:
    bench = Bench(native)
    sequences: list[int] = []
    for nonce in range(7):
        bench.submit(nonce=b"%x" % nonce)
        bench.submit(nonce=b"%x" % nonce)  # a duplicate leaves no gap
        if nonce % 3 == 0:
            sequences += np.frombuffer(bench.records.take()[0], RECORD)["sequence"].tolist()
    assert sequences == list(range(7))
    assert bench.records.next_sequence == 7


def test_record_buffer_fills_and_empties(native: SimpleNamespace) -> None:
    bench = Bench(native, capacity=2)
    assert (len(bench.records), bench.records.full) == (0, False)
    verdicts = [bench.submit(nonce=b"%x" % nonce) for nonce in range(3)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.OVERLOADED]
    assert (len(bench.records), bench.records.full) == (2, True)
    assert bench.records.take()[1] == 2
    assert (len(bench.records), bench.records.full) == (0, False)
    assert bench.records.take() == (b"", 0)
    assert bench.submit(nonce=b"2") == Verdict.ACCEPTED


def times_of(bench: Bench) -> list[int]:
    return np.frombuffer(bench.records.take()[0], RECORD)["time_us"].tolist()  # type: ignore[no-any-return]


def test_times_of_records_never_descend_though_the_clock_does(native: SimpleNamespace) -> None:
    bench = Bench(native)
    for nonce, step_us in enumerate((0, -5_000_000, 7, 3)):
        bench.submit(nonce=b"%08x" % nonce, now_us=NOW_US + step_us)
    assert times_of(bench) == [NOW_US, NOW_US, NOW_US + 7, NOW_US + 7]


def test_no_record_is_before_a_time_that_was_told_and_none_so_far_is_at_it(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    told = [bench.records.advance(NOW_US)]
    for nonce in range(4):
        bench.submit(nonce=b"%08x" % nonce, now_us=NOW_US - 9)
        told.append(bench.records.advance(NOW_US - 9))
    assert told == [NOW_US + count for count in range(5)]
    assert times_of(bench) == told[:4]
    assert bench.records.advance(2**63 - 1) == bench.records.advance(0) == 2**63 - 1


def test_header_names_its_job_to_the_record(native: SimpleNamespace) -> None:
    job = a_job(native, 0xABCDEF)
    assert job.job_key == 0xABCDEF
    assert len(job.header(b"abcd", bytes(8), 1, 2, 3)) == 80


def test_job_keys_ascend(native: SimpleNamespace) -> None:
    table = native.JobTable()
    table.add(a_job(native, 5))
    for key in (5, 4):
        with pytest.raises(ValueError, match="job keys must ascend"):
            table.add(a_job(native, key))
    assert len(table) == 1


def test_the_oldest_job_leaves_a_full_table(native: SimpleNamespace) -> None:
    bench = Bench(native)
    for key in range(2, 66):
        bench.table.add(a_job(native, key))
    assert len(bench.table) == 64
    assert bench.submit(job_id=b"1") == Verdict.JOB_NOT_FOUND
    assert bench.submit(job_id=b"2") == Verdict.ACCEPTED
    assert bench.submit(job_id=b"41") == Verdict.ACCEPTED


def test_previous_tip_is_judged_normally_until_its_grace_ends(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.submit(nonce=b"1")
    bench.table.new_tip(NOW_US + 2_000_000)
    assert bench.submit(nonce=b"2", now_us=NOW_US + 1_999_999) == Verdict.ACCEPTED
    assert bench.submit(nonce=b"1", now_us=NOW_US + 1_999_999) == Verdict.DUPLICATE
    assert bench.submit(nonce=b"3", now_us=NOW_US + 2_000_000) == Verdict.STALE


def test_grace_ends_with_the_next_tip(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.new_tip(NOW_US + 9_000_000)
    bench.table.new_tip(NOW_US + 9_000_000)
    assert bench.submit() == Verdict.STALE


def test_a_job_added_after_a_tip_belongs_to_it(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.new_tip(0)
    bench.table.add(a_job(native, 2))
    assert bench.submit(job_id=b"2") == Verdict.ACCEPTED
    assert bench.submit(job_id=b"1") == Verdict.STALE


def test_every_hash_is_remembered_while_the_set_grows(native: SimpleNamespace) -> None:
    bench = Bench(native, duplicates_max=5000, capacity=5000)
    shares = [b"%x" % nonce for nonce in range(5000)]
    assert {bench.submit(nonce=nonce) for nonce in shares} == {Verdict.ACCEPTED}
    assert {bench.submit(nonce=nonce) for nonce in shares} == {Verdict.DUPLICATE}
    bench.table.new_tip(NOW_US + 1)
    assert {bench.submit(nonce=nonce) for nonce in shares} == {Verdict.DUPLICATE}


def test_no_hash_is_forgotten_at_any_moment_of_growth(native: SimpleNamespace) -> None:
    bench = Bench(native, duplicates_max=5000, capacity=5000)
    for nonce in range(3000):
        assert bench.submit(nonce=b"%x" % nonce) == Verdict.ACCEPTED
        for earlier in (0, nonce // 3, nonce // 2, nonce):
            assert bench.submit(nonce=b"%x" % earlier) == Verdict.DUPLICATE


def test_a_full_set_of_hashes_refuses_shares_and_still_knows_duplicates(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native, duplicates_max=2)
    verdicts = [bench.submit(nonce=nonce) for nonce in (b"1", b"2", b"3", b"1")]
    assert verdicts[2:] == [Verdict.OVERLOADED, Verdict.DUPLICATE]
    bench.table.new_tip(NOW_US + 1)
    bench.table.add(a_job(native, 2))
    assert bench.submit(job_id=b"2") == Verdict.ACCEPTED


def test_a_full_set_of_hashes_keeps_places_for_candidates(native: SimpleNamespace) -> None:
    bench = Bench(native, duplicates_max=2)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    bench.submit(nonce=b"1")
    bench.submit(nonce=b"2")
    assert bench.submit(nonce=b"3") == Verdict.OVERLOADED
    verdicts = [bench.submit(job_id=b"2", nonce=b"%x" % nonce) for nonce in range(5)]
    assert verdicts == [Verdict.ACCEPTED] * 4 + [Verdict.OVERLOADED]


def test_four_candidates_are_listed_for_a_tip_and_the_rest_are_shares(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    for nonce in range(6):
        assert bench.submit(job_id=b"2", nonce=b"%x" % nonce) == Verdict.ACCEPTED
    assert [listed[8] for listed in bench.table.take_candidates()] == [0, 1, 2, 3]
    flags = np.frombuffer(bench.records.take()[0], RECORD)["flags"]
    assert flags.tolist() == [FLAG_BLOCK] * 4 + [0] * 2
    bench.table.new_tip(NOW_US + 1)
    bench.table.add(a_job(native, 3, block_target_le=ANY_HASH))
    bench.submit(job_id=b"2", nonce=b"9")  # of the previous tip, which has had its four
    bench.submit(job_id=b"3", nonce=b"9")
    assert [listed[0] for listed in bench.table.take_candidates()] == [3]


def test_refusals_are_counted_by_participant_worker_verdict_and_agent(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    bench.submit()
    bench.submit()
    bench.gate.set_agent(7)
    bench.submit()
    bench.submit(name=b"stranger")
    bench.table.refuse(17, 5, Verdict.DUPLICATE, 7)
    bench.table.refuse(0, 0, Verdict.INVALID_PARAMS)
    expected = {
        (17, 5, Verdict.DUPLICATE, 0): 1,
        (17, 5, Verdict.DUPLICATE, 7): 2,
        (0, 0, Verdict.UNAUTHORISED, 7): 1,
        (0, 0, Verdict.INVALID_PARAMS, 0): 1,
    }
    assert bench.table.tally == expected
    assert bench.table.take_tally() == expected
    assert bench.table.take_tally() == {}
    assert (bench.gate.accepted, bench.gate.refused) == (1, 3)


def test_an_accepted_share_cannot_be_counted_as_refused(native: SimpleNamespace) -> None:
    with pytest.raises(OverflowError, match=r"verdict must be in 1\.\.12"):
        native.JobTable().refuse(1, 1, Verdict.ACCEPTED)


def test_flags_are_those_of_the_journal() -> None:
    assert (FLAG_BLOCK, FLAG_UNCREDITED) == (1, 2)


def test_a_share_that_is_remembered_is_a_duplicate(native: SimpleNamespace) -> None:
    bench, other = Bench(native, duplicates_max=1), Bench(native, duplicates_max=1)
    other.table.add(a_job(native, 2, block_target_le=b"\xff" * 32))
    other.submit(job_id=b"2")
    ((_, header, hash_le, *_),) = other.table.take_candidates()
    bench.table.add(a_job(native, 2))
    assert native.sha256d(header) == hash_le
    assert bench.table.remember(2, hash_le)
    assert bench.table.remember(2, hash_le)
    assert bench.submit(job_id=b"2") == Verdict.DUPLICATE
    # The bound of hashes holds for those that are remembered too.
    assert not bench.table.remember(2, bytes(32))
    assert bench.submit() == Verdict.OVERLOADED


def test_only_shares_on_known_jobs_are_remembered(native: SimpleNamespace) -> None:
    bench = Bench(native)
    with pytest.raises(ValueError, match="no such job"):
        bench.table.remember(7, bytes(32))
    with pytest.raises(ValueError, match="hash_le"):
        bench.table.remember(1, bytes(31))
