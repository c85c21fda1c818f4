"""Each officer enters the rooms of the officer's roles and no others, and all of it is kept."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.rights import DESK, desk_word, may_enter
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.orders.officer_roles import OfficerRole, end_role, grant_role
from kench.pool.orders.officers import end_officer
from tests.cabinet.web import test_routes
from tests.cabinet.web.test_routes import Guard, Route, ask, of
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.registration import NOW_US, put_officer, verifier_at
from tests.support.signing import SECOND_US

things = test_routes.things
routes = test_routes.routes
PINS = {role: f"1010319900010{number}" for number, role in enumerate(OfficerRole)}
IDLE_PIN = "10103199000109"
"""An officer without any role."""
NARROWER = {(OfficerRole.INSPECTOR, "/desk/participants/{number}/messages")}
"""Pages that ask for more than their room."""
WORDS = "Your duties do not include this"


@pytest.fixture(scope="module")
def cabinet(module_database: str, things: dict[str, str]) -> Iterator[Cabinet]:
    del things
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        for role, pin in PINS.items():
            put_officer(db, pin, [role])
        put_officer(db, IDLE_PIN, [])
    engine.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


def refused_lines(cabinet: Cabinet, pin: str) -> int:
    with cabinet.engine.connect() as db:
        query = (
            "SELECT count(*) FROM acts JOIN persons ON persons.id = person_id"
            " WHERE outcome = 'no_duty' AND pin = :pin"
        )
        return int(db.execute(sa.text(query), {"pin": pin}).scalar_one())


def test_every_room_of_the_desk_says_who_may_enter(routes: list[Route]) -> None:
    words = {desk_word(route.path) for route in of(routes, Guard.DESK)} - {""}
    assert words <= DESK.keys()


@pytest.mark.parametrize("role", OfficerRole)
def test_a_role_opens_its_rooms_and_no_others(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str], role: OfficerRole
) -> None:
    client = client_in(cabinet, PINS[role])
    refused = 0
    for route in of(routes, Guard.DESK):
        lets_in = may_enter(route.path, frozenset({role})) and (role, route.path) not in NARROWER
        if lets_in and route.method != "GET":
            continue
        answer = ask(client, route, things)
        assert (answer.status_code == 403) != lets_in, (route, answer.status_code)
        if not lets_in:
            refused += 1
            assert WORDS in answer.text, route
    assert refused == refused_lines(cabinet, PINS[role]) or role is OfficerRole.HEAD


def test_without_a_role_there_is_the_desk_and_nothing_behind_it(
    cabinet: Cabinet, routes: list[Route], things: dict[str, str]
) -> None:
    client = client_in(cabinet, IDLE_PIN)
    assert "You have no role at the desk yet" in client.get("/desk").text
    for route in of(routes, Guard.DESK):
        if desk_word(route.path):
            assert ask(client, route, things).status_code == 403, route


def test_the_navigation_has_what_one_may_enter(cabinet: Cabinet) -> None:
    page = client_in(cabinet, PINS[OfficerRole.SECURITY]).get("/desk").text
    assert 'href="/desk/officers"' in page
    assert 'href="/desk/applications"' not in page


def test_each_page_that_is_opened_stands_in_the_trail(
    cabinet: Cabinet, things: dict[str, str]
) -> None:
    client = client_in(cabinet, PINS[OfficerRole.REGISTRAR])
    path = f"/desk/participants/{things['participant_id']}"
    assert client.get(f"{path}?why=looking").status_code == 200
    with cabinet.engine.connect() as db:
        line = db.exec_driver_sql(
            "SELECT act, outcome, subject, detail FROM acts ORDER BY id DESC LIMIT 1"
        ).one()
    assert tuple(line) == ("view", "done", path, "why=looking")


def test_roles_hold_from_the_next_request_on(cabinet: Cabinet, module_database: str) -> None:
    client, pin = client_in(cabinet, IDLE_PIN), IDLE_PIN
    owner = open_engine(module_database, application_name="test")

    def opens(client: Client) -> int:
        return client.get("/desk/officers").status_code

    assert opens(client) == 403
    with owner.begin() as db:
        grant_role(db, pin, OfficerRole.SECURITY, NOW_US + SECOND_US)
    assert opens(client) == 200
    with owner.begin() as db:
        end_role(db, pin, OfficerRole.SECURITY, NOW_US + 2 * SECOND_US)
    assert opens(client) == 403
    with owner.begin() as db:
        grant_role(db, pin, OfficerRole.SECURITY, NOW_US + 3 * SECOND_US)
        end_officer(db, pin, NOW_US + 4 * SECOND_US)
    assert opens(client) == 404
    with owner.connect() as db:
        told = db.exec_driver_sql(
            "SELECT act, detail FROM acts JOIN officers ON subject = 'officer ' || officers.id"
            f" WHERE pin = '{pin}' ORDER BY acts.id"
        )
        assert [tuple(one) for one in told] == [
            ("add_officer", pin), ("grant_role", "security"), ("end_role", "security"),
            ("grant_role", "security"), ("end_role", "security"), ("end_officer", pin),
        ]  # fmt: skip
    owner.dispose()
