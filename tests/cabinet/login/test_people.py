"""Who acts for a participant: added, ended, and never the last owner."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.login.people import (
    PEOPLE_MAX,
    PeopleRefusal,
    PeopleRole,
    acting_for,
    acts_for,
    add_person,
    end_person,
    people_of,
)
from kench.pool.register import add_participant
from kench.pool.signature.pin import InvalidPinError
from tests.support.pki import NOW_US, PIN, SECOND_PIN
from tests.support.signing import cabinet_engine, enter


@pytest.fixture
def participant(engine: sa.Engine) -> int:
    with engine.begin() as db:
        return add_participant(db, "Kench Farm")[0]


@pytest.fixture
def db(database: str, participant: int) -> Iterator[sa.Connection]:
    """With the cabinet's own rights, and no more."""
    opened = cabinet_engine(database)
    with opened.begin() as connection:
        yield connection
    opened.dispose()


def add(db: sa.Connection, participant: int, pin: str, role: PeopleRole) -> PeopleRefusal | None:
    return add_person(db, participant, pin, role, added_by=None, now_us=NOW_US)


def test_who_was_named_acts_for_it_even_before_ever_entering(
    db: sa.Connection, participant: int
) -> None:
    assert add(db, participant, PIN, PeopleRole.OWNER) is None
    assert add(db, participant, SECOND_PIN, PeopleRole.TECHNICIAN) is None
    assert add(db, participant, PIN, PeopleRole.ACCOUNTANT) is PeopleRefusal.ALREADY
    assert [one.name for one in people_of(db, participant)] == [None, None]
    enter(db)
    assert [one.name for one in people_of(db, participant)] == ["Асан Усенов", None]
    (mine,) = acts_for(db, PIN)
    assert (mine.participant_id, mine.name, mine.role) == (participant, "Kench Farm", "owner")
    assert acting_for(db, SECOND_PIN, participant) is not None
    assert acting_for(db, "20101190000002", participant) is None
    assert acting_for(db, PIN, participant + 1) is None


def test_one_who_is_ended_acts_no_more_and_an_owner_stays(
    db: sa.Connection, participant: int
) -> None:
    add(db, participant, PIN, PeopleRole.OWNER)
    add(db, participant, SECOND_PIN, PeopleRole.OWNER)
    login, _ = enter(db)
    first, second = people_of(db, participant)

    def end(entry_id: int, of: int = participant) -> PeopleRefusal | None:
        return end_person(db, of, entry_id, ended_by=login.person.id, now_us=NOW_US)

    assert end(second.id, participant + 1) is PeopleRefusal.UNKNOWN
    assert end(second.id) is None
    assert acting_for(db, SECOND_PIN, participant) is None
    assert end(second.id) is PeopleRefusal.UNKNOWN
    assert end(first.id) is PeopleRefusal.LAST_OWNER
    assert add(db, participant, SECOND_PIN, PeopleRole.ACCOUNTANT) is None


def test_numbers_of_nobody_participants_of_nobody_and_crowds_are_refused(
    db: sa.Connection, participant: int
) -> None:
    with pytest.raises(InvalidPinError):
        add(db, participant, "99999999999999", PeopleRole.OWNER)
    assert add(db, participant + 1, PIN, PeopleRole.OWNER) is PeopleRefusal.UNKNOWN
    for number in range(PEOPLE_MAX):
        assert add(db, participant, f"101011990{number:05}", PeopleRole.OWNER) is None
    assert add(db, participant, PIN, PeopleRole.OWNER) is PeopleRefusal.LIMIT
