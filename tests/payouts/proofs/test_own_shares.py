"""A participant's own shares hash again to what its leaf says; any other share is found."""

import base64
import hashlib
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from kench.native import crc32
from kench.payouts import ledger
from kench.payouts.proofs.canonical import encode
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.gathering import WindowReader, read_repeats
from kench.payouts.proofs.giving import make_proof
from kench.payouts.proofs.own_shares import check_file, write_file
from kench.pool.journal.format import SHARE
from kench.pool.work import work_of
from tests.payouts.journals import EASY, JournalBuilder
from tests.payouts.proofs.mutations import at, changes, places, replaced
from tests.payouts.proofs.pools import PARTICIPANTS, ProvenPool
from tests.payouts.proofs.samples import KEY, proof_of


def shares_file(pool: ProvenPool, block_hash: str, participant_id: int) -> bytes:
    with pool.engine.connect() as connection:
        proof = make_proof(connection, block_hash, participant_id)
        repeats = read_repeats(connection, proof.manifest)
    reader = WindowReader(pool.root, proof.manifest, repeats)
    file = io.BytesIO()
    write_file(file, proof, reader.own(participant_id), reader.job, KEY)
    return file.getvalue()


_made: list[bytes] = []


@pytest.fixture
def made(request: pytest.FixtureRequest) -> bytes:
    """Participant 2's file of the second of three blocks, over two journals and two segments."""
    if not _made:
        pool: ProvenPool = request.getfixturevalue("pool")
        pool.round(101)
        pool.rotate()
        block_hash = pool.round(102, shares=12)
        pool.rotate()
        pool.round(103)
        pool.settle()
        pool.maker.turn()
        _made.append(shares_file(pool, block_hash, 2))
    return _made[0]


