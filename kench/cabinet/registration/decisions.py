"""Decisions of officers: on an application by one of five grounds, and on exclusion. Pure."""

from enum import StrEnum

import msgspec

from kench.cabinet.registration.application import Certificate
from kench.cabinet.words.catalogues import N_

REASON_MAX = 4000


class Ground(StrEnum):
    """The five grounds of a refusal, and there is no other (clause 30)."""

    DOCUMENTS_UNFIT = "30.1"
    SET_INCOMPLETE = "30.2"
    DATA_FALSE = "30.3"
    EQUIPMENT_UNFIT = "30.4"
    NO_CERTIFICATE = "30.5"


GROUNDS = {
    Ground.DOCUMENTS_UNFIT: N_("the documents do not meet the requirements of the Procedure"),
    Ground.SET_INCOMPLETE: N_("the set of documents is incomplete"),
    Ground.DATA_FALSE: N_("false information was given"),
    Ground.EQUIPMENT_UNFIT: N_(
        "the equipment does not meet the technical requirements of the State System"
    ),
    Ground.NO_CERTIFICATE: N_("the applicant has no mining certificate"),
}


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On an application: registered where there is no ground to refuse."""

    application: int
    application_sha256: str
    """Of the bytes that the applicant signed: what is decided on is what was seen."""
    ground: Ground | None = None
    reason: str = ""
    certificate: Certificate | None = None
    """Issued together with a joint application."""


class Exclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a participant, for a breach of the Procedure (clauses 40, 41)."""

    participant: int
    reason: str
