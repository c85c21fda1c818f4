"""What every page works with, put together once by the root."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from kench.cabinet.desk.chain import Chain
from kench.cabinet.numbers.kept import Kept
from kench.cabinet.numbers.kept_live import KeptLive
from kench.cabinet.numbers.public import EstimateBasis, read_estimate_basis
from kench.pool.clock import Clock
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from kench.pool.signature.verifier import Verifier

BASIS_S = 10.0


class Reading:
    """Connections on which each statement is a transaction by itself.

    It sees what was committed before it either way. None is begun and none rolled back, which
    PostgreSQL would have to be asked for each time.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Take one of the engine's for a while."""
        with self._engine.connect() as db:
            # By SQLAlchemy's own option it would cost a question to go back from it.
            lent: Any = db.connection.dbapi_connection
            lent.autocommit = True
            try:
                yield db
            finally:
                if not db.invalidated:
                    lent.autocommit = False


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
    reading: "Reading" = field(init=False)
    """The same connections, for pages that only read."""
    live: KeptLive = field(init=False, default_factory=KeptLive)
    basis: Kept[EstimateBasis] = field(init=False)
    """What a day's earnings are estimated from, the same for all participants."""
    chain: Chain = field(init=False)
    """How high it is."""

    def __post_init__(self) -> None:
        """Derive what is read by."""
        object.__setattr__(self, "reading", Reading(self.engine))
        object.__setattr__(self, "basis", Kept(self._read_basis, self.clock, BASIS_S))
        chain = Chain(self.settings, lambda: self.orders.book.network, self.clock)
        object.__setattr__(self, "chain", chain)

    def _read_basis(self) -> EstimateBasis:
        with self.reading.connect() as db:
            return read_estimate_basis(db, self.clock.now_us())
