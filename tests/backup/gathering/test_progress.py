"""What gathering tells of itself: where each copy stands, and what is in the way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kench.backup.gathering.gathered import DivergedError, GapError
from kench.backup.gathering.gatherer import Gatherer
from kench.backup.gathering.metrics import GatherMetrics
from kench.backup.gathering.own import NumberTwiceError
from kench.backup.gathering.progress import Progress, Reason, reason_of
from kench.pool.clock import ManualClock
from kench.pool.nats.cluster import ClusterAwayError, ClusterRefusedError
from tests.backup.gathering.conftest import Keep, Start
from tests.support import scraping
from tests.support.waiting import await_that

WAIT_S = 30.0


def lines_of(progress: Progress) -> set[str]:
    return scraping.lines_of(GatherMetrics(progress))


@contextmanager
def running(gatherer: Gatherer) -> Iterator[Progress]:
    stop = threading.Event()
    thread = threading.Thread(target=gatherer.run, args=[stop])
    thread.start()
    try:
        yield gatherer.progress
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClusterAwayError("x"), Reason.CLUSTER_AWAY),
        (ClusterRefusedError("x"), Reason.CLUSTER_REFUSES),
        (GapError("x"), Reason.GAP), (DivergedError("x"), Reason.DIVERGED),
        (OSError(28, "full"), Reason.DISK), (NumberTwiceError("x"), Reason.OTHER),
    ],
    ids=[reason.value for reason in Reason],
)  # fmt: skip
def test_each_error_has_its_reason(error: Exception, reason: Reason) -> None:
    assert reason_of(error) is reason


def test_what_is_in_the_way_is_told_until_a_turn_ends_well() -> None:
    clock = ManualClock()
    progress = Progress(clock)
    clock.advance(5)
    progress.failed(GapError("message 7 comes later"))
    told = lines_of(progress)
    assert {'kench_gather_stands{reason="gap"} 1.0', 'kench_gather_stands{reason="disk"} 0.0',
            'kench_gather_troubles_total{reason="gap"} 1.0',
            "kench_gather_turn_age_seconds 5.0"} <= told  # fmt: skip
    assert progress.why == "message 7 comes later"
    progress.turned(1, [], frozenset({3}))
    assert "kench_gather_lacking 1.0" in lines_of(progress)
    assert 'kench_gather_stands{reason="gap"} 0.0' in lines_of(progress)
    assert progress.why is None


def test_each_journal_is_told_with_its_records_and_how_long_it_stands_still(
    begun: Start, keep: Keep
) -> None:
    front = begun(records=7)
    with running(keep()) as progress:
        await_that(lambda: 'kench_gather_records{journal="0"} 7.0' in lines_of(progress), WAIT_S)
        assert progress.messages > 0
        assert progress.why is None
        (journal,) = progress.journals
        before_s = progress.still_s(journal)
        time.sleep(0.01)
        assert progress.still_s(journal) > before_s
        front.stop()
        ended = 'kench_gather_still_seconds{journal="0",state="ended"}'
        await_that(lambda: any(line.startswith(ended) for line in lines_of(progress)), WAIT_S)
