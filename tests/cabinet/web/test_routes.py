"""Every route there is, and whom it lets in: nobody sees or changes what is another's.

The numbers in the addresses are of things that exist, so a page that is not there is kept back
because of who asks, and not because there is nothing.
"""

import re
from collections.abc import Iterator
from datetime import date
from enum import Enum
from typing import NamedTuple

import httpx
import pytest
import sqlalchemy as sa

from kench.cabinet.access.grants import Kind
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.templates import Draft as TemplateDraft
from kench.cabinet.desk.templates import TemplateKind, write_version
from kench.cabinet.messages.circulars import Circular
from kench.cabinet.registration.application import Draft
from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.register import ensure_worker
from kench.pool.tokens import make_token
from tests.support.applications import application, attachment, draft
from tests.support.cabinet import Client, cabinet_of, client_in, client_of, routes_of
from tests.support.entering import asked
from tests.support.grants import BLOCK_HASH, credit_block, granted
from tests.support.held_lots import add_held_lot
from tests.support.income import income_record
from tests.support.orders import DEMO_RULES, document
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    barred,
    circular_to,
    extracted,
    inspected,
    message_to,
    notified,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.reports import decided_report, filed, report_made
from tests.support.signing import SECOND_US
from tests.support.two_officers import orders_at_desk


class Guard(Enum):
    """Who is let in."""

    OPEN = "everybody"
    KEYED = "whoever has the link or the key"
    BROWSER = "the browser that asked"
    PERSON = "whoever has entered, to what is their own"
    OWN = "the person whose it is"
    ROOM = "the people of a participant"
    DESK = "officers"


GUARDS = (
    (r"/|/healthz|/metrics|/favicon\.ico|/language/.*|/enter(/.*)?|/leave|/privacy", Guard.OPEN),
    (r"/register(\.json)?|/venues", Guard.OPEN),
    (r"/(watch|mail|api|accounts|stats)/.*", Guard.KEYED),
    (r"/sign/.*", Guard.BROWSER),
    (r"/p|/apply|/applications|/account|/account/(logins|data).*", Guard.PERSON),
    (r"/apply/documents/.*|/applications/.*", Guard.OWN),
    (r"/p/{participant_id}(/.*)", Guard.ROOM),
    (r"/desk(/.*)?", Guard.DESK),
)
CLOSED = {Guard.PERSON, Guard.OWN, Guard.ROOM, Guard.DESK}
KEPT = {
    "access_grants": "*", "messages": "*", "participant_people": "*", "notices": "*",
    "suspensions": "*", "decisions": "*",
    "reports": "*", "report_filings": "*", "report_forms": "*",
    "applications": "*", "signing_requests": "*", "participant_tokens": "id, revoked_at",
}  # fmt: skip
"""What people could have changed, and what the cabinet may read of it."""
MARK = "<script>alert(1)</script>\"'><b>{{7*7}}"
"""Stands in all that anybody types or sends, and is nowhere a part of a page."""
REPORTS_MADE = "INSERT INTO report_runs VALUES ('monthly', '2026-11', 2, now(), now())"


class Route(NamedTuple):
    """A method and the path as the code has it."""

    method: str
    path: str

    @property
    def guards(self) -> list[Guard]:
        return [guard for pattern, guard in GUARDS if re.fullmatch(pattern, self.path)]


def marked() -> Draft:
    """An application whose every text is somebody's attempt."""
    made = draft(name=f"Асан {MARK}", address=MARK, post=MARK)
    made.rows[0] |= {"model": f"S21 {MARK}", "site": f"Ош {MARK}"}
    return made


@pytest.fixture(scope="module")
def things(module_database: str) -> dict[str, str]:
    """What a registered owner has, by the names that addresses use; another is registered too."""
    engine = open_engine(module_database, application_name="test")
    day = date(2026, 12, 24)
    with engine.begin() as db:
        put_officer(db)
        whose = registered(db, given=application(marked()))
        circular_to(db, Circular(f"Rules {MARK}", f"New ones. {MARK}"))
        registered(db, OTHER_PIN)
        assert notified(db, Notice(kind=NoticeKind.EXIT, participant=whose, day=day)) == 1
        message_to(db, whose, f"Your meter {MARK}", f"Show its passport.\nBy Friday. {MARK}")
        text = TemplateDraft(TemplateKind.MESSAGE, None, Language.EN, f"One {MARK}", MARK)
        write_version(db, text, 1, NOW_US)
        assert barred(db, whose, begins=day) == 1
        extracted(db, whose)
        assert inspected(db, whose, attachment(AttachmentKind.OTHER)) == 1
        income = income_record(db, whose, NOW_US)
        order = document(1, DEMO_RULES, height=150, moment_us=NOW_US + 10**12)
        orders_at_desk(db, order, order, OFFICER_PIN)
        assert filed(db, report_made(db, whose), now_us=NOW_US + SECOND_US).id == 1
        decided_report(db, 1)
        db.exec_driver_sql(REPORTS_MADE)
        worker = ensure_worker(db, whose, f"rig1 {MARK}", 100)
        assert isinstance(make_token(db, whose), str)
        granted(db, whose, Kind.LINK, now_us=NOW_US)
        credit_block(db, whose)
        add_held_lot(db, BLOCK_HASH, at_us=NOW_US, said=MARK)
        (grant,) = db.exec_driver_sql("SELECT id FROM access_grants").scalars()
        entry = db.execute(
            sa.text("SELECT id FROM participant_people WHERE participant_id = :whose"),
            {"whose": whose},
        ).scalar_one()
    engine.dispose()
    return {
        "participant_id": str(whose), "number": "1", "document": "1", "worker_id": str(int(worker)),
        "block_hash": BLOCK_HASH, "vout": "0", "grant_id": str(grant), "entry_id": str(entry),
        "period": income.period, "doc_ref": income.doc_ref,
        "token_id": "1", "login_id": "1", "month": "2026-11", "form": "json", "kind": "exit",
        "day": "2026-11-22",
    }  # fmt: skip


