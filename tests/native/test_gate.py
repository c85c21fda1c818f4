"""The gate's decisions: their order (A8), candidates (A8.13), difficulty (A6.5), version, ntime."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kench.native import FLAG_BLOCK, FLAG_UNCREDITED, Verdict

from .builders import ANY_HASH, NAME, NO_HASH, NOW_S, NOW_US, Bench, a_job, good_share
from .test_table import RECORD


def records_of(bench: Bench) -> Any:
    return np.frombuffer(bench.records.take()[0], RECORD)


def test_refusals_come_in_their_documented_order(native: SimpleNamespace) -> None:
    """One share with every fault at once; the faults are mended one by one."""
    bench = Bench(native, capacity=1)
    assert bench.submit() == Verdict.ACCEPTED  # so that it is a duplicate, and the buffer full
    bench.table.new_tip(NOW_US)  # job 1 is stale from now on, and was not a microsecond ago
    bench.gate.set_difficulty(2.0, NO_HASH, 1)
    bench.gate.forget(NAME)
    share = good_share() | {
        "name": b"stranger",
        "job_id": b"01",
        "extranonce2": b"00",
        "ntime": b"0x1",
        "version_bits": b"80000000",
    }

    def step(**mended: object) -> Verdict:
        share.update(mended)
        return Verdict(bench.gate.submit(**share))

    walked = [step()]
    bench.gate.allow(NAME, 17, 5)
    walked += [
        step(),
        step(job_id=b"1"),
        step(extranonce2=b"0000000000000001"),
        step(ntime=b"%08x" % (NOW_S - 601)),
        step(version_bits=b"0"),
        step(name=NAME),
        step(now_us=NOW_US - 1),
        step(ntime=b"%08x" % NOW_S),
    ]
    bench.gate.set_difficulty(1.0, ANY_HASH, 1)
    walked += [step(), step(nonce=b"5")]
    bench.records.take()
    walked.append(step())
    assert [verdict.name for verdict in walked] == [
        "UNAUTHORISED",
        "JOB_NOT_FOUND",
        "INVALID_EXTRANONCE2",
        "INVALID_HEX",
        "INVALID_VERSION_MASK",
        "UNAUTHORISED",
        "STALE",
        "NTIME_OUT_OF_RANGE",
        "LOW_DIFFICULTY",
        "DUPLICATE",
        "OVERLOADED",
        "ACCEPTED",
    ]


def test_before_a_difficulty_is_set_no_job_is_known(native: SimpleNamespace) -> None:
    bench = Bench(native)
    gate = native.Gate(bench.table, bench.records, b"abcd")
    gate.allow(NAME, 17, 5)
    assert gate.submit(**good_share()) == Verdict.JOB_NOT_FOUND


@pytest.mark.parametrize(
    "job_id", [b"", b"0", b"01", b"A", b" a", b"a ", b"0xa", b"+a", b"a_", b"2", b"1" * 17]
)
def test_only_the_canonical_id_of_a_known_job_is_found(
    native: SimpleNamespace, job_id: bytes
) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 10))
    assert bench.submit(job_id=job_id) == Verdict.JOB_NOT_FOUND
    assert bench.submit(job_id=b"a") == Verdict.ACCEPTED


def test_the_largest_job_key_is_found(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2**64 - 1))
    assert bench.submit(job_id=b"f" * 16) == Verdict.ACCEPTED


@pytest.mark.parametrize(
    "text",
    [b"", b"0" * 14, b"0" * 15, b"0" * 17, b"0" * 18, b"g" * 16, b"0x" + b"0" * 14, b" " * 16],
)
def test_extranonce2_of_wrong_size_or_no_hex_is_refused_a8_3(
    native: SimpleNamespace, text: bytes
) -> None:
    assert Bench(native).submit(extranonce2=text) == Verdict.INVALID_EXTRANONCE2


@pytest.mark.parametrize("field", ["ntime", "nonce", "version_bits"])
@pytest.mark.parametrize(
    "text",
    [b"", b"123456789", b"0x1f", b" 1f", b"+1f", b"-1", b"1_f", b"g", b"\xd9\xa1", b"@", b"`"],
)
def test_numbers_that_are_not_hex_are_refused_a1_15_a8_4(
    native: SimpleNamespace, field: str, text: bytes
) -> None:
    assert Bench(native).submit(**{field: text}) == Verdict.INVALID_HEX


def test_short_and_upper_case_numbers_mean_the_same_share_a8_4_a8_5(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    assert bench.submit(nonce=b"2d52") == Verdict.ACCEPTED
    for again in (b"2D52", b"02d52", b"00002D52"):
        assert bench.submit(nonce=again) == Verdict.DUPLICATE
    assert bench.submit(version_bits=b"0") == Verdict.DUPLICATE


@pytest.mark.parametrize(
    ("mask", "bits", "version"),
    [
        (0x1FFFE000, None, 0x20000000),  # configured, but five parameters (A8.6)
        (0x1FFFE000, b"00c00000", 0x20C00000),
        (0x1FFFE000, b"1fffe000", 0x3FFFE000),
        (0x1FFFE000, b"20000000", None),
        (0x1FFFE000, b"1000", None),
        (0, b"00000000", 0x20000000),
        (0, b"2000", None),
        (0xFFFFFFFF, b"1", 0x00000001),  # the job has a bit inside the mask: it is replaced
    ],
)
def test_version_bits_stay_inside_the_mask_a8_6(
    native: SimpleNamespace, mask: int, bits: bytes | None, version: int | None
) -> None:
    bench = Bench(native)
    bench.gate.set_mask(mask)
    verdict = bench.submit(version_bits=bits)
    if version is None:
        assert verdict == Verdict.INVALID_VERSION_MASK
    else:
        assert records_of(bench)["version"].tolist() == [version]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [(b"20c00000", True), (b"20000000", True), (b"00c00000", False), (b"60c00000", False)],
)
def test_full_version_is_taken_after_multi_version_a8_7(
    native: SimpleNamespace, text: bytes, accepted: bool
) -> None:
    bench = Bench(native)
    bench.gate.set_mask(0x1FFFE000, full_version=True)
    verdict = bench.submit(version_bits=text)
    assert verdict == (Verdict.ACCEPTED if accepted else Verdict.INVALID_VERSION_MASK)
    assert records_of(bench)["version"].tolist() == ([int(text, 16)] if accepted else [])


@pytest.mark.parametrize(
    ("job_ntime", "ntime", "accepted"),
    [
        (NOW_S, NOW_S - 600, True),
        (NOW_S, NOW_S - 601, False),
        (NOW_S, NOW_S + 7000, True),
        (NOW_S, NOW_S + 7001, False),
        (NOW_S - 5000, NOW_S + 7000, True),  # now is later than the job's own time
        (NOW_S + 100, NOW_S + 7100, True),  # the job's own time is later than now
        (NOW_S + 100, NOW_S + 7101, False),
        (NOW_S + 900, NOW_S + 7200, True),  # consensus would refuse a block beyond
        (NOW_S + 900, NOW_S + 7201, False),
    ],
)
def test_ntime_window_a8_10(
    native: SimpleNamespace, job_ntime: int, ntime: int, accepted: bool
) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, ntime=job_ntime))
    verdict = bench.submit(job_id=b"2", ntime=b"%x" % ntime)
    assert verdict == (Verdict.ACCEPTED if accepted else Verdict.NTIME_OUT_OF_RANGE)


def test_a_hash_equal_to_its_target_is_accepted_and_one_above_is_not_a8_11(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    header = a_job(native).header(b"\xaa\xbb\xcc\xdd", bytes(7) + b"\x01", NOW_S, 1, 0x20000000)
    hash_int = int.from_bytes(native.sha256d(header), "little")
    bench.gate.set_difficulty(1.5, (hash_int - 1).to_bytes(32, "little"), 1)
    assert bench.submit(nonce=b"1") == Verdict.LOW_DIFFICULTY
    bench.gate.set_difficulty(1.4, hash_int.to_bytes(32, "little"), 1)
    assert bench.submit(nonce=b"1") == Verdict.ACCEPTED


# Targets that every hash meets for the purpose of these tests, yet hard and easy to the gate.
HARD, MIDDLE, EASY = ((2**256 - n).to_bytes(32, "little") for n in (3, 2, 1))


def credited(bench: Bench, *keys: int) -> list[float]:
    for key in keys:
        bench.submit(job_id=b"%x" % key, nonce=b"%x" % bench.records.next_sequence)
    return list(records_of(bench)["difficulty"].tolist())


def a_bench_with_jobs(native: SimpleNamespace, count: int) -> Bench:
    bench = Bench(native)
    for key in range(2, count + 1):
        bench.table.add(a_job(native, key))
    return bench


def test_a_raised_difficulty_leaves_earlier_jobs_at_the_old_one_a6_5(
    native: SimpleNamespace,
) -> None:
    bench = a_bench_with_jobs(native, 4)
    bench.gate.set_difficulty(2.0, MIDDLE, 3)
    bench.gate.set_difficulty(3.0, HARD, 4)
    assert credited(bench, 1, 2, 3, 4) == [1.0, 1.0, 2.0, 3.0]
    bench.gate.set_difficulty(9.0, NO_HASH, 4)
    assert bench.submit(job_id=b"4") == Verdict.LOW_DIFFICULTY
    assert bench.submit(job_id=b"3") == Verdict.ACCEPTED


def test_a_lowered_difficulty_holds_for_earlier_harder_jobs_at_once_a6_5(
    native: SimpleNamespace,
) -> None:
    bench = a_bench_with_jobs(native, 4)
    bench.gate.set_difficulty(3.0, HARD, 2)
    bench.gate.set_difficulty(2.0, MIDDLE, 4)
    assert credited(bench, 1, 2, 3, 4) == [1.0, 2.0, 2.0, 2.0]
    bench.gate.set_difficulty(1.0, EASY, 5)
    assert credited(bench, 1, 2, 3, 4) == [1.0, 1.0, 1.0, 1.0]


def test_the_oldest_difficulty_kept_covers_all_jobs_before_it(native: SimpleNamespace) -> None:
    bench = a_bench_with_jobs(native, 20)
    for key in range(2, 21):
        target_le = (2**256 - 1 - key).to_bytes(32, "little")
        bench.gate.set_difficulty(float(key), target_le, key)
    # Sixteen are kept: those set for the jobs 5 to 20.
    assert credited(bench, 1, 4, 5, 6, 20) == [5.0, 5.0, 5.0, 6.0, 20.0]


def test_a_difficulty_set_twice_for_one_job_counts_once(native: SimpleNamespace) -> None:
    bench = a_bench_with_jobs(native, 2)
    bench.gate.set_difficulty(3.0, HARD, 2)
    bench.gate.set_difficulty(4.0, HARD, 2)
    assert credited(bench, 1, 2) == [1.0, 4.0]


def test_from_key_never_descends(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.gate.set_difficulty(2.0, HARD, 5)
    with pytest.raises(ValueError, match="from_key must not descend"):
        bench.gate.set_difficulty(2.0, HARD, 4)


@pytest.mark.parametrize("difficulty", [0, -1.0, float("nan"), float("inf")])
def test_a_difficulty_is_positive_and_finite(native: SimpleNamespace, difficulty: float) -> None:
    with pytest.raises(ValueError, match="difficulty must be positive and finite"):
        Bench(native).gate.set_difficulty(difficulty, HARD, 5)


CANDIDATE_REFUSALS: dict[str, dict[str, object]] = {
    "UNAUTHORISED": {"name": b"stranger"},
    "STALE": {"now_us": NOW_US + 1},
    "NTIME_OUT_OF_RANGE": {"ntime": b"%x" % (NOW_S + 7001)},
    "LOW_DIFFICULTY": {},
}


@pytest.mark.parametrize("refusal", CANDIDATE_REFUSALS)
def test_a_refused_block_is_listed_and_recorded_once_without_credit_a8_13(
    native: SimpleNamespace, refusal: str
) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    bench.table.new_tip(NOW_US + 1)
    if refusal == "LOW_DIFFICULTY":
        bench.gate.set_difficulty(2.0, NO_HASH, 2)
    change = {"job_id": b"2"} | CANDIDATE_REFUSALS[refusal]
    verdicts = {bench.submit(**change).name for _ in range(3)}
    assert verdicts == {refusal}
    ((key, header, hash_le, *extranonces, participant, worker, verdict, sequence),) = (
        bench.table.take_candidates()
    )
    owner = (0, 0) if refusal == "UNAUTHORISED" else (17, 5)
    assert (key, participant, worker) == (2, *owner)
    assert hash_le == native.sha256d(header)
    assert extranonces == [b"\xaa\xbb\xcc\xdd", bytes(7) + b"\x01"]
    assert (verdict.name, sequence) == (refusal, 0)
    (record,) = records_of(bench)
    assert record["flags"] == FLAG_BLOCK | FLAG_UNCREDITED
    assert (record["participant"], record["worker"]) == owner
    assert record["difficulty"] == (2.0 if refusal == "LOW_DIFFICULTY" else 1.0)


def test_an_accepted_block_is_credited_and_its_duplicate_is_not_listed_a8_12(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    assert bench.submit(job_id=b"2") == Verdict.ACCEPTED
    assert bench.submit(job_id=b"2") == Verdict.DUPLICATE
    (candidate,) = bench.table.take_candidates()
    assert candidate[7:] == (Verdict.ACCEPTED, 0)
    assert records_of(bench)["flags"].tolist() == [FLAG_BLOCK]


def test_a_block_two_tips_old_is_still_listed(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    bench.table.new_tip(NOW_US)
    bench.table.new_tip(NOW_US)
    assert bench.submit(job_id=b"2") == Verdict.STALE
    assert len(bench.table.take_candidates()) == 1


def test_a_block_is_listed_when_the_records_are_full_and_recorded_when_sent_again(
    native: SimpleNamespace,
) -> None:
    bench = Bench(native, capacity=1)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    bench.submit(job_id=b"1")
    assert bench.submit(job_id=b"2") == Verdict.OVERLOADED
    assert bench.table.take_candidates()[0][7:] == (Verdict.OVERLOADED, -1)
    bench.records.take()
    assert bench.submit(job_id=b"2") == Verdict.ACCEPTED
    assert bench.table.take_candidates()[0][7:] == (Verdict.ACCEPTED, 1)


def test_what_is_refused_before_hashing_is_no_candidate(native: SimpleNamespace) -> None:
    bench = Bench(native)
    bench.table.add(a_job(native, 2, block_target_le=ANY_HASH))
    bench.submit(job_id=b"2", version_bits=b"80000000")
    bench.gate.forget(NAME)
    bench.submit(job_id=b"2")
    assert bench.table.take_candidates() == []
    assert bench.records.take() == (b"", 0)


def test_names_are_bounded_replaced_and_forgotten(native: SimpleNamespace) -> None:
    table, records = native.JobTable(), native.RecordBuffer(9, 0)
    gate = native.Gate(table, records, b"abcd", names_max=2)
    assert [gate.allow(name, 1, 1) for name in (b"a", b"b", b"c")] == [True, True, False]
    assert gate.allow(b"a", 9, 9)
    assert gate.names == 2
    assert [gate.forget(b"a"), gate.forget(b"a")] == [True, False]
    assert gate.allow(b"c", 1, 1)
    assert gate.names == 2


def test_owners_are_those_whose_names_may_submit(native: SimpleNamespace) -> None:
    gate = Bench(native).gate
    gate.allow(b"9.b", 9, 2)
    gate.allow(b"9.a", 9, 1)
    gate.forget(NAME)
    assert gate.owners() == [(9, 1), (9, 2)]


def test_a_thousand_names_keep_their_owners_while_others_leave(native: SimpleNamespace) -> None:
    bench = Bench(native, capacity=5000)
    for worker in range(1000):
        assert bench.gate.allow(b"9.rig%d" % worker, 9, worker)
    for worker in range(0, 1000, 3):
        assert bench.gate.forget(b"9.rig%d" % worker)
    for worker in range(1000):
        verdict = bench.submit(name=b"9.rig%d" % worker, nonce=b"%x" % worker)
        assert verdict == (Verdict.UNAUTHORISED if worker % 3 == 0 else Verdict.ACCEPTED)
    owners = records_of(bench)["worker"].tolist()
    assert owners == [worker for worker in range(1000) if worker % 3]


def test_two_connections_share_the_table_but_not_their_hashes(native: SimpleNamespace) -> None:
    bench = Bench(native)
    other = native.Gate(bench.table, bench.records, b"\x01\x02\x03\x04")
    other.allow(NAME, 17, 5)
    other.set_difficulty(1.0, ANY_HASH, 1)
    assert bench.submit() == Verdict.ACCEPTED
    assert other.submit(**good_share()) == Verdict.ACCEPTED
    assert (other.extranonce1, other.accepted) == (b"\x01\x02\x03\x04", 1)


def test_every_verdict_has_its_code_text_and_reason() -> None:
    spoken = {verdict.reason: (verdict.code, verdict.text) for verdict in Verdict}
    assert spoken == {
        "accepted": (0, ""),
        "invalid_params": (20, "Invalid params"),
        "not_subscribed": (25, "Not subscribed"),
        "unauthorised": (24, "Unauthorized worker"),
        "job_not_found": (21, "Job not found"),
        "invalid_extranonce2": (20, "Invalid extranonce2 size"),
        "invalid_hex": (20, "Invalid hex"),
        "invalid_version_mask": (20, "Invalid version mask"),
        "stale": (21, "Stale"),
        "ntime_out_of_range": (20, "Ntime out of range"),
        "low_difficulty": (23, "Low difficulty share"),
        "duplicate": (22, "Duplicate share"),
        "overloaded": (20, "Server overloaded, try again"),
    }
