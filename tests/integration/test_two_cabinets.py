"""Two cabinets on one database behind one nginx: no request depends on which of them answers."""

import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter

from kench.cabinet.cabinet import Cabinet
from kench.pki.authority import make_authority
from kench.pool.clock import SystemClock
from tests.support.cabinet import served_cabinet
from tests.support.nginx import NAME, Nginx, running_nginx
from tests.support.signing import enter

ORIGIN = f"https://{NAME}"
TRIES = 6


@dataclass
class Pair:
    """nginx, the two behind it, and what ends the first of them."""

    nginx: Nginx
    cabinet: Cabinet
    root: Path
    first: ExitStack

    def browser(self) -> httpx.Client:
        """One that comes over TLS, as people's do."""
        context = ssl.create_default_context(cafile=str(self.root))
        return httpx.Client(
            verify=context,
            base_url=f"https://127.0.0.1:{self.nginx.tls}",
            headers={"Host": NAME},
            timeout=20,
        )


def _telling(name: str) -> APIRouter:
    room = APIRouter()

    @room.get("/which")
    def which() -> str:
        return name

    return room


@pytest.fixture
def pair(database: str, tmp_path: Path) -> Iterator[Pair]:
    authority = make_authority(tmp_path / "pki", SystemClock())
    settings = {"cabinet_url": ORIGIN, "cabinet_proxy_from": "127.0.0.1/32"}
    with ExitStack() as first, ExitStack() as rest:
        cabinets = [
            stack.enter_context(
                served_cabinet(database, _telling(name), clock=SystemClock(), **settings)
            )
            for stack, name in ((first, "first"), (rest, "second"))
        ]
        ports = [one.settings.cabinet_port for one in cabinets]
        nginx = rest.enter_context(running_nginx(tmp_path, ports, *authority.certify_door()))
        yield Pair(nginx, cabinets[1], authority.folder / "root.pem", first)


def test_a_person_enters_at_one_goes_on_at_the_other_and_leaves_at_either(pair: Pair) -> None:
    # They take turns, so with one more request between them the form goes to the one that made it.
    for between in range(2):
        with pair.cabinet.engine.begin() as db:
            _, secret = enter(db, now_us=pair.cabinet.clock.now_us())
        with pair.browser() as browser:
            browser.cookies.set("__Host-kench", secret.hex())
            assert {browser.get("/which").json() for _ in range(TRIES)} == {"first", "second"}
            pages = [browser.get("/account") for _ in range(TRIES)]
            assert [page.status_code for page in pages] == [200] * TRIES
            for name, value in pages[0].cookies.items():
                browser.cookies.set(name, value)
            found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/account").text)
            assert found
            for _ in range(between):
                browser.get("/which")
            left = browser.post("/leave", data={"csrf": found[1]}, headers={"Origin": ORIGIN})
            assert left.status_code == 303
            assert all(browser.get("/account").status_code != 200 for _ in range(TRIES))


def test_people_notice_nothing_while_one_of_them_is_down(pair: Pair) -> None:
    with pair.cabinet.engine.begin() as db:
        _, secret = enter(db, now_us=pair.cabinet.clock.now_us())
    with pair.browser() as browser:
        browser.cookies.set("__Host-kench", secret.hex())
        assert {browser.get("/which").json() for _ in range(TRIES)} == {"first", "second"}
        pair.first.close()
        assert [browser.get("/account").status_code for _ in range(TRIES)] == [200] * TRIES
        assert {browser.get("/which").json() for _ in range(TRIES)} == {"second"}
