"""A line of a settlement leads back to the work, and can be computed again from its trace."""

import json
from fractions import Fraction

import pytest
import sqlalchemy as sa

from kench.payouts.proceeds.settlement import settle
from kench.payouts.proceeds.trace import NoLineError, lot_of, price_text, trace
from kench.payouts.proceeds.write import Lot, read_shares, settle_lot
from kench.pool.database import Role, open_engine
from tests.payouts.sold import AT, ORDERS, add_sold_lot, part, reference_of

LOT = Lot("ab" * 32, 0)
FILLS = [part(LOT, 0, 400, 20_001, 90), part(LOT, 1, 600, 31_000, 140)]


@pytest.fixture
def settled(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        add_sold_lot(connection, LOT, {0: 100, 1: 600, 2: 300}, FILLS)
        connection.execute(
            sa.text("INSERT INTO block_spans VALUES (:hash, 0, 5, 9, NULL), (:hash, 2, 1, 4, 77)"),
            {"hash": LOT.block_hash},
        )
        settle_lot(connection, LOT, ORDERS, AT)
    return engine


def test_a_line_follows_from_what_its_trace_names(settled: sa.Engine, database: str) -> None:
    reader = open_engine(database, Role.READ, application_name="test")
    with reader.connect() as connection:
        lot = lot_of(connection, reference_of(LOT))
        traced = trace(connection, 1, lot)
        again = settle(traced.fills, read_shares(connection, lot), traced.settlement.fee)
        amounts = {
            bytes(row.id).hex(): row.amount
            for row in connection.execute(sa.text("SELECT id, amount FROM transfers"))
        }
    reader.dispose()
    assert lot == LOT
    assert again.lines[1] == traced.line
    assert [amounts[one] for one in traced.transfers] == [600, traced.line.net_tyiyn]
    earned = traced.earned
    assert (earned.credit_sat, earned.share_sat, earned.lot_sat, earned.left_sat) == (
        600, 600, 1000, 0,
    )  # fmt: skip
    assert (earned.work_hashes, earned.all_work_hashes) == (1, 3)
    assert [(span.instance, span.cut_hashes) for span in earned.spans] == [(0, None), (2, 77)]
    assert traced.price == Fraction(51_001, 100) * 100_000_000 / 1000
    told = json.loads(json.dumps(traced.as_object()))
    assert told["settlement"]["price"] == "51001000.00"
    assert told["line"] == {"amount_sat": 600, "net_tyiyn": traced.line.net_tyiyn}
    assert (told["settlement"]["order"], told["lot"]["order"], told["block"]["order"]) == (1, 1, 0)


def test_who_has_no_line_has_no_trace(settled: sa.Engine) -> None:
    with settled.connect() as connection:
        with pytest.raises(NoLineError, match="participant 9"):
            trace(connection, 9, LOT)
        with pytest.raises(NoLineError, match="participant 1"):
            trace(connection, 1, Lot("cd" * 32, 0))
        with pytest.raises(NoLineError, match="there is no lot"):
            lot_of(connection, "x")


def test_a_price_is_cut_to_two_digits() -> None:
    assert price_text(Fraction(2_000, 3)) == "666.66"
