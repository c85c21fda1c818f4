"""Corrections: further documents that say what books and register say now."""

import threading

import pytest
from sqlalchemy.exc import IntegrityError

from kench.payouts.income.correct import correct, correction_of, history_of, read_document
from kench.payouts.income.errors import IncomeError, PeriodClosedError
from kench.payouts.income.record import DocType, Record, read_record
from kench.payouts.income.writing import write_records
from kench.pool.database import Role
from kench.pool.moments import moment_of
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, force, form, opened, rows

FIRST = "KG-2026-10-1-2026-10-03-1"
SECOND = "KG-2026-10-1-2026-10-03-2"
RENAME = "UPDATE participants SET name = 'ОсОО «Жаңы»' WHERE id = 1"


def corrected(database: str, doc_ref: str = FIRST, role: Role = Role.CABINET) -> Record:
    """Correct a document as an officer does."""
    engine = opened(database, role)
    try:
        with engine.begin() as db:
            return correct(db, doc_ref, moment_of(NOW_US))
    finally:
        engine.dispose()


def test_a_new_name_is_a_new_document_that_names_the_one_before(database: str) -> None:
    fill_month(database)
    form(database)
    before = rows(database, f"SELECT content FROM income_records WHERE doc_ref = '{FIRST}'")
    force(database, RENAME)
    made = corrected(database)
    assert (made.doc_ref, made.doc_type, made.corrects) == (SECOND, DocType.CORRECT, FIRST)
    assert made.participant.name == "ОсОО «Жаңы»"
    assert rows(database, f"SELECT content FROM income_records WHERE doc_ref = '{FIRST}'") == before
    in_force = f"SELECT doc_ref FROM income_in_force WHERE day = '{made.day}' ORDER BY 1"
    assert rows(database, in_force) == [(SECOND,), ("KG-2026-10-2-2026-10-03-1",)]
    assert form(database).records == 0
    engine = opened(database, Role.READ)
    with engine.begin() as db:
        assert [one.record.doc_ref for one in history_of(db, FIRST)] == [FIRST, SECOND]
        kept = read_document(db, SECOND)
        assert kept is not None
        assert kept.record == made
        assert read_document(db, "KG-2026-10-1-2026-10-03-9") is None
    engine.dispose()


def test_what_is_right_or_was_corrected_before_is_not_corrected(database: str) -> None:
    fill_month(database)
    form(database)
    with pytest.raises(IncomeError, match="nothing to correct"):
        corrected(database)
    with pytest.raises(IncomeError, match="there is no income record"):
        corrected(database, "KG-2026-10-1-2026-10-04-1")
    force(database, RENAME)
    corrected(database)
    with pytest.raises(IncomeError, match=f"corrected by {SECOND}"):
        corrected(database)
    with pytest.raises(IncomeError, match="nothing to correct"):
        corrected(database, SECOND)


def test_of_two_who_correct_a_document_at_once_one_is_told_of_the_other(database: str) -> None:
    fill_month(database)
    form(database)
    force(database, RENAME)
    told: list[str] = []

    def try_it() -> None:
        try:
            told.append(corrected(database).doc_ref)
        except IncomeError as error:
            told.append(str(error))

    threads = [threading.Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(told) == [f"{FIRST} was corrected by {SECOND}: correct that one", SECOND]


def test_what_postgresql_refuses_of_a_copy_is_an_error_like_others(database: str) -> None:
    fill_month(database)
    form(database)
    owner = opened(database, None)
    kept = rows(database, f"SELECT content FROM income_records WHERE doc_ref = '{FIRST}'")
    record = read_record(bytes(kept[0][0]))  # type: ignore[call-overload]
    with pytest.raises(IntegrityError, match="income_records"), owner.begin() as db:
        write_records(db, [record], moment_of(NOW_US))
    owner.dispose()


def test_a_day_of_which_the_books_say_nothing_is_taken_back_and_may_return(database: str) -> None:
    fill_month(database)
    form(database)
    # Away from October, and back again.
    move = "UPDATE transfers SET created_at = created_at {} interval '100 days' WHERE {}"
    about = "created_at BETWEEN '{}' AND '{}'"
    force(database, move.format("+", about.format("2026-10-02 18:00Z", "2026-10-03 17:59Z")))
    gone = corrected(database)
    assert (gone.doc_type, gone.totals.accrued_sat, gone.accruals) == (DocType.DELETE, 0, ())
    assert rows(database, "SELECT 1 FROM income_in_force WHERE participant_id = 1 AND day = "
                "'2026-10-03'") == []  # fmt: skip
    with pytest.raises(IncomeError, match="nothing to correct"):
        corrected(database, SECOND)
    force(database, move.format("-", about.format("2027-01-10 18:00Z", "2027-01-11 17:59Z")))
    back = corrected(database, SECOND)
    assert (back.doc_type, back.corrects) == (DocType.CORRECT, SECOND)
    assert back.totals.accrued_sat == 187_500_000


def test_a_closed_period_takes_no_correction_whoever_writes(database: str) -> None:
    fill_month(database)
    form(database)
    force(database, RENAME, f"UPDATE income_periods SET closed = true WHERE period = '{PERIOD}'")
    for role in (Role.CABINET, Role.SETTLE):
        with pytest.raises(PeriodClosedError):
            corrected(database, role=role)
    with pytest.raises(PeriodClosedError):
        form(database)
    force(database, "UPDATE income_periods SET closed = false")
    engine = opened(database)
    with engine.connect() as db:
        assert correction_of(db, FIRST) is not None
        correct(db, FIRST, moment_of(NOW_US))
        # Closed by somebody else before this commits: it would have to wait for this, or this here.
        db.rollback()
    engine.dispose()
    force(database, f"UPDATE income_periods SET closed = true WHERE period = '{PERIOD}'")
    owner = opened(database, None)
    with pytest.raises(IntegrityError, match="is closed"), owner.begin() as db:
        db.exec_driver_sql(
            "INSERT INTO income_records (doc_ref, period, participant_id, day, asset, doc_type, "
            "corrects, accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, "
            "net_tyiyn, paid_tyiyn, content, sha256, made_at) SELECT "
            f"'{SECOND}', period, participant_id, day, asset, 'correct', doc_ref, 0, 0, 0, 0, 0, 0,"
            f" 0, content, sha256, made_at FROM income_records WHERE doc_ref = '{FIRST}'"
        )
    owner.dispose()


def test_each_document_is_corrected_once_and_only_by_its_own_day(database: str) -> None:
    fill_month(database)
    form(database)
    force(database, RENAME)
    corrected(database)
    owner = opened(database, None)
    refused = {
        FIRST: "income_records_corrected",
        "KG-2026-10-2-2026-10-03-1": "corrects one of another day",
    }
    for corrects, why in refused.items():
        with pytest.raises(IntegrityError, match=why), owner.begin() as db:
            db.exec_driver_sql(
                "INSERT INTO income_records (doc_ref, period, participant_id, day, asset, "
                "doc_type, corrects, accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, "
                "pool_fee_tyiyn, net_tyiyn, paid_tyiyn, content, sha256, made_at) SELECT "
                f"'KG-2026-10-1-2026-10-03-3', period, 1, day, asset, 'correct', '{corrects}', 0, "
                "0, 0, 0, 0, 0, 0, content, sha256, made_at FROM income_records WHERE doc_ref = "
                f"'{FIRST}'"
            )
    owner.dispose()
