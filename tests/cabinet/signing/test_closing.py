"""A request is closed once, by its browser, in its login, by its person, in its time."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.login.logins import Login
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.signing.acts import ActUnsoundError, SignedAct, check_act, read_act
from kench.cabinet.signing.closing import TRIES_MAX, Refusal, Refused, close_request
from kench.cabinet.signing.requests import (
    OPEN_MAX,
    SigningRequest,
    TooManyRequestsError,
    forget_requests,
    open_login,
    open_request,
    read_request,
)
from kench.cabinet.signing.wording import Purpose
from kench.pool.database import open_engine
from kench.pool.signature.cms import CmsVerifier
from tests.support.pki import NOW_US, PIN, SECOND_PIN
from tests.support.signing import (
    BROWSER,
    ORIGIN,
    OTHER_BROWSER,
    SECOND_US,
    Draw,
    authority,
    cabinet_engine,
    enter,
    signer,
)

DRAW = Draw()


@pytest.fixture
def engine(database: str) -> Iterator[sa.Engine]:
    """With the cabinet's own rights, and no more."""
    opened = cabinet_engine(database)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def verifier() -> CmsVerifier:
    return authority().verifier()


def entry(db: sa.Connection, browser: bytes = BROWSER, now_us: int = NOW_US) -> SigningRequest:
    return open_login(
        db, browser=browser, language="ky", now_us=now_us, random_bytes=DRAW, origin=ORIGIN
    )


def notice(db: sa.Connection, login: Login | None, now_us: int = NOW_US) -> SigningRequest:
    return open_request(
        db, Purpose.NOTICE, "7", "I stop on Monday.", browser=BROWSER,
        login_id=login.id if login else None, language="en", now_us=now_us, random_bytes=DRAW,
        origin=ORIGIN,
    )  # fmt: skip


def close(  # noqa: PLR0917 - what is closed, by whom, and when
    db: sa.Connection,
    request: SigningRequest,
    verifier: CmsVerifier,
    signature: bytes | None = None,
    browser: bytes = BROWSER,
    login: Login | None = None,
    now_us: int = NOW_US + SECOND_US,
) -> SignedAct | Refused:
    return close_request(
        db, request.id, signature or signer().sign(request.content), browser=browser, login=login,
        now_us=now_us, verifier=verifier,
    )  # fmt: skip


def test_an_entry_is_signed_kept_with_its_evidence_and_checked_again(
    engine: sa.Engine, verifier: CmsVerifier
) -> None:
    with engine.begin() as db:
        request = entry(db)
        act = close(db, request, verifier)
        assert isinstance(act, SignedAct)
        assert (act.person.pin, act.person.name) == (PIN, "Асан Усенов")
        assert (act.content, act.purpose) == (request.content, Purpose.LOGIN)
        assert read_act(db, act.id) == act
        later = authority().verifier(authority().crl(days=(700, 730)))
        assert check_act(db, act, later).pin == PIN
        with pytest.raises(ActUnsoundError, match="does not hold"):
            check_act(db, replace(act, content=b"x"), later)
        with pytest.raises(ActUnsoundError, match="was signed by"):
            check_act(db, replace(act, certificate_sha256=bytes(32)), later)


def test_a_request_is_used_once(engine: sa.Engine, verifier: CmsVerifier) -> None:
    with engine.begin() as db:
        request = entry(db)
        signature = signer().sign(request.content)
        assert isinstance(close(db, request, verifier, signature), SignedAct)
        assert close(db, request, verifier, signature) == Refused(Refusal.USED)


def test_of_many_at_once_one_is_taken(engine: sa.Engine, verifier: CmsVerifier) -> None:
    with engine.begin() as db:
        request = entry(db)
    signature = signer().sign(request.content)
    came: list[SignedAct | Refused] = []

    def try_it() -> None:
        with engine.begin() as db:
            came.append(close(db, request, verifier, signature))

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(isinstance(one, SignedAct) for one in came) == 1
    assert came.count(Refused(Refusal.USED)) == 3


def test_another_browsers_request_does_not_exist(engine: sa.Engine, verifier: CmsVerifier) -> None:
    with engine.begin() as db:
        request = entry(db)
        assert read_request(db, request.id, OTHER_BROWSER) is None
        came = close(db, request, verifier, browser=OTHER_BROWSER)
        assert came == Refused(Refusal.UNKNOWN)
        assert isinstance(close(db, request, verifier), SignedAct)


