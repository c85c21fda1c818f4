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
        "records": 7_530_000_000, "nobody": 0, "ledger": 7_530_000_000, "books": 7_530_000_000,
        "fills": 7_530_000_000,
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
        {Gap.RECORDS_LEDGER, Gap.LEDGER_LINES, Gap.LEDGER_LOT},
    "UPDATE transfers SET amount = 1 WHERE subject = 'block' AND credit_account = 'participant:2'":
        {Gap.RECORDS_LEDGER, Gap.LEDGER_BLOCKS},
    "UPDATE block_credits SET reward_sat = reward_sat + 1 WHERE participant_id = 1":
        {Gap.LEDGER_BLOCKS},
    "UPDATE lot_settlement_lines SET pool_fee_tyiyn = 0 WHERE participant_id = 1":
        {Gap.RECORDS_LINES, Gap.LINES_LOT},
    "UPDATE lot_settlements SET sold_sat = sold_sat - 1":
        {Gap.LINES_LOT, Gap.LOT_FILLS, Gap.LEDGER_LOT},
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


LOT = "(SELECT min(reference) FROM lot_settlements)"
OF_LOT = (
    f"(block_hash, vout) = (SELECT block_hash, vout FROM lot_settlements WHERE reference = {LOT})"
)
DOC_REF = "KG-2026-10-1-2026-10-05-1"
LINE = f"kind = 'post' AND subject = 'settlement' AND reference = {LOT} AND"
CHECKS = """
    SELECT conrelid::regclass AS of, quote_ident(conname) AS name FROM pg_constraint
    WHERE contype = 'c' AND conrelid IN ('fills'::regclass, 'income_records'::regclass)
"""
ONE, WHOLE = "participant 1", "lot"
UNITS: dict[str, list[tuple[Gap, str, str, int]]] = {
    # Records against the ledger and the lots.
    f"income_records SET paid_tyiyn = paid_tyiyn + 1 WHERE doc_ref = '{DOC_REF}'":
        [(Gap.RECORDS_LEDGER, ONE, "paid_tyiyn", 1), (Gap.CONTENT, DOC_REF, "", 0)],
    # The ledger: a reward, what was sold, what is owed, both fees, a payout.
    """transfers SET amount = amount + 1 WHERE kind = 'post' AND subject = 'block' AND created_at =
        (SELECT min(created_at) FROM transfers WHERE kind = 'post' AND subject = 'block' AND
         created_at >= '2026-09-30 18:00Z') AND credit_account = 'participant:1'""":
        [(Gap.RECORDS_LEDGER, ONE, "accrued_sat", -1), (Gap.LEDGER_BLOCKS, ONE, "accrued_sat", 1)],
    f"transfers SET amount = amount + 1 WHERE {LINE} debit_account = 'participant:1'":
        [(Gap.RECORDS_LEDGER, ONE, "sold_sat", -1), (Gap.LEDGER_LINES, ONE, "sold_sat", 1),
         (Gap.LEDGER_LOT, WHOLE, "sold_sat", 1)],
    f"transfers SET amount = amount + 1 WHERE {LINE} credit_account = 'participant:1:kgs'":
        [(Gap.RECORDS_LEDGER, ONE, "net_tyiyn", -1), (Gap.LEDGER_LINES, ONE, "net_tyiyn", 1),
         (Gap.LEDGER_LOT, WHOLE, "gross_tyiyn", 1), (Gap.LEDGER_LOT, WHOLE, "net_tyiyn", 1)],
    f"transfers SET amount = amount - 1 WHERE {LINE} credit_account = 'fee:pool'":
        [(Gap.LEDGER_LOT, WHOLE, "gross_tyiyn", -1), (Gap.LEDGER_LOT, WHOLE, "pool_fee_tyiyn", -1)],
    f"transfers SET amount = amount + 1 WHERE {LINE} starts_with(credit_account, 'fee:venue')":
        [(Gap.LEDGER_LOT, WHOLE, "gross_tyiyn", 1), (Gap.LEDGER_LOT, WHOLE, "venue_fee_tyiyn", 1)],
    "transfers SET amount = amount + 1 WHERE kind = 'post' AND subject = 'payout' AND "
    "created_at = '2026-10-05 05:00Z'": [(Gap.RECORDS_LEDGER, ONE, "paid_tyiyn", -1)],
    # Lots: a participant's line, and the settlement as a whole.
    f"lot_settlement_lines SET net_tyiyn = net_tyiyn + 1 WHERE participant_id = 1 AND {OF_LOT}":
        [(Gap.RECORDS_LINES, ONE, "gross_tyiyn", -1), (Gap.RECORDS_LINES, ONE, "net_tyiyn", -1),
         (Gap.LEDGER_LINES, ONE, "net_tyiyn", -1), (Gap.LINES_LOT, WHOLE, "gross_tyiyn", 1),
         (Gap.LINES_LOT, WHOLE, "net_tyiyn", 1)],
    f"lot_settlement_lines SET amount_sat = amount_sat - 1 WHERE participant_id = 1 AND {OF_LOT}":
        [(Gap.RECORDS_LINES, ONE, "sold_sat", 1), (Gap.LEDGER_LINES, ONE, "sold_sat", 1),
         (Gap.LINES_LOT, WHOLE, "sold_sat", -1)],
    # Trades.
    f"fills SET amount_sat = amount_sat + 1 WHERE {OF_LOT} AND trade_id = (SELECT min(trade_id) "
    f"FROM fills WHERE {OF_LOT})": [(Gap.LOT_FILLS, WHOLE, "sold_sat", -1)],
    f"fills SET gross_tyiyn = gross_tyiyn - 1 WHERE {OF_LOT} AND trade_id = (SELECT min(trade_id) "
    f"FROM fills WHERE {OF_LOT})": [(Gap.LOT_FILLS, WHOLE, "gross_tyiyn", 1)],
    f"fills SET fee_tyiyn = fee_tyiyn + 1 WHERE {OF_LOT} AND trade_id = (SELECT min(trade_id) "
    f"FROM fills WHERE {OF_LOT})": [(Gap.LOT_FILLS, WHOLE, "venue_fee_tyiyn", -1)],
    # Rewards of a block.
    """block_credits SET reward_sat = reward_sat - 1 WHERE participant_id = 1 AND block_hash =
        (SELECT min(reference) FROM transfers WHERE kind = 'post' AND subject = 'block'
         AND created_at >= '2026-09-30 18:00Z' AND credit_account = 'participant:1')""":
        [(Gap.LEDGER_BLOCKS, ONE, "accrued_sat", 1)],
}  # fmt: skip
"""One side wrong by one unit: every comparison that has it names whose, which sum, and by how much
the one is more than the other; no other comparison says anything."""


def test_one_satoshi_or_tyiyn_on_one_side_is_found_and_named(database: str) -> None:
    fill_month(database)
    form(database)
    engine = opened(database, None)
    for statement, expected in UNITS.items():
        with engine.connect() as db:
            db.exec_driver_sql("SET LOCAL session_replication_role = replica")
            # Rules that hold a row together are no matter here.
            for check in db.exec_driver_sql(CHECKS).all():
                db.exec_driver_sql(f"ALTER TABLE {check.of} DROP CONSTRAINT {check.name}")
            assert db.exec_driver_sql(f"UPDATE {statement}").rowcount == 1, statement
            found = reconcile(db, PERIOD, NOW_US)
            db.rollback()
        told = [
            (one.gap, "lot" if one.subject.startswith("lot ") else one.subject, one.column,
             one.one - one.other)
            for one in found
        ]  # fmt: skip
        assert sorted(told) == sorted(expected), statement
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
