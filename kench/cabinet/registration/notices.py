"""Notices of participants: what each kind holds, read from a form, and if it is in time. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from kench.cabinet.registration.accounts import Account, read_account_form
from kench.cabinet.registration.application import ADDRESS_MAX, NAME_MAX, NUMBER_MAX
from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.equipment import Equipment, read_rows
from kench.cabinet.registration.fields import day_of, email_of, line_of, paragraphs_of, phone_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registration.terms import REGISTER_UPDATE
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import Deadline, WorkingDays

TEXT_MAX = 4000
AHEAD_DAYS_MAX = 366
"""A day further ahead is mistyped."""
NOTICE_KINDS = {
    NoticeKind.CERTIFICATE: N_("change of certificate data"),
    NoticeKind.EQUIPMENT: N_("change of equipment"),
    NoticeKind.SUSPENSION: N_("suspension"),
    NoticeKind.RESUMPTION: N_("resumption"),
    NoticeKind.EXIT: N_("exit from the State System"),
    NoticeKind.ACCOUNT: N_("change of the bank account"),
}


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data of the register as they are now; empty is what did not change."""

    name: str = ""
    address: str = ""
    phone: str = ""
    email: str = ""
    certificate_number: str = ""
    certificate_issued: date | None = None


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole notice."""

    kind: NoticeKind
    participant: int
    happened: date | None = None
    """When the data or the equipment changed."""
    day: date | None = None
    """First day of the suspension, or first day outside."""
    until: date | None = None
    """First day on which it mines again, if it is known."""
    text: str = ""
    changes: Changes | None = None
    equipment: tuple[Equipment, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """What the calendar says of a notice."""

    late: bool
    """Whether the change was told of after its term; it is taken all the same."""
    enter_by: Deadline | None
    """Until when an officer enters it into the register."""


def read_notice(  # noqa: PLR0913 - the facts that a notice is judged by
    kind: NoticeKind,
    participant: int,
    fields: Mapping[str, str],
    rows: Sequence[Mapping[str, str]],
    attachments: Sequence[Attachment],
    *,
    today: date,
    calendar: WorkingDays,
    account_pattern: str,
) -> Notice | list[Gap]:
    """The notice in a form; or all that is missing or too soon."""
    gaps: list[Gap] = []
    happened = day = until = None
    changes: Changes | None = None
    equipment: tuple[Equipment, ...] = ()
    account: Account | None = None
    if kind.tells_of_change:
        happened = day_of(fields.get("happened", ""))
        if happened is None or happened > today:
            gaps.append(Gap("happened", N_("Say on which day it changed")))
    if kind.has_day:
        day, wrong = _day(kind, fields, today, calendar)
        gaps += wrong
    if kind is NoticeKind.SUSPENSION:
        until, wrong = _until(fields, day)
        gaps += wrong
    if kind is NoticeKind.EQUIPMENT:
        equipment, wrong = read_rows(rows)
        gaps += wrong
    if kind is NoticeKind.CERTIFICATE:
        changes, wrong = _changes(fields, today)
        gaps += wrong
        if not attachments:
            gaps.append(Gap("attachments", N_("Attach documents that prove the change")))
    if kind is NoticeKind.ACCOUNT:
        account, wrong = read_account_form(fields, account_pattern)
        gaps += wrong
    text, wrong = _text(fields)
    gaps += wrong
    if gaps:
        return gaps
    return Notice(
        kind=kind, participant=participant, happened=happened, day=day, until=until,
        text=text, changes=changes, equipment=equipment, attachments=tuple(attachments),
        account=account,
    )  # fmt: skip


def timing_of(notice: Notice, today: date, calendar: WorkingDays) -> Timing:
    """Whether a notice made today is in time, and when the register must follow it."""
    late = False
    if notice.happened is not None and notice.kind.term is not None:
        late = today > notice.kind.term.deadline(notice.happened, calendar).day
    enter_by = REGISTER_UPDATE.deadline(today, calendar) if notice.kind.is_entered else None
    return Timing(late, enter_by)


def first_day(kind: NoticeKind, today: date, calendar: WorkingDays) -> date:
    """The first day that a suspension or an exit announced today may be for."""
    if kind.term is None or not kind.has_day:
        raise ValueError(f"a notice of {kind} is for no day")
    return kind.term.deadline(today, calendar).day


def _text(fields: Mapping[str, str]) -> tuple[str, list[Gap]]:
    typed = fields.get("text", "").strip()
    text = paragraphs_of(typed, TEXT_MAX)
    if typed and text is None:
        return "", [Gap("text", N_("The explanation is too long: 4000 characters at most"))]
    return text or "", []


def _day(
    kind: NoticeKind, fields: Mapping[str, str], today: date, calendar: WorkingDays
) -> tuple[date | None, list[Gap]]:
    day, first = day_of(fields.get("day", "")), first_day(kind, today, calendar)
    if day is None:
        return None, [Gap("day", N_("Say from which day on"))]
    if day < first:
        return None, [
            Gap("day", N_("The law lets it begin on %(day)s or later"), {"day": first.isoformat()})
        ]
    if (day - today).days > AHEAD_DAYS_MAX:
        return None, [Gap("day", N_("The day is more than a year ahead"))]
    return day, []


def _until(fields: Mapping[str, str], day: date | None) -> tuple[date | None, list[Gap]]:
    typed = fields.get("until", "").strip()
    if not typed:
        return None, []
    until = day_of(typed)
    if until is None or (day is not None and until <= day):
        return None, [Gap("until", N_("The day of the return must be after the first day"))]
    return until, []


def _changes(fields: Mapping[str, str], today: date) -> tuple[Changes | None, list[Gap]]:
    gaps = []
    values: dict[str, str] = {}
    for name, read, text in (
        ("name", lambda typed: line_of(typed, NAME_MAX), N_("The new name is too long")),
        ("address", lambda typed: line_of(typed, ADDRESS_MAX), N_("The new address is too long")),
        ("phone", phone_of, N_("The new telephone number cannot be read")),
        ("email", email_of, N_("The new e-mail address cannot be read")),
        ("certificate_number", lambda typed: line_of(typed, NUMBER_MAX),
         N_("The new number of the certificate is too long")),
    ):  # fmt: skip
        typed = fields.get(name, "").strip()
        value = read(typed) if typed else ""
        if value is None:
            gaps.append(Gap(name, text))
        else:
            values[name] = value
    typed = fields.get("certificate_issued", "").strip()
    issued = day_of(typed) if typed else None
    if typed and (issued is None or issued > today):
        gaps.append(Gap("certificate_issued", N_("The new day of the certificate cannot be right")))
    changes = Changes(**values, certificate_issued=issued)
    if not gaps and changes == Changes() and not fields.get("text", "").strip():
        gaps.append(Gap("text", N_("Say what changed")))
    return changes, gaps
