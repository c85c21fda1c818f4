"""Periods: what PostgreSQL itself asks of the order that opens a closed one."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kench.payouts.income.errors import Standing
from kench.pool.moments import moment_of
from tests.support.orders import MOMENT_US
from tests.support.pki import NOW_US
from tests.support.registers import accept_orders
from tests.support.tax import close_period, put_records

FEE, PAYOUT = {"fee": {"pool_ppm": 1}}, {"payout": {"threshold_tyiyn": 1}}
DAY_US = 86_400_000_000


def standings(db: sa.Connection, *numbers: int, at_us: int = MOMENT_US) -> list[Standing]:
    query = sa.text("SELECT order_standing(:number, :at)")
    at = moment_of(at_us)
    return [Standing(db.scalar(query, {"number": one, "at": at})) for one in numbers]


def test_an_order_is_in_force_from_its_points_on_until_all_of_it_is_replaced(
    engine: sa.Engine,
) -> None:
    with engine.begin() as db:
        accept_orders(db, (1, FEE | PAYOUT), (10, FEE))
        accept_orders(db, (1, PAYOUT), moment_us=MOMENT_US + DAY_US)
        later, force = Standing.LATER, Standing.IN_FORCE
        assert standings(db, 1, at_us=MOMENT_US - 1) == [later]
        assert standings(db, 0, 1, 2, 3, 4) == [
            Standing.UNKNOWN, force, later, later, Standing.UNKNOWN
        ]  # fmt: skip
        assert standings(db, 1, 2, 3, at_us=MOMENT_US + DAY_US) == [force, later, force]
        mined = """INSERT INTO front_ends VALUES (0, now(), '{"height": 10}')"""
        db.execute(sa.text(mined))
        assert standings(db, 1, 2, 3) == [force, force, later]
        after = standings(db, 1, 2, 3, at_us=MOMENT_US + DAY_US)
        assert after == [Standing.REPLACED, force, force]


def test_no_period_is_opened_by_an_order_that_is_not_in_force(engine: sa.Engine) -> None:
    with engine.begin() as db:
        accept_orders(db, (1_000, FEE))
        put_records(db, [7], 1)
        close_period(db)
    with pytest.raises(IntegrityError, match="which is not in force"), engine.begin() as db:
        close_period(db, reopens=True)
    with engine.begin() as db:
        db.execute(sa.text("""INSERT INTO front_ends VALUES (0, now(), '{"height": 1000}')"""))
        assert close_period(db, reopens=True, now_us=NOW_US + DAY_US) == 2
