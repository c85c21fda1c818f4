"""Journals are merged to one sequence of records, whatever was read when."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.payouts.merge import Lane, merge
from kench.pool.journal.format import SHARE

Key = tuple[int, int, int]
# Few times, so that many records share one; a time that descends counts as the one before it.
STEPS = st.lists(st.integers(-2, 3), max_size=25)


def records_of(steps: list[int]) -> np.ndarray:  # type: ignore[type-arg]
    records = np.zeros(len(steps), SHARE)
    records["sequence"] = np.arange(len(steps))
    records["time_us"] = 100 + np.maximum(np.cumsum(steps), 0) if steps else 0
    return records


def expected(journals: dict[int, np.ndarray]) -> list[Key]:  # type: ignore[type-arg]
    """The order, said plainly."""
    keys = []
    for number, records in journals.items():
        latest = 0
        for record in records:
            latest = max(latest, int(record["time_us"]))
            keys.append((latest, number, int(record["sequence"])))
    return sorted(keys)


class Reading:
    """Lanes that are filled a bit at a time, as durable marks and chunks would have it."""

    def __init__(self, journals: dict[int, np.ndarray], chance: random.Random) -> None:  # type: ignore[type-arg]
        self.journals, self.chance = journals, chance
        self.lanes = [Lane(number) for number in journals]
        self.durable = dict.fromkeys(journals, 0)
        chance.shuffle(self.lanes)

    def read_some(self) -> None:
        for lane in self.lanes:
            records = self.journals[lane.number]
            durable = self.durable[lane.number] = self.chance.randint(
                self.durable[lane.number], len(records)
            )
            upto = self.chance.randint(lane.read_up_to, durable)
            lane.extend(records[lane.read_up_to : upto])
            lane.is_drained = upto == durable
            # What a front may tell at most: the next record is not before it.
            after = expected({0: records})[durable:]
            lane.watermark_us = after[0][0] if after else 10**9

    def take_some(self) -> list[Key]:
        merged = merge(self.lanes)
        if merged is None:
            return []
        merged = merged.cut(self.chance.randint(0, len(merged.records)))
        lanes = {lane.number: lane for lane in self.lanes}
        cursors = dict.fromkeys(lanes, 0)
        taken = []
        for number, record in zip(merged.numbers.tolist(), merged.records, strict=True):
            taken.append(
                (int(lanes[number].times[cursors[number]]), number, int(record["sequence"]))
            )
            cursors[number] += 1
        assert cursors == merged.counts
        for number, count in merged.counts.items():
            lanes[number].drop(count)
        return taken


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 40), STEPS, min_size=1, max_size=4), st.randoms())
def test_any_reading_of_any_journals_gives_the_one_order(
    steps: dict[int, list[int]], chance: random.Random
) -> None:
    journals = {number: records_of(some) for number, some in steps.items()}
    whole, reading = expected(journals), Reading(journals, chance)
    taken: list[Key] = []
    for _ in range(40):
        reading.read_some()
        taken += reading.take_some()
        assert taken == whole[: len(taken)]
    for lane in reading.lanes:
        lane.extend(journals[lane.number][lane.read_up_to :])
        lane.is_drained, lane.watermark_us = True, 10**9
    merged = merge(reading.lanes)
    left = [] if merged is None else list(merged.counts.values())
    assert len(taken) + sum(left) == len(whole)


def test_one_that_is_behind_holds_the_others_up_to_its_watermark() -> None:
    busy, idle = Lane(1), Lane(2, watermark_us=103, is_drained=True)
    busy.extend(records_of([0, 1, 1, 1, 1]))
    busy.is_drained, busy.watermark_us = True, 1000
    merged = merge([busy, idle])
    assert merged is not None
    assert merged.counts == {1: 3, 2: 0}
    idle.watermark_us = 2000
    merged = merge([busy, idle])
    assert merged is not None
    assert merged.counts == {1: 5, 2: 0}


def test_nothing_is_taken_where_nothing_is() -> None:
    assert merge([]) is None
    assert merge([Lane(1, is_drained=True, watermark_us=5), Lane(2)]) is None
