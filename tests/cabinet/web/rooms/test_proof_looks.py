"""The page of a proof in a browser."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.web.cookies import LOGIN, cookie_name
from kench.pool.clock import ManualClock
from kench.pool.database import Role, open_engine
from tests.cabinet.money import NOW_US
from tests.payouts.proofs.pools import open_pool
from tests.support.browser import check_page, visiting
from tests.support.cabinet import client_in, served_cabinet
from tests.support.pki import PIN


@pytest.fixture
def block_hash(database: str, engine: sa.Engine, tmp_path: Path) -> str:
    """A block of which the pool has signed what it paid."""
    settle_engine = open_engine(database, Role.SETTLE, application_name="test", pool_size=1)
    pool = open_pool(engine, settle_engine, tmp_path)
    found = pool.round(1)
    pool.settle()
    pool.maker.turn()
    for journal in pool.journals:
        journal.close()
    settle_engine.dispose()
    with engine.begin() as db:
        add_person(db, 1, PIN, PeopleRole.OWNER, added_by=None, now_us=1)
    return found


def test_everybody_can_use_the_page_of_a_proof(
    chromium: Browser, database: str, block_hash: str
) -> None:
    with served_cabinet(database, clock=ManualClock(NOW_US)) as cabinet:
        origin, name = cabinet.settings.cabinet_origin, cookie_name(cabinet.settings, LOGIN)
        secret = client_in(cabinet).cookies.get(name) or ""
        with visiting(chromium, origin, language="ru") as page:
            page.context.add_cookies([{"name": name, "value": secret, "url": origin}])
            page.goto(f"/p/1/blocks/{block_hash}")
            page.get_by_role("link", name="Проверить доказательство").click()
            assert page.get_by_text("Доказательство верно.").is_visible()
            check_page(page, "proof-ru")
