"""Forming records: from the books alone, once, and never where the ledger says otherwise."""

import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from kench.payouts.income.errors import IncomeError, IncomeNotTiedError
from kench.payouts.income.generate import QUIET_US, generate, take_turn
from kench.payouts.income.periods import closing_of
from kench.payouts.income.record import read_record
from kench.payouts.statements.statement import StatementError
from kench.pool.database import Role, open_engine
from kench.pool.moments import us_of
from kench.pool.register import remove_participant, rename_participant
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, force, form, opened, rows
from tests.support.waiting import await_that

SUMS = """
    SELECT participant_id, sum(accrued_sat)::bigint, sum(sold_sat)::bigint,
        sum(gross_tyiyn)::bigint, sum(net_tyiyn)::bigint, sum(paid_tyiyn)::bigint
    FROM income_records GROUP BY 1 ORDER BY 1
"""


def test_records_are_what_the_ledger_says_day_by_day(database: str) -> None:
    fill_month(database)
    made = form(database)
    assert (made.records, made.days, made.until) == (13, 8, date(2026, 10, 31))
    assert rows(database, SUMS) == [
        (1, 5 * 187_500_000, 3 * 187_500_000, 4_518_000_000, 3 * 1_472_868_000, 1_472_868_000),
        (2, 5 * 125_000_000, 3 * 125_000_000, 3_012_000_000, 3 * 981_912_000, 0),
    ]
    contents = rows(database, "SELECT doc_ref, content, sha256 FROM income_records ORDER BY 1")
    for doc_ref, content, _ in contents:
        record = read_record(bytes(content))  # type: ignore[call-overload]
        assert record.doc_ref == doc_ref
        assert record.canonical() == bytes(content)  # type: ignore[call-overload]


def test_doing_it_again_and_again_day_by_day_is_doing_it_once(database: str) -> None:
    fill_month(database)
    for day in range(1, 33):
        at = us_of(datetime(2026, 10, 1, tzinfo=UTC)) + day * 86_400_000_000
        form(database, now_us=at)
    daily = rows(database, "SELECT doc_ref, content FROM income_records ORDER BY 1")
    assert form(database).records == 0
    force(database, "DELETE FROM income_records")
    assert form(database).records == 13
    assert rows(database, "SELECT doc_ref, content FROM income_records ORDER BY 1") == daily


def test_a_day_that_is_not_over_has_no_record(database: str) -> None:
    fill_month(database)
    # In Bishkek the 5th begins at 18:00 UTC of the 4th.
    over = us_of(datetime(2026, 10, 3, 18, 0, 0, tzinfo=UTC)) + QUIET_US
    assert form(database, now_us=over - 1).records == 0
    assert form(database, now_us=over).records == 2
    assert form(database, "2026-12").until is None
    with pytest.raises(StatementError, match="no month"):
        form(database, "2026-13")


def test_what_began_before_midnight_is_waited_for_before_its_month_is_formed_or_closed(
    database: str,
) -> None:
    """A line has the moment at which its transaction began, and is seen when that commits."""
    fill_month(database)
    ends = us_of(datetime(2026, 10, 31, 18, 0, tzinfo=UTC))
    force(database, "UPDATE transfers SET created_at = '2026-10-31T17:59:59Z' WHERE created_at > "
                    "'2026-10-20' AND kind = 'post'")  # fmt: skip
    assert form(database, now_us=ends + QUIET_US - 1).until == date(2026, 10, 30)
    engine = opened(database, Role.CABINET)
    with engine.connect() as db, pytest.raises(IncomeError, match="is not over"):
        closing_of(db, PERIOD, ends + QUIET_US - 1)
    with engine.connect() as db, pytest.raises(IncomeError, match="differ from the books"):
        closing_of(db, PERIOD, ends + QUIET_US)
    engine.dispose()


