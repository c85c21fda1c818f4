"""Reports are made of the system's data, filed signed, corrected by a later version, decided on."""

import json
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.registration.bodies import whole
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.reports.aggregates import standings, sums_by_region
from kench.cabinet.reports.checking import read_form
from kench.cabinet.reports.deciding import Verdict
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.form_store import check_next, put_form
from kench.cabinet.reports.making import make_some
from kench.cabinet.reports.reminding import remind_some
from kench.cabinet.reports.store import (
    ReportState,
    facts_of,
    file_report,
    filings_of,
    late_in,
    reports_of,
    signed_filing,
    waiting_in,
)
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import BISHKEK, moment_of
from kench.pool.orders.officer_roles import OfficerRole
from tests.support.mined import mined
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    put_officer,
    registered,
    sign,
)
from tests.support.reports import (
    MONTHLY,
    after_us,
    decided_report,
    filed,
    filing_of,
    line_of,
    new_form,
    period,
    report_made,
    signed_report,
    stored,
)
from tests.support.signing import SECOND_US

"""Nobody who ever filed anything."""
RECORD = sa.text("""
    INSERT INTO income_records (doc_ref, period, participant_id, day, asset, doc_type, accrued_sat,
        sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, paid_tyiyn, content,
        sha256, made_at)
    VALUES ('KG-' || :period || '-' || :who || '-' || CAST(:day AS date) || '-1', :period, :who,
        :day, 'BTC', 'new', 1000, 900, 5000, 50, 25, 4925, 4000, 'x', sha256('x'), now())
""")


def put(db: sa.Connection, document: dict[str, Any], pin: str = OFFICER_PIN) -> int:
    """An officer signs a form, and it is put in."""
    form = read_form(json.dumps(document).encode())
    assert isinstance(form, Form), form
    act = sign(db, Purpose.REPORT_FORM, whole(["x"], form, str), pin, now_us=NOW_US)
    return put_form(db, act)


