"""Applications for tests: a draft that lacks nothing, and what it becomes."""

import hashlib
from datetime import date

from kench.cabinet.registration.application import Application, Draft, read_draft
from kench.cabinet.registration.attachments import Attachment, AttachmentKind, attachment_of
from tests.support.pki import PIN

TODAY = date(2026, 11, 23)
"""A Monday."""
PDF = b"%PDF-1.7\n1 0 obj\n"
ROW = {
    "model": "S21 Pro", "quantity": "120", "hashrate": "234.5", "power": "3510",
    "planned": "300000", "holding": "own", "region": "KG-GB", "site": "Бишкек, ул. Чуй, 1",
}  # fmt: skip
FIELDS = {
    "way": "after", "certificate_number": "M-17", "certificate_issued": "2026-10-01",
    "kind": "trader", "name": "Асан Усенов", "tax_number": PIN, "address": "Бишкек, ул. Чуй, 1",
    "phone": "+996 555 123456", "email": "asan@example.kg",
}  # fmt: skip


def attachment(kind: AttachmentKind, content: bytes = PDF) -> Attachment:
    """A document of that kind."""
    made = attachment_of(f"{kind}.pdf", kind, content)
    assert isinstance(made, Attachment)
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    return made


def draft(**changed: str) -> Draft:
    """A draft that lacks nothing, with some fields changed."""
    return Draft(
        fields=FIELDS | changed,
        rows=[dict(ROW)],
        attachments=[
            attachment(AttachmentKind.OWNERSHIP),
            attachment(AttachmentKind.CERTIFICATE),
        ],
    )


def application(given: Draft | None = None, pin: str = PIN) -> Application:
    """The application that a whole draft is."""
    read = read_draft(given or draft(), pin, TODAY)
    assert isinstance(read, Application), read
    return read
