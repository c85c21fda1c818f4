"""Forms: who may send one, and how much."""

import hmac
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from kench.cabinet.web.visit import VisitHere, cabinet_of
from kench.pool.web.bodies import allow_body

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIELDS_MAX = 2_000
FILES_MAX = 20
FIELD_BYTES_MAX = 262_144
TOKEN = "csrf"  # noqa: S105 - the name of a field
MULTIPART = "multipart/form-data"
UTF_8 = "utf-8"


async def checked(request: Request, visit: VisitHere) -> AsyncIterator[None]:
    """Refuse a form that does not come from a page of this visit; read it, within bounds.

    Every route has this dependency (`kench.cabinet.web.app`): who adds one cannot forget it.
    """
    if request.method in SAFE_METHODS:
        yield
        return
    kind = request.headers.get("content-type", "")
    multipart = kind.startswith(MULTIPART)
    if _charset_of(kind) != UTF_8:
        # Some of Python's read text that is none.
        raise HTTPException(400)
    if multipart and visit.login is not None:
        allow_body(request, cabinet_of(request).settings.cabinet_uploads_max_bytes)
    # Closed in the end, with the files that came in it.
    async with request.form(
        max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=FIELD_BYTES_MAX
    ) as form:
        if not _is_text(form):
            raise HTTPException(400)
        token = form.get(TOKEN)
        if not isinstance(token, str) or not hmac.compare_digest(
            token.encode(), visit.csrf.encode()
        ):
            raise HTTPException(403)
        request.state.form = form
        yield


def _charset_of(kind: str) -> str:
    """Return the charset that a content type names, UTF-8 where it names none."""
    _, options = parse_options_header(kind)
    named = options.get(b"charset", UTF_8.encode()).decode("latin-1")
    return named.strip().lower().replace("utf8", UTF_8)


def _is_text(form: FormData) -> bool:
    """Whether all of it is text that PostgreSQL can keep: no NUL, no half of a character."""
    for name, value in form.multi_items():
        for text in (name, value if isinstance(value, str) else value.filename or ""):
            if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
                return False
    return True


def posted(request: Request) -> FormData:
    """Return the form that was sent, checked already."""
    form: FormData = request.state.form
    return form


Posted = Annotated[FormData, Depends(posted)]


def text_of(form: FormData, name: str) -> str:
    """Return a field's text without blanks around it; empty where there is none."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def file_of(form: FormData, name: str) -> UploadFile | None:
    """Return a file that was chosen; its `file` is read in the handler's thread."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None
