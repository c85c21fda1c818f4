"""The processes of fronts: started again at once and then ever later, ended when told to."""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kench.pool.backoff import DELAY_MAX_S, FIRST_DELAY_S
from kench.pool.clock import ManualClock
from kench.stratum.maker.fronts import ENDS_BEFORE_SERVING_MAX, STOP_S, Fronts

WAIT_S = 20.0
SLEEPS = "import time; time.sleep(60)"
IS_DEAF = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " open(sys.argv[1], 'w').close(); time.sleep(60)"
)


def python(program: str, *words: str) -> Callable[[int], Sequence[str]]:
    return lambda number: [sys.executable, "-c", program, *words, str(number)]


def tick_until(fronts: Fronts, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        fronts.tick()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def end(fronts: Fronts) -> None:
    fronts.stop()
    tick_until(fronts, lambda: fronts.ended)


def test_one_that_was_killed_comes_back_and_the_other_is_left_alone() -> None:
    clock = ManualClock()
    fronts = Fronts((4, 5), python(SLEEPS), {}, clock)
    fronts.tick()
    before = fronts.pids
    assert before.keys() == {4, 5}
    os.kill(before[4], signal.SIGKILL)
    tick_until(fronts, lambda: 4 not in fronts.pids)
    clock.advance(FIRST_DELAY_S)
    fronts.tick()
    assert fronts.pids[4] != before[4]
    assert fronts.pids[5] == before[5]
    assert fronts.restarts == 1
    end(fronts)


def test_one_that_ends_at_once_is_started_ever_later_and_known_as_hopeless() -> None:
    clock = ManualClock()
    fronts = Fronts((0,), python("raise SystemExit(1)"), {}, clock)
    waited = []
    for ends in range(1, 10):
        tick_until(fronts, lambda ends=ends: fronts.restarts == ends)  # type: ignore[misc]
        assert fronts.hopeless == (ends >= ENDS_BEFORE_SERVING_MAX)
        began = clock.monotonic()
        while not fronts.pids:
            clock.advance(0.1)
            fronts.tick()
        waited.append(clock.monotonic() - began)
    assert waited == sorted(waited)
    assert waited[0] < 2 * FIRST_DELAY_S + 0.1
    assert waited[-1] > DELAY_MAX_S / 2
    end(fronts)


def test_told_to_stop_all_end_and_none_is_started_again(tmp_path: Path) -> None:
    clock = ManualClock()
    heard = tmp_path / "deaf"
    fronts = Fronts((0, 1), python(IS_DEAF, str(heard)), {}, clock)
    fronts.tick()
    tick_until(fronts, heard.exists)
    fronts.stop()
    fronts.tick()
    assert not fronts.ended
    clock.advance(STOP_S + 1)
    tick_until(fronts, lambda: fronts.ended)
    clock.advance(DELAY_MAX_S)
    fronts.tick()
    assert fronts.ended
    assert fronts.restarts == 0
