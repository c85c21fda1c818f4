"""Settlement follows the orders that are accepted while it runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from kench.payouts.audit.run import audit
from kench.payouts.follow import ChainWatch
from kench.payouts.orders import OrdersInForce
from kench.payouts.service import SettlementService
from kench.payouts.settle import Settlement
from kench.pool.backoff import RETRY_MAX_S
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.signature.verifier import Verifier
from tests.payouts.chains import ScriptedChain
from tests.payouts.journals import JournalBuilder
from tests.support.registers import accept_orders, unguarded, verifier

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


TAMPERINGS = {
    "an order more, of nobody's": (
        """INSERT INTO orders (number, title, network, content, content_sha256, proposed_at)
           SELECT 2, title, network, 'x', sha256('x'), proposed_at FROM orders;
           INSERT INTO order_acceptances SELECT 2, 2, accepted_at, 0 FROM order_acceptances""",
        "DELETE FROM order_acceptances WHERE number = 2",
    ),
    "the order away": (
        "CREATE TABLE away AS TABLE order_acceptances; DELETE FROM order_acceptances",
        "INSERT INTO order_acceptances TABLE away",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_nothing_is_booked_by_unsound_orders_until_they_are_mended(
    tmp_path: Path, settle_engine: sa.Engine, engine: sa.Engine, what: str
) -> None:
    accept_orders(engine, (1, PPLNS))
    tamper, mend = TAMPERINGS[what]
    clock, builder = ManualClock(), JournalBuilder(tmp_path / "journal" / "0")
    service = SettlementService(
        settle_engine, tmp_path / "journal", ChainWatch(ScriptedChain(), 3), clock,
        orders_on=OrdersInForce(verifier).on,
    )  # fmt: skip
    job = builder.job(1, 1)
    booked = []
    with settle_engine.connect() as connection, capture_logs() as logs:
        for statement in ("SELECT 1", tamper, mend):
            with unguarded(engine) as owner:
                owner.execute(sa.text(statement))
            builder.share(job, block=True)
            builder.flush()
            clock.advance(RETRY_MAX_S)
            while service.turn(connection):
                pass
            with engine.connect() as reader:
                blocks = "SELECT count(*) FILTER (WHERE order_number = 1), count(*) FROM blocks"
                waits_for = reader.execute(sa.text("SELECT waits_for FROM settlement")).scalar_one()
                booked.append((*reader.execute(sa.text(blocks)).one(), waits_for is not None))
    builder.close()
    assert booked == [(1, 1, False), (1, 1, True), (3, 3, False)]
    alarms = [entry["why"] for entry in logs if entry["log_level"] == "critical"]
    assert len(alarms) == 1
    assert "find out who wrote to" in alarms[0]


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
