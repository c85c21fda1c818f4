"""Whom archived jobs pay, compared with the venues that orders approve at their height."""

from kench.pool.custody import CustodyError, check_archived
from kench.pool.journal.archive import ArchivedJob
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import Section


def unlawful(job: ArchivedJob, orders: OrderBook) -> str | None:
    """Return in words what a job pays that no order allows; None where all is as it must be.

    What was mined before the first order about venues is not judged: nobody had said whom to pay.
    """
    approved = orders.in_force(Section.VENUES, job.height)
    if approved is None:
        return None
    try:
        check_archived(job, approved.rule)
    except CustodyError as refused:
        return (
            f"job {job.job_key:x} at height {job.height}, under order {approved.order}: its "
            f"coinbase {refused.what}"
        )
    return None
