"""What every page works with, put together once by the root."""

from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from kench.cabinet.numbers.kept import Kept
from kench.cabinet.numbers.kept_live import KeptLive
from kench.cabinet.numbers.public import EstimateBasis, read_estimate_basis
from kench.pool.clock import Clock
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from kench.pool.signature.verifier import Verifier

BASIS_S = 10.0


@dataclass(frozen=True, slots=True)
class Cabinet:
    """The parts of one `kench cabinet`."""

    engine: sa.Engine
    """Acts as kench_cabinet; never used on the event loop's thread."""
    settings: Settings
    clock: Clock
    random_bytes: Callable[[int], bytes]
    verifier: Verifier
    """Says whose signature over which bytes is good."""
    orders: OrderWatch
    """The orders in force."""
    reading: sa.Engine = field(init=False)
    """The same connections for pages that only read: each statement is a transaction by itself,
    as it sees what was committed before it anyway, so none is begun and none rolled back."""
    live: KeptLive = field(init=False, default_factory=KeptLive)
    basis: Kept[EstimateBasis] = field(init=False)
    """What a day's earnings are estimated from, the same for all participants."""

    def __post_init__(self) -> None:
        """Derive what is read by."""
        reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        object.__setattr__(self, "reading", reading)
        object.__setattr__(self, "basis", Kept(self._read_basis, self.clock, BASIS_S))

    def _read_basis(self) -> EstimateBasis:
        with self.reading.connect() as db:
            return read_estimate_basis(db, self.clock.now_us())
