"""A login is found by its secret while it is good, and ends in each of its ways."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.login.logins import (
    KEPT_US,
    LOGINS_MAX,
    SEEN_EVERY_US,
    EndedWhy,
    Entry,
    Login,
    Way,
    end_for,
    end_login,
    end_one,
    end_others,
    find_login,
    forget_logins,
    has_entered,
    logins_of,
)
from kench.pool.database import open_engine
from kench.pool.orders.officers import add_officer, end_officer
from tests.support.pki import NOW_US, PIN, SECOND_PIN
from tests.support.signing import (
    BROWSER,
    LIMITS,
    OTHER_BROWSER,
    SECOND_US,
    cabinet_engine,
    enter,
)


@pytest.fixture
def db(database: str) -> Iterator[sa.Connection]:
    """With the cabinet's own rights, and no more."""
    engine = cabinet_engine(database)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def found(db: sa.Connection, secret: bytes, now_us: int) -> Login | None:
    return find_login(db, secret, idle_us=LIMITS.idle_us, now_us=now_us)


def test_a_login_is_found_by_its_secret_alone(db: sa.Connection) -> None:
    login, secret = enter(db)
    assert (login.person.pin, login.officer) == (PIN, None)
    assert found(db, secret, NOW_US + 1) == login
    assert found(db, secret[:-1] + b"\xff", NOW_US) is None
    assert found(db, b"", NOW_US) is None
    kept = db.execute(sa.text("SELECT cookie_sha256 FROM logins")).scalar_one()
    assert secret not in bytes(kept)


def test_it_ends_when_it_is_not_used_and_after_its_hours_in_any_case(db: sa.Connection) -> None:
    login, secret = enter(db)
    at_us = NOW_US
    assert found(db, secret, NOW_US + LIMITS.idle_us) is None
    while at_us + 1000 * SECOND_US < login.expires_us:
        at_us += 1000 * SECOND_US
        assert found(db, secret, at_us) is not None
    assert found(db, secret, login.expires_us - 1) is not None
    assert found(db, secret, login.expires_us) is None


def test_its_use_is_kept_by_the_minute(db: sa.Connection) -> None:
    _, secret = enter(db)
    assert found(db, secret, NOW_US + SEEN_EVERY_US)
    again = found(db, secret, NOW_US + SEEN_EVERY_US + 1)
    assert again is not None
    assert again.seen_us == NOW_US
    last = found(db, secret, NOW_US + SEEN_EVERY_US + 2)
    assert last is not None
    assert last.seen_us == NOW_US + SEEN_EVERY_US + 1


def test_one_login_too_many_ends_the_oldest_and_nobody_elses(db: sa.Connection) -> None:
    _, others_secret = enter(db, SECOND_PIN)
    secrets = [enter(db, now_us=NOW_US + at)[1] for at in range(LOGINS_MAX + 1)]
    good = [found(db, secret, NOW_US + 100) is not None for secret in secrets]
    assert good == [False] + [True] * LOGINS_MAX
    assert found(db, others_secret, NOW_US + 100) is not None


def test_a_person_leaves_ends_one_or_all_others_and_never_another_persons(
    db: sa.Connection,
) -> None:
    mine, secret = enter(db)
    second, second_secret = enter(db, now_us=NOW_US + 1)
    _, third_secret = enter(db, now_us=NOW_US + 2)
    theirs, their_secret = enter(db, SECOND_PIN)
    assert not end_one(db, mine, theirs.id, NOW_US + 5)
    assert end_one(db, mine, second.id, NOW_US + 5)
    assert not end_one(db, mine, second.id, NOW_US + 5)
    assert found(db, second_secret, NOW_US + 6) is None
    assert end_others(db, mine, NOW_US + 7) == 1
    assert found(db, third_secret, NOW_US + 8) is None
    end_login(db, mine, NOW_US + 9)
    assert found(db, secret, NOW_US + 9) is None
    assert found(db, their_secret, NOW_US + 9) is not None
    lines = logins_of(db, mine.person.id, idle_us=LIMITS.idle_us, now_us=NOW_US + 10)
    assert [(line.ended_why, line.alive) for line in lines] == [
        ("ended", False), ("ended", False), ("left", False),
    ]  # fmt: skip


