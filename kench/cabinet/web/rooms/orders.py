"""The desk's room of orders: in force, drafted, shown against those in force, signed by two."""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk import order_lists
from kench.cabinet.desk.chain import newest_known_height
from kench.cabinet.desk.order_drafts import (
    VERSIONS_MAX,
    Changing,
    Draft,
    drop_draft,
    list_drafts,
    read_draft,
    save_draft,
)
from kench.cabinet.desk.order_forms import (
    FIELDS,
    ROWS,
    Typed,
    content_of,
    read_typed,
    rows_of,
    typed_of,
)
from kench.cabinet.desk.order_signing import REFUSED, subject_of
from kench.cabinet.desk.order_words import METHODS, SECTIONS, changes_of, lines_of
from kench.cabinet.desk.reasons import reason_of
from kench.cabinet.desk.simulation.findings import DAYS
from kench.cabinet.desk.simulation.telling import Simulation
from kench.cabinet.login.logins import Login
from kench.cabinet.registration.fields import integer_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.content import SigningContentError, check_document
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_for_document
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import Before, Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderBook
from kench.pool.orders.changes import warnings
from kench.pool.orders.document import (
    Document,
    InvalidOrderError,
    canonical,
    parse_json,
    read_document,
)
from kench.pool.orders.register import SIGNATURES_NEEDED

SAID |= {
    "order_signed": Said(N_("You have signed the order. Another officer must sign it too.")),
    "order_accepted": Said(N_("Both officers have signed: the order is accepted.")),
    "draft_saved": Said(N_("The draft is kept.")),
    "draft_dropped": Said(N_("The draft is put aside.")),
    "draft_changed": Said(N_("It was changed meanwhile: this is how it is now."), good=False),
    "draft_gone": Said(N_("There is no such draft any more."), good=False),
}  # fmt: skip
DESK_TABS.append(Tab("orders", N_("Orders")))
SHOWN = 25
NETWORK_UNKNOWN = N_("Say in the JSON which network the first order is for")

room = APIRouter()


@room.get("/desk/orders")
def show_orders(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    before: Before = order_lists.FIRST,
) -> Response:
    """Show what is in force, what comes, what waits for signatures, drafts, and all there were."""
    book = cabinet.orders.book
    tip = cabinet.chain.tip()
    with cabinet.reading.connect() as db:
        height = tip if tip is not None else newest_known_height(db)
        waiting = order_lists.waiting_entries(db)
        accepted = order_lists.accepted_entries(db, before=before, at_most=SHOWN + 1)
        drafts = [
            draft for draft in list_drafts(db) if not order_lists.is_accepted(db, draft.sha256)
        ]
    return render(
        request, visit, "orders/list.html", tip=tip, height=height, sections=SECTIONS,
        standing=order_lists.in_force(book, height, visit.now_us),
        coming=order_lists.coming(book, height, visit.now_us), lines=_lines(visit),
        waiting=waiting, accepted=accepted[:SHOWN], drafts=drafts,
        older=accepted[SHOWN - 1].number if len(accepted) > SHOWN else None,
        document_of=order_lists.document_of, fault=cabinet.orders.fault, needed=SIGNATURES_NEEDED,
    )  # fmt: skip


@room.get("/desk/orders/new")
def begin(request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer) -> Response:
    """Show the form of an order, filled with what is set now."""
    typed = typed_of({"issued": day_at(visit.now_us).isoformat()}, cabinet.orders.book)
    return _form(request, cabinet, visit, typed, None)


@room.post("/desk/orders/new")
def save_new(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, form: Posted
) -> Response:
    """Keep a new draft."""
    return _save(request, cabinet, visit, officer, form, None)


