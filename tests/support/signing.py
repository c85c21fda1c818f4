"""Persons who enter and sign in tests, by the orders' authority or one given."""

import itertools
from functools import cache

import sqlalchemy as sa

from kench.cabinet.login.logins import Entry, Limits, Login, Way, find_login, open_login
from kench.cabinet.login.persons import know_person
from kench.pool.database import Role, open_engine
from tests.support.pki import NOW_US, PIN, Authority, Person

BROWSER, OTHER_BROWSER = b"b" * 32, b"o" * 32
ORIGIN = "https://cabinet.example"
LIMITS = Limits(idle_us=1800 * 1_000_000, whole_us=43_200 * 1_000_000)
SECOND_US = 1_000_000
BY_SIGNATURE = Entry()


class Draw:
    """Random bytes that differ each time, and are the same in each run."""

    def __init__(self, start: int = 1) -> None:
        self._numbers = itertools.count(start)

    def __call__(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size, "big")


@cache
def authority() -> Authority:
    """Whose persons sign."""
    return Authority("People's Root")


@cache
def signer(pin: str = PIN) -> Person:
    """The certificate and key of a person."""
    return authority().person(pin)


def cabinet_engine(url: str) -> sa.Engine:
    """An engine with the rights of the cabinet and no more."""
    return open_engine(url, Role.CABINET, application_name="test cabinet")


def enter(
    db: sa.Connection,
    pin: str = PIN,
    *,
    name: str = "Асан Усенов",
    browser: bytes = BROWSER,
    now_us: int = NOW_US,
    draw: Draw | None = None,
    entry: Entry = BY_SIGNATURE,
) -> tuple[Login, bytes]:
    """Log a person in without any signature; returns the login and its secret."""
    person = know_person(db, pin, name, now_us)
    _, secret = open_login(
        db, person, browser=browser, address="192.0.2.7", agent="Browser/1", limits=LIMITS,
        now_us=now_us, random_bytes=draw or Draw(int(pin) + now_us),
        entry=entry,
    )  # fmt: skip
    certificate = entry.certificates[0] if entry.way is Way.CERTIFICATE else None
    login = find_login(db, secret, idle_us=LIMITS.idle_us, now_us=now_us, certificate=certificate)
    assert login is not None
    return login, secret