def test_an_officer_is_one_while_in_service(database: str, db: sa.Connection) -> None:
    owner = open_engine(database, application_name="test owner")
    with owner.begin() as writing:
        add_officer(writing, PIN, "Асан Усенов", "authorised body", NOW_US - 1)
    login, secret = enter(db)
    assert login.officer is not None
    assert login.officer.duty == "authorised body"
    with owner.begin() as writing:
        end_officer(writing, PIN, NOW_US + 1)
    owner.dispose()
    after = found(db, secret, NOW_US + 2)
    assert after is not None
    assert after.officer is None


def test_logins_of_long_ago_are_forgotten_a_few_at_a_time(db: sa.Connection) -> None:
    for at in range(3):
        enter(db, now_us=NOW_US + at)
    assert has_entered(db, BROWSER)
    assert not has_entered(db, OTHER_BROWSER)
    over_us = NOW_US + LIMITS.whole_us + KEPT_US
    assert forget_logins(db, over_us) == 0
    assert forget_logins(db, over_us + 10, at_most=2) == 2
    assert forget_logins(db, over_us + 10) == 1
    assert not has_entered(db, BROWSER)


def test_a_login_by_certificate_is_good_with_that_one_at_its_door_while_the_officer_serves(
    database: str, db: sa.Connection
) -> None:
    owner = open_engine(database, application_name="test owner")
    with owner.begin() as owned:
        add_officer(owned, PIN, "Officer", "duty", NOW_US)
    mine, other = b"m" * 32, b"o" * 32
    login, secret = enter(db, entry=Entry(Way.CERTIFICATE, (mine, b"r" * 32)))
    assert login.officer is not None

    def seen(certificate: bytes | None) -> Login | None:
        return find_login(
            db, secret, idle_us=LIMITS.idle_us, now_us=NOW_US + 1, certificate=certificate
        )

    assert seen(mine) == login
    assert seen(other) is None
    assert seen(None) is None
    with owner.begin() as owned:
        end_officer(owned, PIN, NOW_US + 1)
    assert seen(mine) is None
    owner.dispose()


def test_at_the_officers_door_no_other_login_is_good(db: sa.Connection) -> None:
    for entry in (Entry(Way.SIGNATURE, (b"m" * 32,)), Entry(Way.SIGN_ON)):
        _, secret = enter(db, entry=entry, now_us=NOW_US + len(entry.certificates))
        found = find_login(
            db, secret, idle_us=LIMITS.idle_us, now_us=NOW_US + 2, certificate=b"m" * 32
        )
        assert found is None


def test_by_the_states_sign_on_nobody_is_an_officer(database: str, db: sa.Connection) -> None:
    owner = open_engine(database, application_name="test owner")
    with owner.begin() as owned:
        add_officer(owned, PIN, "Officer", "duty", NOW_US)
    owner.dispose()
    login, _ = enter(db, entry=Entry(Way.SIGN_ON))
    assert (login.way, login.officer) == (Way.SIGN_ON, None)


def test_a_login_is_ended_for_its_person_once(db: sa.Connection) -> None:
    login, secret = enter(db)
    assert end_for(db, login.id, EndedWhy.REVOKED, NOW_US + 1)
    assert not end_for(db, login.id, EndedWhy.REVOKED, NOW_US + 2)
    assert found(db, secret, NOW_US + 3) is None
    (line,) = logins_of(db, login.person.id, idle_us=LIMITS.idle_us, now_us=NOW_US + 3)
    assert (line.ended_why, line.ended_us) == ("revoked", NOW_US + 1)


def test_by_what_a_login_was_made_never_changes(database: str, db: sa.Connection) -> None:
    enter(db)
    db.commit()
    owner = open_engine(database, application_name="test owner")
    for change in ("way = 'sign_on'", "certificates = '{\\x00}'"):
        with pytest.raises(sa.exc.DBAPIError, match="may only be seen"), owner.begin() as owned:
            owned.execute(sa.text(f"UPDATE logins SET {change}"))
    owner.dispose()
