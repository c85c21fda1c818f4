"""The country's numbers: exact sums, split by what the register declares, the same in all views."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.country import (
    CountryMonth,
    apart,
    read_members,
    read_month,
)
from kench.cabinet.numbers.kept_country import MONTHS, KeptCountry
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import ParticipantState
from kench.payouts.statements.statement import period_of, present_month
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant, suspend_participant
from tests.cabinet.money import NOW, NOW_US, fill_money
from tests.support.applications import ROW, application, draft
from tests.support.cabinet import cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN, OTHER_PIN, put_officer, registered, verifier_at

WORK = 10**21 + 7


def declared(pin: str, *rows: tuple[str, str]) -> Application:
    """An application with machines in regions."""
    typed = draft(tax_number=pin)
    typed.rows = [ROW | {"region": region, "quantity": quantity} for region, quantity in rows]
    return application(typed, pin)


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    """Participant 1 in two regions, 2 in one and suspended, 3 in no register; all worked."""
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        registered(db, PIN, declared(PIN, ("KG-N", "1"), ("KG-GB", "2")))
        registered(db, OTHER_PIN, declared(OTHER_PIN, ("KG-N", "5")))
        add_participant(db, "nobody's")
        suspend_participant(db, 2)
    fill_money(owner)
    with owner.begin() as db:
        # At month's end the register says so; the books are of October and November.
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in ("register_entries", "membership_events"):
            db.exec_driver_sql(f"UPDATE {table} SET at = '2026-10-02'")
        db.exec_driver_sql("UPDATE lot_settlements SET settled_at = '2026-11-03'")
        db.execute(
            sa.text("INSERT INTO participant_days SELECT id, '2026-11-05', 1, 0, 0, 0, 0, :work, 1"
                    " FROM participants"),
            {"work": WORK},
        )  # fmt: skip
    owner.dispose()
    clock = ManualClock(NOW_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.fixture(scope="module")
def november(cabinet: Cabinet) -> CountryMonth:
    with cabinet.engine.connect() as db:
        return read_month(db, period_of("2026-11"), NOW)


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**12), min_size=1, max_size=12))
def test_what_is_split_sums_to_what_was_split(amount: int, weights: list[int]) -> None:
    parts = apart(amount, weights)
    assert sum(parts) == amount
    assert len(parts) == len(weights)
    assert all(part >= 0 for part in parts)
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - amount * weight / sum(weights)) <= max(1, amount * 1e-9)


def test_every_share_and_every_satoshi_is_in_one_region(
    cabinet: Cabinet, november: CountryMonth
) -> None:
    by_region = {one.region: one for one in november.regions}
    assert list(by_region) == [Region.UNSTATED, Region.BISHKEK, Region.NARYN]
    assert november.total.work_hashes == 3 * WORK
    assert by_region[Region.UNSTATED].work_hashes == WORK
    assert by_region[Region.BISHKEK].work_hashes == WORK * 2 // 3
    with cabinet.engine.connect() as db:
        books = db.execute(
            sa.text("""
                SELECT count(*) AS sales, sum(sold_sat) AS sold_sat, sum(gross_tyiyn) AS gross,
                    sum(venue_fee_tyiyn) AS venue, sum(pool_fee_tyiyn) AS pool,
                    sum(net_tyiyn) AS net
                FROM lot_settlements
            """)
        ).one()
        rewards = db.scalar(
            sa.text("SELECT sum(reward_sat) FROM blocks WHERE state <> 'orphaned' AND found_at"
                    " >= '2026-11-01 00:00+06' AND found_at < '2026-12-01 00:00+06'")
        )  # fmt: skip
    total = november.total
    assert tuple(books) == (
        november.sales, total.sold_sat, total.gross_tyiyn, total.venue_fee_tyiyn,
        total.pool_fee_tyiyn, total.net_tyiyn,
    )  # fmt: skip
    assert total.reward_sat == rewards > 0
    assert november.blocks == rewards // 312_500_000


def test_electricity_is_work_times_the_declared_power(november: CountryMonth) -> None:
    naryn = next(one for one in november.regions if one.region is Region.NARYN)
    joules = (WORK + WORK / 3) * 3510 / 234.5e12
    assert abs(naryn.estimated_kwh - joules / 3.6e6) <= 1
    assert naryn.planned_kwh == 2 * 300_000
    assert november.regions[0].estimated_kwh == 0
    assert (naryn.participants, naryn.machines, november.participants) == (2, 6, 2)
    assert november.hashrate(naryn) == naryn.work_hashes / november.seconds


def test_a_month_before_the_register_and_one_to_come_are_empty(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        for name in ("2026-08", "2027-03"):
            month = read_month(db, period_of(name), datetime(2026, 11, 23, tzinfo=UTC))
            assert (month.blocks, month.sales, month.total.work_hashes) == (0, 0, 0)
            assert month.hashrate(month.total) == 0.0
        members = read_members(db)
    registered_, suspended = ParticipantState.REGISTERED, ParticipantState.SUSPENDED
    assert members.all == {registered_: 2, suspended: 1}
    assert members.by_region["KG-N"] == {registered_: 1, suspended: 1}
    assert members.by_region[""] == {registered_: 1}


def test_the_page_the_tables_and_the_workbook_say_the_same(
    cabinet: Cabinet, november: CountryMonth
) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    page = officer.get("/desk/country?month=2026-11").text
    for words in ("Naryn oblast", "region not stated", "November 2026"):
        assert words in page
    assert page.count("<rect") == 36
    regions = officer.get("/desk/country/regions.csv?month=2026-11").content.decode("utf-8-sig")
    lines = [line.split(";") for line in regions.splitlines()]
    place = lines[0].index("net_tyiyn")
    assert lines[-1][0] == "total"
    assert int(lines[-1][place]) == november.total.net_tyiyn
    assert sum(int(line[place]) for line in lines[1:-1]) == november.total.net_tyiyn
    months = officer.get("/desk/country/months.csv?month=2026-11").text
    assert len(months.splitlines()) == 13
    book = officer.get("/desk/country/2026-11.xlsx").content
    assert "xl/worksheets/sheet2.xml" in zipfile.ZipFile(io.BytesIO(book)).namelist()
    assert officer.get("/desk/country?month=2026-13").status_code == 404


def test_a_look_reads_the_year_once_and_the_page_asks_for_no_month_again(cabinet: Cabinet) -> None:
    asked: list[str] = []

    def note(*said: object) -> None:
        asked.append(str(said[2]))

    kept = KeptCountry(cabinet)
    sa.event.listen(cabinet.engine, "before_cursor_execute", note)
    try:
        kept.look()
        first = len(asked)
        kept.look()
        now_us = cabinet.clock.now_us()
        year = kept.year(present_month(now_us), now_us)
    finally:
        sa.event.remove(cabinet.engine, "before_cursor_execute", note)
    assert len(year) == MONTHS
    assert len(asked) == first > MONTHS
