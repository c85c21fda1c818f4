"""Two officers at the desk: who they are, and documents that they truly sign there."""

import sqlalchemy as sa

from kench.cabinet.desk.order_drafts import save_draft
from kench.cabinet.login.persons import know_person
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.closing import close_request
from kench.cabinet.signing.requests import open_document
from kench.cabinet.signing.wording import Purpose
from kench.pool.orders.document import Document
from kench.pool.orders.officer_roles import OfficerRole
from kench.pool.orders.register import propose
from tests.support.registration import DRAW, NOW_US, put_officer, verifier_at
from tests.support.signing import BROWSER, SECOND_US, enter, signer

HEAD, FINANCE, OTHER_FINANCE, INSPECTOR = (f"1010319900{number}" for number in range(1001, 1005))
ROLES = {
    HEAD: {OfficerRole.HEAD},
    FINANCE: {OfficerRole.FINANCE},
    OTHER_FINANCE: {OfficerRole.FINANCE},
    INSPECTOR: {OfficerRole.INSPECTOR, OfficerRole.REGISTRAR},
}


def put_officers(db: sa.Connection) -> None:
    """Enter them; only the schema's owner may."""
    for pin, roles in ROLES.items():
        put_officer(db, pin, roles)


def sign_document(
    db: sa.Connection,
    purpose: Purpose,
    subject: str,
    document: bytes,
    pin: str,
    *,
    after_s: int = 0,
) -> SignedAct:
    """An officer enters, is asked for a signature of a document, and gives it."""
    now_us = NOW_US + after_s * SECOND_US
    login, _ = enter(db, pin, now_us=now_us, draw=DRAW)
    request = open_document(
        db, purpose, subject, document, browser=BROWSER, login_id=login.id, language="en",
        now_us=now_us, random_bytes=DRAW,
    )  # fmt: skip
    closed = close_request(
        db, request.id, signer(pin).sign(request.content), browser=BROWSER, login=login,
        now_us=now_us, verifier=verifier_at(),  # type: ignore[arg-type]
    )  # fmt: skip
    assert isinstance(closed, SignedAct), closed
    return closed


def orders_at_desk(db: sa.Connection, drafted: Document, proposed: Document, pin: str) -> None:
    """Leave the first order as draft 1, and the second as one that waits for signatures."""
    person = know_person(db, pin, "Гүлнара Эсенова", NOW_US)
    assert save_draft(db, drafted, person.id, NOW_US) == 1
    verifier = verifier_at()
    propose(db, verifier, proposed.content, tip_height=1, now_us=NOW_US)  # type: ignore[arg-type]
