"""Extracts: what is signed is what the register says, and anybody can check it with OpenSSL."""

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pypdf import PdfReader
from sqlalchemy.exc import DBAPIError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.registration.equipment import read_rows
from kench.cabinet.registration.notice_store import enter_notice
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registry.extracts import (
    ask_extract,
    extract_body,
    keep_extract,
    make_extract,
    moment_for,
    waiting_request,
)
from kench.cabinet.signing.wording import Purpose
from kench.pool.clock import ManualClock
from kench.pool.register import suspend_participant
from tests.support.applications import ROW, TODAY
from tests.support.cabinet import cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    extracted,
    notified,
    put_officer,
    registered,
    sign,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US

LATER_US = NOW_US + 60 * SECOND_US
LIMIT_S = 20.0


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    with engine.begin() as db:
        put_officer(db)
        registered(db)
    with cabinet_of(database, clock=ManualClock(LATER_US), verifier=verifier_at()) as made:
        yield made


def test_a_participant_asks_a_registrar_signs_and_openssl_checks_what_the_pdf_encloses(
    cabinet: Cabinet, tmp_path: Path
) -> None:
    owner, officer = client_in(cabinet), client_in(cabinet, OFFICER_PIN)
    assert "extract_asked" in owner.post_form("/p/1/register/request").headers["location"]
    assert "extract_waits" in owner.post_form("/p/1/register/request").headers["location"]
    assert 'href="/desk/register/1#extracts"' in officer.get("/desk/register/requests").text
    asked = officer.post_form("/desk/register/1/extract", day="").headers["location"]
    text = officer.get(f"{asked}/content").text
    assert "S21 Pro; 120 × 234.5 TH/s, 3510 W" in text
    assert "said=extract_made" in signed_in(officer, asked, OFFICER_PIN)
    assert "Nothing waits" in officer.get("/desk/register/requests").text
    assert 'href="/p/1/register/extracts/1.pdf"' in owner.get("/p/1/register").text
    answer = owner.get("/p/1/register/extracts/1.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    files = PdfReader(io.BytesIO(answer.content)).attachments
    for name, (content, *_) in files.items():
        (tmp_path / name).write_bytes(content)
    said = json.loads(owner.get("/p/1/register/extracts/1.json").content)
    assert json.loads((tmp_path / "extract.json").read_bytes()) == said["extract"]
    assert (tmp_path / "extract.txt").read_text() == said["signed_text"] == text
    check = [str(word) for word in said["check"].split()]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "extract.txt").write_text(text.replace("S21", "S19"))
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode


def test_an_extract_says_how_it_was_on_a_day_that_is_over(cabinet: Cabinet) -> None:
    week_us = 7 * 86_400 * SECOND_US
    with cabinet.engine.begin() as db:
        rows, _ = read_rows([ROW | {"quantity": "7"}])
        more = Notice(kind=NoticeKind.EQUIPMENT, participant=1, happened=TODAY, equipment=rows)
        officer = db.scalar(sa.text("SELECT min(entered_by) FROM register_entries"))
        enter_notice(db, notified(db, more), officer or 0, NOW_US + week_us)
        for day, version in ((TODAY, 1), (TODAY + timedelta(days=7), 2), (None, 2)):
            now_us = NOW_US + 2 * week_us
            made = make_extract(db, 1, moment_for(day, now_us), now_us)
            assert made is not None
            assert made.version == version
        before = moment_for(TODAY - timedelta(days=1), NOW_US)
        assert make_extract(db, 1, before, NOW_US) is None
    officer_here = client_in(cabinet, OFFICER_PIN)
    for day in ("2026-11-22", "yesterday"):
        answer = officer_here.post_form("/desk/register/1/extract", day=day)
        assert answer.status_code == 422
        assert "had no entry" in answer.text


def test_nothing_is_kept_that_the_register_does_not_say(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        made = make_extract(db, 1, LATER_US, LATER_US)
        assert made is not None
        body = extract_body(made, str)
        with pytest.raises(ActRefusedError, match="officer in service"):
            keep_extract(db, sign(db, Purpose.EXTRACT, body, PIN, now_us=LATER_US))
        act = sign(db, Purpose.EXTRACT, body, OFFICER_PIN, now_us=LATER_US)
        suspend_participant(db, 1)
        with pytest.raises(ActRefusedError, match="something else"):
            keep_extract(db, act)


def test_a_request_is_answered_once(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        person = db.execute(sa.text("SELECT id FROM persons LIMIT 1")).scalar_one()
        assert ask_extract(db, 1, person, LATER_US)
        assert not ask_extract(db, 1, person, LATER_US)
        wanted = waiting_request(db, 1)
        assert wanted is not None
        made = make_extract(db, 1, LATER_US, LATER_US, wanted.id)
        assert made is not None
        acts = [
            sign(db, Purpose.EXTRACT, extract_body(made, str), OFFICER_PIN, now_us=LATER_US)
            for _ in range(2)
        ]
        keep_extract(db, acts[0])
        with pytest.raises(ActRefusedError, match="answered"):
            keep_extract(db, acts[1])
        assert ask_extract(db, 1, person, LATER_US)


def test_of_two_registrars_at_once_the_second_finds_the_request_answered(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        person = db.execute(sa.text("SELECT id FROM persons LIMIT 1")).scalar_one()
        ask_extract(db, 1, person, LATER_US)
        wanted = waiting_request(db, 1)
        assert wanted is not None
        made = make_extract(db, 1, LATER_US, LATER_US, wanted.id)
        assert made is not None
        acts = [
            sign(db, Purpose.EXTRACT, extract_body(made, str), OFFICER_PIN, now_us=LATER_US)
            for _ in range(2)
        ]
    outcomes: list[str] = []
    begun = threading.Event()

    def second() -> None:
        with cabinet.engine.begin() as db:
            begun.set()
            try:
                keep_extract(db, acts[1])
            except ActRefusedError as error:
                outcomes.append(str(error))

    with cabinet.engine.begin() as db:
        keep_extract(db, acts[0])
        thread = threading.Thread(target=second)
        thread.start()
        assert begun.wait(LIMIT_S)
    thread.join(LIMIT_S)
    assert outcomes == ["This request has been answered."]


def test_others_do_not_find_an_extract_and_a_technician_no_entry(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        extracted(db, 1)
        add_person(db, 1, OTHER_PIN, PeopleRole.TECHNICIAN, added_by=None, now_us=NOW_US)
    technician = client_in(cabinet, OTHER_PIN)
    for path in ("/p/1/register", "/p/1/register/extracts/1.json"):
        assert technician.get(path).status_code == 404
        assert client_in(cabinet).get(path).status_code == 200
    assert client_in(cabinet).get("/p/1/register/extracts/1.exe").status_code == 404
    assert client_in(cabinet, OFFICER_PIN).get("/desk/register/extracts/1.json").is_success


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE register_extracts SET at = now()", "DELETE FROM extract_requests",
        "DELETE FROM extract_queue", "INSERT INTO register_regions VALUES (1, 1, 'x', 1, 1, 1, 1)",
    ],
)  # fmt: skip
def test_what_was_handed_out_stays(cabinet: Cabinet, statement: str) -> None:
    with cabinet.engine.begin() as db:
        extracted(db, 1)
    with cabinet.engine.begin() as db, pytest.raises(DBAPIError):
        db.execute(sa.text(statement))
