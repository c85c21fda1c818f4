"""Registration in tests: acts truly signed, and the way from an application to a participant."""

import hashlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from kench.cabinet.inspections.outcome import (
    CHECKLIST,
    Finding,
    Item,
    Outcome,
    Result,
    outcome_body,
)
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.store import keep_outcome, plan
from kench.cabinet.measures.store import keep_suspension, lift_suspension
from kench.cabinet.measures.suspension import (
    Lifting,
    Suspension,
    SuspensionGround,
    lifting_body,
    suspension_body,
)
from kench.cabinet.messages.circulars import Circular, circular_body, keep_circular
from kench.cabinet.messages.letter import Message, message_body
from kench.cabinet.messages.store import keep_message
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.bodies import application_body, decision_body, notice_body
from kench.cabinet.registration.cases import application_of, read_case, submit
from kench.cabinet.registration.decisions import Decision, Ground
from kench.cabinet.registration.documents import take_upload
from kench.cabinet.registration.entering import decide
from kench.cabinet.registration.notice_store import notify
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registry.extracts import extract_body, keep_extract, make_extract
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.closing import close_request
from kench.cabinet.signing.requests import open_request
from kench.cabinet.signing.wording import Purpose
from kench.pool.calendar import WorkingDays
from kench.pool.moments import midnight_us, moment_of
from kench.pool.orders.book import NO_DAYS_CHANGED
from kench.pool.orders.officer_roles import OfficerRole, grant_role
from kench.pool.orders.officers import add_officer
from tests.support.applications import PDF, TODAY, application, draft
from tests.support.cabinet import Client
from tests.support.pki import PIN, Authority
from tests.support.signing import (
    BROWSER,
    ORIGIN,
    SECOND_US,
    Draw,
    authority,
    enter,
    signer,
)

OFFICER_PIN = "10103199000456"
OTHER_PIN = "21507198500999"
NOW_US = midnight_us(TODAY) + 10 * 3600 * SECOND_US
CALENDAR = WorkingDays(NO_DAYS_CHANGED)
DRAW = Draw(1_000)


def verifier_at(root: Authority | None = None) -> object:
    """What trusts the people's authority, with a list that holds for years."""
    root = root or authority()
    return root.verifier(root.crl(days=(-1, 3650)))


def put_officer(
    db: sa.Connection, pin: str = OFFICER_PIN, roles: Iterable[OfficerRole] = tuple(OfficerRole)
) -> None:
    """Enter an officer of these roles, or of all; only the schema's owner may."""
    add_officer(db, pin, "Гүлнара Эсенова", "head of department", NOW_US - SECOND_US)
    for role in roles:
        grant_role(db, pin, role, NOW_US - SECOND_US)


def sign(
    db: sa.Connection,
    purpose: Purpose,
    body: str,
    pin: str = PIN,
    *,
    subject: str = "",
    now_us: int = NOW_US,
) -> SignedAct:
    """A person enters, is asked for a signature, and gives it."""
    login, _ = enter(db, pin, now_us=now_us, draw=DRAW)
    request = open_request(
        db, purpose, subject, body, browser=BROWSER, login_id=login.id, language="en",
        now_us=now_us, random_bytes=DRAW, origin=ORIGIN,
    )  # fmt: skip
    closed = close_request(
        db, request.id, signer(pin).sign(request.content), browser=BROWSER, login=login,
        now_us=now_us, verifier=verifier_at(),  # type: ignore[arg-type]
    )  # fmt: skip
    assert isinstance(closed, SignedAct), closed
    return closed


def upload(
    db: sa.Connection, person_id: int, attachments: Iterable[Attachment], content: bytes = PDF
) -> None:
    """Upload what an application names."""
    for one in attachments:
        made = take_upload(db, person_id, one.name, one.kind, content, already=0, now_us=NOW_US)
        assert made == one


def apply(
    db: sa.Connection, pin: str = PIN, given: Application | None = None, now_us: int = NOW_US
) -> int:
    """A person applies; returns the number of the application."""
    given = given or application(draft(tax_number=pin), pin)
    login, _ = enter(db, pin, now_us=now_us, draw=DRAW)
    upload(db, login.person.id, given.attachments)
    act = sign(db, Purpose.APPLICATION, application_body(given, str), pin, now_us=now_us)
    return submit(db, act, CALENDAR)


def decision_on(
    db: sa.Connection, application_id: int, ground: Ground | None = None, reason: str = ""
) -> Decision:
    """A decision on what was signed."""
    case = read_case(db, application_id)
    assert case is not None
    _, act = application_of(db, case)
    return Decision(application_id, hashlib.sha256(act.content).hexdigest(), ground, reason)


