"""The application of annex 4: what it holds, how a form is read into it, what a form lacks. Pure.

A draft is what a person typed, kept as it is; an application is read from it strictly, and only
if nothing is missing.
"""

from datetime import date
from enum import StrEnum

import msgspec

from kench.cabinet.registration.attachments import Attachment, AttachmentKind
from kench.cabinet.registration.equipment import Equipment, Holding, read_rows
from kench.cabinet.registration.fields import day_of, email_of, line_of, phone_of, tax_number_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.words.catalogues import N_

NAME_MAX, ADDRESS_MAX, POST_MAX, NUMBER_MAX = 200, 300, 200, 60


class Way(StrEnum):
    """How one comes in (clause 27)."""

    JOINT = "joint"
    AFTER = "after"


class ApplicantKind(StrEnum):
    """Who applies."""

    PERSON = "person"
    TRADER = "trader"
    ENTITY = "entity"


WAYS = {
    Way.JOINT: N_("together with the mining certificate"),
    Way.AFTER: N_("after the mining certificate was issued"),
}
APPLICANT_KINDS = {
    ApplicantKind.PERSON: N_("natural person"),
    ApplicantKind.TRADER: N_("individual entrepreneur"),
    ApplicantKind.ENTITY: N_("legal entity"),
}


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mining certificate."""

    number: str
    issued: date


class Applicant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who applies, and how to reach them."""

    kind: ApplicantKind
    name: str
    tax_number: str
    address: str
    phone: str
    email: str
    post: str = ""
    """Of whoever signs for a legal entity."""


class Application(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole application."""

    way: Way
    certificate: Certificate | None
    applicant: Applicant
    equipment: tuple[Equipment, ...]
    attachments: tuple[Attachment, ...]


class Draft(msgspec.Struct, kw_only=True):
    """An application as far as it was typed; all of it may be wrong."""

    fields: dict[str, str] = msgspec.field(default_factory=dict)
    rows: list[dict[str, str]] = msgspec.field(default_factory=list)
    attachments: list[Attachment] = msgspec.field(default_factory=list)


DRAFT_FIELDS = (
    "way", "certificate_number", "certificate_issued", "kind", "name", "tax_number", "address",
    "phone", "email", "post",
)  # fmt: skip


def read_draft(draft: Draft, pin: str, today: date) -> Application | list[Gap]:
    """The application of whoever has that personal number; or all that it lacks."""
    way, gaps = draft.fields.get("way", ""), []
    if way not in WAYS:
        gaps.append(Gap("way", N_("Say if you have a mining certificate or apply for it now")))
    certificate, wrong = _certificate(draft, way, today)
    gaps += wrong
    applicant, wrong = _applicant(draft, pin)
    gaps += wrong
    equipment, wrong = read_rows(draft.rows)
    gaps += wrong
    gaps += _missing_documents(draft, way)
    if gaps or applicant is None:
        return gaps
    return Application(Way(way), certificate, applicant, equipment, tuple(draft.attachments))


def _certificate(draft: Draft, way: str, today: date) -> tuple[Certificate | None, list[Gap]]:
    if way != Way.AFTER:
        return None, []
    number = line_of(draft.fields.get("certificate_number", ""), NUMBER_MAX)
    issued = day_of(draft.fields.get("certificate_issued", ""))
    gaps = []
    if number is None:
        gaps.append(
            Gap("certificate_number", N_("The number of the mining certificate is missing"))
        )
    if issued is None or issued > today:
        gaps.append(
            Gap("certificate_issued", N_("Say on which day the mining certificate was issued"))
        )
    if number is None or issued is None or gaps:
        return None, gaps
    return Certificate(number, issued), []


def _applicant(draft: Draft, pin: str) -> tuple[Applicant | None, list[Gap]]:
    fields = draft.fields
    kind = fields.get("kind", "")
    name = line_of(fields.get("name", ""), NAME_MAX)
    tax_number = tax_number_of(fields.get("tax_number", ""))
    address = line_of(fields.get("address", ""), ADDRESS_MAX)
    phone, email = phone_of(fields.get("phone", "")), email_of(fields.get("email", ""))
    post = line_of(fields.get("post", ""), POST_MAX)
    gaps = [
        Gap(field, text)
        for field, fits, text in (
            ("kind", kind in APPLICANT_KINDS, N_("Say who applies: a person or a legal entity")),
            ("name", name, N_("The name of the applicant is missing")),
            ("tax_number", tax_number, N_("The tax number (ИНН) has 14 digits")),
            ("address", address, N_("The address of the applicant is missing")),
            ("phone", phone, N_("A telephone number is missing, such as +996 555 123456")),
            ("email", email, N_("An e-mail address is missing")),
        )
        if not fits
    ]
    if kind == ApplicantKind.ENTITY:
        if post is None:
            gaps.append(Gap("post", N_("Say which post the person who signs holds")))
    elif tax_number is not None and kind in APPLICANT_KINDS and tax_number != pin:
        gaps.append(
            Gap("tax_number", N_("A person applies with the personal number of their signature"))
        )
    if gaps or not (name and tax_number and address and phone and email):
        return None, gaps
    own_post = post or "" if kind == ApplicantKind.ENTITY else ""
    return Applicant(ApplicantKind(kind), name, tax_number, address, phone, email, own_post), []


def _missing_documents(draft: Draft, way: str) -> list[Gap]:
    held = {row.get("holding") for row in draft.rows}
    attached = {one.kind for one in draft.attachments}
    wanted = [
        (Holding.OWN in held, AttachmentKind.OWNERSHIP,
         N_("Attach a document that proves ownership of the equipment")),
        (Holding.LEASE in held, AttachmentKind.LEASE,
         N_("Attach the lease contract of the equipment")),
        (way == Way.AFTER, AttachmentKind.CERTIFICATE, N_("Attach the mining certificate")),
        (way == Way.JOINT, AttachmentKind.CERTIFICATE_SET,
         N_("Attach the documents for the mining certificate that clause 11 names")),
        (draft.fields.get("kind") == ApplicantKind.ENTITY, AttachmentKind.AUTHORITY,
         N_("Attach the document by which you may sign for the legal entity")),
    ]  # fmt: skip
    return [
        Gap("attachments", text) for needed, kind, text in wanted if needed and kind not in attached
    ]
