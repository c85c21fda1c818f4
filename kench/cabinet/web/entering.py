"""Whose login a request comes with."""

from starlette.requests import Request

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.logins import Login


def login_of(cabinet: Cabinet, request: Request) -> Login | None:
    """Return the login that the request's cookie names, None where there is none."""
    del cabinet, request
    return None
