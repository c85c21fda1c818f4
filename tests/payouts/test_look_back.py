"""A window read back over several journals is that of the pool's order, record by record."""

from random import Random
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.payouts import look_back
from kench.payouts.look_back import LookBack
from kench.payouts.merge import Lane, merge
from kench.payouts.totals import Records
from kench.pool.journal.format import SHARE, Flag
from tests.payouts.folding import Folding
from tests.payouts.journals import START_US

WORKS = [2.0**-power for power in (27, 28, 29, 30, 31)]


def journals_of(chance: Random, journals: int, shares: int) -> dict[int, Records]:
    """Random shares over few moments, so that many have the same time."""
    parts = {number: np.zeros(chance.randint(0, shares), SHARE) for number in range(journals)}
    for records in parts.values():
        size = len(records)
        records["sequence"] = np.arange(size)
        records["time_us"] = START_US + np.sort([chance.randint(0, shares) for _ in range(size)])
        records["participant"] = [chance.randint(1, 5) for _ in range(size)]
        records["difficulty"] = [chance.choice(WORKS) for _ in range(size)]
        records["flags"] = [Flag.UNCREDITED * (chance.random() < 0.2) for _ in range(size)]
    return parts


@settings(deadline=None, max_examples=150)
@given(
    journals=st.integers(1, 4),
    shares=st.integers(0, 60),
    window_hashes=st.integers(1, 3000),
    chance=st.integers(0, 2**32).map(Random),
    read_min=st.integers(1, 9),
)
def test_a_window_is_that_of_the_plain_rule(
    journals: int, shares: int, window_hashes: int, chance: Random, read_min: int
) -> None:
    parts = journals_of(chance, journals, shares)
    lanes = [Lane(number, watermark_us=2 * START_US, is_drained=True) for number in parts]
    for lane in lanes:
        lane.extend(parts[lane.number])
    merged = merge(lanes)
    ends = dict.fromkeys(parts, 0)
    plain = Folding(mock.Mock())
    if merged is not None:
        at = chance.randint(0, len(merged.records))
        ends |= {n: int(count) for n, count in enumerate(np.bincount(merged.numbers[:at]))}
        plain.seen = list(zip(merged.numbers.tolist(), merged.records, strict=True))
    # Some that earn nothing do so because they are repeats, which the journal does not say.
    repeats = {
        number: [sequence for sequence in range(len(records)) if chance.random() < 0.1]
        for number, records in parts.items()
    }
    raw = {number: records.copy() for number, records in parts.items()}
    for number, record in plain.seen:
        if int(record["sequence"]) in repeats[number]:
            record["flags"] |= Flag.UNCREDITED
    looking = LookBack(
        lambda number, start, end: raw[number][start:end],
        lambda number, start, end: [one for one in repeats[number] if start <= one < end],
    )
    with mock.patch.multiple(look_back, READ_MIN=read_min, READ_MAX=4 * read_min):
        found = looking.window(ends, window_hashes)
    assert found == plain.window(ends, window_hashes)


def test_records_are_read_no_further_than_the_window_reaches() -> None:
    records = np.zeros(100_000, SHARE)
    records["sequence"] = np.arange(len(records))
    records["participant"], records["difficulty"] = 1, 1.0
    read = []

    def reading(_number: int, start: int, end: int) -> Records:
        read.append(end - start)
        return records[start:end]

    work, spans = LookBack(reading, lambda *_: []).window({0: len(records)}, 10 * 2**32)
    assert sum(work.values()) == 10 * 2**32
    assert read == [look_back.READ_MIN]
    assert spans[0].to_sequence - spans[0].from_sequence in {10, 11}