@pytest.fixture(scope="module")
def cabinet(module_database: str, things: dict[str, str]) -> Iterator[Cabinet]:
    del things
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.fixture(scope="module")
def routes(cabinet: Cabinet) -> list[Route]:
    """All of them."""
    return [Route(*one) for one in routes_of(client_of(cabinet).app)]  # type: ignore[arg-type]


def ask(client: Client, route: Route, things: dict[str, str]) -> httpx.Response:
    """Ask for it, as a page of ours would; what keeps others out is on every answer."""
    path = re.sub(r"{(\w+)(:\w+)?}", lambda found: things.get(found[1], "x"), route.path)
    answer = client.get(path) if route.method == "GET" else client.post_form(path)
    unmarked(answer, path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy, path
    assert "frame-ancestors 'none'" in policy, path
    assert "unsafe" not in policy, path
    assert answer.headers["x-content-type-options"] == "nosniff", path
    assert answer.headers["cache-control"] == "no-store", path
    return answer


def unmarked(answer: httpx.Response, path: str) -> None:
    """What somebody typed is text on the page, and nothing else."""
    if "text/html" in answer.headers.get("content-type", ""):
        assert "<script>alert" not in answer.text, path
        assert "\"'><b>" not in answer.text, path
        assert "&gt;49" not in answer.text, path


def kept(cabinet: Cabinet) -> dict[str, list[tuple[object, ...]]]:
    """All that people could have changed."""
    with cabinet.engine.connect() as db:
        return {
            table: [
                tuple(row) for row in db.exec_driver_sql(f"SELECT {what} FROM {table} ORDER BY id")
            ]
            for table, what in KEPT.items()
        }


def of(routes: list[Route], *guards: Guard) -> list[Route]:
    found = [route for route in routes if route.guards[0] in guards]
    assert found
    return found


def test_every_route_says_whom_it_lets_in(routes: list[Route]) -> None:
    assert not [route for route in routes if len(route.guards) != 1]


def test_nobody_who_has_not_entered_gets_further_than_the_way_in(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    before = kept(cabinet)
    nobody = client_of(cabinet)
    for route in of(routes, *CLOSED):
        answer = ask(nobody, route, things)
        assert answer.status_code == 303, route
        assert answer.headers["location"].startswith("/enter?"), route
    assert kept(cabinet) == before


def test_another_participants_owner_finds_no_page_of_what_is_not_theirs(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    before = kept(cabinet)
    other = client_in(cabinet, OTHER_PIN)
    for route in of(routes, Guard.OWN, Guard.ROOM, Guard.DESK):
        assert ask(other, route, things).status_code == 404, route
    assert kept(cabinet) == before


def test_from_rooms_of_their_own_nobody_reaches_what_is_in_anothers(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    before = kept(cabinet)
    mine = str(int(things["participant_id"]) + 1)
    other = client_in(cabinet, OTHER_PIN)
    inside = [
        route
        for route in of(routes, Guard.ROOM)
        if re.search(r"{(number|worker_id|block_hash|grant_id|entry_id|token_id)}", route.path)
        and "/new/" not in route.path
    ]
    assert len(inside) >= 8
    for route in inside:
        answer = ask(other, route, things | {"participant_id": mine})
        said = answer.headers.get("location", "")
        refused = {"said=grant_gone", "said=person_unknown", "said=token_gone"}
        assert answer.status_code == 404 or said.partition("?")[2] in refused, (route, said)
    assert kept(cabinet) == before


def test_an_officer_is_at_home_at_the_desk_and_nowhere_else(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet, PIN)
    for route in of(routes, Guard.OWN, Guard.ROOM):
        assert ask(officer, route, things).status_code == 404, route
    for route in of(routes, Guard.DESK):
        assert ask(owner, route, things).status_code == 404, route
        if route.method == "GET" and "{document}" not in route.path:
            assert ask(officer, route, things).status_code == 200, route


def test_what_others_do_not_find_its_owner_does(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    owner = client_in(cabinet, PIN)
    without = ("/live", "{document}", "/proof", "/documents/")
    for route in of(routes, Guard.PERSON, Guard.OWN, Guard.ROOM):
        if route.method == "GET" and not any(word in route.path for word in without):
            assert ask(owner, route, things).status_code in {200, 303}, route
    assert ask(owner, Route("GET", "/applications/1/documents/1"), things).status_code == 200


def test_a_text_to_sign_is_there_for_the_browser_that_asked_for_it(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    mine, other = client_of(cabinet), client_in(cabinet, OTHER_PIN)
    request = things | {"request_id": asked(mine).rpartition("/")[2]}
    before = kept(cabinet)
    for route in of(routes, Guard.BROWSER):
        assert ask(other, route, request).status_code == 404, route
        if route.method == "GET":
            assert ask(mine, route, request).status_code == 200, route
    assert kept(cabinet) == before


def test_links_and_keys_open_nothing_unless_they_are_given(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    owner = client_in(cabinet, PIN)
    for route in of(routes, Guard.KEYED):
        if not route.path.endswith(("/openapi.json", "/pool")):
            assert ask(owner, route, things).status_code in {401, 403, 404}, route