def test_two_at_once_form_each_record_once(database: str) -> None:
    fill_month(database)
    made: list[int] = []
    threads = [
        threading.Thread(target=lambda: made.append(form(database).records)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == [0, 0, 13]


def test_who_comes_second_waits_longer_than_for_other_locks(database: str) -> None:
    """A month of ten thousand participants takes half a minute to form."""
    fill_month(database)
    made: list[int] = []
    hasty = open_engine(database, Role.SETTLE, application_name="hasty", lock_timeout_s=0.001)

    def form_it() -> None:
        with hasty.begin() as db:
            made.append(generate(db, PERIOD, NOW_US).records)

    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND "
    waits += "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    other = opened(database)
    with other.begin() as db:
        take_turn(db)
        second = threading.Thread(target=form_it)
        second.start()
        await_that(lambda: rows(database, waits) == [(1,)])
        assert not made
    second.join(60)
    assert made == [13]
    for engine in (hasty, other):
        engine.dispose()


def test_what_dies_before_its_commit_leaves_nothing(database: str) -> None:
    fill_month(database)
    engine = opened(database)
    with engine.connect() as db:
        assert generate(db, PERIOD, NOW_US).records == 13
        db.rollback()
    engine.dispose()
    assert rows(database, "SELECT * FROM income_records") == []
    assert form(database).records == 13


@pytest.mark.parametrize(
    "statement",
    [
        # A line of the ledger that came late, after the day's record.
        """INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject,
            reference, created_at)
        SELECT posting_id(kind, subject, 'late', debit_account, credit_account), kind, asset,
            debit_account, credit_account, 7, subject, 'late', created_at FROM transfers
        WHERE subject = 'settlement' AND credit_account = 'participant:1:kgs'
        ORDER BY created_at LIMIT 1""",
        "UPDATE income_records SET accrued_sat = 1 WHERE participant_id = 1",
        "DELETE FROM transfers WHERE credit_account = 'participant:2:kgs'",
    ],
)
def test_where_ledger_and_records_differ_nothing_is_written(database: str, statement: str) -> None:
    fill_month(database)
    form(database, now_us=us_of(datetime(2026, 10, 20, tzinfo=UTC)))
    before = rows(database, "SELECT doc_ref FROM income_records ORDER BY 1")
    force(database, statement)
    with pytest.raises(IncomeNotTiedError, match="participant"):
        form(database)
    assert rows(database, "SELECT doc_ref FROM income_records ORDER BY 1") == before


def test_who_was_renamed_or_excluded_keeps_records_and_gets_those_still_due(database: str) -> None:
    who = fill_month(database)
    form(database, now_us=us_of(datetime(2026, 10, 11, tzinfo=UTC)))
    engine = opened(database, Role.CABINET)
    with engine.begin() as db:
        rename_participant(db, who[0], "ОсОО «Жаңы»")
    engine.dispose()
    owner = opened(database, None)
    with owner.begin() as db:
        remove_participant(db, who[0])
    owner.dispose()
    form(database)
    names = rows(
        database,
        "SELECT DISTINCT convert_from(content, 'UTF8')::jsonb #>> '{participant,name}', day <= "
        "'2026-10-10' FROM income_records WHERE participant_id = 1 ORDER BY 2",
    )
    assert names == [("ОсОО «Жаңы»", False), ("ОсОО «Кең-Өзөн»", True)]


def test_a_mature_block_that_left_the_chain_stays_in_its_record(database: str) -> None:
    """Its money is not moved either: that is for people to decide."""
    fill_month(database)
    form(database)
    before = rows(database, SUMS)
    force(database, "UPDATE blocks SET alarm = true, state = 'orphaned' WHERE state = 'mature'")
    assert form(database).records == 0
    assert rows(database, SUMS) == before


def test_what_was_written_off_is_told_and_is_no_sale(database: str) -> None:
    fill_month(database)
    force(
        database,
        "INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, "
        "reference, created_at) VALUES (posting_id('post', 'write_off', 'lot:0', "
        "'participant:2', 'written_off'), 'post', 'BTC', 'participant:2', "
        "'written_off', 9, 'write_off', 'lot:0', '2026-10-08 20:00Z')",
    )
    form(database)
    ((content,),) = rows(database, "SELECT content FROM income_records WHERE day = '2026-10-09'")
    record = read_record(bytes(content))  # type: ignore[call-overload]
    (given_up,) = record.write_offs
    assert (given_up.amount_sat, given_up.lot) == (9, "lot:0")
    assert (record.totals.sold_sat, record.totals.accrued_sat) == (0, 0)


@pytest.mark.parametrize("role", [Role.SETTLE, Role.CABINET, Role.TAX, None])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE income_records SET day = day", "DELETE FROM income_records",
     "TRUNCATE income_records CASCADE", "UPDATE exchange_rates SET source = 'x'",
     "DELETE FROM income_closings", "UPDATE income_receipts SET code = 'x'"],
)  # fmt: skip
def test_nobody_changes_what_was_handed_over(
    module_database: str, role: Role | None, statement: str
) -> None:
    engine = opened(module_database, role)
    with pytest.raises(DBAPIError) as refused, engine.begin() as db:
        db.exec_driver_sql(statement)
    assert isinstance(refused.value, (IntegrityError, ProgrammingError))
    engine.dispose()


def test_the_cabinet_begins_no_day_and_the_tax_service_writes_receipts_alone(
    database: str,
) -> None:
    fill_month(database)
    form(database)
    copied = (
        "INSERT INTO income_records (doc_ref, period, participant_id, day, asset, doc_type, "
        "accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, "
        "paid_tyiyn, content, sha256, made_at) SELECT 'KG-2026-10-1-2026-10-02-1', period, 1, "
        "'2026-10-02', asset, 'new', 0, 0, 0, 0, 0, 0, 0, content, sha256, made_at "
        "FROM income_records LIMIT 1"
    )
    for role, why in ((Role.CABINET, "comes from settlement"), (Role.TAX, "permission denied")):
        engine = opened(database, role)
        with pytest.raises(ProgrammingError, match=why), engine.begin() as db:
            db.exec_driver_sql(copied)
        engine.dispose()