def test_a_report_is_filled_from_register_statistics_and_income(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with cabinet.begin() as db:
        number = registered(db)
    with engine.begin() as db:
        ends = int(period("2026-11").ends.timestamp()) * SECOND_US
        db.execute(sa.text("SELECT make_statistics_partitions()"))
        mined(db, number, workers=3, now_us=ends)
        for day in ("2026-11-29", "2026-11-30", "2026-12-01"):
            db.execute(RECORD, {"period": day[:7], "who": number, "day": day})
    with cabinet.begin() as db:
        facts = facts_of(db, report_made(db, number))
    assert facts["days_mined"] == 20
    # 3 workers of 100 TH/s each for 480 of 720 hours.
    assert facts["hashrate_ths"] == "200"
    assert facts["work_hashes"] == str(3 * 10**14 * 480 * 3600)
    assert facts["uptime_percent"] == "100"
    assert (facts["machines"], facts["planned_kwh"]) == (120, 300_000)
    assert facts["equipment"] == [
        {"model": "S21 Pro", "quantity": 120, "hashrate_ths": "234.5", "power_w": 3510,
         "planned_kwh": 300_000, "site": "Бишкек, ул. Чуй, 1"}
    ]  # fmt: skip
    assert [facts[key] for key in ("accrued_sat", "sold_sat", "gross_tyiyn", "net_tyiyn",
                                   "paid_tyiyn")] == [2000, 1800, 10_000, 9_850, 8000]  # fmt: skip


def test_a_report_is_filed_sent_back_corrected_and_accepted(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        line = line_of(db, number)
        assert (line.state, line.deadline.day) == (ReportState.DUE, date(2026, 12, 14))
        line = filed(db, number)
        assert (line.state, line.version, line.late) == (ReportState.FILED, 1, False)
        with pytest.raises(ActRefusedError, match="what is to be corrected"):
            decided_report(db, number, Verdict.RETURNED)
        decided_report(db, number, Verdict.RETURNED, "The meter.")
        line = line_of(db, number)
        assert line.state is ReportState.RETURNED
        assert line.is_missing(date(2026, 12, 15))
        assert not line.is_missing(date(2026, 12, 14))
        line = filed(db, number, MONTHLY | {"v-energy_kwh": "301 251"},
                     now_us=after_us("2026-11", 25))  # fmt: skip
        assert (line.state, line.version, line.late) == (ReportState.FILED, 2, False)
        accepted = decided_report(db, number)
        with pytest.raises(ActRefusedError, match="does not wait"):
            decided_report(db, number)
        assert line_of(db, number).state is ReportState.ACCEPTED
        first, second = filings_of(db, number)
        assert [first.contents["energy_kwh"], second.contents["energy_kwh"]] == [301_250, 301_251]
        assert (first.outcome, first.remarks, second.outcome) == (
            "returned", "The meter.", "accepted",
        )  # fmt: skip
        assert second.decision_act_id == accepted.id
        assert accepted.id in {act.id for act in acts_of(db, line.participant_id)}
        assert signed_filing(db, second)[0].contents == second.contents
        # What was accepted may still be corrected; it is looked at again.
        assert filed(db, number, now_us=after_us("2026-11", 28)).state is ReportState.FILED


def test_nobody_decides_on_a_report_of_their_own(cabinet: sa.Engine, engine: sa.Engine) -> None:
    with engine.begin() as db:
        put_officer(db, PIN)
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filed(db, number)
        with pytest.raises(ActRefusedError, match="their own"):
            decided_report(db, number, pin=PIN)


@pytest.mark.parametrize(
    "changed",
    [{"version": 2}, {"participant": 77}, {"filing_sha256": "00"}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_decision_is_on_what_was_seen(cabinet: sa.Engine, changed: dict[str, Any]) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filed(db, number)
        with pytest.raises(ActRefusedError):
            decided_report(db, number, **changed)


def test_a_decision_is_what_its_officer_signed(cabinet: sa.Engine, engine: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filed(db, number)
    with engine.begin() as db:
        put_officer(db, OTHER_PIN, [OfficerRole.REGISTRAR])
    with cabinet.begin() as db, pytest.raises(ActRefusedError, match="duties"):
        decided_report(db, number, pin=OTHER_PIN)
    with cabinet.connect() as db, pytest.raises(DBAPIError, match="is not what was signed"):
        db.exec_driver_sql(
            "INSERT INTO report_decisions (filing_id, outcome, remarks, person_id, at)"
            " SELECT id, 'accepted', '', person_id, now() FROM report_filings"
        )


OTHERWISE: list[tuple[dict[str, Any], str]] = [
    ({"version": 3}, "meanwhile"),
    ({"participant": 77}, "no such report"),
    ({"period": "2026-12"}, "no such report"),
    ({"form_sha256": "00"}, "another form"),
    ({"form": "quarterly"}, "another form"),
    ({"contents": {}}, "lacks something"),
    ({"notes": {"staff": "x"}}, "lacks something"),
]


def test_what_was_signed_otherwise_than_shown_is_refused(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filed(db, number)
        filing, _ = filing_of(db, number)
        for changed, why in OTHERWISE:
            body = whole(["x"], msgspec.structs.replace(filing, **changed), str)
            bad = sign(db, Purpose.REPORT, body, now_us=after_us("2026-11"))
            with pytest.raises(ActRefusedError, match=why):
                file_report(db, bad)


def test_a_figure_of_the_ledger_cannot_be_signed_otherwise(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filing, _ = filing_of(db, number)
        contents = filing.contents | {"paid_tyiyn": 1}
        body = whole(["x"], msgspec.structs.replace(filing, contents=contents), str)
        act = sign(db, Purpose.REPORT, body, now_us=after_us("2026-11"))
        with pytest.raises(ActRefusedError, match="lacks something"):
            file_report(db, act)


def test_an_owner_signs_and_nobody_else(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        registered(db, OTHER_PIN)
        filing, form = filing_of(db, number)
        with pytest.raises(ActRefusedError, match="Only an owner"):
            file_report(db, signed_report(db, filing, form, OTHER_PIN))


def test_the_database_itself_keeps_to_what_was_signed(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        filing, form = filing_of(db, number)
        act = signed_report(db, filing, form)
        row = {"report": number, "act": act.id, "who": act.person.id}
        insert = sa.text("""
            INSERT INTO report_filings (report_id, version, form_kind, form_version, contents,
                act_id, person_id, filed_at, late)
            VALUES (:report, 1, 'monthly', 1, '{"energy_kwh": 1}', :act, :who, now(), false)
        """)
        with pytest.raises(sa.exc.IntegrityError, match="not what was signed"):
            db.execute(insert, row)
    with cabinet.begin() as db, pytest.raises(sa.exc.DBAPIError):
        db.execute(sa.text("UPDATE report_forms SET version = 9"))


def test_who_mines_only_here_files_the_simplified_form(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        typed = {"v-only_here": "yes", "v-energy_kwh": "5"}
        line = filed(db, number, typed, form="simplified")
        (filing,) = filings_of(db, number)
    assert line.state is ReportState.FILED
    assert (filing.form_kind, filing.contents["only_here"]) == ("simplified", True)


def test_quarterly_statements_are_filed_with_their_documents(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db), "2026-Q3", "quarterly")
        assert line_of(db, number).deadline.day == date(2026, 10, 14)
        filing, form = filing_of(db, number, now_us=after_us("2026-Q3", 60))
        assert [one.part for one in filing.papers] == [
            "balance", "profit_loss", "cash_flow", "notes",
        ]  # fmt: skip
        body = whole(["x"], msgspec.structs.replace(filing, papers=filing.papers[:3]), str)
        short = sign(db, Purpose.REPORT, body, now_us=after_us("2026-Q3", 60))
        with pytest.raises(ActRefusedError, match="lacks something"):
            file_report(db, short)
        strange = msgspec.structs.replace(filing.papers[0], sha256="ab" * 32)
        body = whole(
            ["x"], msgspec.structs.replace(filing, papers=(strange, *filing.papers[1:])), str
        )
        with pytest.raises(ActRefusedError, match="never uploaded"):
            file_report(db, sign(db, Purpose.REPORT, body, now_us=after_us("2026-Q3", 60)))
        file_report(db, signed_report(db, filing, form, now_us=after_us("2026-Q3", 60)))
        # A correction may keep documents, whoever of the owners uploaded them.
        line = filed(db, number, now_us=after_us("2026-Q3", 80))
    assert (line.version, line.late) == (2, True)


def test_a_form_that_nobody_knew_is_put_in_and_filed(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        whose = registered(db)
        put(db, new_form())
        assert make_some(db, after_us("2026-11"), CALENDAR)
        while make_some(db, after_us("2026-11"), CALENDAR):
            pass
        kinds = {line.kind: line for line in reports_of(db, whose)}
        assert set(kinds) == {"monthly", "cooling"}
        assert kinds["cooling"].deadline.day == date(2026, 12, 21)
        typed = {
            "v-machines": "119",
            "n-machines": "One burnt.",
            "v-water_m3": "3",
            "v-air": "cold",
        }
        line = filed(db, kinds["cooling"].id, typed)
        assert line.state is ReportState.FILED
        form = stored(db, "cooling", "2026-11").form
        *_, whole_sum = sums_by_region(db, form, "2026-11")
        assert (whole_sum.region, whole_sum.sums) == (None, {"machines": 119, "water_m3": 3})


def test_a_form_comes_from_a_head_next_in_turn_and_not_for_what_is_over(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    third = "12203199000999"
    with engine.begin() as db:
        put_officer(db, third, (OfficerRole.FINANCE,))
    with cabinet.begin() as db:
        with pytest.raises(ActRefusedError, match="duties"):
            put(db, new_form(), third)
        with pytest.raises(ActRefusedError):
            put(db, new_form(), PIN)
        for changed in ({"version": 2}, {"effective_from": "2026-10"}, {"instead_of": "nothing"}):
            form = read_form(json.dumps(new_form(**changed)).encode())
            assert isinstance(form, Form)
            assert check_next(db, form, date(2026, 11, 23))
            with pytest.raises(ActRefusedError, match="any more"):
                put(db, new_form(**changed))
        put(db, new_form())
        put(db, new_form(version=2, withdrawn=True, effective_from="2026-12"))
        assert [one.form.kind for one in [stored(db, "cooling", "2026-11")]] == ["cooling"]
        with pytest.raises(StopIteration):
            stored(db, "cooling", "2026-12")


def test_reports_are_made_once_of_all_who_were_participants(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with cabinet.begin() as db:
        whose = registered(db)
        # It is registered on 23 November: October is none of its months.
        assert make_some(db, after_us("2026-10"), CALENDAR)
        assert reports_of(db, whose) == []
        # Statistics and income records are waited for, two hours at least and two days at most.
        early = int(period("2026-11").ends.timestamp()) * SECOND_US
        assert make_some(db, early + 3600 * SECOND_US, CALENDAR) == 0
        assert make_some(db, early + 3 * 3600 * SECOND_US, CALENDAR) == 0
        assert make_some(db, after_us("2026-11"), CALENDAR) == 1
        assert make_some(db, after_us("2026-11", 5), CALENDAR) == 0
        assert [line.kind for line in reports_of(db, whose)] == ["monthly"]
        # A cabinet that was away for two months makes up for them, and for the quarter.
        while make_some(db, after_us("2027-01"), CALENDAR):
            pass
        assert [(line.kind, line.period) for line in reports_of(db, whose)] == [
            ("monthly", "2027-01"), ("monthly", "2026-12"), ("monthly", "2026-11"),
        ]  # fmt: skip


def test_who_left_reports_the_month_in_which_it_left_and_none_after(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        whose = registered(db)
        db.execute(
            sa.text("""
                INSERT INTO membership_events (participant_id, act, state, at, act_id)
                VALUES (:who, 'leave', 'left', '2026-12-05 00:00+06', 1)
            """),
            {"who": whose},
        )
        db.execute(sa.text("UPDATE participants SET state = 'removed'"))
        for name in ("2026-11", "2026-12", "2027-01"):
            while make_some(db, after_us(name), CALENDAR):
                pass
        months = [line.period for line in reports_of(db, whose) if line.kind == "monthly"]
        assert months == ["2026-12", "2026-11"]


def test_many_are_made_in_pieces(cabinet: sa.Engine, engine: sa.Engine) -> None:
    with engine.begin() as db:
        db.execute(sa.text("""
            INSERT INTO participants (name, created_at)
            SELECT 'x', '2026-11-01' FROM generate_series(1, 600)
        """))  # fmt: skip
    pieces = []
    with cabinet.begin() as db:
        while step := make_some(db, after_us("2026-11"), CALENDAR):
            pieces.append(step)
        (standing,) = standings(db, "monthly", ["2026-11"], date(2026, 12, 14))
        assert pieces == [250, 250, 100]
        assert (standing.all, standing.due, standing.missing) == (600, 600, 0)
        (standing,) = standings(db, "monthly", ["2026-11"], date(2026, 12, 15))
        assert (standing.due, standing.missing) == (0, 600)


def test_late_and_missing_are_told_apart(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        first, second = (report_made(db, registered(db, pin)) for pin in (PIN, OTHER_PIN))
        filed(db, first, now_us=after_us("2026-11", 13))
        assert not line_of(db, first).late
        filed(db, second, pin=OTHER_PIN, now_us=after_us("2026-11", 14))
        assert line_of(db, second).late
        (one,) = late_in(db, "monthly", "2026-11", at_most=9)
        assert one.id == second
        third = report_made(db, registered(db, "21507198500888"))
        day = date(2026, 12, 15)
        states = (ReportState.DUE, ReportState.RETURNED)
        missing = waiting_in(db, "monthly", "2026-11", states, at_most=9, missing_on=day)
        assert not waiting_in(db, "monthly", "2026-11", states, at_most=9, due_on=day)
        before = day - timedelta(days=30)
        not_yet = waiting_in(db, "monthly", "2026-11", states, at_most=9, due_on=before)
        assert [one.id for one in not_yet] == [one.id for one in missing]
        assert [line.id for line in missing] == [third]
        (standing,) = standings(db, "monthly", ["2026-11"], day)
        assert standing[1:] == (3, 0, 1, 2, 0, 1)


def test_each_is_reminded_once_of_each_thing(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = report_made(db, registered(db))
        told = []
        at = moment_of(after_us("2026-11", 0)).astimezone(BISHKEK)
        for _ in range(20):
            now_us = int(at.timestamp()) * SECOND_US
            while remind_some(db, now_us, CALENDAR):
                told.append(at.date().isoformat())
            at += timedelta(days=1)
        letters = db.scalars(sa.text(
            "SELECT letter FROM report_reminders WHERE report_id = :id ORDER BY at"
        ), {"id": number}).all()  # fmt: skip
    assert letters == ["ready", "near", "late"]
    assert told == ["2026-12-01", "2026-12-09", "2026-12-15"]
