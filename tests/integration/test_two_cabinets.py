"""Two `kench cabinet`, processes of one database: no request depends on which of them answers.

Where a test needs to know which one answers, it asks each at its own port, as nginx does.
"""

import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from kench.cabinet.login.people import PeopleRole, add_person
from kench.pki.authority import make_authority
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.browser import aside, visiting
from tests.support.cabinets import Cabinets, Visitor, url_of
from tests.support.mined import mine_twice_as_fast, mined
from tests.support.nginx import running_nginx
from tests.support.pki import PIN
from tests.support.registers import officers
from tests.support.waiting import await_that

# No port in it: nginx, whose port is any free one here, hands the name on without.
ORIGIN = "https://127.0.0.1"
TRIES = 6


@dataclass
class Site:
    """Two cabinets, and what they write to."""

    cabinets: Cabinets
    engine: sa.Engine


@pytest.fixture(scope="module")
def whole(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        participant = add_participant(db, "Нарын")[0]
        add_person(db, participant, PIN, PeopleRole.OWNER, added_by=None, now_us=1)
        mined(db, participant, workers=10, now_us=SystemClock().now_us())
    folder = tmp_path_factory.mktemp("cabinets")
    with closing(Cabinets(folder, module_database, ORIGIN)) as cabinets:
        yield Site(cabinets, engine)
    engine.dispose()


@pytest.fixture
def site(whole: Site) -> Site:
    """Both serve."""
    whole.cabinets.both()
    return whole


@dataclass
class Front:
    """nginx before both, and what trusts it."""

    url: str
    tls: ssl.SSLContext


@pytest.fixture
def front(site: Site, tmp_path: Path) -> Iterator[Front]:
    authority = make_authority(tmp_path / "pki", SystemClock())
    context = ssl.create_default_context(cafile=str(authority.folder / "root.pem"))
    with running_nginx(tmp_path, site.cabinets.ports, *authority.certify_door()) as nginx:
        yield Front(f"https://127.0.0.1:{nginx.tls}", context)


def enter(visitor: Visitor, one: str, other: str) -> None:
    """Enter by a signature, each step at another cabinet than the one before."""
    asked = visitor.post(other, "/enter", visitor.get(one, "/enter"))
    assert asked.status_code == 303, asked.text
    path = asked.headers["location"]
    content = visitor.get(one, f"{path}/content").content
    page = visitor.get(other, path)
    signature = aside(lambda: officers()[0].sign(content))
    handed = visitor.post(one, path, page, files={"signature": ("text.p7s", signature)})
    assert (handed.status_code, visitor.get(other, "/account").status_code) == (303, 200)


def test_a_person_enters_at_both_goes_on_at_the_other_and_leaves_at_either(site: Site) -> None:
    urls = site.cabinets.urls
    with closing(Visitor(ORIGIN)) as visitor:
        for one, other in (urls, urls[::-1]):
            enter(visitor, one, other)
            pages = [visitor.get(base, "/account") for base in (one, other)]
            assert [page.status_code for page in pages] == [200, 200]
            assert visitor.post(one, "/leave", pages[1]).status_code == 303
            assert all(visitor.get(base, "/account").status_code != 200 for base in urls)


def cookies_of(visitor: Visitor, url: str) -> list[Any]:
    """Return what it has for a browser with scripts."""
    return [{"name": name, "value": value, "url": url} for name, value in visitor.cookies.items()]


def test_people_notice_nothing_when_one_is_killed_and_a_page_that_moves_goes_on_at_the_other(
    site: Site, front: Front, chromium: Browser
) -> None:
    with closing(Visitor(ORIGIN, front.tls)) as visitor:
        enter(visitor, *site.cabinets.urls)
        # Chromium says in its console what it could not have.
        lost = ("net::ERR_", "502", "504")
        with visiting(chromium, front.url, faults=lost, ignore_https_errors=True) as page:
            page.context.add_cookies(cookies_of(visitor, front.url))
            page.goto("/p/1/")
            number = page.locator('[data-live="hashrate_1m"]')
            expect(number).to_have_text("800 TH/s")
            await_that(lambda: 1 in site.cabinets.viewers().values())
            (serving,) = [port for port, count in site.cabinets.viewers().items() if count]

            form = visitor.get(url_of(serving), "/account")
            site.cabinets.kill(serving)
            pages = [visitor.get(front.url, "/account") for _ in range(TRIES)]
            assert [one.status_code for one in pages] == [200] * TRIES
            with site.engine.begin() as db:
                mine_twice_as_fast(db)
            expect(number).to_have_text("1.6 PH/s")
            assert list(site.cabinets.viewers().values()) == [1]

            (left,) = site.cabinets.viewers()
            with page.expect_response(lambda answer: answer.status == 502):
                site.cabinets.kill(left)
            expect(page.locator("#live-state")).to_contain_text("tries again by itself")
            site.cabinets.both()
            with site.engine.begin() as db:
                mine_twice_as_fast(db)
            expect(number).to_have_text("3.2 PH/s", timeout=20_000)
        # The form was begun at the one that is gone.
        assert visitor.post(front.url, "/leave", form).status_code == 303
        assert visitor.get(front.url, "/account").status_code != 200