@room.get("/desk/orders/drafts/{number}")
def show_draft(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show a draft against what is in force, with its very bytes."""
    draft = _draft(cabinet, number)
    values = _told(cabinet, visit, cabinet.orders.book, draft.document)
    return render(request, visit, "orders/draft.html", draft=draft, **values)


@room.get("/desk/orders/drafts/{number}/edit")
def edit(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show the form of a draft."""
    draft = _draft(cabinet, number)
    typed = typed_of(json.loads(draft.content), cabinet.orders.book)
    return _form(request, cabinet, visit, typed, draft)


@room.post("/desk/orders/drafts/{number}/edit")
def save(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Keep another version of a draft."""
    return _save(request, cabinet, visit, officer, form, _draft(cabinet, number))


@room.post("/desk/orders/drafts/{number}/drop")
def drop(cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number) -> Response:
    """Put a draft aside."""
    try:
        with cabinet.engine.begin() as db:
            drop_draft(db, number, officer.person.id, visit.now_us)
    except ActRefusedError:
        return go("/desk/orders", "draft_gone")
    return go("/desk/orders", "draft_dropped")


@room.post("/desk/orders/drafts/{number}/sign")
def sign_draft(
    cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number, form: Posted
) -> Response:
    """Ask for the signature of exactly what was shown."""
    draft = _draft(cabinet, number)
    if draft.sha256.hex() != text_of(form, "sha256"):
        return go(f"/desk/orders/drafts/{number}", "draft_changed")
    return _ask(cabinet, visit, officer, draft.document)


@room.get("/desk/orders/{number}")
def show_order(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number
) -> Response:
    """Show an order that was proposed: what it changed, its bytes, who signed it."""
    with cabinet.engine.connect() as db:
        entry = order_lists.read_entry(db, number)
        if entry is None:
            raise HTTPException(404)
        signed = order_lists.signatures_of(db, entry)
    document = order_lists.document_of(entry)
    may_sign = entry.accepted_at is None and officer.person.pin not in {one.pin for one in signed}
    book = _book_before(cabinet, document)
    values = _told(cabinet, visit, book, document, accepted=entry.accepted_at is not None)
    return render(
        request, visit, "orders/order.html", entry=entry, signed=signed, may_sign=may_sign,
        needed=SIGNATURES_NEEDED, **values,
    )  # fmt: skip


@room.get("/desk/orders/drafts/{number}/simulation")
def simulate_draft(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    number: Number,
    turn: Turn,
) -> Response:
    """Show what a draft would have changed in the last days."""
    draft = _draft(cabinet, number)
    back = f"/desk/orders/drafts/{number}"
    return _simulation(request, cabinet, visit, turn, draft.document, back)


@room.get("/desk/orders/{number}/simulation")
def simulate_order(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    number: Number,
    turn: Turn,
) -> Response:
    """Show it of an order that was proposed."""
    with cabinet.engine.connect() as db:
        entry = order_lists.read_entry(db, number)
    if entry is None:
        raise HTTPException(404)
    document, back = order_lists.document_of(entry), f"/desk/orders/{number}"
    return _simulation(request, cabinet, visit, turn, document, back)


@room.get("/desk/orders/{number}/order.json")
def get_order(cabinet: CabinetHere, _officer: Officer, number: Number) -> Response:
    """Hand out an order's exact bytes."""
    with cabinet.engine.connect() as db:
        entry = order_lists.read_entry(db, number)
    if entry is None:
        raise HTTPException(404)
    return file_response(bytes(entry.content), f"order-{number}.json", "application/json")


@room.get("/desk/orders/{number}/documents/{document}")
def get_signature(
    cabinet: CabinetHere, _officer: Officer, number: Number, document: Number
) -> Response:
    """Hand out an officer's signature, by its turn."""
    with cabinet.engine.connect() as db:
        entry = order_lists.read_entry(db, number)
        signed = order_lists.signatures_of(db, entry) if entry else []
    if document > len(signed):
        raise HTTPException(404)
    name = f"order-{number}.json.{document}.p7s"
    return file_response(signed[document - 1].signature, name, "application/pkcs7-signature")


@room.post("/desk/orders/{number}/sign")
def sign_order(
    cabinet: CabinetHere, visit: VisitHere, officer: Officer, number: Number, form: Posted
) -> Response:
    """Ask for the signature of an order that waits."""
    with cabinet.engine.connect() as db:
        entry = order_lists.read_entry(db, number)
    if entry is None or entry.accepted_at is not None:
        raise HTTPException(404)
    document = order_lists.document_of(entry)
    if document.sha256.hex() != text_of(form, "sha256"):
        return go(f"/desk/orders/{number}", "draft_changed")
    return _ask(cabinet, visit, officer, document)


def _ask(cabinet: Cabinet, visit: Visit, officer: Login, document: Document) -> Response:
    with cabinet.engine.begin() as db:
        return ask_for_document(
            cabinet, visit, officer, db, Purpose.ORDER, subject_of(document), document.content
        )


def _draft(cabinet: Cabinet, number: int) -> Draft:
    with cabinet.reading.connect() as db:
        draft = read_draft(db, number)
    if draft is None or draft.dropped:
        raise HTTPException(404)
    return draft


def _book_before(cabinet: Cabinet, document: Document) -> OrderBook:
    """The orders that are known under lower numbers than a document's."""
    return OrderBook.of(cabinet.orders.book.documents[: document.number - 1])


def _told(
    cabinet: Cabinet, visit: Visit, book: OrderBook, document: Document, *, accepted: bool = False
) -> dict[str, Any]:
    """What pages tell of an order against a book."""
    refused = None
    if not accepted:
        try:
            check_document(document.content)
            book.accept(document, tip_height=cabinet.chain.tip(), now_us=visit.now_us)
        except KenchError as error:
            refused = reason_of(error).said(visit.words.gettext)
    return {
        "document": document,
        "text": document.content.decode(),
        "changes": changes_of(book, document, visit.formats, visit.words.gettext),
        "warnings": [reason_of(one).said(visit.words.gettext) for one in warnings(book, document)],
        "refused": refused,
        "sections": SECTIONS,
    }


def _simulation(  # noqa: PLR0913, PLR0917 - what of, for whom
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    turn: Turn,
    document: Document,
    back: str,
) -> Response:
    book = _book_before(cabinet, document)
    with turn, cabinet.reading.connect() as db:
        findings = Simulation(
            db, book, document, visit.now_us, cabinet.chain.network_work_hashes, visit.formats,
            visit.words.gettext,
        ).findings()  # fmt: skip
    return render(
        request, visit, "orders/simulation.html", document=document, findings=findings, back=back,
        days=DAYS, sections=SECTIONS,
    )  # fmt: skip


def _save(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    officer: Login,
    form: Posted,
    draft: Draft | None,
) -> Response:
    typed = read_typed(lambda name: text_of(form, name))
    typed_json = text_of(form, "json") if text_of(form, "do") == "json" else ""
    made = _document(cabinet, typed, typed_json)
    seen = integer_of(text_of(form, "version"), 1, VERSIONS_MAX) or 0
    of = Changing(draft.draft, seen) if draft else None
    if isinstance(made, Document):
        try:
            with cabinet.engine.begin() as db:
                number = save_draft(db, made, officer.person.id, visit.now_us, of)
        except ActRefusedError as error:
            gaps = [Gap("title", error.said(visit.words.gettext).replace("%", "%%"))]
            return _form(request, cabinet, visit, typed, draft, gaps, typed_json)
        return go(f"/desk/orders/drafts/{number}", "draft_saved")
    return _form(request, cabinet, visit, typed, draft, made, typed_json)


def _document(cabinet: Cabinet, typed: Typed, typed_json: str) -> Document | list[Gap]:
    """What was typed, as the document that officers sign; read by the code that the register has.

    Its number is the next one, whatever was typed.
    """
    book = cabinet.orders.book
    network = book.network or cabinet.settings.network
    try:
        if typed_json:
            given = parse_json(typed_json.encode())
            if not isinstance(given, dict):
                raise InvalidOrderError("an order is a JSON object: see docs/orders.md")
            content = {"kench_order": 1, "number": book.newest + 1} | given
            content["number"] = book.newest + 1
        else:
            if network is None:
                return [Gap("json", NETWORK_UNKNOWN)]
            content, gaps = content_of(typed, number=book.newest + 1, network=network)
            if gaps:
                return gaps
        document = read_document(canonical(content))
        check_document(document.content)
    except (InvalidOrderError, SigningContentError) as error:
        return [Gap("json" if typed_json else "title", REFUSED, {"why": reason_of(error)})]
    return document


def _form(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    typed: Typed,
    draft: Draft | None,
    gaps: list[Gap] | None = None,
    typed_json: str = "",
) -> Response:
    shown = typed_json or (draft.content.decode() if draft else "")
    return render(
        request, visit, "orders/form.html", status=422 if gaps else 200, typed=typed, draft=draft,
        gaps=gaps or [], wrong={gap.field for gap in gaps or ()}, words=visit.words.gettext,
        sections=SECTIONS, methods=METHODS, fields=FIELDS, rows=ROWS, json=shown,
        rows_of=rows_of, tip=cabinet.chain.tip(), number=cabinet.orders.book.newest + 1,
    )  # fmt: skip


def _lines(visit: Visit) -> Any:
    return lambda rule: lines_of(rule, visit.formats, visit.words.gettext)
