"""The web server in front of the cabinet, set up by deploy/nginx: a real nginx."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from kench.cabinet.cabinet import Cabinet
from kench.pki.authority import make_authority
from kench.pool.clock import SystemClock
from tests.support.cabinet import served_cabinet, token_in
from tests.support.nginx import NAME, Nginx, running_nginx
from tests.support.signing import enter
from tests.support.waiting import await_that

VISITOR, FORGED = "127.0.0.2", "203.0.113.9"
ORIGIN = f"https://{NAME}"
LIMIT_S = 20.0


@dataclass
class Front:
    """nginx, the cabinet behind it, and a page that is sent in two parts."""

    nginx: Nginx
    cabinet: Cabinet
    root: Path
    second: threading.Event = field(default_factory=threading.Event)

    def browser(self) -> httpx.Client:
        """One at VISITOR, that pretends to be elsewhere."""
        context = ssl.create_default_context(cafile=str(self.root))
        return httpx.Client(
            transport=httpx.HTTPTransport(verify=context, local_address=VISITOR),
            base_url=f"https://127.0.0.1:{self.nginx.tls}",
            headers={"Host": NAME, "X-Forwarded-For": FORGED},
            timeout=LIMIT_S,
        )


@pytest.fixture(scope="module")
def front(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    room = APIRouter()
    second = threading.Event()

    @room.get("/two-parts")
    def two_parts() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"data: one\n\n"
            second.wait(LIMIT_S)
            yield b"data: two\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    authority = make_authority(tmp_path_factory.mktemp("pki"), SystemClock())
    with served_cabinet(
        module_database, room, clock=SystemClock(), cabinet_url=ORIGIN,
        cabinet_proxy_from="127.0.0.1/32",
    ) as cabinet:  # fmt: skip
        folder = tmp_path_factory.mktemp("nginx")
        port = cabinet.settings.cabinet_port
        with running_nginx(folder, [port], *authority.certify_door()) as nginx:
            yield Front(nginx, cabinet, authority.folder / "root.pem", second)


def test_plain_http_leads_to_tls(front: Front) -> None:
    came = httpx.get(f"http://127.0.0.1:{front.nginx.plain}/p?x=1", headers={"Host": NAME})
    assert (came.status_code, came.headers["location"]) == (301, f"{ORIGIN}/p?x=1")


def test_pages_come_with_their_headers_once_and_cookies_for_this_host_alone(front: Front) -> None:
    with front.browser() as browser:
        came = browser.get("/enter")
    assert came.status_code == 200
    for name in ("content-security-policy", "strict-transport-security", "x-frame-options",
                 "cache-control", "referrer-policy"):  # fmt: skip
        assert len(came.headers.get_list(name)) == 1, name
    assert came.headers["set-cookie"].startswith("__Host-kench_browser=")
    assert came.headers["server"] == "nginx"


def test_the_cabinet_knows_the_visitors_own_address(front: Front) -> None:
    cabinet = front.cabinet
    with cabinet.engine.begin() as db:
        _, secret = enter(db, now_us=cabinet.clock.now_us())
    with front.browser() as browser:
        browser.cookies.set("__Host-kench", secret.hex())
        page = browser.get("/account")
        for name, value in page.cookies.items():
            browser.cookies.set(name, value)
        came = browser.post("/leave", data={"csrf": token_in(page)}, headers={"Origin": ORIGIN})
    assert came.status_code == 303
    with cabinet.engine.connect() as db:
        row = db.exec_driver_sql("SELECT act, address FROM acts ORDER BY id DESC").first()
    assert tuple(row or ()) == ("leave", VISITOR)


def test_what_is_for_this_machine_stays_inside(front: Front) -> None:
    with front.browser() as browser:
        for path in ("/metrics", "/healthz"):
            assert browser.get(path).status_code == 404


def test_what_is_sent_line_by_line_arrives_line_by_line(front: Front) -> None:
    with front.browser() as browser, browser.stream("GET", "/two-parts") as came:
        lines = came.iter_lines()
        assert next(lines) == "data: one"
        # The second part is made only now: nothing between us keeps the first back for it.
        front.second.set()
        assert [line for line in lines if line] == ["data: two"]


def test_files_get_through_and_what_is_larger_does_not(front: Front) -> None:
    with front.browser() as browser:
        own = {"Origin": ORIGIN}
        inside = browser.post("/leave", content=b"x" * 5_000_000, headers=own)
        assert "Kench" in inside.text or "Кенч" in inside.text
        refused = browser.post("/leave", content=b"x" * 42_000_000, headers=own)
        assert refused.status_code == 413
        assert "Kench" not in refused.text


def test_addresses_with_a_secret_in_them_are_in_no_log(front: Front) -> None:
    with front.browser() as browser:
        browser.get("/watch/SECRET1")
        browser.get("/mail/SECRET3")
        browser.get("/enter/sign-on/answer?code=SECRET2")
        browser.get("/enter?plain")
    # A line is written when its answer is on its way already.
    await_that(lambda: "/enter?plain" in front.nginx.logged)
    assert "SECRET" not in front.nginx.logged
