"""The paper venue over real HTTP in this process, with a clock and a book set by hand."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from kench.pool.api_key import ApiKey
from kench.pool.clock import SystemClock
from kench.pool.pace import Pace
from kench.pool.venue_settings import VenueFault
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.web import Web
from kench.venue.app import Counter, make_app
from kench.venue.desk import Desk
from kench.venue.exchange import Whim
from kench.venue.faults import FaultPlan
from kench.venue.signing import Doorkeeper
from tests.support.venues import ExchangeRig, exchange_rig
from tests.support.web_servers import Switch, switching

KEY = ApiKey("test-key", "test-secret")
WINDOW_S = 10
TIMEOUT_S = 20.0


class ToldFaults(FaultPlan):
    """Faults that a test names, each for the next request."""

    def __init__(self, rig: ExchangeRig) -> None:
        super().__init__({}, "")
        self._rig = rig
        self.told: list[VenueFault] = []

    def next(self) -> VenueFault | None:
        return self.told.pop(0) if self.told else None

    def whim(self, fault: VenueFault | None) -> Whim:
        return self._rig.take_whim() if fault is None else super().whim(fault)


@dataclass(kw_only=True)
class PaperRig(ExchangeRig):
    """An exchange rig whose venue is asked over HTTP."""

    url: str
    faults: ToldFaults

    def client(self, *, timeout_s: float = TIMEOUT_S, key: ApiKey = KEY) -> PaperVenue:
        """Another client of the same venue."""
        web = Web("paper", SystemClock(), timeout_s)
        return PaperVenue("paper", self.url, key, web, self.clock)


def put_paper_rig(switch: Switch, *, requests_per_s: float = 1e6) -> PaperRig:
    """Make a paper venue and put it behind a server that runs."""
    inner = exchange_rig()
    faults = ToldFaults(inner)
    counter = Counter(
        Desk(inner.exchange, inner.clock, WINDOW_S + 1),
        Doorkeeper(inner.clock, {KEY.key: KEY.secret}, WINDOW_S),
        Pace(inner.clock, requests_per_s),
        faults,
        latency_s=0.0,
    )
    switch.app = make_app(counter, lambda: None)
    rig = PaperRig(inner.clock, inner.market, inner.exchange, inner.events,
                   url=switch.url, faults=faults)  # fmt: skip
    rig.next_whims = inner.next_whims
    rig.venue = rig.client()
    return rig


@contextlib.contextmanager
def paper_rig() -> Iterator[PaperRig]:
    """Serve a paper venue until the block ends."""
    with switching() as switch:
        yield put_paper_rig(switch)
