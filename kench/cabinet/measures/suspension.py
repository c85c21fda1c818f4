"""A suspension by the authorised body and what ends it: read from forms, written to be signed.

The decree knows suspension on a participant's own notice alone (clause 35.3): this is a measure of
the authorised body, and there is none unless an officer signs it. Pure.
"""

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum

import msgspec

from kench.cabinet.registration.bodies import line, whole
from kench.cabinet.registration.decisions import REASON_MAX
from kench.cabinet.registration.fields import day_of, integer_of, line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap, Words
from kench.cabinet.registration.notices import AHEAD_DAYS_MAX
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX

DOCUMENT_MAX = 100
_LOT = re.compile(r"[0-9a-f]{64}:[0-9]{1,5}")


class SuspensionGround(StrEnum):
    """What a suspension rests on; there is no other ground."""

    INSPECTION = "inspection"
    AML = "aml"
    ORDER = "order"
    DANGER = "danger"


SUSPENSION_GROUNDS = {
    SuspensionGround.INSPECTION: N_("the outcome of an inspection"),
    SuspensionGround.AML: N_("an AML case about a lot"),
    SuspensionGround.ORDER: N_("an order, or a court's decision"),
    SuspensionGround.DANGER: N_("a danger to the electric grid or the pool"),
}


class Suspension(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a participant may not mine, whatever it announces itself."""

    participant: int
    ground: SuspensionGround
    inspection: int | None = None
    lot: str = ""
    """Its block and output."""
    document: str = ""
    """Number of the order or the court's decision."""
    document_day: date | None = None
    begins: date | None = None
    """None: with the signature."""
    until: date | None = None
    """The first day on which it may mine again; None: until another decision."""
    instead_of: int | None = None
    """The suspension that stood when this was written, which it takes the place of."""
    reason: str


class Lifting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a suspension ends with the signature."""

    participant: int
    suspension: int
    reason: str


FORM_FIELDS = (
    "ground", "inspection", "lot", "document", "document_day", "begins", "until", "reason",
)  # fmt: skip


def read_suspension(
    participant: int,
    fields: Mapping[str, str],
    *,
    today: date,
    instead_of: int | None,
    in_force: bool,
) -> Suspension | list[Gap]:
    """The suspension in a form, or all that is missing; `in_force`: the one that stands is."""
    ground = next((one for one in SuspensionGround if one == fields.get("ground")), None)
    reason = paragraphs_of(fields.get("reason", ""), REASON_MAX)
    gaps = [] if ground else [Gap("ground", N_("Choose the ground of the suspension"))]
    inspection, lot, document, document_day = None, "", "", None
    if ground is SuspensionGround.INSPECTION:
        inspection = integer_of(fields.get("inspection", ""), 1, ID_MAX)
        if inspection is None:
            gaps.append(Gap("inspection", N_("Give the number of the inspection")))
    if ground is SuspensionGround.AML:
        typed = fields.get("lot", "").strip().lower()
        lot = typed if _LOT.fullmatch(typed) else ""
        if not lot:
            gaps.append(Gap("lot", N_("Give the lot as its page has it: block and output")))
    if ground is SuspensionGround.ORDER:
        document = line_of(fields.get("document", ""), DOCUMENT_MAX) or ""
        document_day = day_of(fields.get("document_day", ""))
        if not document:
            gaps.append(Gap("document", N_("Give the number of the order or the decision")))
        if document_day is None or document_day > today:
            gaps.append(Gap("document_day", N_("Give the day of the order or the decision")))
    begins, until, wrong = _days(fields, today, in_force=in_force)
    gaps += wrong
    if reason is None:
        gaps.append(Gap("reason", N_("Say why, in 4000 characters at most")))
    if gaps or ground is None or reason is None:
        return gaps
    return Suspension(
        participant=participant, ground=ground, inspection=inspection, lot=lot,
        document=document, document_day=document_day, begins=begins, until=until,
        instead_of=instead_of, reason=reason,
    )  # fmt: skip


def read_lifting(
    participant: int, suspension: int, fields: Mapping[str, str]
) -> Lifting | list[Gap]:
    """The end of a suspension in a form, or what is missing."""
    reason = paragraphs_of(fields.get("reason", ""), REASON_MAX)
    if reason is None:
        return [Gap("reason", N_("Say why, in 4000 characters at most"))]
    return Lifting(participant=participant, suspension=suspension, reason=reason)


def suspension_body(suspension: Suspension, name: str, _: Words) -> str:
    """A suspension to be signed; `name` is the participant's."""
    lines = [
        line(_, N_("Participant"), f"{suspension.participant}, {name}"),
        _(N_("Decided: to suspend the participant; none of its machines is let in.")),
        line(_, N_("Ground"), _(SUSPENSION_GROUNDS[suspension.ground])),
    ]
    if suspension.inspection is not None:
        lines.append(line(_, N_("Inspection"), str(suspension.inspection)))
    if suspension.lot:
        lines.append(line(_, N_("Lot"), suspension.lot))
    if suspension.document and suspension.document_day:
        lines.append(line(_, N_("Number of the document"), suspension.document))
        lines.append(line(_, N_("Day of the document"), suspension.document_day))
    lines += [
        line(_, N_("From"), suspension.begins or _(N_("the moment of the signature"))),
        line(_, N_("May mine again on"), suspension.until or _(N_("by another decision alone"))),
    ]
    if suspension.instead_of is not None:
        lines.append(line(_, N_("In the place of suspension"), str(suspension.instead_of)))
    lines += [
        _(N_("What was mined before is sold and paid out as ever.")),
        _(N_("A participant's notice to resume does not end this suspension.")),
        "",
        suspension.reason,
    ]
    return whole(lines, suspension, _)


def lifting_body(lifting: Lifting, name: str, _: Words) -> str:
    """The end of a suspension to be signed; `name` is the participant's."""
    lines = [
        line(_, N_("Participant"), f"{lifting.participant}, {name}"),
        line(_, N_("Suspension"), str(lifting.suspension)),
        _(N_("Decided: to end the suspension by the authorised body.")),
        "",
        lifting.reason,
    ]
    return whole(lines, lifting, _)


def _days(
    fields: Mapping[str, str], today: date, *, in_force: bool
) -> tuple[date | None, date | None, list[Gap]]:
    """From when and until when; what stands and is in force is followed without a gap."""
    gaps = []
    typed, typed_until = fields.get("begins", "").strip(), fields.get("until", "").strip()
    begins, until = day_of(typed), day_of(typed_until)
    if begins == today:
        begins = None
    elif typed and (
        begins is None or begins < today or (begins - today).days > AHEAD_DAYS_MAX or in_force
    ):
        text = N_("Leave it empty: the suspension that stands is in force") if in_force else N_(
            "Give a day within a year, or leave it empty"
        )  # fmt: skip
        gaps.append(Gap("begins", text))
    if typed_until and (until is None or until <= (begins or today)):
        gaps.append(Gap("until", N_("The day of the return must be after the first day")))
    return begins, until, gaps
