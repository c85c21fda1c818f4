"""Documents that people uploaded, and their drafts, in the database.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.registration import tables
from kench.cabinet.registration.application import Draft
from kench.cabinet.registration.attachments import (
    ATTACHMENTS_MAX,
    PERSON_BYTES_MAX,
    Attachment,
    AttachmentKind,
    AttachmentRefusal,
    attachment_of,
)
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of

APPLY = "apply"
UPLOADS_LOCK = 0x75706C64
"""First key of the advisory lock under which one person's files come in turn ("upld")."""


class AttachmentForeignError(ActRefusedError):
    """A document is named that this person never uploaded."""


def read_draft_of(
    db: sa.Connection, person_id: int, subject: str = APPLY, *, for_update: bool = False
) -> Draft:
    """What the person has typed so far; empty if nothing."""
    query = sa.select(tables.drafts.c.content).where(
        tables.drafts.c.person_id == person_id, tables.drafts.c.subject == subject
    )
    content: Any = db.scalar(query.with_for_update() if for_update else query)
    return Draft() if content is None else msgspec.convert(content, Draft)


def save_draft(
    db: sa.Connection, person_id: int, draft: Draft, now_us: int, subject: str = APPLY
) -> None:
    """Keep what was typed, in the place of what was typed before."""
    values = {"content": msgspec.to_builtins(draft), "saved_at": moment_of(now_us)}
    db.execute(
        insert(tables.drafts)
        .values(person_id=person_id, subject=subject, **values)
        .on_conflict_do_update(index_elements=["person_id", "subject"], set_=values)
    )


def drop_draft(db: sa.Connection, person_id: int, subject: str = APPLY) -> None:
    """Forget a draft: it was signed, or is not wanted."""
    db.execute(
        sa.delete(tables.drafts).where(
            tables.drafts.c.person_id == person_id, tables.drafts.c.subject == subject
        )
    )


def take_upload(  # noqa: PLR0913 - a file and whose it is
    db: sa.Connection,
    person_id: int,
    name: str,
    kind: AttachmentKind,
    content: bytes,
    *,
    already: int,
    now_us: int,
) -> Attachment | AttachmentRefusal:
    """Keep a file that a person sent, if it is one that is taken; `already` are attached."""
    if already >= ATTACHMENTS_MAX:
        return AttachmentRefusal.TOO_MANY
    made = attachment_of(name, kind, content)
    if not isinstance(made, Attachment):
        return made
    kept = keep_upload(
        db, person_id, content,
        name=made.name, media_type=made.media_type, now_us=now_us,
    )  # fmt: skip
    return made if kept else AttachmentRefusal.SPACE_USED


def keep_upload(  # noqa: PLR0913 - a file and whose it is
    db: sa.Connection,
    person_id: int,
    content: bytes,
    *,
    name: str,
    media_type: str,
    now_us: int,
) -> bool:
    """Keep a file under its digest, and that this person sent it; False where space is used up."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(UPLOADS_LOCK, person_id)))
    used = db.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(tables.uploads.c.size), 0)).where(
            tables.uploads.c.person_id == person_id
        )
    )
    if int(used or 0) + len(content) > PERSON_BYTES_MAX:
        return False
    digest = hashlib.sha256(content).digest()
    db.execute(
        insert(tables.attachments)
        .values(sha256=digest, media_type=media_type, content=content)
        .on_conflict_do_nothing()
    )
    db.execute(
        sa.insert(tables.uploads).values(
            person_id=person_id, sha256=digest, name=name, size=len(content),
            at=moment_of(now_us),
        )
    )  # fmt: skip
    return True


def check_uploaded(db: sa.Connection, person_id: int, attachments: Iterable[Attachment]) -> None:
    """See that this person uploaded all of them; raises AttachmentForeignError."""
    check_digests(db, person_id, {bytes.fromhex(one.sha256) for one in attachments})


def check_digests(db: sa.Connection, person_id: int, wanted: set[bytes]) -> None:
    """The same of files by their digests."""
    known = {
        bytes(digest)
        for digest in db.scalars(
            sa.select(tables.uploads.c.sha256).where(
                tables.uploads.c.person_id == person_id, tables.uploads.c.sha256.in_(wanted)
            )
        )
    }
    if wanted - known:
        raise AttachmentForeignError(N_("A document was never uploaded here: attach it again."))


def read_content(db: sa.Connection, attachment: Attachment) -> bytes:
    """The bytes of a document; whoever asks was seen to have a right to it."""
    return read_by_digest(db, bytes.fromhex(attachment.sha256))


def read_by_digest(db: sa.Connection, digest: bytes) -> bytes:
    """The same by its digest."""
    content: bytes = db.execute(
        sa.select(tables.attachments.c.content).where(tables.attachments.c.sha256 == digest)
    ).scalar_one()
    return bytes(content)
