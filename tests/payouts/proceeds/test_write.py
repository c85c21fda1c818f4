"""A sold lot is settled once, to the tyiyn, and PostgreSQL holds every line to what it names."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from kench.payouts.postings import Posting, Subject, write
from kench.payouts.proceeds.settlement import ProceedsDisagreeError
from kench.payouts.proceeds.write import Lot, LotNotSoldError, settle_lot
from kench.payouts.transfers import Done
from kench.pool.database import Role, open_engine
from kench.pool.orders.book import NoOrderError, OrderBook
from tests.payouts.books import ledger_check
from tests.payouts.sold import (
    AT,
    ORDERS,
    add_fill,
    add_lot,
    add_mature_block,
    add_sold_lot,
    credit,
    move,
    part,
    reference_of,
    txid_of,
)

LOT = Lot("ab" * 32, 0)
SHARES = {0: 10, 1: 60, 2: 30}
FILLS = [part(LOT, 0, 40, 2001, 9), part(LOT, 1, 60, 3000, 13)]


@pytest.fixture
def sold(engine: sa.Engine) -> sa.Engine:
    """A sold lot of 100 satoshi: gross 5001, venue fee 22, pool fee 2 % of the gross."""
    with engine.begin() as connection:
        add_sold_lot(connection, LOT, SHARES, FILLS)
    return engine


def posted(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT code, posted FROM account_balances")).all()
    return {row.code: row.posted for row in rows if row.posted}


def settle(engine: sa.Engine) -> dict[int, tuple[int, int]]:
    with engine.begin() as connection:
        done = settle_lot(connection, LOT, ORDERS, AT)
    return {who: (line.amount_sat, line.net_tyiyn) for who, line in done.lines.items()}


def test_a_sold_lot_is_owed_to_whose_it_was_and_nothing_is_left_in_trade(sold: sa.Engine) -> None:
    assert posted(sold) == {
        "unassigned": 10, "participant:1": 60, "participant:2": 30, "trade:btc": 100,
        "venue:paper:kgs": 4979, "trade:kgs": 5001, "fee:venue:paper": 22,
    }  # fmt: skip
    # The fee is 100.02, down to 100; 4879 is split into 487.9, 2927.4 and 1463.7.
    assert settle(sold) == {0: (10, 488), 1: (60, 2927), 2: (30, 1464)}
    assert posted(sold) == {
        "unassigned:kgs": 488, "participant:1:kgs": 2927, "participant:2:kgs": 1464,
        "fee:pool": 100, "venue:paper:kgs": 4979,
    }  # fmt: skip
    with sold.connect() as connection:
        assert ledger_check(connection)[0]
        lot = connection.execute(sa.text("SELECT state, order_number FROM lots")).one()
    assert tuple(lot) == ("settled", 1)


def test_settled_again_it_is_what_it_was(sold: sa.Engine) -> None:
    first = settle(sold)
    before = posted(sold)
    assert settle(sold) == first
    assert posted(sold) == before
    with sold.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM lot_settlements")).scalar() == 1


def test_the_sale_alone_settles_with_its_own_role(sold: sa.Engine, database: str) -> None:
    for role in (Role.SETTLE, Role.READ, Role.STRATUM):
        other = open_engine(database, role, application_name="test")
        with pytest.raises(DBAPIError, match="permission denied"), other.begin() as connection:
            settle_lot(connection, LOT, ORDERS, AT)
        other.dispose()
    engine = open_engine(database, Role.SELL, application_name="test")
    assert settle(engine) == {0: (10, 488), 1: (60, 2927), 2: (30, 1464)}
    engine.dispose()


def test_what_is_not_sold_or_has_no_fee_order_is_not_settled(engine: sa.Engine) -> None:
    with pytest.raises(LotNotSoldError, match="there is no lot"), engine.begin() as connection:
        settle_lot(connection, LOT, ORDERS, AT)
    with engine.begin() as connection:
        add_mature_block(connection, LOT.block_hash, SHARES)
        add_lot(connection, LOT, SHARES)
    with pytest.raises(LotNotSoldError, match="awaiting_deposit"), engine.begin() as connection:
        settle_lot(connection, LOT, ORDERS, AT)
    with engine.begin() as connection:
        credit(connection, LOT, 100)
        for number, fill in enumerate(FILLS):
            add_fill(connection, LOT, fill, number)
        move(connection, LOT, "sold")
    with pytest.raises(NoOrderError, match="fee"), engine.begin() as connection:
        settle_lot(connection, LOT, OrderBook(), AT)


def test_a_lot_is_not_settled_before_its_fills_are_in_the_ledger(engine: sa.Engine) -> None:
    other = Lot("cd" * 32, 0)
    with engine.begin() as connection:
        # The fee that this one's fill took would be enough for both.
        add_sold_lot(connection, other, {3: 100}, [part(other, 0, 100, 5000, 500)], sequence=1)
        add_mature_block(connection, LOT.block_hash, SHARES)
        add_lot(connection, LOT, SHARES)
        credit(connection, LOT, 100)
        for number, fill in enumerate(FILLS):
            add_fill(connection, LOT, fill, number)
        move(connection, LOT, "sold")
    with pytest.raises(IntegrityError, match="not in the ledger"), engine.begin() as connection:
        settle_lot(connection, LOT, ORDERS, AT)


def test_fills_that_are_not_the_shares_are_refused(sold: sa.Engine) -> None:
    with sold.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("UPDATE fills SET amount_sat = amount_sat - 1"))
        with pytest.raises(ProceedsDisagreeError, match="kench audit"):
            settle_lot(connection, LOT, ORDERS, AT)


def _raw(subject: str, debit: str, credit_: str, amount: int, reference: str) -> Posting:
    return Posting.direct(Subject(subject), reference, debit, credit_, amount)


REFERENCE = reference_of(LOT)
UNBOOKED = part(Lot("cd" * 32, 0), 0, 10, 1000, 5)
UNTRUE: dict[str, Callable[[], Posting]] = {
    "a deposit of no lot": lambda: _raw("lot", "venue:paper:btc", "coinbase", 1, "x"),
    "a deposit of a strange output": lambda: _raw(
        "lot", "venue:paper:btc", "coinbase", 1, f"{txid_of(LOT)}:99999999999999"
    ),
    "a deposit of another amount": lambda: _raw(
        "lot", "coinbase", "venue:paper:btc", 99, REFERENCE
    ),
    "a deposit at another venue": lambda: _raw(
        "lot", "venue:other:btc", "coinbase", 100, REFERENCE
    ),
    "a fill that there is not": lambda: _raw("fill", "venue:paper:kgs", "trade:kgs", 1, "paper:x"),
    "a fill of another amount": lambda: _raw(
        "fill", "venue:paper:kgs", "trade:kgs", 1, f"paper:{UNBOOKED.trade_id}"
    ),
    "a fill of another venue": lambda: _raw(
        "fill", "venue:other:kgs", "trade:kgs", 1000, f"paper:{UNBOOKED.trade_id}"
    ),
    "a settlement of no lot": lambda: _raw("settlement", "trade:kgs", "fee:pool", 1, "x"),
    "a settlement before its time": lambda: _raw(
        "settlement", "trade:kgs", "participant:1:kgs", 2927, REFERENCE
    ),
    "a fill that is reserved": lambda: Posting.pend(
        Subject.FILL, "paper:x", "venue:paper:kgs", "trade:kgs", 1
    ),
}


@pytest.mark.parametrize("line", UNTRUE.values(), ids=UNTRUE.keys())
def test_a_line_that_says_what_is_not_so_is_refused_as_any_role(
    sold: sa.Engine, line: Callable[[], Posting]
) -> None:
    other = Lot("cd" * 32, 0)
    with sold.begin() as connection:
        # Coins and money on every account, so that no balance is what refuses.
        add_mature_block(connection, "ef" * 32, {3: 1000}, sequence=2)
        add_mature_block(connection, other.block_hash, {3: 1000}, sequence=1)
        add_lot(connection, other, {3: 1000})
        credit(connection, other, 1000)
        add_fill(connection, other, UNBOOKED, 0)
    for role in (None, Role.SELL):
        with sold.connect() as connection:
            if role:
                connection.execute(sa.text(f"SET LOCAL ROLE {role}"))
            with pytest.raises(IntegrityError, match=r"a line about|final at once"):
                write(connection, [line()])


def test_the_settlement_itself_cannot_be_written_otherwise(sold: sa.Engine) -> None:
    """Whatever of it is changed on the way in is refused at commit."""
    good = {
        "sold_sat": 100, "gross_tyiyn": 5001, "venue_fee_tyiyn": 22, "pool_fee_tyiyn": 100,
        "net_tyiyn": 4879, "pool_ppm": 20_000, "fee_order": 1, "reference": REFERENCE,
    }  # fmt: skip
    lines = {0: (10, 488), 1: (60, 2927), 2: (30, 1464)}
    changes: list[tuple[str, dict[str, object], dict[int, tuple[int, int]]]] = [
        ("sum up its fills", {"sold_sat": 99}, lines),
        ("sum up its fills", {"gross_tyiyn": 5000, "net_tyiyn": 4878}, lines),
        ("sum up its fills", {"venue_fee_tyiyn": 21, "net_tyiyn": 4880}, lines),
        ("pool_fee", {"pool_fee_tyiyn": 101, "net_tyiyn": 4878}, lines),
        ("lot_settlements_check", {"net_tyiyn": 4880}, lines),
        ("do not sum", {}, {0: (10, 487), 1: (60, 2927), 2: (30, 1464)}),
        ("wrong participant", {}, {0: (10, 487), 1: (60, 2928), 2: (30, 1464)}),
        ("not of what its participant sold", {}, {0: (10, 489), 1: (60, 2927), 2: (30, 1463)}),
        ("not of what its participant sold", {}, {1: (60, 2927), 2: (40, 1952)}),
        ("not wholly in the ledger", {}, lines),
        ("lot that is not settled", {"reference": "x"}, lines),
    ]
    before = posted(sold)
    for words, change, due in changes:
        with pytest.raises(IntegrityError, match=words), sold.begin() as connection:
            _write_settlement(connection, good | change, due, settled=True)
    with pytest.raises(IntegrityError, match="not settled"), sold.begin() as connection:
        _write_settlement(connection, good, lines)
    with pytest.raises(IntegrityError, match="no settlement"), sold.begin() as connection:
        move(connection, LOT, "settled")
    assert posted(sold) == before
    settle(sold)
    for statement in (
        "UPDATE lot_settlements SET net_tyiyn = 1",
        "DELETE FROM lot_settlement_lines",
        f"INSERT INTO lot_settlement_lines VALUES ('{LOT.block_hash}', 0, 9, 1, 0)",
    ):
        with pytest.raises(IntegrityError), sold.begin() as connection:
            connection.execute(sa.text(statement))


def _write_settlement(
    connection: sa.Connection,
    values: dict[str, object],
    lines: dict[int, tuple[int, int]],
    *,
    settled: bool = False,
) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO lot_settlements VALUES (:block_hash, :vout, :reference, :sold_sat, "
            ":gross_tyiyn, :venue_fee_tyiyn, :pool_fee_tyiyn, :net_tyiyn, :pool_ppm, :fee_order, "
            "now())"
        ),
        {**LOT._asdict(), **values},
    )
    for who, (amount_sat, net_tyiyn) in lines.items():
        connection.execute(
            sa.text("INSERT INTO lot_settlement_lines VALUES (:block_hash, :vout, :w, :s, :t)"),
            {**LOT._asdict(), "w": who, "s": amount_sat, "t": net_tyiyn},
        )
    if settled:
        move(connection, LOT, "settled")


def test_lines_with_their_rows_are_written_once(sold: sa.Engine) -> None:
    fill = FILLS[0]
    line = _raw("fill", "venue:paper:kgs", "trade:kgs", fill.gross_tyiyn, f"paper:{fill.trade_id}")
    with sold.begin() as connection:
        assert write(connection, [line]) is Done.EXISTS
