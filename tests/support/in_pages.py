"""What people do in the pages of a browser: entering, applying, deciding, signing with a key file.

Nothing here reads words of the pages, so that it holds in each language.
"""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.support.applications import PDF
from tests.support.pki import Person, key_pem, pem

PASSWORD = "Кенч-2026-Ү"
APPLICATION = {
    "certificate_number": "M-17",
    "certificate_issued": "2026-10-01",
    "address": "Бишкек, Чүй проспектиси, 1",
    "phone": "+996 555 123456",
    "email": "one@example.kg",
    "row-1-model": "S21 Pro",
    "row-1-quantity": "120",
    "row-1-hashrate": "234.5",
    "row-1-power": "3510",
    "row-1-planned": "300000",
    "row-1-site": "Бишкек, Чүй проспектиси, 1",
}


def key_file(path: Path, person: Person) -> Path:
    """Write a person's key and certificates as PKCS#12, under PASSWORD."""
    key, chain = path.with_suffix(".key"), path.with_suffix(".pem")
    key.write_bytes(key_pem(person.key))
    chain.write_bytes(b"".join(map(pem, (person.certificate, *person.chain))))
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-inkey", key, "-in", chain, "-out", path,
         "-passout", "stdin"],
        input=f"{PASSWORD}\n".encode(), check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return path


def sign_here(page: Page, file: Path, password: str = PASSWORD) -> None:
    """Sign what is asked, with the key file, in the page."""
    page.wait_for_url("**/sign/*")
    page.set_input_files("#key-file", file)
    page.fill("#key-password", password)
    page.click("#sign-here")
    page.wait_for_url(re.compile(r"^(?!.*/sign/)"))


def enter(page: Page, file: Path, password: str = PASSWORD) -> None:
    """Enter from the front page."""
    page.goto("/")
    page.click("main a[href='/enter']")
    page.click("main button")
    sign_here(page, file, password)


def fill_application(page: Page, **changed: str) -> None:
    """Fill in an application by a trader who has a certificate, with its documents."""
    page.check("input[name=way][value=after]")
    page.check("input[name=kind][value=trader]")
    for name, value in (APPLICATION | changed).items():
        page.fill(f"[name='{name}']", value)
    page.select_option("[name=row-1-holding]", "own")
    page.select_option("[name=row-1-region]", "KG-GB")
    for kind in ("ownership", "certificate"):
        page.select_option("#file_kind", kind)
        file = {"name": f"{kind}.pdf", "mimeType": "application/pdf", "buffer": PDF}
        page.set_input_files("#file", file)  # type: ignore[arg-type] # a dictionary is one too
        page.click("button[value=upload]")


def path_of(page: Page) -> str:
    """Return the path of the page's address."""
    return urlsplit(page.url).path
