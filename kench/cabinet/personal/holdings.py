"""What is held of people: where, what for, by which clause, for how long. Data, and no more.

A test holds this against the schema: no column that can name a person is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kench.cabinet.words.catalogues import N_


class Forgetting(StrEnum):
    """What becomes of it in the end."""

    KEPT = "kept"
    """The law wants it kept; nobody may ask that it be forgotten."""
    BY_TIME = "by_time"
    """It goes by itself."""
    ON_WISH = "on_wish"
    """It goes by itself, and at once when its person says so."""


FORGETTING = {
    Forgetting.KEPT: N_("kept: the law asks for it"),
    Forgetting.BY_TIME: N_("forgotten by itself"),
    Forgetting.ON_WISH: N_("forgotten by itself, or when you say so"),
}


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of personal data; texts are looked up in the catalogues."""

    key: str
    title: str
    purpose: str
    ground: str
    seen_by: str
    kept_for: str
    forgetting: Forgetting
    columns: Mapping[str, str]
    """Table -> its columns that can tell of a person."""


_ITSELF = N_("the person, and officers of the authorised body by their duties")
_PARTICIPANT = N_("people of the participant by their roles, and officers by their duties")
_AS_REGISTER = N_("as long as the register")

HOLDINGS = (
    Holding(
        "identity",
        N_("Who you are: name and personal number from your certificate"),
        N_("to know who enters, who signs, and for whom a person acts"),
        N_("clause 2: a personal cabinet entered by digital signature"),
        _ITSELF,
        _AS_REGISTER,
        Forgetting.KEPT,
        {"persons": "pin name", "participant_people": "pin"},
    ),
    Holding(
        "logins",
        N_("Logins: moment, network address, browser"),
        N_("that you can see and end them, and that nobody else enters in your name"),
        N_("clause 36.5: information security"),
        N_("the person alone"),
        N_("90 days after their end"),
        Forgetting.ON_WISH,
        {
            "logins": "address agent certificates",
            "sign_on_requests": "next",
            "signing_requests": "subject content",
        },
    ),
    Holding(
        "trail",
        N_("The trail: what was done in your name, from which address, by which certificate"),
        N_("that each act can be proved, by you and against you"),
        N_("clauses 36.5 and 42: information security, disputes"),
        N_("the person, and officers of security"),
        _AS_REGISTER,
        Forgetting.KEPT,
        {"acts": "subject address detail", "entry_proofs": "claims certificates"},
    ),
    Holding(
        "acts",
        N_("What you signed, with signature and certificate"),
        N_("applications, notices, reports and answers in the form that the law asks for"),
        N_("clauses 11¹, 25, 28, 35, 36.4, 42"),
        _PARTICIPANT,
        _AS_REGISTER,
        Forgetting.KEPT,
        {
            "signed_acts": "subject content signature certificates",
            "act_evidence": "content",
            "applications": "name tax_number",
            "messages": "title",
            "reports": "facts",
            "report_filings": "contents",
            "report_decisions": "remarks",
        },
    ),
    Holding(
        "register",
        N_("The Electronic Register: name, tax number, address, telephone, e-mail, equipment"),
        N_("to register participants and to tell who may mine"),
        N_("clauses 28 and 31"),
        _PARTICIPANT,
        _AS_REGISTER,
        Forgetting.KEPT,
        {"register_entries": "content", "participants": "name", "former_names": "name"},
    ),
    Holding(
        "documents",
        N_("Documents that you uploaded, and drafts"),
        N_("to be attached to what you sign"),
        N_("clause 28.4: proof of ownership or lease; clause 11¹: documents of changes"),
        _PARTICIPANT,
        N_("what was signed as long as the register; the rest %(days)s days"),
        Forgetting.ON_WISH,
        {"attachments": "content", "uploads": "name", "drafts": "content"},
    ),
    Holding(
        "money",
        N_("Bank account, and what was paid to it"),
        N_("to pay what is due, and to account for it"),
        N_("clauses 34, 37 and 38; the law on accounting"),
        _PARTICIPANT,
        _AS_REGISTER,
        Forgetting.KEPT,
        {
            "bank_accounts": "holder number",
            "bank_entries": "counterparty",
            "bank_files": "name document",
            "payout_batches": "document",
            "bank_statements": "name",
        },
    ),
    Holding(
        "income",
        N_("Income: what was earned, sold and paid, with name, tax number and certificate"),
        N_("to form the income and to hand it to the tax service"),
        N_("clauses 38 and 39"),
        N_("people of the participant by their roles, officers of finance, the tax service"),
        _AS_REGISTER,
        Forgetting.KEPT,
        {
            "income_records": "content",
            "income_in_force": "content",
            "income_participants": "name tax_number address",
            "income_closings": "content",
            "tax_records": "content",
            "tax_closings": "content",
            "tax_signatures": "content signature certificates",
            "tax_register": "name tax_number",
        },
    ),
    Holding(
        "letters",
        N_("Addresses for letters and alerts, and what waits to be sent"),
        N_("to tell you what you asked to be told"),
        N_("your wish, confirmed by you"),
        N_("the person who gave them, and people of the participant by their roles"),
        N_("addresses until they are no longer wanted, then as proof of that; letters 30 days"),
        Forgetting.BY_TIME,
        {
            "mail_addresses": "address",
            "alert_rules": "target",
            "alert_messages": "title body path",
        },
    ),
    Holding(
        "machines",
        N_("Names of machines, tokens and groups, and what software they run"),
        N_("to show each machine's work, and to share rewards by it"),
        N_("clauses 34, 35.2 and 37"),
        _PARTICIPANT,
        N_("names as long as the register, their numbers as long as is set"),
        Forgetting.KEPT,
        {
            "workers": "name",
            "worker_groups": "name",
            "participant_tokens": "label",
            "access_grants": "name",
            "refusals": "user_agent",
            "worker_live": "user_agent",
        },
    ),
    Holding(
        "addresses",
        N_("Network addresses that machines work from, by day"),
        N_("to see whether several participants mine from one place"),
        N_("clause 36.3: equipment is checked against what is declared"),
        N_("officers who inspect; owners, in the copy of their data"),
        N_("90 days, or as long as is set"),
        Forgetting.BY_TIME,
        {"participant_addresses": "addresses"},
    ),
    Holding(
        "officers",
        N_("Officers: name, personal number, duty, what they signed"),
        N_("to know who decided"),
        N_("clauses 29, 32 and 40"),
        N_("officers; whoever an act concerns"),
        _AS_REGISTER,
        Forgetting.KEPT,
        {
            "officers": "pin name duty",
            "orders": "title content",
            "order_evidence": "content",
            "order_signatures": "signature certificates",
            "order_drafts": "title content",
            "lot_resolutions": "document signature_1 signature_2 pin_1 pin_2",
            "lot_wishes": "document signature_1 signature_2",
        },
    ),
)
