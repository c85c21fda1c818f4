"""Forms in the database: which holds for a period, and how a new one comes in.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration.bodies import data_line, data_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.reports.checking import DOCUMENT, check_form
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.periods import ReportPeriod, period_with
from kench.cabinet.reports.tables import report_forms, report_runs
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole

FORMS_LOCK = 0x666F726D
"""First key of the advisory lock under which forms come in turn ("form")."""
HEADS = frozenset({OfficerRole.HEAD})
"""Who puts forms in."""
KINDS_MAX = 40
"""Kinds of forms that there may be."""
VERSIONS_MAX = 200
"""Versions that are shown."""


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form, and how it came."""

    id: int
    form: Form
    sha256: bytes
    act_id: int | None
    at: datetime


def newest_forms(db: sa.Connection) -> list[StoredForm]:
    """All versions of all kinds, the newest of each kind first."""
    order = (report_forms.c.kind, report_forms.c.version.desc())
    return _read(db, sa.true(), *order)


def read_stored_form(db: sa.Connection, form_id: int) -> StoredForm | None:
    """One form."""
    return next(iter(_read(db, report_forms.c.id == form_id)), None)


def form_of(db: sa.Connection, kind: str, version: int) -> StoredForm:
    """The form that a report or a filing names."""
    which = (report_forms.c.kind == kind) & (report_forms.c.version == version)
    found = _read(db, which)
    if not found:
        raise AssertionError(f"there is no form {kind} {version}")
    return found[0]


def forms_for(db: sa.Connection, period: ReportPeriod) -> list[StoredForm]:
    """The form of each kind that holds for a period, the simplified ones too."""
    which = report_forms.c.effective_from <= period.name
    order = (report_forms.c.kind, report_forms.c.version.desc())
    held: dict[str, StoredForm] = {}
    for one in _read(db, which, *order):
        if one.form.every is period.every:
            held.setdefault(one.form.kind, one)
    return [one for one in held.values() if not one.form.withdrawn]


def instead_of(forms: Iterable[StoredForm], kind: str) -> list[StoredForm]:
    """Forms of a period by which a report of a kind may be filed besides its own."""
    return [one for one in forms if one.form.instead_of == kind]


def check_next(db: sa.Connection, form: Form, today: date) -> list[Gap]:
    """What keeps a form, right in itself, from being the next of its kind."""
    before = [one.form for one in newest_forms(db) if one.form.kind == form.kind]
    newest = before[0] if before else None
    kinds = db.scalar(sa.select(sa.func.count(report_forms.c.kind.distinct()))) or 0
    others = {one.form.kind: one.form for one in newest_forms(db)}
    gaps = []
    if form.version != (newest.version + 1 if newest else 1):
        text = N_("The version after the one there is: %(version)s")
        gaps.append(Gap(DOCUMENT, text, {"version": newest.version + 1 if newest else 1}))
    if newest is not None and newest.every is not form.every:
        gaps.append(Gap(DOCUMENT, N_("How often a kind is reported does not change")))
    if newest is not None and newest.instead_of != form.instead_of:
        gaps.append(Gap(DOCUMENT, N_("What a kind is filed instead of does not change")))
    if newest is None and kinds >= KINDS_MAX:
        gaps.append(Gap(DOCUMENT, N_("There are too many kinds of forms")))
    if form.instead_of is not None and form.instead_of not in others:
        gaps.append(Gap(DOCUMENT, N_("instead_of is the kind of another form")))
    present = period_with(form.every, today).name
    if form.effective_from < present or (newest and form.effective_from < newest.effective_from):
        text = N_("It holds from %(period)s on at the earliest")
        first = max(present, newest.effective_from if newest else present)
        gaps.append(Gap(DOCUMENT, text, {"period": first}))
    return gaps


def put_form(db: sa.Connection, act: SignedAct) -> int:
    """Take a signed form; return its number. Raises ActRefusedError, BodyError."""
    form = data_of(act.content, Form)
    check_officer(db, act, HEADS)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(FORMS_LOCK, 0)))
    if check_form(form) or check_next(db, form, day_at(act.signed_us)):
        raise ActRefusedError(N_("This form cannot come into force any more: look at it again."))
    if _has_run(db, form):
        raise ActRefusedError(N_("Reports of its first period are made already."))
    content = data_line(form).encode()
    number: int = db.execute(
        sa.insert(report_forms)
        .values(
            kind=form.kind,
            version=form.version,
            order_number=form.order,
            effective_from=form.effective_from,
            content=content,
            sha256=sa.func.sha256(content),
            act_id=act.id,
            at=moment_of(act.signed_us),
        )
        .returning(report_forms.c.id)
    ).scalar_one()
    return number


def _has_run(db: sa.Connection, form: Form) -> bool:
    kind = form.instead_of or form.kind
    runs = sa.select(report_runs.c.kind).where(
        report_runs.c.kind == kind, report_runs.c.period >= form.effective_from
    )
    return bool(db.scalar(sa.select(runs.exists())))


def _read(db: sa.Connection, which: sa.ColumnElement[bool], *order: Any) -> list[StoredForm]:
    rows = db.execute(
        sa.select(report_forms).where(which).order_by(*order, report_forms.c.id)
        .limit(KINDS_MAX * VERSIONS_MAX)
    )  # fmt: skip
    return [
        StoredForm(
            row.id,
            msgspec.json.decode(row.content, type=Form),
            bytes(row.sha256),
            row.act_id,
            row.at,
        )
        for row in rows
    ]
