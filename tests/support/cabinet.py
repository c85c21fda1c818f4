"""A cabinet for tests: the real application over a real PostgreSQL, and a browser without scripts.

with cabinet_of(database) as cabinet:
    client = client_of(cabinet)              # answers at the cabinet's own origin, keeps cookies
    client.get("/")
    client_in(cabinet, PIN).get("/p")        # the same, its person has entered
    client.post_form("/somewhere", name="value")  # a form of a page of ours, with its token
"""

import contextlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

import httpx
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.app import make_app
from kench.cabinet.web.cookies import BROWSER, LOGIN, cookie_name
from kench.cabinet.web.forms import checked
from kench.cabinet.web.visit import form_token
from kench.pool.clock import Clock, ManualClock
from kench.pool.database import Role, open_engine
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from kench.pool.signature.verifier import SignatureRefusedError, Signer
from kench.pool.web.patience import PatientProtocol
from tests.support.asgi import Direct, keeping_loop, loop_of
from tests.support.pki import PIN
from tests.support.signing import Draw, enter
from tests.support.web_servers import listening, serving_at

_secrets = itertools.count(2**64)


class NobodysVerifier:
    """Takes no signature at all."""

    def verify(self, *_: object) -> Signer:
        raise SignatureRefusedError("nobody signs here")


@contextlib.contextmanager
def served_cabinet(database: str, *rooms: APIRouter, **options: Any) -> Iterator[Cabinet]:
    """A cabinet with a port of its own, for browsers; `rooms` beside the real ones."""
    with listening() as listener:
        port = listener.getsockname()[1]
        with cabinet_of(database, cabinet_port=port, **options) as cabinet:
            app = make_app(cabinet)
            for room in rooms:
                app.include_router(room, dependencies=[Depends(checked)])
            with serving_at(listener, app, http=PatientProtocol, server_header=False):
                yield cabinet


@contextlib.contextmanager
def cabinet_of(
    database: str, *, clock: Clock | None = None, verifier: Any = None, **settings: Any
) -> Iterator[Cabinet]:
    """A cabinet on that database, with the rights of its role and no others."""
    engine = open_engine(database, Role.CABINET, application_name="test cabinet")
    verifier = verifier or NobodysVerifier()
    drawn = itertools.count(1)
    cabinet = Cabinet(
        engine,
        Settings(**settings),
        clock or ManualClock(),
        lambda size: next(drawn).to_bytes(size, "big"),
        verifier,
        OrderWatch(engine, verifier),
    )
    with keeping_loop(cabinet):
        yield cabinet
    engine.dispose()


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of the rooms, parameters as they stand in the code."""
    return [
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        if route.path is not None and method != "HEAD"
    ]


def token_in(page: httpx.Response) -> str:
    """Return what forms of a page carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


class Client(TestClient):
    """What a browser without scripts does."""

    @property
    def token(self) -> str:
        """What forms carry now."""
        secure = "__Host-" if str(self.base_url).startswith("https") else ""
        if self.cookies.get(secure + BROWSER) is None:
            self.get("/")
        browser = bytes.fromhex(self.cookies[secure + BROWSER])
        return form_token(browser, self.cookies.get(secure + LOGIN) or "")

    def post_form(self, path: str, *, files: Any = None, **fields: str) -> httpx.Response:
        """Send a form as a page of ours would."""
        data = {"csrf": self.token} | fields
        return self.post(path, data=data, files=files, headers={"Origin": self.origin})

    @property
    def origin(self) -> str:
        """What browsers call the cabinet."""
        return str(self.base_url).rstrip("/")


def client_in(cabinet: Cabinet, pin: str = PIN, language: str = "en") -> Client:
    """A browser whose person has entered."""
    client = client_of(cabinet, language)
    with cabinet.engine.begin() as db:
        _, secret = enter(db, pin, now_us=cabinet.clock.now_us(), draw=Draw(next(_secrets)))
    client.cookies.set(cookie_name(cabinet.settings, LOGIN), secret.hex())
    return client


def client_of(cabinet: Cabinet, language: str = "en") -> Client:
    """A browser that has not been here before; redirects are not followed."""
    client = Client(
        make_app(cabinet),
        base_url=cabinet.settings.cabinet_origin,
        raise_server_exceptions=False,
        follow_redirects=False,
    )
    client.headers["Accept-Language"] = language
    client._transport = Direct(client.app, loop_of(cabinet))
    return client
