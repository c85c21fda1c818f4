"""Pages in headless Chromium: what a script does, how it looks, whether everybody can use it.

    def test_...(chromium: Browser) -> None:          # fixture of tests/conftest.py
        with visiting(chromium, url, language="ru") as page:
            page.goto(url + "/enter")
            check_page(page, "enter")      # axe, no sideways scrolling, pictures if wanted

A page that logs an error (what the policy of content forbids, too) fails its test. Nothing leaves
this machine. KENCH_TEST_SCREENSHOTS=folder keeps pictures, KENCH_TEST_CHROMIUM=path is another one.
Playwright keeps an event loop running in the thread of the tests: `asyncio.run` fails beside it,
and `aside` is the way out.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

T = TypeVar("T")
CHROMIUM = os.environ.get("KENCH_TEST_CHROMIUM", "/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "kench/cabinet/assets/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LIMIT_MS = 20_000
WIDE, PHONE = (1280, 900), (360, 740)


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """A Chromium; skips the test where there is none, but in `make test`, which installs it."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("no Chromium: apt-get install chromium, or KENCH_TEST_CHROMIUM=path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def visiting(
    browser: Browser,
    url: str,
    *,
    language: str = "en",
    size: tuple[int, int] = WIDE,
    scripts: bool = True,
    faults: tuple[str, ...] = (),
    **options: Any,
) -> Iterator[Page]:
    """A page of a browser that has not been there before; `faults` may be logged as errors."""
    context = browser.new_context(
        base_url=url,
        locale=language,
        viewport={"width": size[0], "height": size[1]},
        java_script_enabled=scripts,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(fault in message.text for fault in faults):
            errors.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


def aside(work: Callable[[], T]) -> T:
    """Do what runs an event loop of its own (checking a signature), in a thread without one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def check_page(page: Page, name: str) -> None:
    """See that everybody can use the page as it stands, wide and on a phone; keep pictures."""
    looks: list[tuple[Literal["light", "dark"], tuple[int, int]]] = [
        ("light", WIDE), ("dark", WIDE), ("light", PHONE), ("dark", PHONE),
    ]  # fmt: skip
    for scheme, size in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        take_picture(page, f"{name}-{size[0]}-{scheme}")
        if (scheme, size) in {looks[0], looks[-1]}:
            check_width(page)
            check_accessible(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def check_accessible(page: Page) -> None:
    """No rule of WCAG 2.2 AA that axe can check is broken."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    broken = [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]
    assert not broken, "\n".join(broken)


def check_width(page: Page) -> None:
    """The page is no wider than its window."""
    wide = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter(one => one.getBoundingClientRect().right > width + 1)
                .map(one => one.outerHTML.slice(0, 120)).slice(0, 5);
        }"""
    )
    assert not wide, wide


def take_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page, if a folder for them is named."""
    folder = os.environ.get("KENCH_TEST_SCREENSHOTS")
    if folder:
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True)
