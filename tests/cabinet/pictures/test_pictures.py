"""Pictures of the pages: every page has its own, and all of them can be made."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.app import make_app
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.orders.watch import OrderWatch
from kench.pool.settings import Settings
from tests.cabinet.pictures.gallery import index_of, picture_file
from tests.cabinet.pictures.pages import ANYBODY, NO_PAGES, PICTURES
from tests.cabinet.pictures.world import NOW_US, World, make_world
from tests.support.browser import PHONE, WIDE
from tests.support.cabinet import NobodysVerifier, cabinet_of, client_in, client_of, routes_of

DOCS = Path(__file__).parents[3] / "docs"
FOLDER_BYTES_MAX = 16_000_000


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world(module_database)


def pages() -> set[str]:
    """The paths of all routes that answer with a page."""
    engine = sa.create_engine("postgresql+psycopg2://nowhere")
    verifier = NobodysVerifier()
    cabinet = Cabinet(
        engine, Settings(), ManualClock(), bytes, verifier, OrderWatch(engine, verifier)  # type: ignore[arg-type]
    )  # fmt: skip
    return {
        path
        for method, path in routes_of(make_app(cabinet))
        if method == "GET" and not any(re.fullmatch(other, path) for other in NO_PAGES)
    }


def test_every_page_has_a_picture_named_for_it() -> None:
    assert {picture.route for picture in PICTURES} == pages()
    assert len({picture.name for picture in PICTURES}) == len(PICTURES)


def test_every_picture_is_there_in_each_language_and_width_and_no_others() -> None:
    wanted = {
        picture_file(picture.name, language, width)
        for picture in PICTURES
        for language in Language
        for width in (WIDE[0], PHONE[0])
    }
    there = list((DOCS / "pictures").iterdir())
    assert {path.name for path in there} == wanted, "run: make pictures ARGS=name"
    assert sum(path.stat().st_size for path in there) < FOLDER_BYTES_MAX


def test_the_index_names_them_all() -> None:
    assert (DOCS / "pages.md").read_text() == index_of(), "run: make pictures"


def test_there_is_something_to_take_a_picture_of(module_database: str, world: World) -> None:
    with cabinet_of(module_database, clock=ManualClock(NOW_US)) as cabinet:
        clients = {
            pin: client_in(cabinet, pin) for pin in {one.pin for one in PICTURES} - {ANYBODY}
        }
        clients[ANYBODY] = client_of(cabinet)
        for picture in PICTURES:
            if "{request_id}" not in picture.route:
                answer = clients[picture.pin].get(picture.path(world))
                assert answer.status_code == 200, picture.name
