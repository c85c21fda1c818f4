"""The state's sign-on in a browser: our policy lets it go there and come back, for everybody."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from tests.support.browser import check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.revocation import RealMonotonic
from tests.support.sign_on import CLIENT_ID, CLIENT_SECRET, SignOn, sign_on


@pytest.fixture(scope="module")
def there() -> Iterator[SignOn]:
    with sign_on() as made:
        yield made


@pytest.fixture(scope="module")
def cabinet(module_database: str, there: SignOn) -> Iterator[Cabinet]:
    with served_cabinet(
        module_database, clock=RealMonotonic(), oidc_issuer=there.url, oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
    ) as served:  # fmt: skip
        there.redirect_uri = f"{served.settings.cabinet_origin}/enter/sign-on/answer"
        yield served


@pytest.mark.parametrize(("language", "scripts"), [("ky", True), ("en", False)])
def test_a_person_goes_to_the_sign_on_and_comes_back_entered(
    chromium: Browser, cabinet: Cabinet, there: SignOn, language: str, scripts: bool
) -> None:
    origin = cabinet.settings.cabinet_origin
    with visiting(chromium, origin, language=language, scripts=scripts, faults=("404",)) as page:
        page.goto("/enter?next=/account")
        if scripts:
            check_page(page, f"sign-on-enter-{language}")
            there.instead = {"/authorize": Response(status_code=204)}
            page.locator("form[action='/enter/sign-on'] button").click()
            page.locator("a[rel=noreferrer]").wait_for()
            check_page(page, f"sign-on-go-{language}")
            page.goto(f"{there.redirect_uri}?error=access_denied&iss={there.url}&state=0")
            check_page(page, f"sign-on-refused-{language}")
            there.instead = {}
            page.locator("main a.button").click()
            page.goto("/enter?next=/account")
        page.locator("form[action='/enter/sign-on'] button").click()
        page.wait_for_url("**/account")
        assert page.locator("h1").inner_text() == "Асан Усенов"
