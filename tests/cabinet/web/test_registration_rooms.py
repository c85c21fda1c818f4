"""The pages of registration: from an empty draft to a connected participant, and nobody else's."""

import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, acts_for, add_person
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.membership import current_entry, state_of
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind, ParticipantState
from kench.cabinet.web.metrics import Metrics
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.applications import FIELDS, PDF, ROW
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    notified,
    put_officer,
    registered,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US, signer

TYPED = FIELDS | {"rows": "1"} | {f"row-1-{name}": value for name, value in ROW.items()}
DAY_S = 86_400


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    with engine.begin() as db:
        put_officer(db)
    clock = ManualClock(NOW_US + 3 * SECOND_US)
    with cabinet_of(database, clock=clock, verifier=verifier_at()) as made:
        yield made


def attach(client: Client, path: str, kind: str, typed: dict[str, str]) -> None:
    answer = client.post_form(
        path, files={"file": ("скан.pdf", PDF, "text/html")}, do="upload", file_kind=kind, **typed
    )
    assert answer.status_code == 303, answer.text


def test_a_person_applies_an_officer_decides_and_the_owner_makes_a_token(
    cabinet: Cabinet,
) -> None:
    person, officer = client_in(cabinet), client_in(cabinet, OFFICER_PIN)
    assert "Application for registration" in person.get("/apply").text
    answer = person.post_form("/apply", do="sign", **TYPED)
    assert answer.status_code == 422
    assert "Attach the mining certificate" in answer.text
    attach(person, "/apply", "ownership", TYPED)
    attach(person, "/apply", "certificate", TYPED)
    assert "Nothing is missing" in person.get("/apply?check=1").text
    asked = person.post_form("/apply", do="sign", **TYPED)
    assert asked.headers["location"].startswith("/sign/")
    path = signed_in(person, asked.headers["location"])
    page = person.get(path).text
    assert "10 working days left" in page
    assert "S21 Pro" in page
    assert "handed in" in page

    assert "Асан Усенов" in officer.get("/desk").text
    assert "M-17" in officer.get("/desk/applications/1").text
    assert officer.post_form("/desk/applications/1/decide").status_code == 422
    asked = officer.post_form("/desk/applications/1/decide", do="register")
    path = signed_in(officer, asked.headers["location"], OFFICER_PIN)
    assert "carried out" in officer.get(path).text
    with cabinet.engine.connect() as db:
        (acts,) = acts_for(db, PIN)
    number = acts.participant_id
    assert f"/p/{number}/connection" in person.get("/applications/1").text

    page = person.get(f"/p/{number}/connection").text
    assert "There is no token yet" in page
    assert f"{number}.rig-01" in page
    assert "stratum+tcp://" in page
    assert f'href="/p/{number}/tokens"' in page
    assert person.post_form(f"/p/{number}/tokens", label="Farm").status_code == 200
    assert "There is no token yet" not in person.get(f"/p/{number}/connection").text


