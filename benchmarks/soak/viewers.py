"""People at their pages, and the tax service's questions, for as long as a soak lasts."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass

from benchmarks.first_share import Owner
from benchmarks.load.browsers import Ask, Line, Told
from benchmarks.load.ports import LOOPBACK
from benchmarks.soak.site import TAX_CLIENT, Site

PAGES = ("/p/{id}/", "/p/{id}/workers", "/p/{id}/earnings")
EVERY_S, ANSWER_S, AGAIN_S = 0.5, 10.0, 2.0
OPEN_PAGES = 4


@dataclass(slots=True)
class Seen:
    """Answers since the start: as they should be, and others or none."""

    pages: int = 0
    pages_failed: int = 0
    questions: int = 0
    questions_failed: int = 0


class Viewers:
    """Asks for a page twice a second, keeps some open, asks the tax service's part each second."""

    def __init__(self, site: Site, owners: list[Owner]) -> None:
        self._site = site
        self._owners = owners
        self.seen = Seen()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        jobs = [self._look(), self._ask_tax()]
        jobs += [self._stay(self._owners[at % len(self._owners)]) for at in range(OPEN_PAGES)]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        number = 0
        while True:
            owner = self._owners[number % len(self._owners)]
            path = PAGES[number % len(PAGES)].format(id=owner.participant_id)
            number += 1
            if await self._page(Ask("page", path, owner.cookie)):
                self.seen.pages += 1
            else:
                self.seen.pages_failed += 1
            await asyncio.sleep(EVERY_S)

    async def _page(self, ask: Ask) -> bool:
        port = self._site.cabinet_port
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await Line.open(port)
                with contextlib.closing(line):
                    status, _ = await line.ask(ask, port)
                    return status == 200
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            return False

    async def _stay(self, owner: Owner) -> None:
        """Keep a page open that moves by itself; open it anew when it is cut off."""
        ask = Ask("live", f"/p/{owner.participant_id}/live", owner.cookie)
        port = self._site.cabinet_port
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                line = await Line.open(port)
                with contextlib.closing(line):
                    await line.follow(ask, port, Told(), asyncio.Event())
            await asyncio.sleep(AGAIN_S)

    async def _ask_tax(self) -> None:
        while True:
            if await self._question():
                self.seen.questions += 1
            else:
                self.seen.questions_failed += 1
            await asyncio.sleep(2 * EVERY_S)

    async def _question(self) -> bool:
        head = (
            f"GET /v1/periods HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n"
            f"X-Road-Client: {TAX_CLIENT}\r\nX-Road-Id: {uuid.uuid4()}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._site.tax_port)
                with contextlib.closing(writer):
                    writer.write(head.encode())
                    return b" 200 " in await reader.readuntil(b"\r\n")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False
