"""Asking for a signature: opens the request, and leads to the page that shows the text."""

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.logins import Login
from kench.cabinet.signing.requests import TooManyRequestsError, open_document, open_request
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.pages import go
from kench.cabinet.web.visit import Visit


def ask_signature(  # noqa: PLR0913, PLR0917 - who, where, what
    cabinet: Cabinet,
    visit: Visit,
    login: Login,
    db: sa.Connection,
    purpose: Purpose,
    subject: str,
    body: str,
) -> Response:
    """Open a signing request in the caller's transaction, and go to its page."""
    try:
        request = open_request(
            db, purpose, subject, body, browser=visit.browser, login_id=login.id,
            language=visit.language.value, now_us=visit.now_us,
            random_bytes=cabinet.random_bytes, origin=cabinet.settings.cabinet_origin,
        )  # fmt: skip
    except TooManyRequestsError as error:
        raise HTTPException(429) from error
    return go(f"/sign/{request.id}")


def ask_for_document(  # noqa: PLR0913, PLR0917 - who, where, what
    cabinet: Cabinet,
    visit: Visit,
    login: Login,
    db: sa.Connection,
    purpose: Purpose,
    subject: str,
    document: bytes,
) -> Response:
    """As `ask_signature`, for a document whose own bytes are signed."""
    try:
        request = open_document(
            db, purpose, subject, document, browser=visit.browser, login_id=login.id,
            language=visit.language.value, now_us=visit.now_us, random_bytes=cabinet.random_bytes,
        )  # fmt: skip
    except TooManyRequestsError as error:
        raise HTTPException(429) from error
    return go(f"/sign/{request.id}")
