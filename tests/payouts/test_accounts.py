"""The chart of accounts is the same in Python and in PostgreSQL."""

import pytest
import sqlalchemy as sa

from kench.payouts.accounts import (
    ALWAYS_OPEN,
    CLASSES,
    Side,
    UnknownAccountError,
    asset_of,
    class_of,
    participant_btc,
    participant_kgs,
    venue_btc,
    venue_fee,
    venue_kgs,
)

CODES = (
    *ALWAYS_OPEN,
    participant_btc(7),
    participant_kgs(10**17),
    venue_btc("paper"),
    venue_kgs("a.b-c_d"),
    venue_fee("paper"),
)
STRANGE = ("", "participant:0", "participant:07", "participant:7:btc", "venue::btc", "venue:A:btc",
           "venue:a:usd", "fee", "fee:venue:", "bank", "coinbase ", "trade:eur", "venue:a:b:btc",
           "participant:1\n")  # fmt: skip


def test_each_class_is_the_same_in_both(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM account_classes")).all()
    assert {tuple(row) for row in rows} == {
        (what.name, what.asset, what.normal_side, what.holder, what.may_overdraw)
        for what in CLASSES
    }


def test_each_account_is_of_the_same_class_and_asset_in_both(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO accounts (code) SELECT unnest(CAST(:codes AS text[])) "
                "ON CONFLICT DO NOTHING"
            ),
            {"codes": list(CODES)},
        )
        rows = connection.execute(sa.text("SELECT * FROM account_balances")).all()
    assert {row.code for row in rows} == set(CODES)
    for row in rows:
        what = class_of(row.code)
        assert row._mapping["class"] == what.name
        assert (row.asset, row.normal_side, row.holder) == (
            what.asset,
            what.normal_side,
            what.holder,
        )
        assert asset_of(row.code) is what.asset
    assert {class_of(code).name for code in CODES} == {what.name for what in CLASSES}


@pytest.mark.parametrize("code", STRANGE)
def test_a_code_of_no_class_is_none_in_both(engine: sa.Engine, code: str) -> None:
    with pytest.raises(UnknownAccountError, match="chart of accounts"):
        class_of(code)
    with engine.connect() as connection:
        assert (
            connection.execute(sa.text("SELECT account_class(:code)"), {"code": code}).scalar_one()
            is None
        )


def test_what_falls_below_zero_is_guarded_on_the_normal_side_of_each_class(
    engine: sa.Engine,
) -> None:
    """The check of `accounts` names classes; it must agree with the chart."""
    update = (
        "UPDATE accounts SET debits_posted = :debit, credits_posted = :credit WHERE code = :code"
    )
    for code in CODES:
        what = class_of(code)
        for side, other in ((Side.DEBIT, Side.CREDIT), (Side.CREDIT, Side.DEBIT)):
            connection = engine.connect()
            connection.execute(sa.text("SET session_replication_role = replica"))
            connection.execute(
                sa.text("INSERT INTO accounts (code) VALUES (:code) ON CONFLICT DO NOTHING"),
                {"code": code},
            )
            values = {"code": code, side.value: 1, other.value: 0}
            if what.may_overdraw or side is what.normal_side:
                connection.execute(sa.text(update), values)
            else:
                with pytest.raises(sa.exc.IntegrityError, match="never_below_zero"):
                    connection.execute(sa.text(update), values)
            connection.rollback()
            connection.close()
