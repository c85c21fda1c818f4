"""Rooms of a participant are there for those who act for it, and for nobody else."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.cabinet import cabinet_of, client_in, client_of
from tests.support.pki import PIN, SECOND_PIN

THIRD_PIN = "10103199000457"


@pytest.fixture(scope="module")
def participants(module_database: str) -> list[int]:
    """Two: one of the first person, both of the second."""
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        made = [add_participant(db, name)[0] for name in ("Ала-Тоо", "Нарын")]
        _act(db, made[0], PIN, PeopleRole.OWNER)
        for one in made:
            _act(db, one, SECOND_PIN, PeopleRole.TECHNICIAN)
    engine.dispose()
    return made


@pytest.fixture
def cabinet(module_database: str) -> Iterator[Cabinet]:
    with cabinet_of(module_database) as made:
        yield made


def _act(db: sa.Connection, participant_id: int, pin: str, role: PeopleRole) -> None:
    add_person(db, participant_id, pin, role, added_by=None, now_us=1)


def test_with_one_participant_its_dashboard_is_shown_at_once(
    cabinet: Cabinet, participants: list[int]
) -> None:
    answer = client_in(cabinet, PIN).get("/p")
    assert answer.headers["location"] == f"/p/{participants[0]}/"


def test_with_several_they_are_listed(cabinet: Cabinet, participants: list[int]) -> None:
    text = client_in(cabinet, SECOND_PIN).get("/p").text
    assert "Ала-Тоо" in text
    assert f'<a href="/p/{participants[1]}/">Нарын</a>' in text
    assert "technician" in text


def test_with_none_the_way_to_one_is_shown(cabinet: Cabinet, participants: list[int]) -> None:
    del participants
    assert 'href="/apply"' in client_in(cabinet, THIRD_PIN).get("/p").text


def test_whoever_acts_for_it_sees_its_room(cabinet: Cabinet, participants: list[int]) -> None:
    text = client_in(cabinet, PIN).get(f"/p/{participants[0]}/").text
    assert "Ала-Тоо" in text
    assert f'<a href="/p/{participants[0]}/" aria-current="page">Dashboard</a>' in text


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**30, 999])
def test_what_is_no_participant_of_theirs_is_no_page(
    cabinet: Cabinet, participants: list[int], number: int
) -> None:
    del participants
    assert client_in(cabinet, PIN).get(f"/p/{number}/").status_code == 404


def test_anothers_participant_is_no_page_either(cabinet: Cabinet, participants: list[int]) -> None:
    assert client_in(cabinet, PIN).get(f"/p/{participants[1]}/").status_code == 404
    answer = client_of(cabinet).get(f"/p/{participants[1]}/")
    assert answer.headers["location"].startswith("/enter?")


@pytest.mark.parametrize("state", ["suspended", "removed"])
def test_whose_participant_may_not_mine_sees_that_and_what_was_earned(
    cabinet: Cabinet, module_database: str, participants: list[int], state: str
) -> None:
    owner, client = open_engine(module_database, application_name="test"), client_in(cabinet, PIN)
    change = sa.text("UPDATE participants SET state = :state WHERE id = :id")
    with owner.begin() as db:
        db.execute(change, {"state": state, "id": participants[0]})
    for room in ("", "workers", "earnings", "notices", "dossier", "connection"):
        answer = client.get(f"/p/{participants[0]}/{room}")
        assert answer.status_code == 200
        assert "no machine" in answer.text, room
    with owner.begin() as db:
        db.execute(sa.text("SET LOCAL session_replication_role = replica"))
        db.execute(change, {"state": "active", "id": participants[0]})
    owner.dispose()
    assert "no machine of this participant" not in client.get(f"/p/{participants[0]}/").text
