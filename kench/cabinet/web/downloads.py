"""Files that are handed out and never shown: whatever is in them, no browser runs it here."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO
from urllib.parse import quote

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.documents import read_content

SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
IN_MEMORY_BYTES = 4 * 1024 * 1024
"""A larger file that is made waits in a temporary one."""
CHUNK_BYTES = 256 * 1024


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


def zip_response(write: Callable[[IO[bytes]], None], name: str) -> Response:
    """Return a ZIP that is written now, to be saved; its file is closed when sent or failed."""
    with contextlib.ExitStack() as unless_sent:
        file = unless_sent.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))
        write(file)
        file.seek(0)
        unless_sent.pop_all()

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Security-Policy": SANDBOX,
    }
    return StreamingResponse(chunks(), media_type="application/zip", headers=headers)
