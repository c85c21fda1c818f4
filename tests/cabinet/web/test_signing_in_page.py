"""Signing in the page with a key file: what Chromium makes is what the verifier takes."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter, Request
from playwright.sync_api import Browser, Page
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.visit import VisitHere
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.browser import check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.pki import NOW_US, Authority, Person, key_of, key_pem, pem, subject_of

CONTENT = "Кирүү · вход · entering\nсап 2, без конца строки".encode()
PASSWORD = "Кенч-2026-Ү"
PAGE = """{% extends "base.html" %}{% block title %}Sign{% endblock %}
{% block main %}<h1>Sign</h1><form id="signing" method="post" action="/try/sign">
{% include "csrf.html" %}{% include "signing/in_page.html" %}</form>{% endblock %}
{% block scripts %}<script type="module" src="{{ asset('sign.js') }}"></script>{% endblock %}"""
ROOT = Authority("Root", key=key_of("root of pages", "rsa"))
MIDDLE = Authority("Middle", issuer=ROOT, key=key_of("middle of pages", "rsa"))
VERIFIER = ROOT.verifier(ROOT.crl(), MIDDLE.crl())


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    room = APIRouter()

    @room.get("/try/sign")
    def show(request: Request, visit: VisitHere) -> Response:
        environment = request.app.state.pages._environments[visit.language]
        page = environment.from_string(PAGE)
        return HTMLResponse(page.render(visit=visit, said=None, content_url="/try/content"))

    @room.get("/try/content")
    def content() -> Response:
        return PlainTextResponse(CONTENT)

    @room.post("/try/sign")
    def take(form: Posted) -> Response:
        assert set(form) == {"csrf", "signature_b64"}
        try:
            signature = base64.b64decode(text_of(form, "signature_b64"), validate=True)
            signer = VERIFIER.verify(CONTENT, signature, NOW_US)
        except SignatureRefusedError as refused:
            return PlainTextResponse(f"refused: {refused}")
        return PlainTextResponse(f"signed by {signer.name} {signer.pin}")

    with served_cabinet(module_database, room) as served:
        yield served


@pytest.fixture
def page(chromium: Browser, cabinet: Cabinet) -> Iterator[Page]:
    with visiting(chromium, cabinet.settings.cabinet_origin) as opened:
        opened.goto("/try/sign")
        yield opened


def _key_file(folder: Path, person: Person, *options: str, password: str = PASSWORD) -> Path:
    (folder / "key.pem").write_bytes(key_pem(person.key))
    chain = [person.certificate, *person.chain]
    (folder / "chain.pem").write_bytes(b"".join(map(pem, chain)))
    path = folder / "key.p12"
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-inkey", folder / "key.pem", "-in", folder / "chain.pem",
         "-out", path, "-passout", "stdin", *options],
        input=f"{password}\n".encode(), check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return path


def _sign(page: Page, path: Path, password: str = PASSWORD) -> None:
    page.set_input_files("#key-file", path)
    page.fill("#key-password", password)
    page.click("#sign-here")


MODERN = ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256")
OLD = ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1")
OLDEST = ("-legacy",)


@pytest.mark.parametrize(
    ("kind", "options", "password"),
    [("rsa", MODERN, PASSWORD), ("ec", MODERN, PASSWORD), ("rsa", OLD, PASSWORD),
     ("ec", OLD, "plain"), ("rsa", OLDEST, "plain"), ("ec", MODERN, "")],
)  # fmt: skip
def test_a_signature_made_in_the_page_is_taken(
    page: Page, tmp_path: Path, kind: str, options: tuple[str, ...], password: str
) -> None:
    person = MIDDLE.person(
        "21507198500123",
        key=key_of(f"signer of pages {kind}", kind),
        subject=subject_of("21507198500123", "Асан Үсөнов"),
    )
    _sign(page, _key_file(tmp_path, person, *options, password=password), password)
    page.wait_for_url("**/try/sign")
    page.get_by_text("signed by").wait_for()
    assert page.locator("body").inner_text().strip() == "signed by Асан Үсөнов 21507198500123"


def test_what_cannot_sign_says_why(page: Page, tmp_path: Path) -> None:
    person = MIDDLE.person("21507198500123", key=key_of("signer of pages ec", "ec"))
    good = _key_file(tmp_path, person, *MODERN)
    status = page.locator("#sign-status")
    page.click("#sign-here")
    assert status.inner_text() == "Choose the file of your key."
    _sign(page, good, "wrong")
    page.get_by_text("The password is not the one of this file.").wait_for()
    _sign(page, tmp_path / "chain.pem")
    page.get_by_text("This is no .p12 or .pfx file").wait_for()
    damaged = tmp_path / "damaged.p12"
    damaged.write_bytes(good.read_bytes()[:-100])
    _sign(page, damaged)
    page.get_by_text("This is no .p12 or .pfx file").wait_for()
    bare = tmp_path / "bare.p12"
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-nokeys", "-in", tmp_path / "chain.pem", "-out", bare,
         "-passout", "stdin"],
        input=PASSWORD.encode(), check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    _sign(page, bare)
    page.get_by_text("The file holds no key with its certificate.").wait_for()
    assert page.locator("[name=signature_b64]").input_value() == ""


def test_everybody_can_sign_in_the_page(page: Page) -> None:
    check_page(page, "sign-here-en")


def test_without_scripts_the_way_that_needs_them_is_not_shown(
    chromium: Browser, cabinet: Cabinet
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, scripts=False) as page:
        page.goto("/try/sign")
        assert not page.locator("#in-page").is_visible()
