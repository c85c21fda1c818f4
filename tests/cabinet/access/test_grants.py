"""Grants open what they say, for as long as they say, until they are ended."""

from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa

from kench.cabinet.access import grants
from kench.cabinet.access.grants import (
    DAYS,
    GrantRefusal,
    Kind,
    Scope,
    end_grant,
    find_grant,
    grants_of,
    make_grant,
    secret_digest,
)
from kench.cabinet.login.persons import know_person
from tests.support.grants import Two, granted
from tests.support.pki import PIN
from tests.support.signing import Draw, cabinet_engine

NOW_US = 1_900_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def db(module_database: str, two: Two) -> Iterator[sa.Connection]:
    """With the rights of the cabinet; nothing is kept."""
    del two
    engine = cabinet_engine(module_database)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def find(db: sa.Connection, kind: Kind, secret: str, now_us: int = NOW_US) -> grants.Grant | None:
    return find_grant(db, kind, secret_digest(kind, secret), now_us)


def test_a_secret_opens_what_was_chosen(db: sa.Connection, two: Two) -> None:
    secret = granted(db, two.first, Kind.KEY, Scope.HASHRATE, Scope.EARNINGS, now_us=NOW_US)
    found = find(db, Kind.KEY, secret)
    assert found is not None
    assert (found.participant_id, found.participant) == (two.first, "Ала-Тоо")
    assert found.scopes == {Scope.HASHRATE, Scope.EARNINGS}


def test_the_secret_itself_is_not_kept(db: sa.Connection, two: Two) -> None:
    secret = granted(db, two.first, Kind.LINK, now_us=NOW_US)
    kept = db.execute(sa.text("SELECT to_jsonb(access_grants)::text FROM access_grants")).scalars()
    assert not [row for row in kept if secret in row or secret.encode().hex() in row]


def test_a_link_is_no_key_and_a_key_no_link(db: sa.Connection, two: Two) -> None:
    link = granted(db, two.first, Kind.LINK, now_us=NOW_US)
    key = granted(db, two.first, Kind.KEY, now_us=NOW_US)
    assert find(db, Kind.KEY, link) is None
    assert find(db, Kind.LINK, key) is None


@pytest.mark.parametrize("days", DAYS)
def test_it_opens_nothing_when_its_time_is_over(db: sa.Connection, two: Two, days: int) -> None:
    secret = granted(db, two.first, Kind.LINK, now_us=NOW_US, days=days)
    assert find(db, Kind.LINK, secret, NOW_US + days * DAY_US - 1)
    assert find(db, Kind.LINK, secret, NOW_US + days * DAY_US) is None


def test_it_opens_nothing_when_it_was_ended(db: sa.Connection, two: Two) -> None:
    secret = granted(db, two.first, Kind.LINK, now_us=NOW_US)
    line = grants_of(db, two.first)[0]
    person = know_person(db, PIN, "Асан Усенов", NOW_US)
    assert end_grant(db, two.first, line.id, ended_by=person.id, now_us=NOW_US)
    assert find(db, Kind.LINK, secret) is None
    assert not grants_of(db, two.first)[0].good_at(NOW_US)
    assert not end_grant(db, two.first, line.id, ended_by=person.id, now_us=NOW_US)


def test_nobody_ends_that_of_another(db: sa.Connection, two: Two) -> None:
    secret = granted(db, two.first, Kind.LINK, now_us=NOW_US)
    line = grants_of(db, two.first)[0]
    person = know_person(db, PIN, "Асан Усенов", NOW_US)
    assert not end_grant(db, two.second, line.id, ended_by=person.id, now_us=NOW_US)
    assert find(db, Kind.LINK, secret)
    assert grants_of(db, two.second) == []


def test_use_is_kept_to_the_minute(db: sa.Connection, two: Two) -> None:
    secret = granted(db, two.first, Kind.LINK, now_us=NOW_US)
    seen = []
    for at_us in (NOW_US + 1, NOW_US + 2, NOW_US + 61_000_000):
        find(db, Kind.LINK, secret, at_us)
        seen.append(grants_of(db, two.first)[0].used_us)
    assert seen == [NOW_US + 1, NOW_US + 1, NOW_US + 61_000_000]


@pytest.mark.parametrize(
    ("name", "scopes", "days", "why"),
    [
        ("", [Scope.HASHRATE], 30, GrantRefusal.NAME),
        ("x" * 61, [Scope.HASHRATE], 30, GrantRefusal.NAME),
        ("a\u202eb", [Scope.HASHRATE], 30, GrantRefusal.NAME),
        ("wall", [], 30, GrantRefusal.SCOPES),
        ("wall", ["everything"], 30, GrantRefusal.SCOPES),
        ("wall", [Scope.HASHRATE], 31, GrantRefusal.DAYS),
        ("wall", [Scope.HASHRATE], 0, GrantRefusal.DAYS),
    ],
)
def test_what_cannot_be_granted_says_why(  # noqa: PLR0917 - fixtures
    db: sa.Connection, two: Two, name: str, scopes: list[str], days: int, why: GrantRefusal
) -> None:
    made = make_grant(db, two.first, Kind.LINK, name, scopes, days, made_by=1, now_us=NOW_US,
                      random_bytes=Draw(9))  # fmt: skip
    assert made is why


def test_their_number_is_bounded_and_those_that_are_over_do_not_count(
    db: sa.Connection, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "GRANTS_MAX", 2)
    granted(db, two.second, Kind.LINK, now_us=NOW_US - 2 * DAY_US, days=1)
    for kind in Kind:
        for _ in range(2):
            granted(db, two.second, kind, now_us=NOW_US)
        assert make_grant(
            db, two.second, kind, "wall", [Scope.HASHRATE], 1,
            made_by=1, now_us=NOW_US, random_bytes=Draw(9),
        ) is GrantRefusal.LIMIT  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "scopes = '{earnings}'",
        "participant_id = 2",
        "ended_at = NULL, ended_by = NULL",
        "name = 'x'",
    ],
)
def test_the_database_keeps_what_was_granted(
    module_database: str, db: sa.Connection, two: Two, change: str
) -> None:
    granted(db, two.first, Kind.LINK, Scope.HASHRATE, now_us=NOW_US)
    line = grants_of(db, two.first)[0]
    person = know_person(db, PIN, "Асан Усенов", NOW_US)
    end_grant(db, two.first, line.id, ended_by=person.id, now_us=NOW_US)
    db.commit()
    connection = psycopg2.connect(module_database)
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.RestrictViolation):
            cursor.execute(f"UPDATE access_grants SET {change} WHERE id = {line.id}")
    finally:
        connection.close()
