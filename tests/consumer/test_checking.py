"""The sample consumer pulls a month over X-Road; every kind of difference is found and named."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from kench.consumer.asking import Asking, NotToldError
from kench.consumer.checking import Report, pull
from kench.tax.provider import Provider
from tests.support.registration import verifier_at
from tests.support.tax import (
    PERIOD,
    close_period,
    provider_of,
    put_record,
    put_records,
)
from tests.support.xroad import through_xroad


@pytest.fixture
def provider(database: str) -> Iterator[Provider]:
    with provider_of(database) as made:
        yield made


@pytest.fixture
def asking(provider: Provider) -> Iterator[Asking]:
    with through_xroad(provider) as (made, _):
        yield made


def checked(asking: Asking, **options: bool) -> Report:
    return pull(asking, PERIOD, verifier_at(), limit=5, **options)  # type: ignore[arg-type]


def test_a_month_is_pulled_whole_and_nothing_differs(engine: sa.Engine, asking: Asking) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8, 9], 4)
        close_period(db)
    report = checked(asking)
    assert not report.differences
    assert (report.records, report.participants) == (12, 3)
    assert report.totals["accrued_sat"] == 12_000
    assert report.signers == ["Асан Усенов"] * 2


def test_corrections_count_as_what_is_in_force(engine: sa.Engine, asking: Asking) -> None:
    first = date(2025, 10, 1)
    with engine.begin() as db:
        put_records(db, [7, 8], 3)
        close_period(db)
        close_period(db, reopens=True)
        put_record(db, 7, first, 2, "correct", net_tyiyn=900)
        put_record(db, 7, first, 3, "correct", net_tyiyn=950)
        for day in range(1, 4):
            put_record(db, 8, date(2025, 10, day), 2, "delete", accrued_sat=0, net_tyiyn=0)
        put_record(db, 8, first, 3, "correct", net_tyiyn=70)
        close_period(db)
    report = checked(asking)
    assert not report.differences
    assert (report.version, report.records, report.participants) == (3, 12, 2)
    assert report.totals["net_tyiyn"] == 950 + 500 + 500 + 70


def test_receipts_are_sent_of_each_record(engine: sa.Engine, asking: Asking) -> None:
    with engine.begin() as db:
        names = put_records(db, [7, 8], 2)
        close_period(db)
    checked(asking, receipts=True)
    with engine.begin() as db:
        rows = db.execute(sa.text("SELECT doc_ref, status FROM income_receipts")).all()
    assert sorted(rows) == sorted((name, "accepted") for name in names)


ADDED = (
    "signed_acts SET content = content || ' '::bytea, "
    "content_sha256 = sha256(content || ' '::bytea)"
)
CHANGED = "overlay(content PLACING '9'::bytea FROM position('1000'::bytea IN content))"
OTHER_AMOUNT = (
    f"income_records SET content = {CHANGED}, sha256 = sha256({CHANGED}) WHERE sequence = 2"
)
SPOIL = "SET LOCAL session_replication_role = replica; UPDATE {}"


def spoilt(engine: sa.Engine, statement: str) -> None:
    """Change what nobody may, as only the owner who turned the rules off could."""
    with engine.begin() as db:
        put_records(db, [7, 8], 2)
        close_period(db)
        db.execute(sa.text(SPOIL.format(statement)))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("income_closings SET net_tyiyn = 1, gross_tyiyn = 1", "net_tyiyn"),
        ("income_closings SET records = 9", "records"),
        ("income_closings SET participants = 9", "participants"),
        ("income_closings SET digest = sha256('x')", "the digest of the period"),
        ("income_closings SET digest = sha256('x')", "a signed text"),
        (ADDED, "a signature"),
        ("signed_acts SET signature = 'x'", "officers who signed"),
        ("income_closings SET act_2 = act_1", "officers who signed"),
        (OTHER_AMOUNT, "the digest of the period"),
    ],
)  # fmt: skip
def test_what_was_changed_behind_the_officers_back_is_found(
    engine: sa.Engine, asking: Asking, statement: str, what: str
) -> None:
    if "act_2 = act_1" in statement:
        with engine.begin() as db:
            db.execute(sa.text("ALTER TABLE income_closings DROP CONSTRAINT income_closings_check"))
    spoilt(engine, statement)
    assert what in [one.what for one in checked(asking).differences]


def test_a_record_that_is_not_what_its_digest_says_is_rejected(
    engine: sa.Engine, asking: Asking
) -> None:
    with engine.begin() as db:
        put_records(db, [7], 2)
        close_period(db)
        constraint = db.scalar(
            sa.text(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'income_records'::regclass "
                "AND pg_get_constraintdef(oid) LIKE '%sha256(content)%'"
            )
        )
        db.execute(sa.text(f"ALTER TABLE income_records DROP CONSTRAINT {constraint}"))
        db.execute(sa.text(SPOIL.format("income_records SET sha256 = sha256('x')")))
    report = checked(asking, receipts=True)
    assert report.rejected == 2
    with engine.begin() as db:
        codes = db.scalars(sa.text("SELECT code FROM income_receipts")).all()
    assert codes == ["DIGEST", "DIGEST"]


def test_what_was_not_closed_is_not_told(asking: Asking) -> None:
    with pytest.raises(NotToldError, match="not closed yet"):
        checked(asking)


def test_messages_that_are_lost_on_their_way_change_nothing(
    engine: sa.Engine, provider: Provider
) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8, 9], 6)
        close_period(db)
    with through_xroad(provider, {"lost-answer": 0.2, "away": 0.2}) as (asking, server):
        report = checked(asking, receipts=True)
    assert not report.differences
    assert report.records == 18
    ids = [id_ for id_, _ in server.passed]
    assert len(set(ids)) < len(ids)
    with engine.begin() as db:
        assert db.scalar(sa.text("SELECT count(*) FROM income_receipts")) == 18
