"""What every room of the hand-over works with, put together once by the root."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.clock import Clock
from kench.pool.pace import Pace
from kench.pool.settings import Settings
from kench.pool.tax_settings import TaxEndpoint
from kench.tax.calls import Call
from kench.tax.metrics import Metrics
from kench.tax.problems import Kind, Problem


class Admitted(NamedTuple):
    """A client that the settings name: what it may ask, and how often."""

    may: frozenset[TaxEndpoint]
    pace: Pace


@dataclass(frozen=True, slots=True)
class Provider:
    """The parts of one `kench tax`."""

    engine: sa.Engine
    """Acts as kench_tax; never used on the event loop's thread."""
    settings: Settings
    clock: Clock
    metrics: Metrics = field(default_factory=Metrics)
    snapshots: sa.Engine = field(init=False)
    """The same, where all that is read is as of one moment."""
    clients: Mapping[str, Admitted] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Derive who is admitted."""
        snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ")
        object.__setattr__(self, "snapshots", snapshots)
        per_s = self.settings.tax_requests_per_s
        clients = {
            one.client: Admitted(frozenset(one.may), Pace(self.clock, per_s))
            for one in self.settings.tax_clients
        }
        object.__setattr__(self, "clients", clients)

    def admit(self, call: Call) -> frozenset[TaxEndpoint]:
        """Return what a caller may ask; raises Problem for strangers, and who asks too often."""
        known = self.clients.get(call.client)
        if known is None:
            raise Problem(Kind.NOT_ALLOWED)
        with self._lock:
            wait_s = known.pace.wait_s()
        if wait_s:
            raise Problem(Kind.TOO_MANY, headers={"Retry-After": str(int(wait_s) + 1)})
        return known.may
