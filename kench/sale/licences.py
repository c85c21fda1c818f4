"""Licences that end: people are told 30, 7 and 1 days before, once each (D29)."""

import structlog
from sqlalchemy.dialects.postgresql import insert

from kench.pool.moments import moment_of
from kench.pool.orders.book import NoOrderError
from kench.pool.orders.rules import Licence
from kench.sale import tables
from kench.sale.desk import SECOND_US, Desk

WARN_DAYS = (1, 7, 30)
DAY_US = 86_400 * SECOND_US

log = structlog.get_logger("kench.sale")


def days_warned(licence: Licence, now_us: int) -> int | None:
    """Return the nearest of WARN_DAYS within which a licence ends; None where it is further."""
    left_us = licence.until_us - now_us
    return next((days for days in WARN_DAYS if 0 < left_us <= days * DAY_US), None)


def warn_of_licences(desk: Desk) -> int:
    """Write and log the warnings that are due and were not given yet; return how many."""
    now_us = desk.now_us()
    try:
        licences = desk.orders().licences_at(now_us).rule
    except NoOrderError:
        return 0
    given = 0
    for licence in licences:
        days = days_warned(licence, now_us)
        if days is None or _is_followed(licence, licences):
            continue
        values = {
            "venue": licence.venue,
            "number": licence.number,
            "until": licence.until_date,
            "days": days,
            "at": moment_of(now_us),
        }
        with desk.transact() as connection:
            written = connection.execute(
                insert(tables.licence_warnings).values(values).on_conflict_do_nothing()
            ).rowcount
        if written:
            given += 1
            log.critical("a licence ends: sales stop with it", venue=licence.venue,
                         number=licence.number, until=str(licence.until_date),
                         days=days)  # fmt: skip
    return given


def _is_followed(licence: Licence, licences: tuple[Licence, ...]) -> bool:
    """Whether another licence of the venue goes on where this one ends."""
    return any(
        other.venue == licence.venue and other.is_in_force(licence.until_us) for other in licences
    )