def test_a_request_ends_with_its_minutes(engine: sa.Engine, verifier: CmsVerifier) -> None:
    with engine.begin() as db:
        login, _ = enter(db)
        for request, life_s in ((entry(db), 180), (notice(db, login), 1800)):
            assert request.expires_us == NOW_US + life_s * SECOND_US
            came = close(db, request, verifier, login=login, now_us=request.expires_us)
            assert came == Refused(Refusal.EXPIRED)
            came = close(db, request, verifier, login=login, now_us=request.expires_us - 1)
            assert isinstance(came, SignedAct)


def test_a_signature_of_another_request_is_refused_and_tries_are_counted(
    engine: sa.Engine, verifier: CmsVerifier
) -> None:
    with engine.begin() as db:
        request, other = entry(db), entry(db)
        wrong = signer().sign(other.content)
        for _ in range(TRIES_MAX):
            came = close(db, request, verifier, wrong)
            assert isinstance(came, Refused)
            assert came.refusal is Refusal.SIGNATURE
            assert "other bytes" in came.why
        assert close(db, request, verifier) == Refused(Refusal.TRIES)
        assert isinstance(close(db, other, verifier), SignedAct)


def test_only_the_login_in_which_it_was_opened_signs_and_only_its_person(
    engine: sa.Engine, verifier: CmsVerifier
) -> None:
    with engine.begin() as db:
        mine, _ = enter(db)
        again, _ = enter(db, now_us=NOW_US + 1)
        request = notice(db, mine)
        assert close(db, request, verifier) == Refused(Refusal.OTHER_LOGIN)
        assert close(db, request, verifier, login=again) == Refused(Refusal.OTHER_LOGIN)
        theirs = signer(SECOND_PIN).sign(request.content)
        came = close(db, request, verifier, theirs, login=mine)
        assert came == Refused(Refusal.OTHER_PERSON)
        assert isinstance(close(db, request, verifier, login=mine), SignedAct)


def test_a_browser_has_so_many_open_requests_and_they_are_forgotten(engine: sa.Engine) -> None:
    with engine.begin() as db:
        for _ in range(OPEN_MAX):
            entry(db)
        with pytest.raises(TooManyRequestsError, match="wait"):
            entry(db)
        entry(db, OTHER_BROWSER)
        later = NOW_US + 181 * SECOND_US
        entry(db, now_us=later)
        assert forget_requests(db, later) == 0
        much_later = later + 3600 * SECOND_US
        assert forget_requests(db, much_later, at_most=5) == 5
        assert forget_requests(db, much_later) == OPEN_MAX + 1 - 5
        assert forget_requests(db, much_later + 180 * SECOND_US + 1) == 1


CHANGES = [
    "UPDATE signed_acts SET subject = 'x'",
    "DELETE FROM signed_acts",
    "DELETE FROM act_evidence",
    "UPDATE signing_requests SET content = 'x'",
    "UPDATE signing_requests SET used_at = NULL",
    "UPDATE acts SET outcome = 'done'",
    "DELETE FROM acts",
    "DELETE FROM persons",
    "UPDATE logins SET expires_at = expires_at + interval '1 year'",
    "UPDATE logins SET person_id = 2",
]
BEYOND = [
    "UPDATE persons SET pin = '10101190000001'",
    "UPDATE officers SET name = 'x'",
    "INSERT INTO officers (pin, name, duty, added_at) VALUES ('1', 'x', 'x', now())",
    "UPDATE blocks SET state = 'mature'",
]


def test_neither_the_cabinet_nor_the_owner_changes_what_was_signed_or_done(
    database: str, engine: sa.Engine, verifier: CmsVerifier
) -> None:
    with engine.begin() as db:
        login, _ = enter(db)
        assert isinstance(close(db, entry(db), verifier), SignedAct)
        keep_trail(db, TrailEntry(NOW_US, "enter", DONE, person_id=login.person.id))
    owner = open_engine(database, application_name="test owner")
    for who, statement in [(engine, one) for one in CHANGES + BEYOND] + [
        (owner, one) for one in CHANGES
    ]:
        with pytest.raises(DBAPIError), who.begin() as db:
            db.execute(sa.text(statement))
    owner.dispose()
