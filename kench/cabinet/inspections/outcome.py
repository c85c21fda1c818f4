"""The outcome of an inspection: a checklist as data, a form read into it, its text. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum

import msgspec

from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.bodies import line, whole
from kench.cabinet.registration.fields import day_of, line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap, Words
from kench.cabinet.words.catalogues import N_

NOTE_MAX, TEXT_MAX = 300, 4000


class Finding(StrEnum):
    """What was found of an item."""

    YES = "yes"
    NO = "no"
    UNSEEN = "unseen"


class Result(StrEnum):
    """What comes of it all."""

    CONFORMS = "conforms"
    VIOLATIONS = "violations"
    NOT_DONE = "not_done"


FINDINGS = {
    Finding.YES: N_("yes"),
    Finding.NO: N_("no"),
    Finding.UNSEEN: N_("could not be seen"),
}
RESULTS = {
    Result.CONFORMS: N_("conforms to what is declared"),
    Result.VIOLATIONS: N_("violations were found"),
    Result.NOT_DONE: N_("the inspection could not be done"),
}
CHECKLIST = {
    "certificate": N_("The mining certificate is in force and of this site"),
    "models": N_("Models and quantities are those of the register"),
    "right": N_("The right to use the equipment is proven"),
    "hashrate": N_("The machines' own pages show the declared hashrate"),
    "electricity": N_("Meter and power draw fit what is declared"),
    "address": N_("All machines mine at the pool's addresses, for this participant alone"),
    "firmware": N_("No firmware sends work or blocks elsewhere"),
    "security": N_("The requirements of information security are met (clause 36.5)"),
}
"""An item that is gone stays known to the outcomes that named it, by its own name."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item of the checklist, looked at."""

    item: str
    finding: Finding
    note: str = ""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole outcome."""

    inspection: int
    participant: int
    day: date
    result: Result
    items: tuple[Item, ...]
    text: str
    attachments: tuple[Attachment, ...] = ()


FORM_FIELDS = (
    "day", "result", "text", *CHECKLIST, *(f"{name}-note" for name in CHECKLIST),
)  # fmt: skip


def read_outcome(
    inspection: int,
    participant: int,
    fields: Mapping[str, str],
    attachments: Sequence[Attachment],
    today: date,
) -> Outcome | list[Gap]:
    """The outcome in a form, or all that is missing."""
    gaps = []
    day = day_of(fields.get("day", ""))
    if day is None or day > today:
        gaps.append(Gap("day", N_("Say on which day it was")))
    result = next((one for one in Result if one == fields.get("result")), None)
    if result is None:
        gaps.append(Gap("result", N_("Choose what comes of it")))
    items = []
    for name in CHECKLIST:
        finding = next((one for one in Finding if one == fields.get(name)), None)
        note = fields.get(f"{name}-note", "")
        if finding is None and result is not Result.NOT_DONE:
            gaps.append(Gap(name, N_("Choose an answer for each item of the checklist")))
        if note and line_of(note, NOTE_MAX) is None:
            gaps.append(Gap(f"{name}-note", N_("A remark has 300 characters at most")))
        items.append(Item(name, finding or Finding.UNSEEN, line_of(note, NOTE_MAX) or ""))
    text = paragraphs_of(fields.get("text", ""), TEXT_MAX)
    if text is None:
        gaps.append(Gap("text", N_("Write a text, in 4000 characters at most")))
    if gaps or day is None or result is None or text is None:
        return gaps
    return Outcome(inspection, participant, day, result, tuple(items), text, tuple(attachments))


def outcome_body(outcome: Outcome, name: str, _: Words) -> str:
    """An outcome to be signed; `name` is the participant's."""
    lines = [
        line(_, N_("Inspection"), str(outcome.inspection)),
        line(_, N_("Participant"), f"{outcome.participant}, {name}"),
        line(_, N_("Day of the inspection"), outcome.day),
        line(_, N_("Result"), _(RESULTS[outcome.result])),
        "",
    ]
    for number, one in enumerate(outcome.items, start=1):
        said = f"{number}. {_(CHECKLIST.get(one.item, one.item))}: {_(FINDINGS[one.finding])}"
        lines.append(f"{said}. {one.note}" if one.note else said)
    lines += ["", outcome.text]
    if outcome.attachments:
        lines += ["", _(N_("Attached documents:"))]
        for number, file in enumerate(outcome.attachments, start=1):
            lines += [f"{number}. {file.name} ({file.size} B)", f"   SHA-256 {file.sha256}"]
    return whole(lines, outcome, _)
