"""The executor takes each lot from its block to its money, and stops where people must look."""

import pytest
import sqlalchemy as sa

from kench.pool.database import Role, open_engine
from tests.sale.world import World


@pytest.fixture
def world(engine: sa.Engine, database: str):
    seller = open_engine(database, Role.SELL, application_name="kench sell", pool_size=2)
    yield World(engine, seller)
    seller.dispose()


def test_a_block_is_sold_at_both_venues_and_settled(world: World) -> None:
    block = world.block()
    world.run()
    assert [lot.state for lot in world.lots()] == ["settled", "settled"]
    assert [lot.sold_sat == lot.amount_sat for lot in world.lots()] == [True, True]
    assert world.events(world.lot(block).key) == [
        "awaiting_deposit", "screening", "cleared", "selling", "sold", "settled"
    ]  # fmt: skip
    assert world.rigs["paper"].exchange.free_sat == 0
