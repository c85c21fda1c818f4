"""Parts of forms that applications and notices share: equipment rows, attached documents."""

from collections.abc import MutableSequence
from typing import Any

import sqlalchemy as sa
from starlette.datastructures import FormData

from kench.cabinet.registration.attachments import (
    ATTACHMENT_BYTES_MAX,
    Attachment,
    AttachmentKind,
    AttachmentRefusal,
)
from kench.cabinet.registration.documents import take_upload
from kench.cabinet.registration.equipment import ROW_FIELDS, ROWS_MAX
from kench.cabinet.web.forms import file_of, text_of
from kench.cabinet.web.visit import Visit

DIGITS = 4
"""Of a number that a form counts by, so many are read."""
FIELD_MAX = 500
"""Longest text that a draft keeps of one field."""
TEXT_FIELD_MAX = 8000
"""Longest text that it keeps of one with several lines."""


def typed_rows(form: FormData) -> list[dict[str, str]]:
    """The rows of the equipment list that a form holds."""
    count = text_of(form, "rows")
    number = min(int(count[:DIGITS]), ROWS_MAX) if count.isascii() and count.isdigit() else 0
    return [
        {name: text_of(form, f"row-{row}-{name}")[:FIELD_MAX] for name in ROW_FIELDS}
        for row in range(1, number + 1)
    ]


def remove_numbered(entries: MutableSequence[Any], do: str) -> None:
    """Take away the entry whose number, from one, ends the button's name."""
    number = do.rpartition("-")[2]
    if number.isascii() and number.isdigit() and 1 <= int(number[:DIGITS]) <= len(entries):
        del entries[int(number[:DIGITS]) - 1]


def place_of(do: str) -> str:
    """Return the part of a form that a button belongs to, to go on at: the top for the others."""
    if do == "upload" or do.startswith("remove-file-"):
        return "#attachments"
    return "#rows" if do == "add" or do.startswith("remove-row-") else ""


def take_file(
    db: sa.Connection, visit: Visit, person_id: int, already: int, form: FormData
) -> Attachment | AttachmentRefusal | None:
    """Keep the file that came with a form, None if none did; `already` are attached."""
    file = file_of(form, "file")
    if file is None:
        return None
    kind = text_of(form, "file_kind")
    known = {one.value: one for one in AttachmentKind}
    return take_upload(
        db,
        person_id,
        file.filename or "",
        known.get(kind, AttachmentKind.OTHER),
        file.file.read(ATTACHMENT_BYTES_MAX + 1),
        already=already,
        now_us=visit.now_us,
    )
