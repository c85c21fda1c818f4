"""The twin passes messages as X-Road does: what ends at a security server does not go on."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from kench.pool.xroad import read_hash, read_id
from kench.xroad.server import SecurityServer
from tests.support.signing import Draw
from tests.support.tax import CLIENT, new_id
from tests.support.web_servers import serving

SERVICE = "KG/GOV/1/mining/income"
SEEN: list[dict[str, Any]] = []


async def _show(request: Request) -> Response:
    SEEN.append(dict(request.headers) | {"target": str(request.url.path), "q": request.url.query})
    return JSONResponse({"ok": True}, headers={"X-Road-Id": "forged", "X-Own": "1"})


def _away(_request: Request) -> Response:
    return RedirectResponse("http://127.0.0.1:1/elsewhere")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    provider = Starlette(
        routes=[
            Route("/v1/there", _show, methods=["GET", "POST"]),
            Route("/v1/away", _away),
        ]
    )
    with serving(provider) as behind:
        services = {SERVICE: behind, "KG/GOV/1/mining/dead": "http://127.0.0.1:1"}
        with closing(SecurityServer(services, Draw())) as server, serving(server.app) as made:
            yield made


def ask(url: str, path: str, **headers: str) -> httpx.Response:
    said = {"X-Road-Client": CLIENT} | {name.replace("_", "-"): headers[name] for name in headers}
    return httpx.get(url + path, headers=said, trust_env=False)


def test_a_message_arrives_with_what_a_security_server_adds(url: str) -> None:
    id_ = new_id()
    answer = ask(url, f"/r1/{SERVICE}/v1/there?a=1", X_Road_Id=id_, X_Road_Service="KG/X/1/2/3")
    seen = SEEN[-1]
    assert (seen["target"], seen["q"], seen["x-road-id"]) == ("/v1/there", "a=1", id_)
    assert seen["x-road-client"] == CLIENT
    assert seen["x-road-service"] == SERVICE
    read_hash(seen["x-road-request-hash"])
    assert answer.headers["x-road-id"] == id_
    assert answer.headers["x-own"] == "1"
    assert answer.headers["x-road-request-hash"] == seen["x-road-request-hash"]
    read_id(answer.headers["x-road-request-id"])


def test_an_id_is_made_where_there_is_none(url: str) -> None:
    answer = ask(url, f"/r1/{SERVICE}/v1/there")
    assert read_id(SEEN[-1]["x-road-id"]) == answer.headers["x-road-id"]


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("/r1/KG/GOV", {}, "Client.BadRequest"),
        (f"/r1/{SERVICE}/v1/there", {"X_Road_Client": "KG"}, "Client.BadRequest"),
        (f"/r1/{SERVICE}/v1/there", {"X_Road_Id": "1"}, "Client.BadRequest"),
        ("/r1/KG/GOV/1/mining/none/v1/there", {}, "Server.ServerProxy.UnknownService"),
        ("/r1/KG/GOV/1/mining/dead/v1/there", {}, "Server.ServerProxy.NetworkError"),
    ],
)
def test_what_is_not_passed_on_is_told_by_xroads_words(
    url: str, path: str, headers: dict[str, str], kind: str
) -> None:
    answer = ask(url, path, **headers)
    assert answer.headers["x-road-error"] == kind
    assert answer.status_code == (400 if kind.startswith("Client") else 500)
    assert set(json.loads(answer.content)) == {"type", "message", "detail"}


def test_redirects_are_not_followed(url: str) -> None:
    assert ask(url, f"/r1/{SERVICE}/v1/away").status_code == 307
