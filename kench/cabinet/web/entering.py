"""Whose login a request comes with, and how one begins and ends in a browser."""

import sqlalchemy as sa
from starlette.requests import Request

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.door import CHAIN
from kench.cabinet.login.logins import Entry, Limits, Login, end_login, find_login, open_login
from kench.cabinet.login.persons import Person
from kench.cabinet.web.cookies import LOGIN, cookie_line, cookie_name, secret_of
from kench.pool.signature.trust import digest_of

_SECOND_US = 1_000_000


def limits_of(cabinet: Cabinet) -> Limits:
    """Return for how long logins are good."""
    settings = cabinet.settings
    return Limits(settings.cabinet_idle_s * _SECOND_US, settings.cabinet_login_s * _SECOND_US)


def login_of(cabinet: Cabinet, request: Request) -> Login | None:
    """Return the login that the request's cookie names, None where there is none."""
    secret = secret_of(request.cookies.get(cookie_name(cabinet.settings, LOGIN)))
    if secret is None:
        return None
    # At the officers' door a login is good with the certificate that it was made by.
    chain: tuple[bytes, ...] = getattr(request.state, CHAIN, ())
    with cabinet.reading.connect() as db:
        return find_login(
            db,
            secret,
            idle_us=limits_of(cabinet).idle_us,
            now_us=cabinet.clock.now_us(),
            certificate=digest_of(chain[0]) if chain else None,
        )


def begin_login(  # noqa: PLR0913 - who enters, and from where
    db: sa.Connection,
    cabinet: Cabinet,
    person: Person,
    *,
    before: Login | None,
    browser: bytes,
    address: str,
    agent: str,
    now_us: int,
    entry: Entry,
) -> tuple[int, str]:
    """Open a login in the place of the one before; return its id and the cookie that names it."""
    if before is not None:
        end_login(db, before, now_us)
    login_id, secret = open_login(
        db,
        person,
        browser=browser,
        address=address,
        agent=agent,
        limits=limits_of(cabinet),
        now_us=now_us,
        random_bytes=cabinet.random_bytes,
        entry=entry,
    )
    # No age: it ends with the browser, if not before.
    return login_id, cookie_line(cabinet.settings, LOGIN, secret.hex())


def no_login(cabinet: Cabinet) -> str:
    """Return the cookie that takes the login's away."""
    return cookie_line(cabinet.settings, LOGIN, "", max_age_s=0)
