"""From the application to the exit its participant is written to, once of each thing."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from kench.cabinet.alerts.outbox import Due, take_due
from kench.cabinet.alerts.sending import Sender
from kench.cabinet.alerts.watch import AlertWatch
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.persons import know_person
from kench.cabinet.registration.bodies import Withdrawal, withdrawal_body
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.notice_store import enter_notice, withdraw_notice
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registration.telling import NEAR_DAYS
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.words.languages import Language
from kench.pool.alert_settings import SmtpTls
from kench.pool.clock import ManualClock
from kench.pool.moments import midnight_us
from tests.cabinet.registration.test_accounts import of as account_of
from tests.support.applications import FIELDS
from tests.support.cabinet import Client, cabinet_of, client_in, client_of
from tests.support.letters import confirm_address
from tests.support.mail_server import mail_server
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    notified,
    put_officer,
    registered,
    sign,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US, Draw

ADDRESS = FIELDS["email"]
DAY_US = 86_400 * SECOND_US
SUSPENDED_ON, RETURNS_ON = date(2026, 12, 1), date(2026, 12, 10)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US + 60 * SECOND_US)


@pytest.fixture
def cabinet(database: str, engine: sa.Engine, clock: ManualClock) -> Iterator[Cabinet]:
    with engine.begin() as db:
        put_officer(db)
    settings = {"alerts_smtp_host": "127.0.0.1", "alerts_smtp_tls": SmtpTls.NONE}
    with cabinet_of(database, clock=clock, verifier=verifier_at(), **settings) as made:
        yield made


def confirmed(db: sa.Connection, language: Language = Language.EN) -> None:
    confirm_address(db, know_person(db, PIN, "Асан", NOW_US).id, ADDRESS, NOW_US, language)


def queued(cabinet: Cabinet, now_us: int) -> list[Due]:
    with cabinet.engine.begin() as db:
        due = take_due(db, now_us)
        db.execute(sa.text("UPDATE alert_messages SET state = 'sent'"))
    return due


def titles(cabinet: Cabinet, now_us: int = NOW_US + 9 * DAY_US) -> list[str]:
    """Sorted, with plain blanks."""
    return sorted(one.message.title.replace("\u202f", " ") for one in queued(cabinet, now_us))


def test_of_an_application_and_its_notices_one_is_written_to(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        confirmed(db)
        number = registered(db)
    (letter,) = queued(cabinet, NOW_US + DAY_US)
    assert letter.message.title == "Application 1: the entry is made, the credentials are ready"
    assert (letter.target, letter.path) == (ADDRESS, f"/p/{number}/connection")
    assert "Асан" not in letter.message.body
    with cabinet.engine.begin() as db:
        officer = sign(db, Purpose.DECISION, "x", OFFICER_PIN).person.id
        enter_notice(db, notified(db, account_of(number)), officer, NOW_US + 9 * SECOND_US)
        leaving = Notice(kind=NoticeKind.EXIT, participant=number, day=date(2026, 12, 24))
        second = notified(db, leaving)
        body = withdrawal_body(Withdrawal(notice=second), "2", str)
        withdraw_notice(db, sign(db, Purpose.WITHDRAWAL, body), second)
    assert titles(cabinet) == ["Notice 1 is entered", "Notice 2 is withdrawn"]


def test_days_that_come_near_are_told_once(cabinet: Cabinet, clock: ManualClock) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        notified(db, Notice(kind=NoticeKind.SUSPENSION, participant=number, day=SUSPENDED_ON,
                            until=RETURNS_ON))  # fmt: skip
        confirmed(db, Language.RU)
    due = DueWork(cabinet.engine, clock, CollectorRegistry())
    told = []
    while clock.now_us() < midnight_us(RETURNS_ON):
        due.look()
        told += titles(cabinet, clock.now_us())
        clock.step(86_400)
    assert told == [
        "Уведомление 1 вступает в силу 1 декабря 2026 г.",
        "Уведомление 1 вступило в силу",
        "Приостановление по уведомлению 1 заканчивается 10 декабря 2026 г.",
    ]
    assert (RETURNS_ON - SUSPENDED_ON).days > NEAR_DAYS


def sent(cabinet: Cabinet, port: int) -> CollectorRegistry:
    """Send what waits, as the cabinet's thread does."""
    settings = cabinet.settings.model_copy(update={"alerts_smtp_port": port})
    registry = CollectorRegistry()
    watch = AlertWatch(
        cabinet.engine, Sender(settings, cabinet.clock), cabinet.clock,
        cabinet.settings.cabinet_origin, random_bytes=Draw(5), registry=registry,
    )  # fmt: skip
    watch.look()
    watch.send()
    return registry


def link_in(letter: str) -> str:
    (line,) = [line for line in letter.replace("=\r\n", "").splitlines() if "/mail/" in line]
    return line[line.index("/mail/") :].strip()


def test_from_the_form_to_the_confirmed_address_and_the_letter_of_a_message(
    cabinet: Cabinet,
) -> None:
    """Through pages and a real mail server; opening the link alone says nothing."""
    person, officer = client_in(cabinet), client_in(cabinet, OFFICER_PIN)
    with cabinet.engine.begin() as db:
        number = registered(db)
    page = f"/p/{number}/notices"
    assert "No letters go to" in person.get(page).text
    assert person.post_form(f"{page}/contact").headers["location"].endswith("said=link_sent")
    with mail_server() as (port, letters):
        figures = sent(cabinet, port)
        assert (
            figures.get_sample_value(
                "kench_cabinet_alerts_sent_total", {"event": "confirm", "channel": "email"}
            )
            == 1
        )
        link = link_in(letters[0])
        stranger = client_of(cabinet)
        shown = stranger.get(link)
        assert ADDRESS in shown.text
        assert shown.headers["referrer-policy"] == "strict-origin"
        assert shown.text.count(link.rpartition("/")[2]) == 1  # in its form alone
        assert "Присылать?" in stranger.get(f"{link}?language=ru").text
        assert "No letters go to" in person.get(page).text
        assert stranger.post_form(link, do="maybe").status_code == 400
        assert "confirmed" in stranger.post_form(link, do="yes").text
        gone = stranger.get(link)
        assert gone.status_code == 404
        assert link.rpartition("/")[2] not in gone.text
        assert f"go to {ADDRESS}" in person.get(page).text
        asked = officer.post_form(f"/desk/participants/{number}/messages", title="x", text="y")
        signed_in(officer, asked.headers["location"], OFFICER_PIN)
        sent(cabinet, port)
        assert f"/p/{number}/messages/1" in letters[1]


def test_an_application_asks_for_its_address_and_a_confirmed_one_is_not_asked_again(
    cabinet: Cabinet,
) -> None:
    person = applied(cabinet)
    assert "No letters go to" in person.get("/applications/1").text
    assert [one.event for one in queued(cabinet, NOW_US + DAY_US)] == ["confirm"]
    with cabinet.engine.begin() as db:
        confirmed(db)
    assert f"go to {ADDRESS}" in person.get("/applications/1").text
    said = person.post_form("/applications/1/contact").headers["location"]
    assert said.endswith("said=link_needless")


def applied(cabinet: Cabinet) -> Client:
    """Somebody who has applied through the pages."""
    from tests.cabinet.web.test_registration_rooms import TYPED, attach  # noqa: PLC0415 - only this needs it

    person = client_in(cabinet)
    attach(person, "/apply", "ownership", TYPED)
    attach(person, "/apply", "certificate", TYPED)
    asked = person.post_form("/apply", do="sign", **TYPED)
    signed_in(person, asked.headers["location"])
    return person
