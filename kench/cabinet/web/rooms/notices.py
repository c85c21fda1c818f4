"""A participant's notices: made by its owners in the days that the law leaves, and taken back."""

from collections.abc import Sequence
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.alerts.addresses import AddressState, ask_address, state_of_address
from kench.cabinet.alerts.letters import goes_to_participant
from kench.cabinet.alerts.sending import sends_letters
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.registration.accounts import FIELDS as ACCOUNT_FIELDS
from kench.cabinet.registration.application import Draft
from kench.cabinet.registration.attachments import ATTACHMENT_KINDS, REFUSALS, Attachment
from kench.cabinet.registration.bodies import Withdrawal, notice_body, withdrawal_body
from kench.cabinet.registration.documents import read_draft_of, save_draft
from kench.cabinet.registration.equipment import HOLDINGS, ROWS_MAX, row_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.membership import current_entry, history_of, state_of
from kench.cabinet.registration.notice_store import (
    NoticeCase,
    draft_of,
    notice_of,
    notices_of,
    read_notice_case,
)
from kench.cabinet.registration.notices import NOTICE_KINDS, Notice, first_day, read_notice
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.states import (
    OPEN_STATES,
    PARTICIPANT_STATES,
    NoticeKind,
    NoticeState,
    ParticipantState,
)
from kench.cabinet.registration.telling import contact_of
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.acting import TABS, Acting, acting_as, render_room
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.attaching import (
    FIELD_MAX,
    TEXT_FIELD_MAX,
    place_of,
    remove_numbered,
    take_file,
    typed_rows,
)
from kench.cabinet.web.contact import SAID_OF, Contact
from kench.cabinet.web.downloads import attachment_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go
from kench.cabinet.web.paths import Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SAID["notified"] = Said(N_("Your notice is signed and handed in."))
FIELDS = (
    "happened", "day", "until", "name", "address", "phone", "email", "certificate_number",
    "certificate_issued", *ACCOUNT_FIELDS,
)  # fmt: skip
NOTICE_STATES = {
    NoticeState.WAITING: N_("waits"),
    NoticeState.DONE: N_("done"),
    NoticeState.WITHDRAWN: N_("withdrawn"),
    NoticeState.LAPSED: N_("lapsed"),
}

TABS.append(Tab("notices", N_("Notices")))

Owning = Annotated[ActsFor, Depends(acting_as(PeopleRole.OWNER))]
"""What only an owner does."""

room = APIRouter()


@room.get("/p/{participant_id}/notices")
def show_notices(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Acting
) -> Response:
    """List the notices, and offer those that can be made now."""
    today, calendar = day_at(visit.now_us), calendar_of(cabinet, visit.now_us)
    with cabinet.engine.connect() as db:
        state = state_of(db, acts.participant_id)
        cases, history = notices_of(db, acts.participant_id), history_of(db, acts.participant_id)
        contact = _contact(db, cabinet, acts, login.person.id)
    return render_room(
        request, visit, acts, "registration/notices.html", cases=cases, state=state,
        history=history, notice_kinds=NOTICE_KINDS, states=NOTICE_STATES,
        participant_states=PARTICIPANT_STATES, offered=_offered(acts, state, cases),
        first={kind: first_day(kind, today, calendar) for kind in NoticeKind if kind.has_day},
        contact=contact,
    )  # fmt: skip


@room.post("/p/{participant_id}/notices/contact")
def ask_contact_again(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Owning
) -> Response:
    """Send the address in the register one more link."""
    with cabinet.engine.begin() as db:
        address = contact_of(db, acts.participant_id)
        if address is None or not sends_letters(cabinet.settings):
            raise HTTPException(404)
        asked = ask_address(db, login.person.id, address, visit.language, visit.now_us)
    return go(f"/p/{acts.participant_id}/notices", SAID_OF[asked])


@room.get("/p/{participant_id}/notices/new/{kind}")
def show_form(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Owning,
    kind: NoticeKind,
) -> Response:
    """Show the form of a notice, with the entry as it is."""
    with cabinet.engine.connect() as db:
        draft = _draft(db, login.person.id, acts.participant_id, kind)
        return _form(request, cabinet, visit, db, acts, kind, draft, [])


@room.post("/p/{participant_id}/notices/new/{kind}")
def change_form(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Owning,
    kind: NoticeKind,
    form: Posted,
) -> Response:
    """Keep what was typed, and do what the button says."""
    do, person_id = text_of(form, "do"), login.person.id
    subject = draft_of(acts.participant_id, kind)
    with cabinet.engine.begin() as db:
        draft = _draft(db, person_id, acts.participant_id, kind)
        draft.fields = {name: text_of(form, name)[:FIELD_MAX] for name in FIELDS}
        draft.fields["text"] = text_of(form, "text")[:TEXT_FIELD_MAX]
        draft.rows = typed_rows(form)
        if do == "add" and len(draft.rows) < ROWS_MAX:
            draft.rows.append({})
        elif do.startswith("remove-row-"):
            remove_numbered(draft.rows, do)
        elif do.startswith("remove-file-"):
            remove_numbered(draft.attachments, do)
        made = take_file(db, visit, person_id, len(draft.attachments), form)
        if isinstance(made, Attachment):
            draft.attachments.append(made)
        save_draft(db, person_id, draft, visit.now_us, subject)
        if made is not None and not isinstance(made, Attachment):
            gaps = [Gap("file", REFUSALS[made])]
            return _form(request, cabinet, visit, db, acts, kind, draft, gaps, status=422)
        if do == "sign":
            read = read_notice(
                kind, acts.participant_id, draft.fields, draft.rows, draft.attachments,
                today=day_at(visit.now_us), calendar=calendar_of(cabinet, visit.now_us),
                account_pattern=cabinet.settings.bank_account_pattern,
            )  # fmt: skip
            if not isinstance(read, Notice):
                return _form(request, cabinet, visit, db, acts, kind, draft, read, status=422)
            body = notice_body(read, acts.name, visit.words.gettext)
            subject = f"participant {acts.participant_id}"
            return ask_signature(cabinet, visit, login, db, Purpose.NOTICE, subject, body)
    return go(f"/p/{acts.participant_id}/notices/new/{kind}{place_of(do)}", "saved")


