"""A suspension from the officer's form to the participant's page, and back; an exclusion too."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.templates import TemplateKind, offered
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.login.whose import whose
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from tests.support.cabinet import cabinet_of, client_in
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    inspected,
    put_officer,
    registered,
    signed_in,
    verifier_at,
)
from tests.support.reports import report_made
from tests.support.signing import SECOND_US

INSPECTOR_PIN = "10103199000777"
REASON = "The transformer burns."


@pytest.fixture(scope="module")
def cabinet(module_database: str, owner: sa.Engine, participant: int) -> Iterator[Cabinet]:
    """A participant with a technician, and another one."""
    with owner.begin() as db:
        put_officer(db, INSPECTOR_PIN, ["inspector"])  # type: ignore[list-item]
        add_person(db, participant, OTHER_PIN, PeopleRole.TECHNICIAN, added_by=1, now_us=NOW_US)
        registered(db, "11211197800321")
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


def test_a_suspension_is_decided_seen_whole_and_ended(cabinet: Cabinet, participant: int) -> None:
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet)
    page = f"/desk/participants/{participant}/suspension"
    answer = officer.post_form(page, reason=" ")
    assert answer.status_code == 422
    assert "Choose the ground of the suspension" in answer.text
    answer = officer.post_form(page, ground="inspection", inspection="77", reason=REASON)
    assert "no inspection of that number" in answer.text
    with cabinet.reading.connect() as db:
        (template, *_) = offered(db, TemplateKind.SUSPENSION, Language.EN)
    assert "(No. 1) is a danger" in officer.get(f"{page}?template={template.number}").text

    asked = officer.post_form(page, ground="danger", until="2026-12-20", reason=REASON)
    signed_in(officer, asked.headers["location"], OFFICER_PIN)
    assert "20 December 2026" in officer.get("/desk/suspensions").text
    assert "Nobody of the participant has opened it yet" in officer.get("/desk/decisions/1").text

    assert f"/p/{participant}/decisions/1" in owner.get(f"/p/{participant}/").text
    assert "not opened yet" in owner.get(f"/p/{participant}/messages").text
    shown = owner.get(f"/p/{participant}/decisions/1").text
    assert REASON in shown
    assert "What happens with the money" in shown
    assert "In sale" in shown
    assert "not opened yet" not in owner.get(f"/p/{participant}/decisions").text
    signed = owner.get(f"/p/{participant}/decisions/1/text.txt").content
    assert REASON.encode() in signed
    assert owner.get(f"/p/{participant}/decisions/1/signature.p7s").content[0] == 0x30
    assert "opened it yet" not in officer.get("/desk/decisions/1").text
    notices = owner.get(f"/p/{participant}/notices").text
    assert f"/p/{participant}/notices/new/exit" in notices
    assert f"/p/{participant}/notices/new/resumption" not in notices

    answer = officer.post_form(f"{page}/end", reason="")
    assert answer.status_code == 422
    asked = officer.post_form(f"{page}/end", reason="It is mended.")
    signed_in(officer, asked.headers["location"], OFFICER_PIN)
    assert "Nobody is suspended" in officer.get("/desk/suspensions").text
    assert "It is mended." in owner.get(f"/p/{participant}/decisions/2").text
    assert "/desk/decisions/2" in officer.get(f"/desk/register/{participant}").text
    assert officer.post_form(f"{page}/end", reason="Again.").status_code == 404


def test_an_inspector_reads_a_suspension_and_decides_none(
    cabinet: Cabinet, participant: int
) -> None:
    inspector = client_in(cabinet, INSPECTOR_PIN)
    page = f"/desk/participants/{participant}/suspension"
    assert "To the signature" not in inspector.get(page).text
    assert inspector.post_form(page, ground="danger", reason=REASON).status_code == 403
    assert inspector.post_form(f"{page}/end", reason=REASON).status_code == 403


def test_the_participants_page_leads_to_what_the_officers_roles_open(
    cabinet: Cabinet, owner: sa.Engine, participant: int
) -> None:
    with owner.begin() as db:
        report = report_made(db, participant)
        inspection = inspected(db, participant)
    page = f"/desk/participants/{participant}"
    head, inspector = client_in(cabinet, OFFICER_PIN), client_in(cabinet, INSPECTOR_PIN)
    seen = {
        client: [
            address for address in (
                f"/desk/reports/{report}", f"/desk/inspections/{inspection}",
                f"{page}/messages", "Income for the tax service", "Lots that stand still",
            ) if address in client.get(page).text
        ]
        for client in (head, inspector)
    }  # fmt: skip
    assert len(seen[head]) == 5
    assert len(seen[inspector]) == 2


def test_who_opened_what_knows_whose_it_is(cabinet: Cabinet, owner: sa.Engine) -> None:
    del cabinet
    with owner.connect() as db:
        for subject in (
            "/desk/reports/1/filed.pdf", "inspection 1", "/desk/decisions/1", "/desk/register/1",
            "/desk/income/records/KG-2026-10-1-2026-10-05-1",
        ):  # fmt: skip
            assert whose(db, subject) == 1, subject
        for subject in ("/desk/reports/77", "/desk/lots/0123/1", "/desk/income/2026-10"):
            assert whose(db, subject) is None, subject


def test_the_excluded_sees_the_decision_and_what_becomes_of_its_money(
    cabinet: Cabinet, participant: int
) -> None:
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet)
    page = f"/desk/participants/{participant}"
    asked = officer.post_form(f"{page}/exclude", reason="Clause 36.3.")
    signed_in(officer, asked.headers["location"], OFFICER_PIN)
    shown = owner.get(f"/p/{participant}/decisions").text
    assert "exclusion from the State System" in shown
    number = shown.partition(f"/p/{participant}/decisions/")[2].partition('"')[0]
    decision = f"/p/{participant}/decisions/{number}"
    assert decision in owner.get(f"/p/{participant}/").text
    shown = owner.get(decision).text
    assert "Clause 36.3." in shown
    assert "In sale" in shown
    assert "paid to the bank account" in shown
    technician = client_in(cabinet, OTHER_PIN).get(decision).text
    assert "Clause 36.3." in technician
    assert "In sale" not in technician
    assert client_in(cabinet, "11211197800321").get(decision).status_code == 404
    assert client_in(cabinet, "11211197800321").get(f"/p/2/decisions/{number}").status_code == 404
    assert officer.post_form(f"{page}/suspension", ground="danger", reason="x").status_code == 404


def test_a_circular_begins_from_a_template(cabinet: Cabinet) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    with cabinet.reading.connect() as db:
        (template, *_) = offered(db, TemplateKind.CIRCULAR, Language.EN)
    page = officer.get(f"/desk/circulars?template={template.number}").text
    assert f'value="{template.title}"' in page
    assert "{day}" not in page
