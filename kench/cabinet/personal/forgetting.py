"""Forgetting what nobody signed: drafts, documents that were never used, logins that are over.

What was signed stays, and PostgreSQL holds that: no row of a document goes that an act of the
same person names. Every function takes a connection in a transaction and
leaves the commit to its caller.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.login.logins import Login
from kench.cabinet.login.tables import logins
from kench.cabinet.registration.tables import attachments, drafts, uploads
from kench.cabinet.signing.tables import signed_acts
from kench.pool.moments import moment_of

AT_ONCE = 200
"""Rows of one kind in one transaction."""
WINDOW_US = 60 * 86_400_000_000
"""Documents are looked at for so long after their time came: signed ones stay, and are many."""


class Forgotten(NamedTuple):
    """How many rows went."""

    drafts: int = 0
    documents: int = 0
    logins: int = 0


def forget_unsigned(db: sa.Connection, login: Login, now_us: int) -> Forgotten:
    """Forget all of a person that may be: it asked for it. The login that it asks by goes on."""
    mine = login.person.id
    gone = db.execute(sa.delete(drafts).where(drafts.c.person_id == mine)).rowcount
    documents = 0
    while count := _forget_documents(db, uploads.c.person_id == mine):
        documents += count
    now = moment_of(now_us)
    over = sa.or_(logins.c.ended_at.is_not(None), logins.c.expires_at < now)
    left = db.execute(
        sa.delete(logins).where(logins.c.person_id == mine, logins.c.id != login.id, over)
    )
    return Forgotten(gone, documents, left.rowcount)


def forget_old(db: sa.Connection, now_us: int, kept_us: int) -> Forgotten:
    """Forget some of the drafts and unused documents that are older than they are kept."""
    before, since = moment_of(now_us - kept_us), moment_of(now_us - kept_us - WINDOW_US)
    old = (
        sa.select(drafts.c.person_id, drafts.c.subject)
        .where(drafts.c.saved_at < before)
        .order_by(drafts.c.saved_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    key = sa.tuple_(drafts.c.person_id, drafts.c.subject)
    gone = db.execute(sa.delete(drafts).where(key.in_(old))).rowcount
    documents = _forget_documents(db, uploads.c.at >= since, uploads.c.at < before)
    return Forgotten(gone, documents)


def _forget_documents(db: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    """Forget documents that neither an act nor a draft of their person names; how many."""
    digest = sa.func.encode(uploads.c.sha256, "hex")
    # Signed bytes and drafts name a document by its digest, in hex.
    signed = sa.exists().where(
        signed_acts.c.person_id == uploads.c.person_id,
        sa.func.strpos(sa.func.encode(signed_acts.c.content, "escape"), digest) > 0,
    )
    drafted = sa.exists().where(
        drafts.c.person_id == uploads.c.person_id,
        sa.func.strpos(sa.cast(drafts.c.content, sa.Text), digest) > 0,
    )
    unused = (
        sa.select(uploads.c.id, uploads.c.sha256)
        .where(*which, ~signed, ~drafted)
        .order_by(uploads.c.id)
        .limit(AT_ONCE)
    )
    found = db.execute(unused).all()
    if not found:
        return 0
    db.execute(sa.delete(uploads).where(uploads.c.id.in_([row.id for row in found])))
    digests = sorted({bytes(row.sha256) for row in found})
    elsewhere = sa.exists().where(uploads.c.sha256 == attachments.c.sha256)
    db.execute(sa.delete(attachments).where(attachments.c.sha256.in_(digests), ~elsewhere))
    return len(found)
