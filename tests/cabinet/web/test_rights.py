"""Each role enters its rooms of a participant and no others; nobody else enters any."""

import re
from collections.abc import Iterator

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.web.rights import OWNER, RIGHTS, roles_for, word_of
from kench.pool.database import open_engine
from tests.support.cabinet import Client, cabinet_of, client_in, client_of, routes_of
from tests.support.grants import TECHNICIAN_PIN, Two, two_participants
from tests.support.pki import PIN, SECOND_PIN

ROOM = "/p/{participant_id}"
NEED_MORE = {"live", "dossier", "connection", "notices"}
"""Rooms that need more than a participant, or stay open."""
ACCOUNTANT_PIN = "10204199000121"
PINS = {
    PeopleRole.OWNER: PIN,
    PeopleRole.TECHNICIAN: TECHNICIAN_PIN,
    PeopleRole.ACCOUNTANT: ACCOUNTANT_PIN,
}


@pytest.fixture(scope="module")
def two(module_database: str) -> Two:
    made = two_participants(module_database)
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        add_person(db, made.first, ACCOUNTANT_PIN, PeopleRole.ACCOUNTANT, added_by=None, now_us=1)
    engine.dispose()
    return made


@pytest.fixture(scope="module")
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database) as made:
        yield made


@pytest.fixture(scope="module")
def routes(cabinet: Cabinet) -> list[tuple[str, str]]:
    """Method and path of every route of a participant's rooms."""
    found = [one for one in routes_of(client_of(cabinet).app) if one[1].startswith(ROOM)]  # type: ignore[arg-type]
    assert len(found) > 10
    return found


def ask(client: Client, method: str, path: str, whose: int) -> int:
    """Its status, with numbers that nothing has in all other places."""
    asked = re.sub(r"{\w+(:\w+)?}", "999999", path.replace("{participant_id}", str(whose)))
    if method == "POST":
        return client.post_form(asked).status_code
    return client.get(asked).status_code


def test_every_room_says_who_may_enter(routes: list[tuple[str, str]]) -> None:
    assert not {word_of(path) for _, path in routes} - RIGHTS.keys()


@pytest.mark.parametrize("role", PeopleRole)
def test_a_role_enters_no_room_but_its_own(
    cabinet: Cabinet, two: Two, routes: list[tuple[str, str]], role: PeopleRole
) -> None:
    client = client_in(cabinet, PINS[role])
    for method, path in routes:
        if role not in roles_for(path):
            assert ask(client, method, path, two.first) == 404, path


@pytest.mark.parametrize("role", PeopleRole)
def test_a_role_enters_the_rooms_that_are_its_own(
    cabinet: Cabinet, two: Two, routes: list[tuple[str, str]], role: PeopleRole
) -> None:
    client = client_in(cabinet, PINS[role])
    shown = {
        path: ask(client, method, path, two.first)
        for method, path in routes
        if method == "GET" and path.count("{") == 1 and role in roles_for(path)
        and word_of(path) not in NEED_MORE
    }  # fmt: skip
    assert set(shown.values()) <= {200, 303}, shown


def test_nobody_enters_a_room_of_anothers(
    cabinet: Cabinet, two: Two, routes: list[tuple[str, str]]
) -> None:
    stranger, nobody = client_in(cabinet, SECOND_PIN), client_of(cabinet)
    for method, path in routes:
        assert ask(stranger, method, path, two.first) == 404, path
        assert ask(nobody, method, path, two.first) == 303, path


@pytest.mark.parametrize("role", PeopleRole)
def test_no_link_leads_where_a_role_may_not_go(
    cabinet: Cabinet, two: Two, role: PeopleRole
) -> None:
    text = client_in(cabinet, PINS[role]).get(f"/p/{two.first}/").text
    for word, roles in RIGHTS.items():
        if role not in roles:
            assert f'href="/p/{two.first}/{word}"' not in text


@pytest.mark.parametrize(
    ("path", "word"),
    [("/p/7/", ""), ("/p/7/workers/rig.1/x", "workers"), ("/p/7/connection.pdf", "connection")],
)
def test_the_word_of_a_path(path: str, word: str) -> None:
    assert word_of(path) == word
    assert roles_for("/p/7/unheard-of") == OWNER
