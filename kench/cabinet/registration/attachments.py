"""Documents that people attach: what kinds are taken, told by their first bytes, how large. Pure.

They are never executed and never shown by the cabinet: only offered as files.
"""

import hashlib
from enum import StrEnum

import msgspec

from kench.cabinet.registration.fields import line_of
from kench.cabinet.words.catalogues import N_

ATTACHMENT_BYTES_MAX = 10 * 1024 * 1024
ATTACHMENTS_MAX = 20
PERSON_BYTES_MAX = 500 * 1024 * 1024
"""What one person may have uploaded in all."""
NAME_MAX = 120
_MAGIC = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
}
SUFFIXES = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png"}


class AttachmentKind(StrEnum):
    """What a document proves."""

    OWNERSHIP = "ownership"
    LEASE = "lease"
    CERTIFICATE = "certificate"
    CERTIFICATE_SET = "certificate_set"
    AUTHORITY = "authority"
    OTHER = "other"


ATTACHMENT_KINDS = {
    AttachmentKind.OWNERSHIP: N_("proof of ownership of the equipment"),
    AttachmentKind.LEASE: N_("lease contract of the equipment"),
    AttachmentKind.CERTIFICATE: N_("mining certificate"),
    AttachmentKind.CERTIFICATE_SET: N_("documents for the mining certificate (clause 11)"),
    AttachmentKind.AUTHORITY: N_("authority of the representative"),
    AttachmentKind.OTHER: N_("another document"),
}


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document as an application or a notice names it."""

    name: str
    kind: AttachmentKind
    media_type: str
    size: int
    sha256: str


class AttachmentRefusal(StrEnum):
    """Why a file is not taken."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    KIND_UNKNOWN = "kind_unknown"
    TOO_MANY = "too_many"
    SPACE_USED = "space_used"


REFUSALS = {
    AttachmentRefusal.EMPTY: N_("The file is empty: choose another."),
    AttachmentRefusal.TOO_LARGE: N_("The file is larger than 10 MB: make it smaller."),
    AttachmentRefusal.KIND_UNKNOWN: N_("Only PDF, JPEG and PNG files are taken."),
    AttachmentRefusal.TOO_MANY: N_("There are 20 documents already: take one away first."),
    AttachmentRefusal.SPACE_USED: N_("You have uploaded as much as one person may."),
}


def media_type_of(content: bytes) -> str | None:
    """What a file is by its first bytes, whatever it is called; None if it is none we take."""
    for magic, media_type in _MAGIC.items():
        if content.startswith(magic):
            return media_type
    return None


def attachment_of(
    name: str, kind: AttachmentKind, content: bytes
) -> Attachment | AttachmentRefusal:
    """The attachment that a file makes."""
    if not content:
        return AttachmentRefusal.EMPTY
    if len(content) > ATTACHMENT_BYTES_MAX:
        return AttachmentRefusal.TOO_LARGE
    media_type = media_type_of(content)
    if media_type is None:
        return AttachmentRefusal.KIND_UNKNOWN
    digest = hashlib.sha256(content).hexdigest()
    return Attachment(safe_name(name, media_type), kind, media_type, len(content), digest)


def safe_name(name: str, media_type: str) -> str:
    """A file's name without folders and signs that mean something to somebody, with its suffix."""
    return safe_stem(name, SUFFIXES[media_type])


def safe_stem(name: str, suffix: str) -> str:
    """The same, with that suffix."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter if letter.isalnum() or letter in " ._-" else "_" for letter in last)
    stem = kept.rpartition(".")[0] if "." in kept else kept
    line = (line_of(stem, 10_000) or "").strip(" .")[: NAME_MAX - len(suffix)]
    return (line or "document") + suffix
