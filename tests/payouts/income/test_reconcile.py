"""Records = ledger = lots = fills: every difference that is planted is found."""

from kench.payouts.income.reconcile import Gap, compare, reconcile
from kench.pool.database import Role
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, force, form, opened


def test_nothing_differs_in_a_month_as_it_is_formed(database: str) -> None:
    fill_month(database)
    form(database)
    engine = opened(database, Role.READ)
    with engine.begin() as db:
        found = compare(db, PERIOD, NOW_US)
    engine.dispose()
    assert found.differences == []
    assert found.totals["gross_tyiyn"] == {
        "records": 7_530_000_000, "nobody": 0, "books": 7_530_000_000, "fills": 7_530_000_000,
    }  # fmt: skip
    assert found.totals["paid_tyiyn"] == {
        "records": 1_472_868_000, "nobody": 0, "ledger": 1_472_868_000,
    }  # fmt: skip
    for sums in found.totals.values():
        assert len({value for name, value in sums.items() if name != "nobody"}) == 1


PLANTED = {
    "UPDATE income_records SET paid_tyiyn = 1 WHERE day = '2026-10-05'":
        {Gap.RECORDS_LEDGER, Gap.CONTENT},
    "DELETE FROM income_records WHERE day = '2026-10-03' AND participant_id = 2":
        {Gap.RECORDS_LEDGER, Gap.RECORDS_LINES},
    "DELETE FROM transfers WHERE subject = 'settlement' AND credit_account = 'participant:1:kgs'":
        {Gap.RECORDS_LEDGER, Gap.LEDGER_LINES},
    "UPDATE transfers SET amount = 1 WHERE subject = 'block' AND credit_account = 'participant:2'":
        {Gap.RECORDS_LEDGER, Gap.LEDGER_BLOCKS},
    "UPDATE block_credits SET reward_sat = reward_sat + 1 WHERE participant_id = 1":
        {Gap.LEDGER_BLOCKS},
    "UPDATE lot_settlement_lines SET pool_fee_tyiyn = 0 WHERE participant_id = 1":
        {Gap.RECORDS_LINES, Gap.LINES_LOT},
    "UPDATE lot_settlements SET sold_sat = sold_sat - 1": {Gap.LINES_LOT, Gap.LOT_FILLS},
    "UPDATE fills SET gross_tyiyn = gross_tyiyn + 1": {Gap.LOT_FILLS},
    "UPDATE fills SET fee_tyiyn = fee_tyiyn - 1": {Gap.LOT_FILLS},
    """UPDATE income_records SET content = changed, sha256 = sha256(changed)
        FROM (SELECT doc_ref AS name, convert_to(replace(convert_from(content, 'UTF8'),
            '"paid_tyiyn":0', '"paid_tyiyn":1'), 'UTF8') AS changed FROM income_records) AS other
        WHERE name = doc_ref AND day = '2026-10-03'""": {Gap.CONTENT},
}  # fmt: skip


def test_every_kind_of_difference_is_found(database: str) -> None:
    fill_month(database)
    form(database)
    engine = opened(database, None)
    for statement, gaps in PLANTED.items():
        with engine.connect() as db:
            db.exec_driver_sql("SET LOCAL session_replication_role = replica")
            db.exec_driver_sql(statement)
            found = reconcile(db, PERIOD, NOW_US)
            db.rollback()
        assert {one.gap for one in found} == gaps, statement
        assert all(one.words() for one in found)
    engine.dispose()


def test_what_nobody_is_known_for_is_told_beside_the_records(database: str) -> None:
    fill_month(database)
    force(
        database,
        "UPDATE transfers SET credit_account = 'unassigned' WHERE credit_account = 'participant:2'",
        "UPDATE transfers SET debit_account = 'unassigned', id = posting_id(kind, subject, "
        "reference, 'unassigned', credit_account) WHERE debit_account = 'participant:2'",
        "UPDATE transfers SET credit_account = 'unassigned:kgs', id = posting_id(kind, subject, "
        "reference, debit_account, 'unassigned:kgs') WHERE credit_account = 'participant:2:kgs'",
        "UPDATE block_credits SET participant_id = 0 WHERE participant_id = 2",
        "UPDATE lot_settlement_lines SET participant_id = 0 WHERE participant_id = 2",
    )
    form(database)
    engine = opened(database, Role.READ)
    with engine.begin() as db:
        found = compare(db, PERIOD, NOW_US)
    engine.dispose()
    assert found.differences == []
    assert found.totals["net_tyiyn"]["nobody"] == 3 * 981_912_000
    assert (
        found.totals["gross_tyiyn"]["records"] + found.totals["gross_tyiyn"]["nobody"]
        == (found.totals["gross_tyiyn"]["fills"])
    )
