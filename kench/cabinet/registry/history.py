"""An entry's way: its versions, with what each changed and by which signed act."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.registration.equipment import HOLDINGS, Equipment, terahashes
from kench.cabinet.registration.gaps import Words
from kench.cabinet.registration.membership import Entry, EntryVersion, entries_of
from kench.cabinet.registration.regions import REGION_NAMES
from kench.cabinet.registration.tables import notices
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_

FIRST = 2**31 - 1
"""Beyond every version: where the newest begin."""
SHOWN = 25
_APPLICANT = {
    "name": N_("Name"),
    "tax_number": N_("Tax number (ИНН)"),
    "address": N_("Address"),
    "phone": N_("Telephone"),
    "email": N_("E-mail"),
    "post": N_("Post of the person who signs"),
}
_EQUIPMENT = N_("Equipment")


class Change(NamedTuple):
    """One thing that differs; empty is what there was none of."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """A version of an entry."""

    version: EntryVersion
    act: SignedAct
    notice_id: int | None
    """The notice that it followed; None: the application."""
    changes: tuple[Change, ...]


def steps_of(
    db: sa.Connection, participant_id: int, _: Words, *, before: int = FIRST, at_most: int = SHOWN
) -> list[Step]:
    """Return versions below one, the newest first."""
    versions = [one for one in entries_of(db, participant_id) if one.version < before]
    rows = db.execute(
        sa.select(notices.c.act_id, notices.c.id).where(notices.c.participant_id == participant_id)
    )
    by_act = {row.act_id: row.id for row in rows}
    steps = []
    former: list[Entry | None] = [None, *(one.entry for one in versions)]
    for one, earlier in list(zip(versions, former, strict=False))[-at_most:]:
        act = read_act(db, one.act_id)
        if act is None:
            raise AssertionError(f"version {one.version} of {participant_id} has no signed act")
        changes = changes_between(earlier, one.entry, _) if earlier else ()
        steps.append(Step(one, act, by_act.get(one.act_id), changes))
    return steps[::-1]


def changes_between(before: Entry, after: Entry, _: Words) -> tuple[Change, ...]:
    """Return what differs between two versions, as words of a language."""
    changes = [
        Change(_(label), getattr(before.applicant, name), getattr(after.applicant, name))
        for name, label in _APPLICANT.items()
        if getattr(before.applicant, name) != getattr(after.applicant, name)
    ]
    if before.certificate != after.certificate:
        shown = [
            f"{one.number}, {one.issued}" if one else ""
            for one in (before.certificate, after.certificate)
        ]
        changes.append(Change(_(N_("Mining certificate")), *shown))
    gone, came = _rows(before.equipment, after.equipment), _rows(after.equipment, before.equipment)
    changes += [Change(_(_EQUIPMENT), row_text(row, _), "") for row in gone]
    changes += [Change(_(_EQUIPMENT), "", row_text(row, _)) for row in came]
    return tuple(changes)


def row_text(row: Equipment, _: Words) -> str:
    """Return a row of equipment in one line."""
    parts = (
        row.model,
        f"{row.quantity} × {terahashes(row.hashrate_ghs)} TH/s, {row.power_w} W",
        f"{row.planned_kwh_month} {_(N_('kWh per month'))}",
        _(HOLDINGS[row.holding]),
        _(REGION_NAMES[row.region]),
        row.site,
    )
    return "; ".join(parts)


def _rows(rows: Iterable[Equipment], without: Iterable[Equipment]) -> list[Equipment]:
    """Rows that are not among others, as often as they are not."""
    return list((Counter(rows) - Counter(without)).elements())
