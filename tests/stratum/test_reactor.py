"""Timers of the stratum processes go on whatever the wall clock does."""

import os
import subprocess
import sys
from pathlib import Path

from tests.chaos.machines import Clock

TICKING = """
import asyncio
import uvloop
from kench.pool.clock import SystemClock
from kench.stratum.reactor import install_reactor
loop = uvloop.new_event_loop()
asyncio.set_event_loop(loop)
install_reactor(loop, SystemClock())
from twisted.internet import reactor, task
task.LoopingCall(lambda: print(SystemClock().now_us(), flush=True)).start(0.05)
reactor.callLater(2.0, reactor.stop)
reactor.run(installSignalHandlers=False)
"""
HOUR_US = 3_600_000_000
ENDS_S = 20.0
"""It ends after two by itself."""


def test_a_clock_that_is_set_back_by_an_hour_stops_no_timer(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", TICKING],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **clock.settings},
    )
    try:
        assert process.stdout is not None
        before_us = int(process.stdout.readline())
        clock.set(-3600.0)
        said, _ = process.communicate(timeout=ENDS_S)
        assert int(said.split()[-1]) < before_us - HOUR_US // 2
    finally:
        process.kill()
        process.communicate()
