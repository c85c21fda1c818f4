"""The trail keeps what was done and refused, in order, and shows a person its own."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.login.trail import DETAIL_MAX, DONE, TrailEntry, keep_trail, trail_of_person
from tests.support.pki import NOW_US, SECOND_PIN
from tests.support.signing import cabinet_engine, enter


@pytest.fixture
def db(database: str) -> Iterator[sa.Connection]:
    opened = cabinet_engine(database)
    with opened.begin() as connection:
        yield connection
    opened.dispose()


def test_lines_are_kept_newest_first_and_page_by_page(db: sa.Connection) -> None:
    (mine, _), (other, _) = enter(db), enter(db, SECOND_PIN)
    for number in range(5):
        keep_trail(db, TrailEntry(NOW_US + number, "sign", DONE, str(number),
                                  person_id=mine.person.id, login_id=mine.id))  # fmt: skip
    keep_trail(db, TrailEntry(NOW_US, "enter", "signature", person_id=other.person.id))
    lines = trail_of_person(db, mine.person.id, at_most=3)
    assert [entry.subject for _, entry in lines] == ["4", "3", "2"]
    more = trail_of_person(db, mine.person.id, before_id=lines[-1][0], at_most=3)
    assert [entry.subject for _, entry in more] == ["1", "0"]
    assert trail_of_person(db, other.person.id)[0][1].outcome == "signature"


def test_long_words_are_cut_and_strange_ones_a_fault(db: sa.Connection) -> None:
    mine, _ = enter(db)
    keep_trail(db, TrailEntry(NOW_US, "sign", DONE, detail="x" * 9999, person_id=mine.person.id))
    assert len(trail_of_person(db, mine.person.id)[0][1].detail) == DETAIL_MAX
    with pytest.raises(AssertionError):
        keep_trail(db, TrailEntry(NOW_US, "Sign it", DONE))
