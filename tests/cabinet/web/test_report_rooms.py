"""Reports in the cabinet: filled in, signed, looked at, sent back, corrected; forms put in."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from pypdf import PdfReader

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.orders.officer_roles import OfficerRole
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    put_officer,
    registered,
    signed_in,
    verifier_at,
)
from tests.support.reports import MONTHLY, PDF, QUARTERLY, after_us, filed, new_form, report_made

FINANCE_PIN = "12203199000999"
PARTS = ("balance", "profit_loss", "cash_flow", "notes")


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    with engine.begin() as db:
        put_officer(db)
    clock = ManualClock(after_us("2026-11"))
    with cabinet_of(database, clock=clock, verifier=verifier_at()) as made:
        yield made


def made(cabinet: Cabinet, name: str = "2026-11", kind: str = "monthly") -> int:
    """Participant 1 with a report."""
    with cabinet.engine.begin() as db:
        return report_made(db, registered(db), name, kind)


def asked(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_month_is_completed_signed_looked_at_sent_back_and_corrected(cabinet: Cabinet) -> None:
    number = made(cabinet)
    page = f"/p/1/reports/{number}"
    person, officer = client_in(cabinet), client_in(cabinet, OFFICER_PIN)
    listed = person.get("/p/1/reports").text
    assert "Monthly operational report" in listed
    assert "7 working days left" in listed
    shown = person.get(page).text
    assert "S21 Pro" in shown
    assert 'name="v-accrued_sat"' not in shown
    lacking = person.post_form(page, do="sign")
    assert lacking.status_code == 422
    assert "Used by the meter: this is missing" in lacking.text
    asked(person.post_form(page, do="save", **MONTHLY))
    assert "301 250" in person.get(page).text
    changed = person.post_form(page, do="sign", **MONTHLY, **{"v-machines": "119"})
    assert "say in the note why" in changed.text
    typed = MONTHLY | {"v-machines": "119", "n-machines": "One burnt."}
    text = person.post_form(page, do="sign", **typed)
    assert "301250 kWh" in person.get(f"{asked(text)}/content").text
    assert "report is signed and filed" in person.get(signed_in(person, asked(text))).text
    assert "filed, waits" in person.get("/p/1/reports").text

    assert f"/desk/reports/{number}" in officer.get("/desk/reports/waiting").text
    looked = officer.get(f"/desk/reports/{number}").text
    assert "One burnt." in looked
    assert "differs" in looked
    decide = f"/desk/reports/{number}/decide"
    assert officer.post_form(decide, do="returned").status_code == 422
    assert officer.post_form(decide, do="?", remarks="x").status_code == 422
    path = asked(officer.post_form(decide, do="returned", remarks="Show the meter."))
    assert person.get(f"{page}/decision.json").status_code == 404
    assert "sent back" in officer.get(signed_in(officer, path, OFFICER_PIN)).text
    assert officer.post_form(decide, do="accepted").status_code == 409
    record = json.loads(person.get(f"{page}/decision.json").content)
    assert (record["decision"]["verdict"], record["signer"]["pin"]) == ("returned", OFFICER_PIN)

    shown = person.get(page).text
    assert "Show the meter." in shown
    assert 'value="119"' in shown
    text = person.post_form(page, do="sign", **typed | {"v-energy_kwh": "301 251"})
    signed_in(person, asked(text))
    signed_in(officer, asked(officer.post_form(decide, do="accepted")), OFFICER_PIN)
    shown = person.get(page).text
    assert "accepted" in shown
    assert "301,251 kWh" in shown
    assert 'name="v-energy_kwh"' in person.get(f"{page}?correct=true").text


def test_a_filed_report_is_a_file_with_its_signature_in_it(cabinet: Cabinet) -> None:
    number = made(cabinet)
    with cabinet.engine.begin() as db:
        filed(db, number)
    person, officer = client_in(cabinet), client_in(cabinet, OFFICER_PIN)
    record = json.loads(person.get(f"/p/1/reports/{number}/filed.json").content)
    assert record["filing"]["contents"]["energy_kwh"] == 301_250
    content = base64.b64decode(record["content"])
    assert b"301250 kWh" in content
    assert base64.b64decode(record["signature_p7s"]).startswith(b"\x30")
    for path in (f"/p/1/reports/{number}", f"/desk/reports/{number}"):
        pdf = (person if path.startswith("/p") else officer).get(f"{path}/filed.pdf?version=1")
        assert pdf.content.startswith(b"%PDF-")
        enclosed = PdfReader(io.BytesIO(pdf.content)).attachments
        assert enclosed["content.txt"] == [content]
        assert enclosed["signature.p7s"] == [base64.b64decode(record["signature_p7s"])]
    assert person.get(f"/p/1/reports/{number}/filed.pdf?version=2").status_code == 404
    assert person.get(f"/p/1/reports/{number}/filed.exe").status_code == 404
    with zipfile.ZipFile(io.BytesIO(person.get("/p/1/dossier.zip").content)) as dossier:
        names = dossier.namelist()
        (known,) = json.loads(dossier.read("reports.json"))
    assert any(name.endswith("-report/signature.p7s") for name in names)
    assert (known["period"], known["version"], known["late"]) == ("2026-11", 1, False)


def test_the_simplified_form_is_chosen_on_the_page(cabinet: Cabinet) -> None:
    page = f"/p/1/reports/{made(cabinet)}"
    person = client_in(cabinet)
    asked(person.post_form(page, do="simple", **MONTHLY))
    shown = person.get(page).text
    assert "in this State System alone" in shown
    assert "301 250" in shown
    typed = {"form": "simplified", "boxes": "v-only_here", "v-energy_kwh": "5"}
    assert "this is missing" in person.post_form(page, do="sign", **typed).text
    text = person.post_form(page, do="sign", **typed, **{"v-only_here": "yes"})
    signed_in(person, asked(text))
    assert "Simplified monthly report" in person.get(page).text


def test_statements_of_a_quarter_are_filed_with_their_documents(cabinet: Cabinet) -> None:
    page = f"/p/1/reports/{made(cabinet, '2026-Q3', 'quarterly')}"
    person = client_in(cabinet)
    assert "overdue" in person.get("/p/1/reports").text
    lacking = person.post_form(page, do="sign", **QUARTERLY)
    assert "Statement of cash flows: attach this document" in lacking.text
    upload(person, page, "balance", b"MZ", 422)
    upload(person, page, "notes", workbook(), 422)
    for part in PARTS:
        upload(person, page, part, PDF + part.encode())
    assert person.get(f"{page}/draft/documents/2").content == PDF + b"profit_loss"
    text = person.post_form(page, do="sign", **QUARTERLY | {"v-equity_tyiyn": "1"})
    assert "Assets are liabilities and equity together" in text.text
    text = person.post_form(page, do="sign", **QUARTERLY)
    signed_in(person, asked(text))
    assert person.get(f"{page}/documents/1").content == PDF + b"balance"
    officer = client_in(cabinet, OFFICER_PIN)
    assert "balance.pdf" in officer.get(f"/desk{page[4:]}").text
    got = officer.get(f"/desk{page[4:]}/documents/4")
    assert got.headers["content-security-policy"].startswith("sandbox")
    which = "/desk/reports/list?kind=quarterly&period=2026-Q3&which="
    assert "late" in officer.get(f"{which}late").text


def upload(person: Client, page: str, part: str, content: bytes, status: int = 303) -> None:
    file = (f"{part}.pdf", content, "text/html")
    answer = person.post_form(page, files={"file": file}, do="upload", file_part=part)
    assert answer.status_code == status, answer.text


def workbook(*more: str) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml", *more):
            archive.writestr(name, "x")
    return whole.getvalue()


def test_an_accountant_reads_and_does_not_sign_a_technician_does_not_even_read(
    cabinet: Cabinet,
) -> None:
    number = made(cabinet)
    with cabinet.engine.begin() as db:
        add_person(db, 1, OTHER_PIN, PeopleRole.ACCOUNTANT, added_by=None, now_us=NOW_US)
        add_person(db, 1, FINANCE_PIN, PeopleRole.TECHNICIAN, added_by=None, now_us=NOW_US)
    accountant = client_in(cabinet, OTHER_PIN)
    assert "An owner completes" in accountant.get(f"/p/1/reports/{number}").text
    assert accountant.post_form(f"/p/1/reports/{number}", do="sign").status_code == 404
    assert client_in(cabinet, FINANCE_PIN).get("/p/1/reports").status_code == 404


def test_a_new_form_is_looked_at_signed_by_a_head_and_filed(
    cabinet: Cabinet, engine: sa.Engine
) -> None:
    with engine.begin() as db:
        put_officer(db, FINANCE_PIN, (OfficerRole.FINANCE,))
    officer, other = client_in(cabinet, OFFICER_PIN), client_in(cabinet, FINANCE_PIN)
    page, document = "/desk/reports/forms", json.dumps(new_form(effective_from="2026-12"))
    assert other.get(page).status_code == 200
    assert other.post_form(page, do="sign", document=document).status_code == 403
    assert "no form" in officer.post_form(page, do="check", document="{").text
    evil = new_form(effective_from="2026-12")
    evil["title"]["en"] = "<script>alert(1)</script>{{ 7 * 7 }}"
    shown = officer.post_form(page, do="check", document=json.dumps(evil)).text
    assert "<script>alert" not in shown
    assert "{{ 7 * 7 }}" in shown
    text = officer.post_form(page, do="sign", document=document)
    path = signed_in(officer, asked(text), OFFICER_PIN)
    assert "Air and water" in officer.get(path).text
    assert "comes into force" in officer.get(path).text
    number = path.partition("?")[0]
    assert json.loads(officer.get(f"{number}/form.json").content)["kind"] == "cooling"
    with cabinet.engine.begin() as db:
        report = report_made(db, registered(db), "2026-12", "cooling")
    person = client_in(cabinet)
    assert "Cooling of machines" in person.get("/p/1/reports").text
    typed = {"v-water_m3": "3", "v-air": "cold"}
    text = person.post_form(f"/p/1/reports/{report}", do="sign", **typed)
    signed_in(person, asked(text))
    with cabinet.engine.connect() as db:
        assert db.scalar(sa.text("SELECT contents ->> 'air' FROM report_filings")) == "cold"


def test_the_authorised_body_sees_how_periods_stand_and_their_sums(cabinet: Cabinet) -> None:
    number = made(cabinet)
    with cabinet.engine.begin() as db:
        report_made(db, registered(db, OTHER_PIN))
        filed(db, number)
        db.execute(sa.text("""
            INSERT INTO report_runs VALUES ('monthly', '2026-11', 2, now(), now())
        """))  # fmt: skip
    officer = client_in(cabinet, OFFICER_PIN)
    shown = officer.get("/desk/reports").text
    assert "1 of 2 reports are filed" in shown
    assert "301,250 kWh" in shown
    assert "Reports to be looked at" in officer.get("/desk").text
    listed = "/desk/reports/list?kind=monthly&period=2026-11&which="
    for which, count in {"all": 2, "due": 1, "missing": 0, "filed": 1, "late": 0}.items():
        assert officer.get(listed + which).text.count("<tr>") == (count + 1 if count else 0), which
    cabinet.clock.advance(30 * 86_400)  # type: ignore[attr-defined]
    officer = client_in(cabinet, OFFICER_PIN)
    assert officer.get(f"{listed}missing").text.count("<tr>") == 2
    rows = officer.get("/desk/reports/table.csv").text.splitlines()
    assert len(rows) == 3
    assert ";301250;" in rows[1]
    assert officer.get("/desk/reports/table.xlsx").content.startswith(b"PK")
    assert officer.get("/desk/reports/table.pdf").status_code == 404


def test_hostile_questions_are_not_answered(cabinet: Cabinet) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    for query in ("?kind=' OR 1=1", "?kind=../x", "?period=2026-11'", "?period=" + "9" * 400):
        for page in ("/desk/reports", "/desk/reports/list", "/desk/reports/table.csv"):
            assert officer.get(page + query).status_code in {404, 422}, page + query


def test_a_period_that_is_none_shows_nothing(cabinet: Cabinet) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    assert officer.get("/desk/reports?period=2026-99").status_code == 200
    assert officer.get("/desk/reports/list?period=Q&which=all").status_code == 200
    assert officer.get("/desk/reports/list?which=x").status_code == 404
    assert officer.get("/desk/reports/77").status_code == 404


@pytest.mark.parametrize("language", Language)
def test_pages_and_signed_texts_are_there_in_each_language(
    cabinet: Cabinet, language: Language
) -> None:
    page = f"/p/1/reports/{made(cabinet)}"
    person = client_in(cabinet, PIN, language.value)
    assert person.get(page).status_code == 200
    text = person.post_form(page, do="sign", **MONTHLY)
    content = person.get(f"{asked(text)}/content").text
    title = {"ky": "ыкчам отчету", "ru": "оперативная отчётность", "en": "operational report"}
    assert title[language.value] in content
    signed_in(person, asked(text))


def test_what_is_too_long_to_be_signed_is_said(cabinet: Cabinet) -> None:
    form = new_form(effective_from="2026-12")
    said = form["title"]
    texts = [{"key": f"text{n}", "type": "text", "label": said, "longest": 4000} for n in range(80)]
    form["parts"].append({"title": said, "fields": texts})
    officer = client_in(cabinet, OFFICER_PIN)
    text = officer.post_form("/desk/reports/forms", do="sign", document=json.dumps(form))
    signed_in(officer, asked(text), OFFICER_PIN)
    with cabinet.engine.begin() as db:
        report = report_made(db, registered(db), "2026-12", "cooling")
    typed = {f"v-text{n}": "x" * 3900 for n in range(80)} | {"v-water_m3": "3", "v-air": "cold"}
    answer = client_in(cabinet).post_form(f"/p/1/reports/{report}", do="sign", **typed)
    assert answer.status_code == 422
    assert "too long to be signed" in answer.text
