"""A thread of the cabinet that seals the trail each second; of several cabinets one at a time."""

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.exc import SQLAlchemyError

from kench.payouts.trail.lines import Head
from kench.payouts.trail.sealing import BATCH, ChainBrokenError, count_unsealed, seal_batch
from kench.pool.looking import Looking

THREADS = 1
LOOK_S = 1.0

log = structlog.get_logger("trail")


class Sealer(Looking):
    """Seals what was committed; no act waits for it."""

    def __init__(self, engine: sa.Engine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._known = Head()
        self._away = False
        super().__init__("trail")
        self._unsealed = Gauge(
            "kench_cabinet_trail_unsealed", "Lines of the trail that wait for their seal",
            registry=registry,
        )  # fmt: skip
        self._number = Gauge(
            "kench_cabinet_trail_number", "Lines of the trail that are sealed", registry=registry
        )
        self._broken = Gauge(
            "kench_cabinet_trail_broken",
            "1 when a line that this process had sealed was gone or another",
            registry=registry,
        )

    def look(self) -> int:
        """Seal all that waits; return how many lines."""
        done = 0
        while True:
            try:
                with self._engine.begin() as db:
                    sealed = seal_batch(db, self._known)
            except ChainBrokenError as error:
                # What goes on is sealed on: who cut the chain shall not stop it too.
                log.error("the trail was changed", why=str(error))
                self._broken.set(1)
                self._known = Head()
                continue
            if sealed is None:
                break
            self._known, count = sealed
            done += count
            if count < BATCH:
                break
        with self._engine.connect() as db:
            self._unsealed.set(count_unsealed(db))
        self._number.set(self._known.number)
        return done

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
                self._away = False
            except SQLAlchemyError as error:
                if not self._away:
                    log.warning("the trail is not sealed", why=str(error).partition("\n")[0])
                self._away = True
            except Exception:  # No fault of one turn may end the sealing.
                log.exception("sealing broke")
