"""Officers begin from a template and may change it; the head writes new versions of it."""

import html
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import DBAPIError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.templates import TemplateKind, current_templates, filled, offered
from kench.cabinet.registration.decisions import Ground
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.orders.officer_roles import OfficerRole
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.signing import SECOND_US

REGISTRAR_PIN = "10103199000888"


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officer(db)
        put_officer(db, REGISTRAR_PIN, [OfficerRole.REGISTRAR])
        assert registered(db) == 1
        apply(db, OTHER_PIN)
    engine.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.fixture
def head(cabinet: Cabinet) -> Client:
    return client_in(cabinet, OFFICER_PIN)


def numbered(cabinet: Cabinet, kind: TemplateKind, ground: Ground | None = None) -> int:
    with cabinet.engine.connect() as db:
        return next(
            one.number for one in offered(db, kind, Language.EN) if one.ground in {ground, None}
        )


def test_each_ground_has_a_text_in_each_language_to_begin_with(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        refusals = current_templates(db, TemplateKind.REFUSAL)
        mine = offered(db, TemplateKind.MESSAGE, Language.RU)
    assert {(one.ground, one.language) for one in refusals} == {
        (ground, language) for ground in Ground for language in Language
    }
    assert mine[0].language is Language.RU


def test_a_template_fills_the_form_that_is_then_edited_and_signed(
    cabinet: Cabinet, head: Client
) -> None:
    number = numbered(cabinet, TemplateKind.REFUSAL, Ground.SET_INCOMPLETE)
    page = head.get(f"/desk/applications/2?template={number}").text
    assert "These documents are missing from application 2:" in page
    assert 'value="30.2" checked' in page
    assert 'value="refuse" checked' in page
    exclusion = numbered(cabinet, TemplateKind.EXCLUSION)
    page = head.get(f"/desk/participants/1?template={exclusion}").text
    assert "(No. 1) broke the Procedure:" in page
    message = numbered(cabinet, TemplateKind.MESSAGE)
    page = head.get(f"/desk/participants/1/messages?template={message}").text
    assert 'value="Please clarify"' in page
    for wrong in ("x", "9999", str(message)):
        assert head.get(f"/desk/applications/2?template={wrong}").status_code == 200


def test_a_change_is_a_new_version_and_the_old_one_stays(cabinet: Cabinet, head: Client) -> None:
    number = numbered(cabinet, TemplateKind.REFUSAL, Ground.NO_CERTIFICATE)
    path = f"/desk/templates/{number}"
    answer = head.post_form(path, title="No certificate", text="{name} has none.", is_used="yes")
    assert answer.status_code == 303
    page = head.get(path).text
    assert "No certificate" in page
    assert "No mining certificate" in page
    assert "{name} has none." in page
    # What it is for cannot be changed: that would be another template.
    assert "refusal of a registration, 30.5" in page
    head.post_form(path, title="No certificate", text="{name} has none.", kind="message")
    with cabinet.engine.connect() as db:
        assert number not in {one.number for one in offered(db, TemplateKind.REFUSAL, Language.EN)}
        assert number not in {one.number for one in offered(db, TemplateKind.MESSAGE, Language.EN)}
        lines = db.exec_driver_sql(
            "SELECT subject FROM acts WHERE act = 'edit_template' ORDER BY id"
        )
        assert lines.scalars().all() == [
            f"template {number} version 2", f"template {number} version 3",
        ]  # fmt: skip


def test_a_new_one_says_what_it_is_for(cabinet: Cabinet, head: Client) -> None:
    answer = head.post_form("/desk/templates/new", title="", text="", kind="refusal", language="xx")
    assert answer.status_code == 422
    for words in ("Choose the language", "Choose the ground of the refusal", "Give it a title"):
        assert words in answer.text
    made = head.post_form(
        "/desk/templates/new", title="Ещё", text="<b>{name}</b>", kind="message", language="ru",
        is_used="yes",
    )  # fmt: skip
    assert made.status_code == 303
    page = head.get(made.headers["location"]).text
    assert "&lt;b&gt;{name}&lt;/b&gt;" in page
    assert head.get("/desk/templates/9999").status_code == 404
    assert head.post_form("/desk/templates/9999", title="x", text="x").status_code == 404


def test_only_the_head_writes_templates(cabinet: Cabinet) -> None:
    registrar = client_in(cabinet, REGISTRAR_PIN)
    assert registrar.get("/desk/templates").status_code == 403
    assert registrar.post_form("/desk/templates/1", title="x", text="x").status_code == 403
    assert client_in(cabinet, PIN).get("/desk/templates").status_code == 404


def test_versions_are_never_changed(cabinet: Cabinet) -> None:
    with pytest.raises(DBAPIError), cabinet.engine.begin() as db:
        db.exec_driver_sql("UPDATE desk_templates SET text = 'x'")


def test_only_the_three_places_are_filled() -> None:
    text = filled("{number} {name} {day} {other} {name.__class__} {", {"number": "7", "name": "N"})
    assert text == "7 N  {other} {name.__class__} {"


def test_an_applicant_has_the_whole_decision_and_its_signature(cabinet: Cabinet) -> None:
    owner, other = client_in(cabinet, PIN), client_in(cabinet, OTHER_PIN)
    page = owner.get("/applications/1").text
    assert "The text that was signed" in page
    text = owner.get("/applications/1/decision.txt")
    assert text.text in html.unescape(page)
    assert owner.get("/applications/1/decision.p7s").content
    for path in ("decision.txt", "decision.p7s"):
        assert other.get(f"/applications/1/{path}").status_code == 404
        assert other.get(f"/applications/2/{path}").status_code == 404