def signed_anew(lines: list[bytes]) -> bytes:
    """The lines before the end, with an end that the pool itself would sign."""
    raw = b"".join(lines)
    batches = [json.loads(line) for line in lines[1:]]
    count = sum(len(base64.b64decode(one["records"])) // 72 for one in batches)
    end = {"kench_shares": 1, "sha256": hashlib.sha256(raw).hexdigest(), "shares": count}
    return raw + encode({**end, "signature": KEY.sign(encode(end)).hex()}) + b"\n"


def test_every_participants_shares_are_all_that_its_leaf_says(pool: ProvenPool) -> None:
    for height in (101, 102, 103):
        pool.round(height, shares=14)
        pool.rotate()
    pool.settle()
    pool.maker.turn()
    counted = 0
    for block_hash in pool.block_hashes:
        for who in range(1, PARTICIPANTS + 1):
            checked = check_file(io.BytesIO(shares_file(pool, block_hash, who)))
            assert checked.proof.participant_id == who
            counted += checked.shares or 0
    assert counted == sum(len(one.records) for one in pool.journals)


def test_no_byte_can_be_changed_left_out_or_put_in(made: bytes) -> None:
    check_file(io.BytesIO(made))
    chance = random.Random(7)
    for position in sorted(chance.sample(range(len(made)), 1500)):
        flipped = bytes([made[position] ^ 1 << chance.randrange(8)])
        for changed in (flipped, b"", made[position : position + 1] * 2):
            with pytest.raises(ProofRefusedError):
                check_file(io.BytesIO(made[:position] + changed + made[position + 1 :]))


def _file_of(values: list[Any]) -> bytes:
    return b"".join(encode(value) + b"\n" for value in values)


def test_no_value_can_be_changed(made: bytes) -> None:
    """Each value of each line, every one of the proof, manifest, jobs and end among them."""
    values = [json.loads(line) for line in made.splitlines()]
    check_file(io.BytesIO(_file_of(values)))
    count = 0
    for place in places(values):
        for other in changes(at(values, place)):
            count += 1
            with pytest.raises(ProofRefusedError):
                check_file(io.BytesIO(_file_of(replaced(values, place, other))))
    assert count > 500


def test_no_number_of_a_record_can_be_changed(made: bytes) -> None:
    lines = made.splitlines(keepends=True)
    for name in SHARE.names:
        for position in (1, 2):
            before = np.frombuffer(base64.b64decode(json.loads(lines[position])["records"]), SHARE)
            changed = _with_record(lines[position], 0, **{name: _other(before[name][0])})
            whole = [*lines[:position], changed, *lines[position + 1 :]]
            if name == "crc32":  # which is mended with every change
                assert whole == lines
                continue
            with pytest.raises(ProofRefusedError):
                check_file(io.BytesIO(b"".join(whole)))


def _other(value: Any) -> Any:
    return bytes(len(value)) if isinstance(value, bytes) else value + 1


HARD = 2.0**-24
"""One hash in 256 meets it: that three changed ones do so is no matter of luck any more."""
POOLS_WORD = {
    # A record has the version and the time that it was hashed with.
    "jobs": {"height", "mintime", "ntime", "version", "block_target", "reward_sat"},
    # A flag tells of a block, a checksum of the disk.
    "records": {"crc32", "time_us", "worker", "flags"},
}
"""What no hash covers: of this a reader has the pool's signature alone."""


def test_whoever_signs_can_change_nothing_that_hashes_cover(tmp_path: Path) -> None:
    """The pool itself, signing a changed file anew."""
    journal = JournalBuilder(tmp_path / "journal", 1)
    job = journal.job(1, 850_001, branches=2)
    for _ in range(3):
        journal.share(job, participant=4, difficulty=HARD, block=None)
    journal.close()
    proof = proof_of({4: (3 * work_of(HARD), 10**6), 9: (5, 10**7)}, 4)
    file = io.BytesIO()
    write_file(file, proof, [(1, journal.array())], journal.job_of, KEY)
    assert check_file(io.BytesIO(file.getvalue())).shares == 3
    lines = file.getvalue().splitlines(keepends=True)[:-1]
    batch = json.loads(lines[1])
    for place in places(batch):
        name = str(place[-1])
        if place[0] == "jobs" and name in POOLS_WORD["jobs"]:
            continue
        for other in changes(at(batch, place)):
            line = encode(replaced(batch, place, other)) + b"\n"
            with pytest.raises(ProofRefusedError):
                check_file(io.BytesIO(_signed(lines[0], line)))
    before = np.frombuffer(base64.b64decode(batch["records"]), SHARE)
    for name in set(SHARE.names) - POOLS_WORD["records"]:
        line = _with_record(lines[1], 0, **{name: _other(before[name][0])})
        with pytest.raises(ProofRefusedError):
            check_file(io.BytesIO(_signed(lines[0], line)))


def _signed(*lines: bytes) -> bytes:
    try:
        return signed_anew(list(lines))
    except (TypeError, ValueError, KeyError):  # records of which no count is possible
        return b"".join(lines)


def test_lines_left_out_or_twice_or_behind_the_end_are_found(made: bytes) -> None:
    lines = made.splitlines(keepends=True)
    assert len(lines) == 4
    for changed in (
        lines[:-1],
        [*lines[:1], *lines[2:]],
        [*lines[:2], *lines[1:]],
        [lines[0], lines[2], lines[1], lines[3]],
        [*lines, lines[-1]],
        [*lines, b"\n"],
    ):
        with pytest.raises(ProofRefusedError):
            check_file(io.BytesIO(b"".join(changed)))


def _with_record(line: bytes, index: int, **values: Any) -> bytes:
    """A batch with one record changed, its checksum mended."""
    batch = json.loads(line)
    records = np.frombuffer(bytearray(base64.b64decode(batch["records"])), SHARE).copy()
    for name, value in values.items():
        records[name][index] = value
    records["crc32"][index] = crc32(records[index].tobytes()[4:])
    batch["records"] = base64.b64encode(records.tobytes()).decode()
    return encode(batch) + b"\n"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"participant": 3}, "is participant 3's"),
        ({"difficulty": 1e9}, "does not meet its difficulty"),
        ({"difficulty": float("nan")}, "a difficulty is a positive number"),
        ({"flags": 2}, "was refused and earns nothing"),
        ({"flags": 4}, "flags that nobody knows"),
        ({"reserved": 1}, "is not what was written"),
        ({"sequence": 0}, "outside the window"),
        ({"sequence": 2**63}, "outside the window"),
        ({"job_key": 77}, "which is not beside it"),
    ],
)
def test_a_share_that_is_not_its_own_is_refused_though_signed(
    made: bytes, values: dict[str, Any], words: str
) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    lines[1] = _with_record(lines[1], 0, **values)
    with pytest.raises(ProofRefusedError, match=words):
        check_file(io.BytesIO(signed_anew(lines)))


