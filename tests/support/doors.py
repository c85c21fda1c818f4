"""Every application that answers HTTP here, as its process makes it, and how one gets far in it."""

import base64
import contextlib
import hashlib
import hmac
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.door import CHAIN
from kench.cabinet.web.app import make_app
from kench.cabinet.web.officers import make_officers_app
from kench.consumer.receiving import Receiver
from kench.payouts.metrics import SettleMetrics
from kench.payouts.progress import Progress
from kench.pki.authority import make_authority
from kench.pki.server import PkiServer
from kench.pool.api_key import ApiKey
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.pace import Pace
from kench.pool.web.watching import make_watch_app as make_beside_app
from kench.screening.provider import LocalProvider
from kench.screening.server import ScreeningServer
from kench.tax.app import make_app as make_tax_app
from kench.tax.app import make_watch_app
from kench.tax.provider import Provider
from kench.venue.app import Counter
from kench.venue.app import make_app as make_venue_app
from kench.venue.desk import Desk
from kench.venue.faults import FaultPlan
from kench.venue.signing import Doorkeeper, signature, signed_text
from kench.xroad.server import SecurityServer
from tests.support.asgi import Headers
from tests.support.cabinet import Client, client_in, client_of
from tests.support.signing import Draw
from tests.support.tax import CLIENT, PERIOD, new_id
from tests.support.venues import exchange_rig

KEY = ApiKey("key", "secret")
WINDOW_S = 10
Signs = Callable[[str, bytes, bytes], Headers]
"""Gives headers that let a request in, by method, target and body."""


class Place(NamedTuple):
    """A method and a path as the code has it, and what answers there."""

    method: str
    path: str
    endpoint: object


@dataclass(frozen=True)
class Visitor:
    """Somebody who asks: what is in each request, and in each form."""

    headers: Headers = ()
    form: str = ""
    signs: Signs = field(default=lambda *_: ())


@dataclass(frozen=True)
class Door:
    """An application, who asks it, and what stands in its addresses."""

    app: ASGIApp
    visitors: tuple[Visitor, ...] = (Visitor(),)
    state: dict[str, Any] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)
    faults: bool = False
    """It answers with 5xx what its protocol has such a number for."""
    is_cabinet: bool = False

    @property
    def places(self) -> list[Place]:
        """All that it answers; files of the pages are none of a room's."""
        routes = self.app.routes  # type: ignore[attr-defined]  # Starlette's
        return [
            Place(method, one.path, one.endpoint)
            for one in iter_route_contexts(routes)
            for method in sorted(one.methods or ())
            if method != "HEAD" and one.path is not None
        ]


def cabinet_doors(cabinet: Cabinet, things: dict[str, str], pin: str) -> dict[str, Door]:
    """Both doors of the cabinet; who asks is nobody, and a person who has other things."""

    def visitor(client: Client) -> Visitor:
        token = client.token
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        host = client.base_url.netloc
        headers = [(b"host", host), (b"cookie", cookies.encode()),
                   (b"origin", client.origin.encode())]  # fmt: skip
        return Visitor(headers, token)

    app = make_app(cabinet)
    origin = cabinet.settings.cabinet_origin
    both = visitor(client_of(cabinet)), visitor(client_in(cabinet, pin))
    officers = make_officers_app(app, origin, _Nobody())
    return {
        "cabinet": Door(app, both, things=things, is_cabinet=True),
        "officers": Door(
            officers, both, state={CHAIN: (b"\x30\x00",)}, things=things, is_cabinet=True
        ),
    }


class _Nobody:
    """Knows no certificate."""

    def verify(self, *_: object) -> Any:
        from kench.pool.signature.verifier import SignatureRefusedError  # noqa: PLC0415 - only this needs it

        raise SignatureRefusedError("nobody's certificate")


def tax_doors(provider: Provider) -> dict[str, Door]:
    """The hand-over, asked by a client that may ask for everything, and its metrics."""
    things = {"period": PERIOD, "doc_ref": "KG-2025-10-7-2025-10-01-1", "pin": "10103199000777"}

    def call(*_: object) -> Headers:
        return [(b"x-road-client", CLIENT.encode()), (b"x-road-id", new_id().encode())]

    return {
        "tax": Door(make_tax_app(provider), (Visitor(signs=call),), things=things),
        "tax metrics": Door(make_watch_app(provider)),
    }


@contextlib.contextmanager
def twins(folder: Path) -> Iterator[dict[str, Door]]:
    """What stands in for others in trials: venue, screening, security server, authority, consumer;
    and metrics of a process that serves nobody else.

    Each request of the first two is signed as their clients sign.
    """
    rig, clock = exchange_rig(), ManualClock()
    counter = Counter(
        Desk(rig.exchange, rig.clock, WINDOW_S + 1),
        Doorkeeper(rig.clock, {KEY.key: KEY.secret}, WINDOW_S),
        Pace(rig.clock, 1e9),
        FaultPlan({}, ""),
        latency_s=0.0,
    )
    nonces = itertools.count(1)

    def venue_signs(method: str, target: bytes, body: bytes) -> Headers:
        moment, nonce = str(rig.clock.now_us()), str(next(nonces))
        text = signed_text(method, target.decode("latin-1"), moment, nonce, body)
        said = {"key": KEY.key, "moment": moment, "nonce": nonce,
                "signature": signature(KEY.secret, text)}  # fmt: skip
        return [(f"kench-{name}".encode(), value.encode()) for name, value in said.items()]

    def screening_signs(method: str, target: bytes, body: bytes) -> Headers:
        stamp = str(clock.now_us() // 1000).encode()
        text = b"\n".join((method.encode(), target.partition(b"?")[0], stamp))
        text += b"\n" + body if body else b""
        made = base64.b64encode(hmac.new(KEY.secret.encode(), text, hashlib.sha256).digest())
        return [(b"api-key-id", KEY.key.encode()), (b"api-timestamp", stamp),
                (b"api-signature", made)]  # fmt: skip

    screening = ScreeningServer(LocalProvider(), KEY.key, KEY.secret, clock)
    authority = make_authority(folder / "pki", SystemClock())
    services = {"KG/GOV/1/mining/dead": "http://127.0.0.1:1"}
    with contextlib.closing(SecurityServer(services, Draw())) as security:
        yield {
            "venue": Door(make_venue_app(counter, lambda: None), (Visitor(signs=venue_signs),)),
            "screening": Door(screening.app, (Visitor(signs=screening_signs),)),
            "security server": Door(
                security.app, (Visitor([(b"x-road-client", CLIENT.encode())]),), faults=True,
                things={"rest": "KG/GOV/1/mining/dead/v1/x"},
            ),
            "pki": Door(PkiServer(authority).app, things={"question": "MAA="}),
            "consumer": Door(
                Receiver().app,
                (Visitor(signs=lambda *_: [(b"x-road-id", new_id().encode())]),),
            ),
            "metrics beside": Door(
                make_beside_app(SettleMetrics(Progress(clock), lambda: True), lambda: None)
            ),
        }  # fmt: skip
