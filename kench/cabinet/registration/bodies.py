"""The text that people sign: all of a document, readable, and the same as data in its last line.

What follows from a signature is read from the signed bytes alone, never from what a page sent.
"""

from collections.abc import Iterable
from datetime import date
from typing import TypeVar

import msgspec

from kench.cabinet.registration.accounts import TYIYN, Account
from kench.cabinet.registration.application import APPLICANT_KINDS, WAYS, Application
from kench.cabinet.registration.attachments import ATTACHMENT_KINDS, Attachment
from kench.cabinet.registration.decisions import GROUNDS, Decision, Exclusion
from kench.cabinet.registration.equipment import HOLDINGS, Equipment, terahashes, total_of
from kench.cabinet.registration.gaps import Words
from kench.cabinet.registration.notices import NOTICE_KINDS, Notice
from kench.cabinet.registration.regions import REGIONS
from kench.cabinet.words.catalogues import N_
from kench.pool.errors import KenchError

DATA = N_("The same as data:")
T = TypeVar("T")
_FIELDS = {
    "name": N_("Name"),
    "address": N_("Address"),
    "phone": N_("Telephone"),
    "email": N_("E-mail"),
    "certificate_number": N_("Number of the mining certificate"),
    "certificate_issued": N_("Mining certificate issued on"),
}


class BodyError(KenchError):
    """A signed text whose last line is not the data of its kind."""


class Withdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an application, or of a notice."""

    application: int | None = None
    notice: int | None = None


def application_body(application: Application, _: Words) -> str:
    """An application to be signed."""
    applicant, certificate = application.applicant, application.certificate
    lines = [
        _("I ask to be registered in the Unified State System of Collective Mining."),
        line(_, N_("Way in (clause 27)"), _(WAYS[application.way])),
        line(_, N_("Applicant"), f"{applicant.name} ({_(APPLICANT_KINDS[applicant.kind])})"),
        line(_, N_("Tax number (ИНН)"), applicant.tax_number),
        line(_, N_("Address"), applicant.address),
        line(_, N_("Telephone"), applicant.phone),
        line(_, N_("E-mail"), applicant.email),
    ]
    if applicant.post:
        lines.append(line(_, N_("Post of the person who signs"), applicant.post))
    if certificate is not None:
        lines += [
            line(_, N_("Number of the mining certificate"), certificate.number),
            line(_, N_("Mining certificate issued on"), certificate.issued),
        ]
    lines += ["", *_equipment(application.equipment, _), "", *_attached(application.attachments, _)]
    lines += ["", _("I answer for the accuracy of this information (clause 11¹).")]
    return whole(lines, application, _)


def notice_body(notice: Notice, participant: str, _: Words) -> str:
    """A notice to be signed."""
    lines = [
        line(_, N_("Notice of"), _(NOTICE_KINDS[notice.kind])),
        line(_, N_("Participant"), f"{notice.participant}, {participant}"),
    ]
    if notice.happened:
        lines.append(line(_, N_("Changed on"), notice.happened))
    if notice.day:
        lines.append(line(_, N_("From this day on"), notice.day))
    if notice.until:
        lines.append(line(_, N_("Returns on"), notice.until))
    lines += _changed(notice, _)
    if notice.text:
        lines += ["", notice.text]
    if notice.equipment:
        lines += ["", *_equipment(notice.equipment, _)]
    if notice.attachments:
        lines += ["", *_attached(notice.attachments, _)]
    return whole(lines, notice, _)


def withdrawal_body(withdrawal: Withdrawal, what: str, _: Words) -> str:
    """The withdrawal of an application or a notice, to be signed; `what` names it."""
    return whole([line(_, N_("I withdraw"), what)], withdrawal, _)


def decision_body(decision: Decision, applicant: str, _: Words) -> str:
    """An officer's decision on an application, to be signed."""
    lines = [
        line(_, N_("Application"), f"{decision.application}, {applicant}"),
        line(_, N_("SHA-256 of the signed application"), decision.application_sha256),
    ]
    if decision.ground is None:
        lines.append(_("Decided: to register the applicant in the State System (clause 29.1)."))
        if decision.certificate is not None:
            lines += [
                line(_, N_("Number of the mining certificate"), decision.certificate.number),
                line(_, N_("Mining certificate issued on"), decision.certificate.issued),
            ]
    else:
        lines += [
            _("Decided: to refuse the registration (clause 29.2)."),
            line(_, N_("Ground"), f"{decision.ground}, {_(GROUNDS[decision.ground])}"),
        ]
    if decision.reason:
        lines += ["", decision.reason]
    return whole(lines, decision, _)