def test_a_share_that_says_less_than_it_was_credited_is_found_though_signed(made: bytes) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    for position in (1, 2):
        records = np.frombuffer(base64.b64decode(json.loads(lines[position])["records"]), SHARE)
        hard = np.flatnonzero(records["difficulty"] > EASY).tolist()
        if hard:
            lines[position] = _with_record(lines[position], hard[0], difficulty=EASY)
            break
    with pytest.raises(ProofRefusedError, match="hashes of work, and the leaf says"):
        check_file(io.BytesIO(signed_anew(lines)))


def test_a_share_that_counts_twice_is_refused_though_signed(made: bytes) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    batch = json.loads(lines[1])
    records = np.frombuffer(base64.b64decode(batch["records"]), SHARE)
    assert len(records) > 1
    solution = ("job_key", "extranonce1", "extranonce2", "ntime", "nonce", "version")
    lines[1] = _with_record(lines[1], 1, **{name: records[name][0] for name in solution})
    with pytest.raises(ProofRefusedError, match="twice"):
        check_file(io.BytesIO(signed_anew(lines)))


def test_a_share_left_out_is_found_by_its_work_though_signed(made: bytes) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    with pytest.raises(ProofRefusedError, match="hashes of work, and the leaf says"):
        check_file(io.BytesIO(signed_anew(lines[:2])))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"records": ""}, "whole records"),
        ({"records": "AAAA"}, "whole records"),
        ({"records": "!!"}, "none"),
        ({"records": base64.b64encode(bytes(72 * 4097)).decode()}, "whole records"),
        ({"jobs": []}, "not beside it"),
        ({"instance": 9}, "outside the window"),
    ],
)
def test_a_batch_that_is_none_is_refused_though_signed(
    made: bytes, change: dict[str, Any], words: str
) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    lines[1] = encode(json.loads(lines[1]) | change) + b"\n"
    with pytest.raises(ProofRefusedError, match=words):
        check_file(io.BytesIO(b"".join(lines)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job", "0"), ("job", "-1"), ("job", "xyz"), ("coinb1", "zz"), ("coinb1", "00" * 200_000),
        ("branches", "00"), ("version", "1"), ("ntime", 2**40), ("extranonce2_size", 9),
        ("nbits", "FFFF7F20"), ("branches", "ab" * 32 * 99),
    ],
)  # fmt: skip
def test_a_job_that_is_none_is_refused(made: bytes, name: str, value: object) -> None:
    lines = made.splitlines(keepends=True)[:-1]
    batch = json.loads(lines[1])
    batch["jobs"][0][name] = value
    lines[1] = encode(batch) + b"\n"
    with pytest.raises(ProofRefusedError):
        check_file(io.BytesIO(b"".join(lines)))


def test_a_repeat_over_journals_is_not_among_the_shares(pool: ProvenPool) -> None:
    block_hash = pool.round(101)
    # Three of journal 1's solutions come a second time, in journal 0, in the same round.
    job = pool.journals[1].jobs[101]
    pool.journals[0]._pending_jobs += job.line()
    second = pool.round(103)
    last_us = int(pool.journals[1].records[-1]["time_us"])
    for record in [one.copy() for one in pool.journals[1].records[:3]]:
        record["time_us"] = last_us
        pool.journals[0].append(record)
    third = pool.round(107)
    pool.settle()
    pool.maker.turn()
    with pool.engine.connect() as connection:
        repeats = connection.execute(sa.text("SELECT sum(repeats) FROM journal_positions"))
        assert repeats.scalar() == 3
    for one in (block_hash, second, third):
        for who in range(1, PARTICIPANTS + 1):
            raw = shares_file(pool, one, who)
            assert check_file(io.BytesIO(raw)).proof.line() == raw.splitlines(keepends=True)[0]


def test_a_refused_candidate_without_a_round_is_its_finders_one_hash(pool: ProvenPool) -> None:
    pool.round(101)
    finder = pool.journals[0]
    job = finder.job(102, 102)
    time_us = int(finder.records[-1]["time_us"]) + 50
    # The neighbour of block 101 is work of the next round: let a block take it.
    finder.share(job, 4, 40, block=True, time_us=time_us)
    refused = finder.share(job, 1, 10, block=True, uncredited=True, time_us=time_us + 1)
    pool.flush(time_us + 2)
    pool.settle()
    block_hash = job.block_hash(refused)
    with pool.engine.begin() as connection:
        ledger.pend(connection, block_hash, 1)
    pool.maker.turn()
    checked = check_file(io.BytesIO(shares_file(pool, block_hash, 1)))
    assert checked.shares == 1
    assert not checked.proof.manifest.block.credited
