"""Drafts of orders: kept by versions, each the exact bytes that may be signed.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.cabinet.desk.tables import order_drafts as table
from kench.cabinet.login.tables import persons
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of, us_of
from kench.pool.orders.document import Document, read_document
from kench.pool.signature.trust import digest_of

DRAFTS_MAX = 50
"""Drafts that are not put aside."""
VERSIONS_MAX = 200
MEANWHILE = N_("%(person)s has changed this draft meanwhile: keep yours in its place, or open it "
               "again.")  # fmt: skip
_LOCK = 0x6F726472
"""Key of the advisory lock under which drafts are written ("ordr")."""


class Draft(NamedTuple):
    """One version of a draft."""

    draft: int
    version: int
    title: str
    content: bytes
    sha256: bytes
    person_id: int
    person: str
    at_us: int
    dropped: bool

    @property
    def document(self) -> Document:
        """What it says."""
        return read_document(self.content)


class Changing(NamedTuple):
    """Which draft is to be changed, and the version that whoever changes it has seen."""

    draft: int
    version: int


def save_draft(
    db: sa.Connection, document: Document, person_id: int, now_us: int, of: Changing | None = None
) -> int:
    """Keep a new draft, or another version of one; return its number. Raises ActRefusedError."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if of is None:
        if len(list_drafts(db)) >= DRAFTS_MAX:
            raise ActRefusedError(N_("There are too many drafts: put some aside first."))
        draft, version = (db.scalar(sa.select(sa.func.max(table.c.draft))) or 0) + 1, 1
    else:
        newest = _open(db, of.draft)
        if newest.version != of.version:
            raise ActRefusedError(MEANWHILE, person=newest.person)
        draft, version = of.draft, of.version + 1
    _add(db, draft, version, document, person_id, now_us, dropped=False)
    return draft


def drop_draft(db: sa.Connection, draft: int, person_id: int, now_us: int) -> None:
    """Put a draft aside; raises ActRefusedError."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    newest = _open(db, draft)
    _add(db, draft, newest.version + 1, newest.document, person_id, now_us, dropped=True)


def read_draft(db: sa.Connection, draft: int) -> Draft | None:
    """The newest version of a draft."""
    row = db.execute(
        _SELECT.where(table.c.draft == draft).order_by(table.c.version.desc()).limit(1)
    ).one_or_none()
    return _draft_of(row) if row else None


def list_drafts(db: sa.Connection) -> list[Draft]:
    """The newest version of each that is not put aside, the newest first."""
    newest = (
        sa.select(table.c.draft, table.c.version, table.c.dropped)
        .ext(distinct_on(table.c.draft))
        .order_by(table.c.draft, table.c.version.desc())
        .subquery()
    )
    rows = db.execute(
        _SELECT.join(
            newest, (newest.c.draft == table.c.draft) & (newest.c.version == table.c.version)
        )
        .where(sa.not_(newest.c.dropped))
        .order_by(table.c.at.desc(), table.c.draft.desc())
        .limit(DRAFTS_MAX)
    )
    return [_draft_of(row) for row in rows]


def is_newest(db: sa.Connection, content: bytes) -> bool:
    """Whether these bytes are what some draft says now: nobody changed it or put it aside."""
    drafts = db.scalars(
        sa.select(table.c.draft).where(table.c.content_sha256 == digest_of(content)).distinct()
    )
    newest = (read_draft(db, draft) for draft in drafts)
    return any(one and one.content == content and not one.dropped for one in newest)


_SELECT = sa.select(*table.c, persons.c.name.label("person")).join_from(
    table, persons, table.c.person_id == persons.c.id
)


def _open(db: sa.Connection, draft: int) -> Draft:
    newest = read_draft(db, draft)
    if newest is None or newest.dropped:
        raise ActRefusedError(N_("There is no such draft any more."))
    if newest.version >= VERSIONS_MAX:
        raise ActRefusedError(N_("This draft has been changed too often: begin another."))
    return newest


def _add(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    draft: int,
    version: int,
    document: Document,
    person_id: int,
    now_us: int,
    *,
    dropped: bool,
) -> None:
    db.execute(
        sa.insert(table).values(
            draft=draft,
            version=version,
            title=document.title,
            content=document.content,
            content_sha256=document.sha256,
            person_id=person_id,
            at=moment_of(now_us),
            dropped=dropped,
        )
    )


def _draft_of(row: Any) -> Draft:
    return Draft(
        row.draft,
        row.version,
        row.title,
        bytes(row.content),
        bytes(row.content_sha256),
        row.person_id,
        row.person,
        us_of(row.at),
        row.dropped,
    )
