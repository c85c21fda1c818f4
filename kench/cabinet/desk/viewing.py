"""What officers open at the desk stands in the trail: each page, and each that was refused."""

from kench.cabinet.login.logins import Login
from kench.cabinet.login.trail import DONE, TrailEntry

VIEW, SEND = "view", "send"
NO_DUTY = "no_duty"
"""The outcome of an officer's request for what is not in the officer's roles."""


def view_entry(login: Login, *, path: str, query: str, address: str, now_us: int) -> TrailEntry:
    """Return the line of a page that is opened; its query says what was searched for."""
    return TrailEntry(now_us, VIEW, DONE, path, address, query, login.person.id, login.id)


def refusal_entry(login: Login, *, method: str, path: str, address: str, now_us: int) -> TrailEntry:
    """Return the line of a request for what is none of the officer's duties."""
    act = VIEW if method == "GET" else SEND
    return TrailEntry(now_us, act, NO_DUTY, path, address, "", login.person.id, login.id)
