"""The officers' door in a browser that has the officer's .p12."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from kench.pki.authority import make_authority
from kench.pki.people import PASSWORD, Duty, Holder, Kind
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.orders.officers import add_officer
from tests.support.browser import check_page, visiting
from tests.support.officers_door import Site, served_doors

OFFICER = "10101190000001"


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Holder:
    authority = make_authority(tmp_path_factory.mktemp("pki"), SystemClock())
    return authority.issue("Demo Officer", OFFICER, kind=Kind.RSA, duty=Duty.OFFICER)


@pytest.fixture(scope="module")
def site(module_database: str, officer: Holder) -> Iterator[Site]:
    owner = open_engine(module_database, application_name="test owner")
    with owner.begin() as db:
        add_officer(db, OFFICER, "Demo Officer", "duty", SystemClock().now_us())
    owner.dispose()
    with served_doors(module_database, make_authority(officer.folder, SystemClock())) as made:
        yield made


def test_an_officer_enters_with_the_certificate_in_the_browser(
    chromium: Browser, site: Site, officer: Holder
) -> None:
    shown = {"origin": site.url, "pfxPath": officer.p12_path, "passphrase": PASSWORD}
    with visiting(
        chromium, site.url, language="ru", client_certificates=[shown], ignore_https_errors=True
    ) as page:
        page.goto("/desk")
        check_page(page, "door")
        page.locator("main form button").click()
        page.wait_for_url("**/desk")
        page.goto("/account")
        check_page(page, "door-account")
