"""Whose login a request comes with."""

from starlette.requests import Request

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.logins import Login, find_login
from kench.cabinet.web.cookies import LOGIN, cookie_name, secret_of


def login_of(cabinet: Cabinet, request: Request) -> Login | None:
    """Return the login that the request's cookie names, None where there is none."""
    settings = cabinet.settings
    secret = secret_of(request.cookies.get(cookie_name(settings, LOGIN)))
    if secret is None:
        return None
    with cabinet.engine.begin() as db:
        return find_login(
            db,
            secret,
            idle_us=settings.cabinet_idle_s * 1_000_000,
            now_us=cabinet.clock.now_us(),
        )
