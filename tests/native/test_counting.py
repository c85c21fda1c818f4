"""Records are checked, and counted by participant, worker and the bits of their difficulty."""

import struct
import zlib
from collections import Counter
from random import Random

import numpy as np
import pytest

from kench.pool.journal.format import SHARE, Flag

from .builders import outcome
from .conftest import Implementation

ROW = np.dtype([("worker", "<u4"), ("participant", "<u4"), ("bits", "<u8"), ("count", "<u8")])


def made(chance: Random, count: int, *, keys: int = 5, first: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    records = np.frombuffer(bytearray(chance.randbytes(count * SHARE.itemsize)), SHARE)
    records["sequence"] = np.arange(first, first + count)
    records["participant"] = [chance.randint(0, keys) for _ in range(count)]
    records["worker"] = [chance.randint(0, keys) for _ in range(count)]
    records["difficulty"] = [
        chance.choice([1.0, 2.0, 0.0, -0.0, float("nan")]) for _ in range(count)
    ]
    records["flags"] = [Flag.UNCREDITED * (chance.random() < 0.3) for _ in range(count)]
    seal(records)
    return records


def seal(records: np.ndarray) -> None:  # type: ignore[type-arg]
    records["crc32"] = [zlib.crc32(one.tobytes()[4:]) for one in records]


def rows_of(counts: object) -> dict[tuple[int, int, int], int]:
    rows = np.frombuffer(counts.rows(), ROW)  # type: ignore[attr-defined]
    found = {(one[1], one[0], one[2]): one[3] for one in rows.tolist()}
    assert len(found) == len(rows) == len(counts)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("count", "keys"), [(0, 1), (1, 1), (31, 2), (33, 3), (500, 4), (9000, 90)]
)
def test_each_credited_record_is_counted_once(
    native: Implementation, count: int, keys: int
) -> None:
    counts = native.ShareCounts()
    expected: Counter[tuple[int, int, int]] = Counter()
    for seed in range(3):
        records = made(Random(seed), count, keys=keys)
        counts.add(records.tobytes())
        bits = records["difficulty"].view("<u8").tolist() if count else []
        for record, one in zip(records, bits, strict=True):
            if not record["flags"]:
                expected[int(record["participant"]), int(record["worker"]), one] += 1
    assert rows_of(counts) == expected


def test_more_rows_than_the_bound_are_refused(
    native: Implementation, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native.IMPLEMENTATION == "cython":
        pytest.skip("the compiled bound is the twin's, taken at import")
    from kench.native import twin_counting  # noqa: PLC0415 - its bound is lowered here

    monkeypatch.setattr(twin_counting, "ROWS_MAX", 40)
    counts = native.ShareCounts()
    with pytest.raises(OverflowError, match="more than 40 rows"):
        counts.add(made(Random(1), 200, keys=90).tobytes())


def test_whole_records_end_at_the_first_that_is_not(native: Implementation) -> None:
    raw = bytearray(made(Random(1), 20, first=100).tobytes())
    assert native.whole_records(bytes(raw), 100) == 20
    assert native.whole_records(bytes(raw), 99) == 0
    raw[72 * 7 + 30] ^= 1
    assert native.whole_records(bytes(raw), 100) == 7
    records = made(Random(2), 9, first=5)
    records["sequence"][4] = 8
    seal(records)
    assert native.whole_records(records.tobytes(), 5) == 4


@pytest.mark.parametrize("records", [None, bytearray(72), b"x", b"x" * 71, b"x" * 73, "text"])
def test_what_is_no_record_is_refused_alike(
    twins: tuple[Implementation, Implementation], records: object
) -> None:
    said = [
        (outcome(one.whole_records, records, 0), outcome(one.ShareCounts().add, records))
        for one in twins
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("first", [-1, 2**63, 2**64, None, 1.0])
def test_what_is_no_sequence_is_refused_alike(
    twins: tuple[Implementation, Implementation], first: object
) -> None:
    raw = made(Random(3), 2).tobytes()
    assert outcome(twins[0].whole_records, raw, first) == outcome(
        twins[1].whole_records, raw, first
    )


def test_a_row_is_twenty_four_bytes(native: Implementation) -> None:
    counts = native.ShareCounts()
    record = np.zeros(1, SHARE)
    record["participant"], record["worker"], record["difficulty"] = 7, 9, 2.5
    counts.add(record.tobytes() * 3)
    assert counts.rows() == struct.pack("<IIdQ", 9, 7, 2.5, 3)
