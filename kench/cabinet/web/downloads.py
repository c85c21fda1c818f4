"""Files that are handed out and never shown: whatever is in them, no browser runs it here."""

from collections.abc import Sequence
from urllib.parse import quote

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.documents import read_content

SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"


def file_response(content: bytes, name: str, media_type: str) -> Response:
    """Return a file to be saved."""
    plain = "".join(
        one if one.isascii() and one.isalnum() else "_" for one in name.partition(".")[0]
    )
    suffix = name.rpartition(".")[2]
    headers = {
        "Content-Disposition": (
            f'attachment; filename="{plain or "file"}.{suffix}"; '
            f"filename*=UTF-8''{quote(name, safe='')}"
        ),
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=media_type, headers=headers)


def attachment_response(
    db: sa.Connection, attachments: Sequence[Attachment], number: int
) -> Response:
    """Return the `number`-th of a document's attachments, counted from one."""
    if not 1 <= number <= len(attachments):
        raise HTTPException(404)
    one = attachments[number - 1]
    return file_response(read_content(db, one), one.name, one.media_type)
