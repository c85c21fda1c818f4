"""Settlement follows the orders that are accepted while it runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.payouts.audit.run import audit
from kench.payouts.orders import OrdersInForce
from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.signature.verifier import Verifier
from tests.payouts.chains import ScriptedChain
from tests.payouts.journals import JournalBuilder
from tests.support.registers import accept_orders, verifier

PPLNS = {"reward": {"method": "pplns", "window_ppm": 500_000}}
PERIOD = {"reward": {"method": "period"}}


@pytest.fixture
def settle_engine(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.SETTLE, application_name="test settle")
    yield engine
    engine.dispose()


def nobody() -> Verifier:
    raise AssertionError("no signature is to be checked")


def test_each_block_follows_the_order_of_its_height(
    tmp_path: Path, settle_engine: sa.Engine, engine: sa.Engine
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    orders = OrdersInForce(verifier)
    settlement = Settlement(tmp_path / "journal", SystemClock(), orders_on=orders.on)
    for height in (101, 110, 120):
        if height == 110:
            accept_orders(engine, (110, PPLNS), (120, PERIOD), tip_height=102)
        job = builder.job(height, height)
        builder.share(job, participant=1)
        builder.share(job, participant=2, block=True)
        # Closed with the last block: then its day is over, long ago.
        builder.close() if height == 120 else builder.flush()
        with settle_engine.connect() as connection:
            while not settlement.settle_chunk(connection).is_nothing:
                pass
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT height, order_number, method FROM blocks ORDER BY height")
        ).all()
        assert rows == [(101, 0, "round"), (110, 1, "pplns"), (120, 2, "period")]
        # Half a difficulty of two hashes is one hash: that of the winning share.
        paid = connection.execute(
            sa.text("SELECT height, participant_id FROM block_credits JOIN blocks"
                    " ON hash = block_hash ORDER BY height, participant_id")
        ).all()  # fmt: skip
        assert paid == [(101, 1), (101, 2), (110, 2), (120, 1), (120, 2)]
        report = audit(
            connection, tmp_path / "journal", ScriptedChain, 6, lambda *_: None,
            orders=OrdersInForce(verifier).on(connection),
        )  # fmt: skip
        assert report.differences == []
        # Without the orders the same books are wrong.
        report = audit(connection, tmp_path / "journal", ScriptedChain, 6, lambda *_: None)
        assert report.differences_count >= 4


def test_where_there_are_no_orders_no_authority_is_asked_for(settle_engine: sa.Engine) -> None:
    with settle_engine.connect() as connection:
        assert OrdersInForce(nobody).on(connection).newest == 0


def test_orders_are_read_again_only_where_some_have_come(engine: sa.Engine) -> None:
    asked = []

    def one() -> Verifier:
        asked.append(1)
        return verifier()

    orders = OrdersInForce(one)
    with engine.begin() as connection:
        accept_orders(connection, (10, PPLNS))
        assert orders.on(connection).newest == 1
        assert orders.on(connection).newest == 1
        accept_orders(connection, (20, PERIOD))
        assert orders.on(connection).reward_at(20).order == 2
    assert asked == [1, 1]