def test_a_refusal_is_shown_with_its_ground_and_its_reasons(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = apply(db)
    officer = client_in(cabinet, OFFICER_PIN)
    page = f"/desk/applications/{number}/decide"
    assert "Choose the ground" in officer.post_form(page, do="refuse", reason="x").text
    assert "Say why" in officer.post_form(page, do="refuse", ground="30.4").text
    asked = officer.post_form(page, do="refuse", ground="30.4", reason="Too loud.")
    signed_in(officer, asked.headers["location"], OFFICER_PIN)
    shown = client_in(cabinet).get(f"/applications/{number}").text
    assert "30.4" in shown
    assert "Too loud." in shown


def test_rows_and_documents_come_and_go_without_scripts(cabinet: Cabinet) -> None:
    person = client_in(cabinet)
    person.post_form("/apply", do="add", **TYPED)
    assert 'name="row-2-model"' in person.get("/apply").text
    person.post_form("/apply", do="remove-row-2", **(TYPED | {"rows": "2"}))
    assert 'name="row-2-model"' not in person.get("/apply").text
    attach(person, "/apply", "other", TYPED)
    got = person.get("/apply/documents/1")
    assert got.content == PDF
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["content-security-policy"].startswith("sandbox")
    assert got.headers["x-content-type-options"] == "nosniff"
    person.post_form("/apply", do="remove-file-1", **TYPED)
    assert person.get("/apply/documents/1").status_code == 404
    bad = person.post_form("/apply", files={"file": ("a.pdf", b"<svg onload=", "application/pdf")},
                           do="upload", **TYPED)  # fmt: skip
    assert bad.status_code == 422
    assert "Only PDF, JPEG and PNG" in bad.text
    for strange in ("remove-row-x", "remove-row-99999999999999999999", "remove-file-0", "?"):
        assert person.post_form("/apply", do=strange, **TYPED).status_code == 303


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_has_its_form_and_is_signed(cabinet: Cabinet, kind: NoticeKind) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
    person, page = client_in(cabinet), f"/p/{number}/notices/new/{kind}"
    assert person.get(page).status_code == 200
    typed = {
        NoticeKind.CERTIFICATE: {"happened": "2026-11-20", "address": "Ош, ул. Ленина, 2"},
        NoticeKind.EQUIPMENT: TYPED | {"happened": "2026-11-20", "row-1-quantity": "7"},
        NoticeKind.SUSPENSION: {"day": "2026-12-01", "until": "2026-12-10"},
        NoticeKind.RESUMPTION: {"text": "again"},
        NoticeKind.EXIT: {"day": "2026-12-24"},
        NoticeKind.ACCOUNT: {
            "holder": "Асан Усенов",
            "account_number": "1090 0000 0000 0001",
            "bank_code": "109018",
            "threshold": "100",
        },
    }[kind]
    if kind is NoticeKind.CERTIFICATE:
        assert person.post_form(page, do="sign", **typed).status_code == 422
        attach(person, page, "other", typed)
    asked = person.post_form(page, do="sign", **typed)
    assert asked.status_code == 303, asked.text
    if kind is NoticeKind.RESUMPTION:
        return
    assert signed_in(person, asked.headers["location"]).startswith(f"/p/{number}/notices")
    shown = person.get(f"/p/{number}/notices").text
    assert "waits" in shown
    officer = client_in(cabinet, OFFICER_PIN)
    assert "/desk/notices/1" in officer.get("/desk").text
    assert officer.get("/desk/notices/1").status_code == 200
    if kind.is_entered:
        assert officer.post_form("/desk/notices/1/enter").status_code == 303
        late = officer.post_form("/desk/notices/1/enter")
        assert (late.status_code, "Somebody was faster" in late.text) == (409, True)
        with cabinet.engine.connect() as db:
            entry = current_entry(db, number)
        assert entry is not None
        assert entry.version == (1 if kind is NoticeKind.ACCOUNT else 2)
    else:
        asked = person.post_form(f"/p/{number}/notices/1/withdraw")
        signed_in(person, asked.headers["location"])
        assert "withdrawn" in person.get(f"/p/{number}/notices").text
        assert person.post_form(f"/p/{number}/notices/1/withdraw").status_code == 409


def test_a_day_too_soon_is_answered_with_the_first_that_the_law_allows(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
    page = f"/p/{number}/notices/new/exit"
    answer = client_in(cabinet).post_form(page, do="sign", day="2026-12-01")
    assert answer.status_code == 422
    assert "2026-12-24 or later" in answer.text


def test_an_officer_excludes_and_the_participant_is_out(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
    officer, page = client_in(cabinet, OFFICER_PIN), "/desk/participants/1"
    assert "S21 Pro" in officer.get(page).text
    assert officer.post_form(f"{page}/exclude", reason=" ").status_code == 422
    asked = officer.post_form(f"{page}/exclude", reason="Clause 36.3.")
    signed_in(officer, asked.headers["location"], OFFICER_PIN)
    with cabinet.engine.connect() as db:
        assert state_of(db, number) is ParticipantState.EXCLUDED
    assert officer.post_form(f"{page}/exclude", reason="again").status_code == 404
    assert client_in(cabinet).post_form(f"/p/{number}/tokens", label="x").status_code == 404


GETS = [
    "/applications/1", "/applications/1/documents/1", "/p/1/notices", "/p/1/notices/new/exit",
    "/p/1/notices/1/documents/1", "/p/1/notices/new/exit/documents/1", "/p/1/connection",
    "/p/1/connection.pdf", "/p/1/dossier", "/p/1/dossier.zip", "/desk", "/desk/applications/1",
    "/desk/applications/1/documents/1", "/desk/notices/1", "/desk/notices/1/documents/1",
    "/desk/participants/1", "/desk/participants/1/dossier.zip",
]  # fmt: skip
POSTS = [
    "/applications/1/withdraw", "/p/1/notices/new/exit", "/p/1/notices/1/withdraw",
    "/p/1/tokens", "/desk/applications/1/decide", "/desk/notices/1/enter",
    "/desk/participants/1/exclude",
]  # fmt: skip


def test_to_another_person_nothing_of_it_exists(cabinet: Cabinet) -> None:
    notice = Notice(kind=NoticeKind.EXIT, participant=1, day=date(2026, 12, 24))
    with cabinet.engine.begin() as db:
        assert registered(db) == 1
        notified(db, notice)
    other, nobody = (
        client_in(cabinet, OTHER_PIN),
        Client(
            client_in(cabinet).app, base_url=cabinet.settings.cabinet_origin, follow_redirects=False
        ),
    )
    for path in GETS:
        assert other.get(path).status_code == 404, path
        assert nobody.get(path).headers["location"].startswith("/enter"), path
    for path in POSTS:
        assert other.post_form(path, do="sign", day="2026-12-24").status_code == 404, path
    # And the person's own pages are no desk.
    for path in [one for one in GETS if one.startswith("/desk")]:
        assert client_in(cabinet).get(path).status_code == 404, path


def test_who_acts_in_another_role_reads_and_does_not_sign(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        add_person(db, number, OTHER_PIN, PeopleRole.TECHNICIAN, added_by=None, now_us=NOW_US)
    technician = client_in(cabinet, OTHER_PIN)
    assert technician.get(f"/p/{number}/connection").status_code == 200
    assert technician.get(f"/p/{number}/notices").status_code == 200
    for path in ("dossier", "dossier.zip", "notices/new/exit"):
        assert technician.get(f"/p/{number}/{path}").status_code == 404


def test_the_dossier_is_checked_with_openssl_alone(cabinet: Cabinet, tmp_path: Path) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        notified(
            db,
            Notice(kind=NoticeKind.EXIT, participant=number,
                   day=date(2026, 12, 24)),
        )  # fmt: skip
    answer = client_in(cabinet).get(f"/p/{number}/dossier.zip")
    officer = client_in(cabinet, OFFICER_PIN).get(f"/desk/participants/{number}/dossier.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.content == officer.content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [act["purpose"] for act in index["acts"]] == ["application", "decision", "notice"]
    names = {one["name"]: one["sha256"] for one in index["files"]}
    for name, sha256 in names.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256
    found = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    assert found - names.keys() == {"index.json"}
    assert any(name.startswith("attachments/") for name in names)
    for act in index["acts"]:
        command = [
            "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature.p7s",
            "-content", "content.txt", "-CAfile", "root.pem", "-certfile", "chain.pem",
            "-purpose", "any", "-attime", str(act["signed_at_s"]), "-out", "/dev/null",
        ]  # fmt: skip
        folder = tmp_path / act["folder"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
        (folder / "content.txt").write_bytes(b"another text")
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=30)
        assert done.returncode != 0
    register = json.loads((tmp_path / "register.json").read_text())
    assert register["entries"][0]["entry"]["applicant"]["tax_number"] == PIN


@pytest.mark.parametrize("language", Language)
def test_the_instructions_are_a_pdf_in_each_language(cabinet: Cabinet, language: Language) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
    answer = client_in(cabinet).get(f"/p/{number}/connection.pdf?language={language}")
    assert answer.content.startswith(b"%PDF-")
    assert "attachment" in answer.headers["content-disposition"]


def test_what_is_due_is_done_by_one_of_several_and_what_is_overdue_is_told(
    cabinet: Cabinet, database: str
) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        apply(db, OTHER_PIN, None)
        day = date(2026, 12, 1)
        notified(db, Notice(kind=NoticeKind.SUSPENSION, participant=number, day=day))
    clock = ManualClock(NOW_US)
    due = DueWork(cabinet.engine, clock, Metrics().registry)
    assert due.is_time()
    assert due.look() == 0
    assert due.overdue == 0
    assert not due.is_time()
    clock.advance(60)
    assert due.is_time()
    due.look()
    clock.step(8 * DAY_S)
    assert due.is_time()
    held = open_engine(database, application_name="other cabinet")
    with held.begin() as db:
        db.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x6B656E6368647565})
        assert due.look() == 0
    held.dispose()
    assert due.look() == 1
    assert due.look() == 0
    with cabinet.engine.connect() as db:
        assert state_of(db, number) is ParticipantState.SUSPENDED
    clock.advance(7 * DAY_S)
    due.look()
    assert due.overdue == 1


def test_what_cannot_follow_any_more_is_said_and_nothing_of_it_is_kept(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = apply(db)
    officer = client_in(cabinet, OFFICER_PIN, "ru")
    page = f"/desk/applications/{number}/decide"
    first, second = (officer.post_form(page, do="register").headers["location"] for _ in range(2))
    signed_in(officer, first, OFFICER_PIN)
    content = officer.get(f"{second}/content").content
    signature = ("a.p7s", signer(OFFICER_PIN).sign(content), "application/octet-stream")
    answer = officer.post_form(second, files={"signature": signature})
    assert answer.status_code == 409
    assert "Этого уже нельзя сделать" in answer.text
    with cabinet.engine.connect() as db:
        assert db.scalar(sa.text("SELECT count(*) FROM participants")) == 1
        decisions = "SELECT count(*) FROM signed_acts WHERE purpose = 'decision'"
        assert db.scalar(sa.text(decisions)) == 1