def decided(
    db: sa.Connection,
    decision: Decision,
    pin: str = OFFICER_PIN,
    now_us: int = NOW_US + SECOND_US,
) -> SignedAct:
    """An officer signs the decision, and it is carried out."""
    act = sign(db, Purpose.DECISION, decision_body(decision, "", str), pin, now_us=now_us)
    decide(db, act)
    return act


def registered(db: sa.Connection, pin: str = PIN, given: Application | None = None) -> int:
    """A person applies and is registered; returns the participant's number."""
    number = apply(db, pin, given)
    decided(db, decision_on(db, number))
    case = read_case(db, number)
    assert case is not None
    assert case.participant_id is not None
    return case.participant_id


def notified(
    db: sa.Connection, notice: Notice, pin: str = PIN, now_us: int = NOW_US + 2 * SECOND_US
) -> int:
    """A person signs a notice; returns its number."""
    login, _ = enter(db, pin, now_us=now_us, draw=DRAW)
    upload(db, login.person.id, notice.attachments)
    act = sign(db, Purpose.NOTICE, notice_body(notice, "", str), pin, now_us=now_us)
    return notify(db, act, CALENDAR)


def extracted(db: sa.Connection, participant_id: int, now_us: int = NOW_US + 9 * SECOND_US) -> int:
    """A registrar signs an extract of what the register says; returns its number."""
    made = make_extract(db, participant_id, now_us, now_us)
    assert made is not None
    act = sign(db, Purpose.EXTRACT, extract_body(made, str), OFFICER_PIN, now_us=now_us)
    return keep_extract(db, act).id


def message_to(
    db: sa.Connection,
    participant_id: int,
    title: str = "Your meter",
    text: str = "Show its passport.\nBy Friday.",
) -> int:
    """An officer writes to a participant; returns the number of the message."""
    message = Message(participant_id, title, text)
    body = message_body(message, "", str)
    act = sign(db, Purpose.MESSAGE, body, OFFICER_PIN, now_us=NOW_US + 3 * SECOND_US)
    return keep_message(db, act).id


def circular_to(db: sa.Connection, circular: Circular) -> int:
    """An officer writes to many; returns the number of the circular."""
    body = circular_body(circular, str)
    act = sign(db, Purpose.CIRCULAR, body, OFFICER_PIN, now_us=NOW_US + 3 * SECOND_US)
    return keep_circular(db, act).id


def barred(
    db: sa.Connection, participant_id: int, now_us: int = NOW_US + 30 * SECOND_US, **given: Any
) -> int:
    """An officer signs a suspension, for a danger unless another ground is given.

    Returns the number of the decision.
    """
    given = {"ground": SuspensionGround.DANGER, "reason": "The transformer burns."} | given
    body = suspension_body(Suspension(participant=participant_id, **given), "", str)
    act = sign(db, Purpose.SUSPENSION, body, OFFICER_PIN, now_us=now_us)
    return keep_suspension(db, act)[1]


def lifted(
    db: sa.Connection, participant_id: int, suspension: int, now_us: int = NOW_US + 40 * SECOND_US
) -> int:
    """An officer signs that a suspension ends; returns the number of the decision."""
    lifting = Lifting(participant=participant_id, suspension=suspension, reason="It is mended.")
    act = sign(db, Purpose.LIFTING, lifting_body(lifting, "", str), OFFICER_PIN, now_us=now_us)
    return lift_suspension(db, act)[1]


def inspected(db: sa.Connection, participant_id: int, *attached: Attachment) -> int:
    """An inspector plans an inspection and signs that all conforms; returns its number."""
    now_us = NOW_US + 20 * SECOND_US
    (risk,) = read_risks(db, moment_of(now_us), participant_id)
    login, _ = enter(db, OFFICER_PIN, now_us=now_us, draw=DRAW)
    number = plan(db, risk, 5, CALENDAR, login.person.id, now_us)
    assert number is not None
    items = tuple(Item(name, Finding.YES) for name in CHECKLIST)
    upload(db, login.person.id, attached)
    outcome = Outcome(
        number, participant_id, TODAY, Result.CONFORMS, items, "All is as declared.", attached
    )
    body = outcome_body(outcome, "", str)
    keep_outcome(db, sign(db, Purpose.INSPECTION, body, OFFICER_PIN, now_us=now_us))
    return number


def signed_in(client: Client, path: str, pin: str = PIN) -> str:
    """Sign what a page asks for, as somebody does with another program; return the next page."""
    content = client.get(f"{path}/content").content
    signature = ("content.p7s", signer(pin).sign(content), "application/pkcs7-signature")
    answer = client.post_form(path, files={"signature": signature})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]