@room.post("/p/{participant_id}/notices/{number}/withdraw")
def withdraw(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Owning, number: Number
) -> Response:
    """Ask for the signature that takes a notice back."""
    with cabinet.engine.begin() as db:
        case = _own(read_notice_case(db, number), acts)
        if not case.is_waiting:
            raise HTTPException(409)
        words = visit.words.gettext
        what = f"{words('Notice of')} {words(NOTICE_KINDS[case.kind])}, {case.id}"
        body = withdrawal_body(Withdrawal(notice=case.id), what, words)
        return ask_signature(
            cabinet, visit, login, db, Purpose.WITHDRAWAL, f"notice {case.id}", body
        )


@room.get("/p/{participant_id}/notices/{number}/documents/{document}")
def get_document(cabinet: CabinetHere, acts: Acting, number: Number, document: int) -> Response:
    """Hand out a document of an own notice."""
    with cabinet.engine.connect() as db:
        case = _own(read_notice_case(db, number), acts)
        return attachment_response(db, notice_of(db, case).attachments, document)


@room.get("/p/{participant_id}/notices/new/{kind}/documents/{document}")
def get_draft_document(
    cabinet: CabinetHere, login: Entered, acts: Owning, kind: NoticeKind, document: int
) -> Response:
    """Hand out a document of the own draft of a notice."""
    with cabinet.engine.connect() as db:
        draft = read_draft_of(db, login.person.id, draft_of(acts.participant_id, kind))
        return attachment_response(db, draft.attachments, document)


def _contact(db: sa.Connection, cabinet: Cabinet, acts: ActsFor, person_id: int) -> Contact | None:
    address = contact_of(db, acts.participant_id)
    if acts.role != "owner" or address is None or not sends_letters(cabinet.settings):
        return None
    state = state_of_address(db, person_id, address)
    if goes_to_participant(db, acts.participant_id, address):
        state = AddressState.CONFIRMED
    return Contact(address, state, f"/p/{acts.participant_id}/notices/contact")


def _own(case: NoticeCase | None, acts: ActsFor) -> NoticeCase:
    if case is None or case.participant_id != acts.participant_id:
        raise HTTPException(404)
    return case


def _offered(
    acts: ActsFor, state: ParticipantState | None, cases: Sequence[NoticeCase]
) -> list[NoticeKind]:
    """Kinds of notices that make sense now, for an owner."""
    if acts.role != "owner":
        return []
    waiting = {case.kind for case in cases if case.is_waiting and case.kind.waits_alone}
    if state not in OPEN_STATES:
        return [kind for kind in NoticeKind if kind.outlasts_membership and kind not in waiting]
    hidden = waiting | {
        ParticipantState.REGISTERED: {NoticeKind.RESUMPTION},
        ParticipantState.SUSPENDED: {NoticeKind.SUSPENSION},
    }.get(state, {NoticeKind.RESUMPTION, NoticeKind.SUSPENSION})
    return [kind for kind in NoticeKind if kind not in hidden]


def _draft(db: sa.Connection, person_id: int, participant_id: int, kind: NoticeKind) -> Draft:
    """The draft, which begins with the equipment that is declared now."""
    draft = read_draft_of(db, person_id, draft_of(participant_id, kind))
    if kind is NoticeKind.EQUIPMENT and not draft.fields:
        entry = current_entry(db, participant_id)
        draft.rows = [row_of(one) for one in entry.entry.equipment] if entry else []
    if kind is NoticeKind.ACCOUNT and not draft.fields:
        entry = current_entry(db, participant_id)
        draft.fields = {"holder": entry.entry.applicant.name if entry else ""}
    return draft


def _form(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: CabinetHere,
    visit: Visit,
    db: sa.Connection,
    acts: ActsFor,
    kind: NoticeKind,
    draft: Draft,
    gaps: Sequence[Gap],
    status: int = 200,
) -> Response:
    today, calendar = day_at(visit.now_us), calendar_of(cabinet, visit.now_us)
    first = first_day(kind, today, calendar) if kind.has_day else None
    return render_room(
        request, visit, acts, "registration/notice_form.html", status=status, kind=kind,
        draft=draft, rows=draft.rows or [{}], gaps=gaps, wrong={gap.field for gap in gaps},
        first=first, entry=current_entry(db, acts.participant_id), words=visit.words.gettext,
        notice_kinds=NOTICE_KINDS, holdings=HOLDINGS, attachment_kinds=ATTACHMENT_KINDS,
    )  # fmt: skip
