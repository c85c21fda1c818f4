"""The job maker's custody: outputs by the orders in force, each job checked before it is sent."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from kench.pool.clock import Clock
from kench.pool.coinbase import Output
from kench.pool.coinbase_outputs import outputs_by_weight
from kench.pool.custody import CustodyError, check_job
from kench.pool.errors import KenchError
from kench.pool.job import Job
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import ApprovedVenue, InForce
from kench.pool.template import Template

log = structlog.get_logger("stratum")


class WrongNetworkError(KenchError):
    """The orders are for another network than the nodes are on."""


class Custody:
    """Called by the threads that make jobs, one at a time; `state` by any."""

    def __init__(
        self, book: Callable[[], OrderBook], network: Callable[[], str | None], clock: Clock
    ) -> None:
        self._book = book
        self._network = network
        self._clock = clock
        self._order: int | None = None
        self._checked = self._refused = 0
        self._why: str | None = None
        self._refused_at_us: int | None = None

    def outputs(self, template: Template) -> Sequence[Output]:
        """Return what a block on `template` pays: the venues approved for its height.

        Raises NoOrderError where no order says whom, WrongNetworkError for orders of another
        network.
        """
        return outputs_by_weight(template.coinbase_value_sat, self._approved(template).rule)

    def check(self, job: Job, template: Template) -> None:
        """Let a job pass, or raise CustodyError and the alarm: it must not be sent then."""
        approved = self._approved(template)
        try:
            check_job(job, template, approved.rule)
        except CustodyError as refused:
            self._refused += 1
            self._why, self._refused_at_us = str(refused), self._clock.now_us()
            log.critical(
                "custody: a job was not sent",
                why=self._why, height=template.height, order=approved.order, job=f"{job.key:x}",
            )  # fmt: skip
            raise
        self._checked += 1
        self._order, self._why = approved.order, None

    def _approved(self, template: Template) -> InForce[tuple[ApprovedVenue, ...]]:
        book, network = self._book(), self._network()
        if network is not None and book.network not in (None, network):
            raise WrongNetworkError(
                f"the orders are for network {book.network}, the nodes are on {network}: "
                "use another database, or other nodes"
            )
        return book.venues_at(template.height)

    def state(self) -> dict[str, Any]:
        """Return what /status shows: `why` is set while the newest job is one that was refused."""
        return {
            "order": self._order,
            "checked": self._checked,
            "refused": self._refused,
            "why": self._why,
            "refused_at_us": self._refused_at_us,
        }
