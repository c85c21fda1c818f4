"""What settlement tells of itself: how far the books are behind, and for how long what stands."""

from pathlib import Path

from kench.payouts.journals import Journals
from kench.payouts.metrics import SettleMetrics
from kench.payouts.positions import Position
from kench.payouts.progress import Progress, Stand, Trouble
from kench.pool.clock import ManualClock
from tests.payouts.journals import START_US, JournalBuilder
from tests.support import scraping


def lines_of(progress: Progress, *, at_work: bool = True) -> set[str]:
    return scraping.lines_of(SettleMetrics(progress, lambda: at_work))


def test_what_is_durable_and_not_booked_is_counted_from_its_first_record(tmp_path: Path) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "3", instance=3)
    job = builder.job(1, 1)
    for _ in range(5):
        builder.share(job)
    builder.close()
    journals = Journals(tmp_path / "journal", ManualClock(START_US + 60_000_000))
    journals.refresh()
    assert journals.behind() == {}
    journals.place({3: Position(0, 0, 0)})
    merged = journals.take()
    assert merged is not None
    first_us = int(merged.records["time_us"][0])
    assert journals.behind() == {3: Stand(5, first_us)}
    journals.drop({3: 5})
    assert journals.behind() == {3: Stand(0, None)}


def test_ages_grow_while_nothing_ends_well_and_end_where_it_does() -> None:
    clock = ManualClock()
    progress = Progress(clock)
    progress.began()
    progress.turned({0: Stand(3, clock.now_us()), 1: Stand(0, None)}, None)
    clock.advance(40)
    progress.failed(Trouble.JOURNALS, "journal 0 is torn")
    clock.advance(2)
    progress.failed(Trouble.JOURNALS, "journal 0 is torn")
    told = lines_of(progress)
    assert {
        "kench_settle_lease_held 1.0", "kench_settle_behind_seconds 42.0",
        "kench_settle_turn_age_seconds 42.0", "kench_settle_waits_seconds 2.0",
        'kench_settle_behind_records{journal="0"} 3.0',
        'kench_settle_troubles_total{trouble="journals"} 2.0',
        'kench_settle_troubles_total{trouble="orders"} 0.0',
    } <= told  # fmt: skip
    progress.turned({0: Stand(0, None), 1: Stand(0, None)}, None)
    assert {"kench_settle_behind_seconds 0.0", "kench_settle_waits_seconds 0.0"} <= lines_of(
        progress
    )


def test_who_stands_by_tells_of_no_books() -> None:
    told = lines_of(Progress(ManualClock()), at_work=False)
    assert "kench_settle_lease_held 0.0" in told
    assert not [one for one in told if one.startswith("kench_settle_behind_seconds")]
