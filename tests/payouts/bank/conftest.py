"""What tests of the bank's files begin with."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.pool.database import Role, open_engine
from tests.payouts.bank.purse import arrive, earn, enter, make


@pytest.fixture
def sell(engine: sa.Engine, database: str) -> Iterator[sa.Engine]:
    """Two payouts are pended: 50.00 to participant 1, 20.00 to participant 2."""
    with engine.begin() as connection:
        enter(connection, 2)
    opened = open_engine(database, Role.SELL, application_name="test", pool_size=1)
    with opened.begin() as connection:
        earn(connection, "lot1", {1: 5000, 2: 2000})
        arrive(connection, "b1", 7000)
        assert make(connection).payouts == 2
    yield opened
    opened.dispose()
