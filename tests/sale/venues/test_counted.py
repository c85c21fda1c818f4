"""Each question to a venue is counted by how it ended, and a venue that fails, by for how long."""

import pytest

from kench.pool.clock import ManualClock
from kench.sale.venues.counted import CountedVenue, Outcome
from kench.sale.venues.port import (
    VenueBusyError,
    VenueError,
    VenueRefusedError,
    VenueUncertainError,
    VenueUnreadableError,
)
from tests.sale.world import VenueRig
from tests.support.venues import DirectVenue

OUTCOMES = [
    (VenueBusyError("later", 1.0), Outcome.BUSY), (VenueRefusedError("no"), Outcome.REFUSED),
    (VenueUnreadableError("?"), Outcome.UNREADABLE), (VenueUncertainError("..."), Outcome.SILENT),
]  # fmt: skip


@pytest.mark.parametrize(("trouble", "outcome"), OUTCOMES, ids=[one.value for _, one in OUTCOMES])
def test_an_end_is_counted_once_and_raised(
    trouble: VenueError, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    rig = VenueRig("paper", clock)
    venue = CountedVenue(rig.venue, clock)
    assert (venue.name, venue.look_up("nobody's")) == ("paper", None)

    def fail(*_: object) -> None:
        raise trouble

    with monkeypatch.context() as broken:
        broken.setattr(DirectVenue, "balance", fail)
        for _ in range(2):
            with pytest.raises(type(trouble)):
                venue.balance()
            clock.advance(30)
    counts = dict.fromkeys(Outcome, 0) | {outcome: 2, Outcome.ANSWERED: 1}
    assert venue.outcomes == counts
    fails = outcome is not Outcome.REFUSED
    assert venue.failing_s == (60.0 if fails else 0.0)
    venue.balance()
    assert venue.failing_s == 0.0
