"""The shell of the cabinet: what holds for every page, whoever's room it is."""

import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web import app as app_module
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.visit import Entered, own_path
from kench.pool.web.bodies import BODY_BYTES_MAX
from tests.support.cabinet import Client, cabinet_of, client_of, routes_of


@pytest.fixture
def cabinet(module_database: str) -> Iterator[Cabinet]:
    with cabinet_of(module_database) as made:
        yield made


@pytest.fixture
def client(cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch) -> Client:
    """With a room of the tests' own beside the real ones."""
    room = APIRouter()

    @room.post("/test/echo")
    def echo(form: Posted) -> Response:
        return PlainTextResponse(text_of(form, "word"))

    @room.get("/test/broken")
    def broken() -> Response:
        raise ZeroDivisionError("inside")

    @room.get("/test/mine")
    def mine(login: Entered) -> Response:
        return PlainTextResponse(login.person.name)

    @room.get("/test/number/{number}")
    def number(number: int) -> Response:
        return PlainTextResponse(str(number))

    monkeypatch.setattr(app_module, "ROOMS", (*app_module.ROOMS, room))
    return client_of(cabinet)


def test_the_front_page_shows_the_pool_to_everybody(client: Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "0 H/s" in answer.text
    assert "No block has been found yet." in answer.text
    assert '<a class="button" href="/enter">' in answer.text


@pytest.mark.parametrize("path", ["/", "/nowhere", "/test/broken", "/healthz", "/static/none.js"])
def test_every_answer_has_the_headers_that_keep_others_out(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_with_tls_browsers_are_told_to_come_by_nothing_else(module_database: str) -> None:
    with cabinet_of(module_database, cabinet_url="https://cabinet.example.kg") as cabinet:
        answer = client_of(cabinet).get("/")
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-kench_browser=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_a_form_of_a_page_of_ours_is_taken(client: Client) -> None:
    assert client.post_form("/test/echo", word=" Ала-Тоо ").text == "Ала-Тоо"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8081"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_somebody_elses_page_is_refused(client: Client, headers: dict[str, str]) -> None:
    answer = client.post("/test/echo", data={"csrf": client.token, "word": "x"}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ё"])
def test_a_form_without_the_token_of_this_browser_is_refused(
    client: Client, token: str | None
) -> None:
    fields = {"word": "x"} | ({} if token is None else {"csrf": token})
    answer = client.post("/test/echo", data=fields, headers={"Origin": client.origin})
    assert answer.status_code == 403
    assert "Open the page again" in answer.text


def test_a_token_of_another_browser_is_refused(client: Client, cabinet: Cabinet) -> None:
    other = client_of(cabinet)
    answer = client.post(
        "/test/echo", data={"csrf": other.token, "word": "x"}, headers={"Origin": client.origin}
    )
    assert answer.status_code == 403


def test_what_is_sent_is_bounded(client: Client) -> None:
    assert client.post_form("/test/echo", word="x" * (BODY_BYTES_MAX + 1)).status_code == 413

    def drops() -> Iterator[bytes]:
        yield b"csrf=" + client.token.encode() + b"&word="
        for _ in range(BODY_BYTES_MAX // 65_536 + 1):
            yield b"x" * 65_536

    form = {"Origin": client.origin, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/test/echo", content=drops(), headers=form).status_code == 413


def test_a_fault_of_ours_tells_nothing_of_our_inside(client: Client) -> None:
    answer = client.get("/test/broken")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "The fault is ours" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/test/number/seven", "/test/%00", "/language/de"])
def test_what_does_not_exist_is_a_page_too(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


def test_whoever_has_not_entered_is_shown_the_way_in(client: Client) -> None:
    answer = client.get("/test/mine?page=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/enter?next=%2Ftest%2Fmine%3Fpage%3D2"


@pytest.mark.parametrize(
    "path",
    ["//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", "", "x",
     "/\tx", "/ x", "/é", "javascript:alert(1)"],
)  # fmt: skip
def test_no_link_of_ours_leads_elsewhere(path: str) -> None:
    assert own_path(path) == "/"


def test_links_within_the_cabinet_are_kept() -> None:
    assert own_path("/p/1/workers?page=2#top") == "/p/1/workers?page=2#top"


def test_another_name_of_the_machine_leads_to_the_one_that_counts(client: Client) -> None:
    answer = client.get("/enter?next=%2Fx", headers={"Host": "localhost:8080"})
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://127.0.0.1:8080/enter?next=%2Fx"
    assert client.post("/test/echo", headers={"Host": "elsewhere.example"}).status_code == 421


def test_metrics_are_for_this_machine_alone(cabinet: Cabinet) -> None:
    def text(**headers: str) -> Response:
        return client.get("/metrics", headers=headers)

    client = client_of(cabinet)
    assert text().status_code == 404  # the test client's address is none
    client = Client(client.app, base_url=client.origin, client=("127.0.0.1", 1))
    client.get("/nowhere/1")
    client.get("/language/ky")
    shown = text().text
    assert 'kench_cabinet_requests_total{method="GET",route="none",status="404"} 1.0' in shown
    assert 'route="/language/{code}"' in shown
    assert "nowhere" not in shown
    assert text(**{"X-Forwarded-For": "192.0.2.1"}).status_code == 404


def test_it_is_healthy_while_the_database_answers(client: Client, cabinet: Cabinet) -> None:
    assert client.get("/healthz", headers={"Host": "10.0.0.1"}).status_code == 200


def test_every_route_that_takes_forms_checks_them(client: Client) -> None:
    paths = [path for method, path in routes_of(client.app) if method != "GET"]
    assert "/test/echo" in paths
    for path in paths:
        sent = re.sub(r"{\w+(?::\w+)?}", "1", path)
        assert client.post(sent, headers={"Origin": client.origin}).status_code == 403, path
        token = {"csrf": client.token}
        assert client.post(sent, data=token).status_code == 403, path


def test_the_request_has_cookies_for_its_answer_even_where_nothing_routes(client: Client) -> None:
    assert "kench_browser" in client.get("/nowhere").headers["set-cookie"]
