"""What the sale does once a day: reconcile each venue; and each minute, see what licences end."""

from functools import partial

import structlog

from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.licences import warn_of_licences
from kench.sale.planner import day_begin_us
from kench.sale.reconcile import reconcile, write_reconciliation
from kench.sale.venues.port import VenueError

LICENCES_S = 60.0
"""Between two looks at what licences have left: an order may change them."""
RETRY_S = 3600.0
"""Between two tries to reconcile a venue."""

log = structlog.get_logger("kench.sale")


class Daily:
    """Remembers what was done today; what speaks to a venue is done in the venue's lane."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._warned_s = float("-inf")
        self._tried_s: dict[str, float] = {}
        self._reconciled_us: dict[str, int] = {}
        self.differences: dict[str, int] = {}
        """How many the last reconciliation of each venue found; written by the venues' lanes."""

    def look(self, executor: Executor) -> None:
        """Do what is due."""
        now_s = self._desk.clock.monotonic()
        if now_s - self._warned_s >= LICENCES_S:
            self._warned_s = now_s
            warn_of_licences(self._desk)
        today_us = day_begin_us(self._desk.now_us())
        for venue in self._desk.venues:
            is_tried = now_s - self._tried_s.get(venue, float("-inf")) < RETRY_S
            if is_tried or self._reconciled_us.get(venue) == today_us:
                continue
            if executor.between(venue, partial(self._reconcile, venue, today_us)):
                self._tried_s[venue] = now_s

    def _reconcile(self, venue: str, today_us: int) -> None:
        try:
            found = reconcile(self._desk, self._desk.venues[venue])
        except VenueError as trouble:
            log.warning("not reconciled", venue=venue, why=str(trouble), retry_s=RETRY_S)
            return
        write_reconciliation(self._desk, venue, found)
        self._reconciled_us[venue] = today_us
        self.differences[venue] = len(found.differences)
