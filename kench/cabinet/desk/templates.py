"""Texts that officers begin decisions and messages from: data, in versions that stay.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.cabinet.registration.decisions import Ground
from kench.cabinet.words.languages import Language
from kench.pool.moments import moment_of

TITLE_MAX, TEXT_MAX = 150, 4000
TEMPLATES_MAX = 500
"""There are never more; one more takes that another is edited."""
PLACES = ("number", "name", "day")
"""What a text may name in braces: whose it is, and today."""
_LOCK = 0x74656D706C617465
"""Key of the advisory lock under which one version at a time is written ("template")."""

metadata = sa.MetaData()
desk_templates = sa.Table(
    "desk_templates",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ground", sa.Text),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("is_used", sa.Boolean, nullable=False),
    sa.Column("made_by", sa.Integer),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)


class TemplateKind(StrEnum):
    """What begins with it."""

    REFUSAL = "refusal"
    EXCLUSION = "exclusion"
    MESSAGE = "message"
    SUSPENSION = "suspension"
    LIFTING = "lifting"
    CIRCULAR = "circular"


class TooManyTemplatesError(Exception):
    """There are as many as there may be."""


class Template(NamedTuple):
    """A version of one."""

    number: int
    version: int
    kind: TemplateKind
    ground: Ground | None
    language: Language
    title: str
    text: str
    is_used: bool
    made_by: int | None
    at: datetime


class Draft(NamedTuple):
    """What a version says."""

    kind: TemplateKind
    ground: Ground | None
    language: Language
    title: str
    text: str
    is_used: bool = True


def current_templates(db: sa.Connection, kind: TemplateKind | None = None) -> list[Template]:
    """The newest version of each, by kind, ground, language and title."""
    newest = (
        sa.select(desk_templates)
        .ext(distinct_on(desk_templates.c.number))
        .order_by(desk_templates.c.number, desk_templates.c.version.desc())
    )
    found = [_template(row) for row in db.execute(newest)]
    return sorted(
        (one for one in found if kind is None or one.kind is kind),
        key=lambda one: (one.kind, one.ground or "", one.language, one.title),
    )


def offered(db: sa.Connection, kind: TemplateKind, language: Language) -> list[Template]:
    """Those in use of a kind, the ones in the reader's language first."""
    found = [one for one in current_templates(db, kind) if one.is_used]
    return sorted(found, key=lambda one: one.language is not language)


def versions_of(db: sa.Connection, number: int) -> list[Template]:
    """All versions of one, the newest first."""
    rows = db.execute(
        sa.select(desk_templates)
        .where(desk_templates.c.number == number)
        .order_by(desk_templates.c.version.desc())
    )
    return [_template(row) for row in rows]


def write_version(
    db: sa.Connection, draft: Draft, person_id: int, now_us: int, number: int | None = None
) -> tuple[int, int]:
    """Write the next version of a template, or the first of a new one; return both numbers.

    Raises TooManyTemplatesError.
    """
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if number is None:
        number = 1 + (db.scalar(sa.select(sa.func.max(desk_templates.c.number))) or 0)
        if number > TEMPLATES_MAX:
            raise TooManyTemplatesError(f"there are {TEMPLATES_MAX} templates already")
    newest = sa.select(sa.func.max(desk_templates.c.version)).where(
        desk_templates.c.number == number
    )
    version = 1 + (db.scalar(newest) or 0)
    db.execute(
        sa.insert(desk_templates).values(
            number=number, version=version, made_by=person_id, at=moment_of(now_us),
            **draft._asdict(),
        )
    )  # fmt: skip
    return number, version


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with what it names in braces; other braces stay."""
    for place in PLACES:
        text = text.replace("{" + place + "}", values.get(place, ""))
    return text


def _template(row: sa.Row[tuple[object, ...]]) -> Template:
    kind, ground, language = row.kind, row.ground, row.language
    return Template(
        row.number, row.version, TemplateKind(kind), Ground(ground) if ground else None,
        Language(language), row.title, row.text, row.is_used, row.made_by, row.at,
    )  # fmt: skip
