"""What every page works with, put together once by the root."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from kench.pool.clock import Clock
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from kench.pool.signature.verifier import Verifier


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
