"""How soon an open page moves: from a machine's first share to its number on the dashboard.

    python -m benchmarks.first_share [--rounds 5] [--json FILE]

A whole pool (PostgreSQL, node, stratum) with its cabinet, each as in production, and for each round
a participant whose dashboard is open. A machine of it connects and submits twice a second; the time
is from the answer to its first share until the page is sent a hashrate other than none. Exit
status 1: a page was later than it is held to.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, Login
from benchmarks.load.ports import LOOPBACK, free_ports
from benchmarks.load.servers import Pool, running, running_pool
from benchmarks.reload import Crowd, Share
from kench.cabinet.login.logins import Limits, open_login
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.login.persons import know_person
from kench.pki.authority import CRL_FILE, ROOT_FILE
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.postgres import database_url
from kench.pool.register import add_participant
from kench.pool.settings import Settings

HELD_S = 10.0
GIVEN_UP_S = 60.0
SUBMITS_PER_S = 2.0
KNOWN_S = 3.0
"""Fronts know a new participant within this time."""
DAY_US = 86_400 * 1_000_000
FIRST_PIN = 20_101_199_000_001


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody whose page is open, and how the machines log in."""

    participant_id: int
    cookie: str
    machine: Login


class FirstShare(Crowd):
    """A machine that notes when its first share was answered."""

    first_s: float | None = None

    def accept(self, share: Share) -> None:
        """Note an acknowledged share."""
        if self.first_s is None:
            self.first_s = self.loop.time()
        super().accept(share)


def enter_owners(engine: sa.Engine, count: int) -> list[Owner]:
    """Have so many participants, each with an owner who has entered."""
    owners = []
    now_us = SystemClock().now_us()
    for number in range(count):
        with engine.begin() as db:
            participant_id, token = add_participant(db, f"owner {number}")
            person = know_person(db, str(FIRST_PIN + number), f"owner {number}", now_us)
            add_person(
                db, participant_id, person.pin, PeopleRole.OWNER, added_by=None, now_us=now_us
            )
            browser = os.urandom(32)
            _, secret = open_login(
                db, person, browser=browser, address=LOOPBACK, agent="benchmark",
                limits=Limits(DAY_US, DAY_US), now_us=now_us, random_bytes=os.urandom,
            )  # fmt: skip
        cookie = f"kench={secret.hex()}; kench_browser={browser.hex()}"
        owners.append(Owner(participant_id, cookie, Login(f"{participant_id}.rig", token)))
    return owners


async def moved(port: int, owner: Owner) -> None:
    """Follow the page until it is sent a number of accepted shares other than none."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(
        f"GET /p/{owner.participant_id}/live HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n"
        f"Cookie: {owner.cookie}\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    with contextlib.closing(writer):
        none: str | None = None
        while line := await reader.readline():
            if line.startswith(b"data:"):
                shown = json.loads(line.removeprefix(b"data:"))["texts"]["hashrate_1m"]
                if none is not None and shown != none:
                    return
                none = shown
    raise LoadError("the page was refused, or closed")


async def measure_one(pool: Pool, cabinet_port: int, owner: Owner) -> float:
    """Return the seconds from the first share to the page that shows it. Raises LoadError."""
    crowd = FirstShare(pool.port, owner.machine, 1, SUBMITS_PER_S)
    page = crowd.loop.create_task(moved(cabinet_port, owner))
    await asyncio.sleep(KNOWN_S)
    try:
        async with asyncio.timeout(GIVEN_UP_S):
            await crowd.arrive()
            await page
            moved_s = crowd.loop.time()
    except TimeoutError:
        raise LoadError(f"the page did not move within {GIVEN_UP_S:g} s") from None
    finally:
        page.cancel()
        await crowd.leave()
    if crowd.first_s is None:
        raise LoadError("the page moved before the first share was answered")
    return moved_s - crowd.first_s


def measure(folder: Path, rounds: int) -> list[float]:
    """Return the seconds of each round. Raises LoadError."""
    with running_pool(folder) as pool, database_url(Settings(data_dir=folder)) as url:
        engine = open_engine(url, application_name="benchmark")
        owners = enter_owners(engine, rounds)
        engine.dispose()
        settings = Settings(data_dir=folder)
        (port,) = free_ports(1)
        pki = settings.demo_pki_directory
        variables = {
            "KENCH_DATABASE_URL": url,
            "KENCH_CABINET_PORT": str(port),
            "KENCH_SIGNATURE_ROOTS": str(pki / ROOT_FILE),
            "KENCH_SIGNATURE_CRLS": str(pki / CRL_FILE),
        }
        with running("cabinet", settings, [], variables):
            return [asyncio.run(measure_one(pool, port, owner)) for owner in owners]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    seconds: list[float]

    def faults(self) -> list[str]:
        """Say what must not be."""
        return [f"a page moved after {one:.1f} s" for one in self.seconds if one > HELD_S]


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether it is as soon as it is held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.first_share",
        description="Measure how soon an open dashboard shows a machine's first share.",
        epilog="example: python -m benchmarks.first_share --rounds 10",
    )
    parser.add_argument("--rounds", type=int, default=5, help="machines, one after another (5)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    console = Console()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="first-", dir=given.folder) as folder:
        figures = Figures(measure(Path(folder), given.rounds))
    table = Table(title="first share → dashboard, s")
    ordered = sorted(figures.seconds)
    for name in ("rounds", "least", "median", "most"):
        table.add_column(name, justify="right")
    shown = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    table.add_row(str(len(ordered)), *(f"{one:.1f}" for one in shown))
    console.print(table)
    return end(console, figures.faults(), asdict(figures), given.json)


if __name__ == "__main__":
    sys.exit(main())
