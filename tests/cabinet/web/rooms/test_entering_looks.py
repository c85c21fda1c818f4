"""Entering in a browser: with a key file in the page, without scripts, and for everybody."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from kench.cabinet.cabinet import Cabinet
from kench.pki.authority import CRL_FILE, ROOT_FILE, Authority, make_authority
from kench.pki.people import PASSWORD, Duty, Kind
from kench.pool.clock import SystemClock
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import read_trust
from tests.support.browser import check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.pki import PATTERNS, PIN


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = make_authority(tmp_path_factory.mktemp("pki") / "pki", SystemClock())
    made.issue("Асан Үсөнов", PIN, kind=Kind.EC, duty=Duty.PARTICIPANT)
    return made


@pytest.fixture(scope="module")
def cabinet(module_database: str, authority: Authority) -> Iterator[Cabinet]:
    trust = read_trust([authority.folder / ROOT_FILE], [authority.folder / CRL_FILE])
    verifier = CmsVerifier(trust, read_patterns(PATTERNS))
    with served_cabinet(module_database, clock=SystemClock(), verifier=verifier) as served:
        yield served


@pytest.mark.parametrize("language", ["ky", "ru", "en"])
def test_a_person_enters_with_a_key_file_in_the_page(
    chromium: Browser, cabinet: Cabinet, authority: Authority, language: str
) -> None:
    origin = cabinet.settings.cabinet_origin
    with visiting(chromium, origin, language=language) as page:
        page.goto("/account")
        check_page(page, f"enter-{language}")
        page.click("main button")
        page.wait_for_url("**/sign/*")
        assert origin in page.locator("#content").inner_text()
        check_page(page, f"sign-{language}")
        page.set_input_files("#key-file", authority.folder / f"{PIN}.p12")
        page.fill("#key-password", PASSWORD)
        page.click("#sign-here")
        page.wait_for_url("**/account")
        assert page.locator("h1").inner_text() == "Асан Үсөнов"
        check_page(page, f"account-{language}")


def test_without_scripts_a_signature_of_another_program_does_it(
    chromium: Browser, cabinet: Cabinet, authority: Authority, tmp_path: Path
) -> None:
    with visiting(
        chromium, cabinet.settings.cabinet_origin, scripts=False, faults=("422",)
    ) as page:
        page.goto("/enter?next=/account")
        page.click("main button")
        assert not page.locator("#in-page").is_visible()
        _hand_in(page, tmp_path / "no.p7s", b"nothing")
        page.get_by_text("Choose a file with a signature").wait_for()
        text = tmp_path / "text"
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the text").click()
        download.value.save_as(text)
        _hand_in(page, tmp_path / "text.p7s", _signed(authority, text))
        page.wait_for_url("**/account")


def _hand_in(page: Page, path: Path, signature: bytes) -> None:
    path.write_bytes(signature)
    page.set_input_files("#signature", path)
    page.get_by_role("button", name="Send the signature", exact=True).click()


def _signed(authority: Authority, text: Path) -> bytes:
    return subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-outform", "DER",
         "-in", str(text), "-signer", f"{PIN}.pem", "-inkey", f"{PIN}.key"],
        cwd=authority.folder, check=True, capture_output=True, timeout=30,
    ).stdout  # fmt: skip