def exclusion_body(exclusion: Exclusion, participant: str, _: Words) -> str:
    """An officer's decision to exclude a participant, to be signed."""
    lines = [
        line(_, N_("Participant"), f"{exclusion.participant}, {participant}"),
        _("Decided: to exclude the participant from the State System (clause 40)."),
        _("The mining certificate is not ended by this (clause 41)."),
        "",
        exclusion.reason,
    ]
    return whole(lines, exclusion, _)


def data_line(data: object) -> str:
    """A document as data, in one line, always the same for the same document."""
    return msgspec.json.encode(data, order="deterministic").decode()


def data_of(content: bytes, kind: type[T]) -> T:
    """The data in the last line of a signed text; raises BodyError."""
    last = content.decode().rstrip("\n").rpartition("\n")[2]
    try:
        data = msgspec.json.decode(last, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BodyError(f"what was signed holds no {kind.__name__}: {error}") from error
    # What was signed before a field came to be lacks it alone; all else is as we write it.
    given = msgspec.json.decode(last)
    known = {name: part for name, part in msgspec.to_builtins(data).items() if name in given}
    if msgspec.json.encode(known).decode() != last:
        raise BodyError(f"what was signed does not hold one {kind.__name__} alone")
    return data


def whole(lines: list[str], data: object, _: Words) -> str:
    """The lines, and in the last one the same as data."""
    return "\n".join([*lines, "", _(DATA), data_line(data)])


def _changed(notice: Notice, _: Words) -> list[str]:
    named = [(label, getattr(notice.changes, name, "")) for name, label in _FIELDS.items()]
    lines = [line(_, label, value) for label, value in named if value]
    return lines + (_account(notice.account, _) if notice.account else [])


def _account(account: Account, _: Words) -> list[str]:
    lines = [
        _("From its entry on I am paid to this account:"),
        line(_, N_("Holder of the account"), account.holder),
        line(_, N_("Account number"), account.number),
        line(_, N_("Bank (BIC or six digits)"), account.bank),
    ]
    if account.threshold_tyiyn:
        least = str(account.threshold_tyiyn // TYIYN)
        lines.append(line(_, N_("Least payout by my wish, som"), least))
    return lines


def line(_: Words, label: str, value: str | date) -> str:
    """One line of a text: what it is, and its value."""
    return f"{_(label)}: {value}"


def _equipment(equipment: Iterable[Equipment], _: Words) -> list[str]:
    rows = list(equipment)
    total = total_of(rows)
    lines = [_("Equipment (clause 28.2 to 28.4):")]
    for number, row in enumerate(rows, start=1):
        lines.append(
            _(
                "%(number)s. %(model)s, quantity %(quantity)s, each %(hashrate)s TH/s and "
                "%(power)s W, planned %(planned)s kWh per month, %(holding)s, at %(site)s"
            )
            % {
                "number": number,
                "model": row.model,
                "quantity": row.quantity,
                "hashrate": terahashes(row.hashrate_ghs),
                "power": row.power_w,
                "planned": row.planned_kwh_month,
                "holding": _(HOLDINGS[row.holding]),
                "site": f"{_(REGIONS[row.region])}, {row.site}" if row.region else row.site,
            }
        )
    lines.append(
        _(
            "In all: %(quantity)s machines, %(hashrate)s TH/s, %(power)s W, planned %(planned)s "
            "kWh per month"
        )
        % {
            "quantity": total.quantity,
            "hashrate": terahashes(total.hashrate_ghs),
            "power": total.power_w,
            "planned": total.planned_kwh_month,
        }
    )
    return lines


def _attached(attachments: Iterable[Attachment], _: Words) -> list[str]:
    lines = [_("Attached documents:")]
    for number, one in enumerate(attachments, start=1):
        lines.append(f"{number}. {one.name} ({_(ATTACHMENT_KINDS[one.kind])}, {one.size} B)")
        lines.append(f"   SHA-256 {one.sha256}")
    return lines if len(lines) > 1 else []
