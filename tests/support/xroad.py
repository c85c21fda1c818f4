"""A provider behind the twin of a security server, and whoever asks it, on loopback."""

import contextlib
from collections.abc import Iterator, Mapping

import httpx

from kench.consumer.asking import Asking, Route
from kench.tax.app import make_app
from kench.tax.provider import Provider
from kench.xroad.server import SecurityServer
from tests.support.signing import Draw
from tests.support.tax import CLIENT
from tests.support.web_servers import serving

SERVICE = "KG/GOV/10000009/mining/income"


@contextlib.contextmanager
def through_xroad(
    provider: Provider, faults: Mapping[str, float] | None = None
) -> Iterator[tuple[Asking, SecurityServer]]:
    """Who asks that provider by a security server, and the server."""
    with serving(make_app(provider)) as url:
        server = SecurityServer({SERVICE: url}, Draw(9_000_000), faults=faults)
        with (
            contextlib.closing(server),
            serving(server.app) as middle,
            httpx.Client(trust_env=False) as http,
        ):
            route = Route(middle, CLIENT, SERVICE)
            yield Asking(route, Draw(5_000_000), http, wait=lambda _: None), server
