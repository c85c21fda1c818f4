"""A reload, seen from the job maker: rehearsed, handed over by exec, new fronts up, old drained.

before exec    Rehearsal: settings and code are tried in a process of their own
after exec     Succession: new fronts start; when all serve, the old ones drain and end
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import structlog

from kench.pool.reload_progress import Progress, Stage, write_progress
from kench.stratum.maker.fronts import Fronts

REHEARSE_FLAG = "--rehearse"
REHEARSE_LIMIT_S = 30.0
# New fronts that do not all serve by then are given up, and the old ones serve on.
SERVE_LIMIT_S = 60.0
# Old fronts that have not ended this long after their time to drain are ended.
DRAIN_SLACK_S = 30.0
TELL_S = 0.25

log = structlog.get_logger("stratum")


def rehearse(ours: Iterable[int]) -> str | None:
    """Try settings and code in a process of their own; return why not, or None. In a thread.

    `ours` are the ports that we listen on.
    """
    # Its parent is this process, not `kench up`.
    environment = {name: value for name, value in os.environ.items() if name != "KENCH_UP_PID"}
    try:
        tried = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, *sys.orig_argv[1:], REHEARSE_FLAG, *map(str, ours)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=REHEARSE_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"settings and code were not read within {REHEARSE_LIMIT_S:.0f} s"
    if not tried.returncode:
        return None
    said = [line for line in tried.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"it ends with status {tried.returncode}"


class Teller:
    """Writes how far the reload is, off the loop, each state that is new."""

    def __init__(self, loop: asyncio.AbstractEventLoop, run_directory: Path, number: int) -> None:
        self._loop = loop
        self._directory = run_directory
        self.number = number
        self._last: Progress | None = None
        self._told_at = 0.0

    def tell(self, stage: Stage, why: str = "", connections: int = 0) -> None:
        """Say where the reload stands; the same stage not more often than is good to look at."""
        progress = Progress(self.number, stage, os.getpid(), connections, why)
        last, now = self._last, self._loop.time()
        soon = last is not None and last.stage is stage and now < self._told_at + TELL_S
        if progress == last or soon:
            return
        self._last, self._told_at = progress, now
        write_progress(self._directory, progress)


class Succession:
    """Two generations of fronts alive; `tick` several times a second until `is_over`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        teller: Teller,
        drain_s: float,
        former: Fronts,
        fronts: Fronts,
    ) -> None:
        self._loop = loop
        self._teller = teller
        self._drain_s = drain_s
        self.former = former
        self._fronts = fronts
        self._stage = Stage.STARTING
        self._due = loop.time() + SERVE_LIMIT_S
        self._why = ""
        teller.tell(Stage.STARTING)

    @property
    def is_over(self) -> bool:
        """Whether one generation is left."""
        return self._stage in {Stage.DONE, Stage.FAILED}

    @property
    def failed(self) -> bool:
        """Whether the generation that is left is the former one."""
        return self._stage is Stage.FAILED

    def tick(self, *, serving: int, connections: int) -> None:
        """Go on: `serving` new fronts serve, and the former ones have so many connections."""
        now = self._loop.time()
        if self._stage is Stage.STARTING:
            self._look_at_start(serving, now)
        if self._stage is Stage.DRAINING:
            self._teller.tell(Stage.DRAINING, connections=connections)
            if self.former.ended:
                self._stage = Stage.DONE
                log.info("reloaded", reload=self._teller.number)
                self._teller.tell(Stage.DONE)
            elif now > self._due:
                self.former.stop()

    def _look_at_start(self, serving: int, now: float) -> None:
        if self._why:
            if self._fronts.ended:
                self._stage = Stage.FAILED
                self._teller.tell(Stage.FAILED, self._why)
        elif serving >= self._fronts.count:
            self._stage, self._due = Stage.DRAINING, now + self._drain_s + DRAIN_SLACK_S
            log.info("former fronts drain", seconds=self._drain_s)
            self.former.drain()
        elif self._fronts.hopeless or now > self._due:
            ended = self._fronts.hopeless
            self._why = (
                "no new front starts: its log says why"
                if ended
                else f"new fronts did not serve within {SERVE_LIMIT_S:.0f} s: /status says why"
            )
            log.error("reload failed; the former fronts serve on", why=self._why)
            self._fronts.stop()


class Reloader:
    """Begins reloads: one at a time. `rehearse` calls back with why not, or None."""

    def __init__(
        self,
        teller: Teller,
        rehearse: Callable[[Callable[[str | None], None]], None],
        hand_over: Callable[[int], None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._teller = teller
        self._rehearse = rehearse
        self._hand_over = hand_over
        self._is_busy = is_busy
        self._rehearsing = False

    def begin(self) -> None:
        """Reload, if none is under way. On the loop."""
        if self._rehearsing or self._is_busy():
            log.warning("a reload is under way already")
            return
        self._rehearsing = True
        self._teller.number += 1
        log.info("reload asked for", reload=self._teller.number)
        self._teller.tell(Stage.REHEARSING)
        self._rehearse(partial(self._rehearsed, self._teller.number))

    def _rehearsed(self, number: int, why: str | None) -> None:
        self._rehearsing = False
        if why is None:
            self._hand_over(number)
        else:
            log.error("reload refused; everything serves on as it is", why=why)
            self._teller.tell(Stage.FAILED, why)
