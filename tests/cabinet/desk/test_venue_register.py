"""The register of venues: which licence covers which day, and what follows it."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.venue_register import NEAR_DAYS, VenueFigures, figures_of, venues_of
from kench.pool.moments import midnight_us
from kench.pool.orders.book import OrderBook
from tests.support.orders import DEMO_RULES, LICENCE, document

NOON_US = 12 * 3_600_000_000
FOLLOWING = {**LICENCE, "number": "L-2", "from": "2028-01-01", "until": "2028-06-30"}
OTHER = {**LICENCE, "venue": "other", "number": "L-9", "until": "2026-02-01"}


def at(day: date) -> int:
    return midnight_us(day) + NOON_US


def book(*licences: list[dict[str, str]]) -> OrderBook:
    orders = [document(1, DEMO_RULES | {"licences": licences[0]})]
    orders += [
        document(number, {"licences": given}, moment_us=at(date(2026, 3, 1)))
        for number, given in enumerate(licences[1:], start=2)
    ]
    return OrderBook.of(orders)


def test_days_are_counted_to_the_last_one_and_its_end_comes_near() -> None:
    one = book([LICENCE])
    for today, left, tone in (
        (date(2027, 12, 31), 1, "warn"),
        (date(2027, 11, 2), NEAR_DAYS, "warn"),
        (date(2027, 11, 1), NEAR_DAYS + 1, "good"),
    ):
        (entry,) = venues_of(one, 1, at(today))
        assert entry.current is not None
        assert (entry.current.days_left, entry.current.tone) == (left, tone)
    (entry,) = venues_of(one, 1, at(date(2028, 1, 1)))
    assert (entry.current, entry.covered_until) == (None, None)


def test_a_licence_that_follows_without_a_gap_covers_on() -> None:
    (entry,) = venues_of(book([LICENCE, FOLLOWING]), 1, at(date(2027, 12, 1)))
    assert entry.covered_until == date(2028, 6, 30)
    late = FOLLOWING | {"from": "2028-01-02"}
    (entry,) = venues_of(book([LICENCE, late]), 1, at(date(2027, 12, 1)))
    assert entry.covered_until == date(2027, 12, 31)


def test_what_an_order_names_no_more_stays_in_the_history() -> None:
    both = book([LICENCE, OTHER], [LICENCE])
    other, paper = venues_of(both, 1, at(date(2026, 4, 1)))
    assert (other.venue, other.current, other.approved) == ("other", None, None)
    assert [(line.order, line.listed) for line in other.licences] == [(1, False)]
    assert [(line.order, line.listed) for line in paper.licences] == [(2, True)]
    assert paper.approved is not None


def test_before_orders_there_is_no_venue() -> None:
    assert venues_of(OrderBook(), 1, NOON_US) == []


def test_what_was_sold_and_reconciled_is_read_from_the_books(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with engine.begin() as db:
        db.execute(sa.text("""
            INSERT INTO reconciliations (venue, at, differences, raw) VALUES
                ('paper', '2026-01-01', '{}', ''), ('paper', '2026-01-02', '{a,b}', '')
        """))  # fmt: skip
    with cabinet.connect() as db:
        found = figures_of(db, ["paper", "other"])
    assert found["other"] == VenueFigures(0, 0, None, 0)
    assert found["paper"].differences == 2
