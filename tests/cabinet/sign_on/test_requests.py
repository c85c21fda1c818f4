"""Requests to the sign-on belong to one browser, are used once, and are forgotten."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.sign_on.refusals import Refusal, SignOnError
from kench.cabinet.sign_on.requests import (
    KEPT_US,
    LIFE_US,
    OPEN_MAX,
    Began,
    forget_sign_ons,
    open_sign_on,
    secrets_of,
    take_sign_on,
)
from tests.support.pki import NOW_US
from tests.support.signing import BROWSER, OTHER_BROWSER, Draw, cabinet_engine

DRAW = Draw(7)


@pytest.fixture
def db(database: str) -> Iterator[sa.Connection]:
    engine = cabinet_engine(database)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def opened(db: sa.Connection, now_us: int = NOW_US, next_path: str = "") -> str:
    return open_sign_on(db, browser=BROWSER, next_path=next_path, now_us=now_us, random_bytes=DRAW)


def test_a_request_is_taken_once_by_its_browser(db: sa.Connection) -> None:
    state = opened(db, next_path="/p/7")
    assert take_sign_on(db, state, browser=OTHER_BROWSER, now_us=NOW_US) is Refusal.UNKNOWN
    assert take_sign_on(db, state, browser=BROWSER, now_us=NOW_US) == Began("/p/7", NOW_US)
    assert take_sign_on(db, state, browser=BROWSER, now_us=NOW_US) is Refusal.USED
    assert take_sign_on(db, "", browser=BROWSER, now_us=NOW_US) is Refusal.UNKNOWN


def test_it_is_over_after_its_time_and_forgotten_later(db: sa.Connection) -> None:
    state = opened(db)
    assert take_sign_on(db, state, browser=BROWSER, now_us=NOW_US + LIFE_US) is Refusal.EXPIRED
    assert forget_sign_ons(db, NOW_US + LIFE_US + 1) == 0
    assert forget_sign_ons(db, NOW_US + LIFE_US + KEPT_US + 1) == 1


def test_a_browser_has_so_many_at_once(db: sa.Connection) -> None:
    for _ in range(OPEN_MAX):
        opened(db)
    with pytest.raises(SignOnError) as error:
        opened(db)
    assert error.value.refusal is Refusal.LIMITED
    opened(db, NOW_US + LIFE_US + 1)


def test_nothing_that_would_help_a_thief_is_in_the_database(db: sa.Connection) -> None:
    state = opened(db)
    kept = str(db.execute(sa.text("SELECT * FROM sign_on_requests")).mappings().one())
    secrets = secrets_of(state, BROWSER)
    for secret in (state, *secrets, BROWSER.hex()):
        assert secret not in kept
    assert secrets != secrets_of(state, OTHER_BROWSER)
    assert len({*secrets, *secrets_of(state + "0", BROWSER)}) == 4


def test_what_was_used_is_not_used_again_by_whomever(db: sa.Connection) -> None:
    take_sign_on(db, opened(db), browser=BROWSER, now_us=NOW_US)
    with pytest.raises(sa.exc.DBAPIError, match="used once"), db.begin_nested():
        db.execute(sa.text("UPDATE sign_on_requests SET used_at = NULL"))
