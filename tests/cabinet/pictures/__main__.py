"""Makes the pictures of docs/pages.md: every page, in three languages, at two widths.

python -m tests.cabinet.pictures                     all of them, and docs/pages.md
python -m tests.cabinet.pictures dashboard worker    those alone
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.signing.requests import open_login
from kench.cabinet.web.cookies import BROWSER, LOGIN, cookie_name
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import migrate
from kench.pool.postgres import EmbeddedPostgres
from tests.cabinet.pictures.gallery import index_of, picture_file
from tests.cabinet.pictures.pages import ANYBODY, PICTURES, Picture
from tests.cabinet.pictures.world import NAMES, NOW_US, World, make_world
from tests.support.browser import PHONE, WIDE, check_width, running_chromium, visiting
from tests.support.cabinet import served_cabinet
from tests.support.registration import verifier_at
from tests.support.signing import BROWSER as BROWSER_SECRET
from tests.support.signing import Draw, enter

DOCS = Path(__file__).parents[3] / "docs"
SIZES = (WIDE, PHONE)
HEIGHT_MAX = {WIDE[0]: 1_150, PHONE[0]: 1_300}
"""By width: a page that is longer is cut there."""
QUALITY = 24
_draw = Draw(2**72)


class Look(NamedTuple):
    """In which language, on which screen."""

    language: Language
    size: tuple[int, int]
    dark: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Make them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cabinet.pictures", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="a page (default: all)")
    parser.add_argument("--dark", action="store_true", help="in the dark scheme")
    parser.add_argument("--into", type=Path, default=DOCS / "pictures", metavar="FOLDER")
    given = parser.parse_args(arguments)
    wanted = [one for one in PICTURES if not given.names or one.name in given.names]
    with _world() as (cabinet, world), running_chromium() as browser:
        for language in Language:
            for size in SIZES:
                look = Look(language, size, dark=given.dark)
                _take(browser, cabinet, world, look, wanted, given.into)
    if given.into == DOCS / "pictures":
        (DOCS / "pages.md").write_text(index_of())


@contextlib.contextmanager
def _world() -> Iterator[tuple[Cabinet, World]]:
    with tempfile.TemporaryDirectory(prefix="kench-pictures-") as folder:
        server = EmbeddedPostgres(Path(folder))
        url = server.start()
        try:
            migrate(url)
            world = make_world(url)
            with served_cabinet(
                url, clock=ManualClock(NOW_US), verifier=verifier_at(),
                alerts_smtp_host="127.0.0.1",
            ) as cabinet:  # fmt: skip
                cabinet.orders.load()
                yield cabinet, world
        finally:
            server.stop()


def _take(  # noqa: PLR0917 - what is looked at, and how
    browser: Browser,
    cabinet: Cabinet,
    world: World,
    look: Look,
    wanted: Iterable[Picture],
    folder: Path,
) -> None:
    """Take pictures of all pages in one language and width."""
    folder.mkdir(parents=True, exist_ok=True)
    language, origin = look.language, cabinet.settings.cabinet_origin
    with visiting(browser, origin, language=language.value, size=look.size) as page:
        page.emulate_media(color_scheme="dark" if look.dark else "light")
        for picture in wanted:
            page.context.clear_cookies()
            _come(cabinet, page, picture.pin)
            asked = _asked(cabinet, language) if "{request_id}" in picture.route else ""
            answer = page.goto(picture.path(world, asked))
            assert answer is not None
            assert answer.ok, (picture.name, answer.status)
            if page.locator("[data-live-from] figure.chart").count():
                page.locator("figure.chart canvas").first.wait_for()
            check_width(page)
            _keep(page, folder / picture_file(picture.name, language, look.size[0]), look.size[0])


def _come(cabinet: Cabinet, page: Page, pin: str) -> None:
    """Give the browser its secret, and a login."""
    secrets = {BROWSER: BROWSER_SECRET}
    if pin != ANYBODY:
        now_us = cabinet.clock.now_us()
        with cabinet.engine.begin() as db:
            _, secrets[LOGIN] = enter(db, pin, name=NAMES[pin], now_us=now_us, draw=_draw)
    page.context.add_cookies(
        [
            {"name": cookie_name(cabinet.settings, name), "value": value.hex(),
             "url": cabinet.settings.cabinet_origin}
            for name, value in secrets.items()
        ]
    )  # fmt: skip


def _asked(cabinet: Cabinet, language: Language) -> str:
    """Open a request of that browser for the signature of an entry."""
    with cabinet.engine.begin() as db:
        return open_login(
            db, browser=BROWSER_SECRET, language=language.value, now_us=cabinet.clock.now_us(),
            random_bytes=_draw, origin="https://cabinet.example",
        ).id  # fmt: skip


def _keep(page: Page, path: Path, width: int) -> None:
    height = min(HEIGHT_MAX[width], page.evaluate("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": width, "height": height}
    taken = page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]
    Image.open(io.BytesIO(taken)).convert("RGB").save(path, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
