"""What becomes of parts that end: started again, later and later, and told in one line each."""

import threading
from pathlib import Path

import pytest

from kench.pool.backoff import CRASH_LOOP_ENDS, DELAY_MAX_S
from kench.pool.clock import ManualClock
from kench.up.part import Part
from kench.up.supervisor import ENDS_BEFORE_READY_MAX, PartFailedError, Supervisor


class ScriptedPart(Part):
    """A part without a process: it ends when the test says so."""

    def __init__(self, role: str, stops: list[str], *, listens: bool = True) -> None:
        self.role = role
        self.ready = threading.Event()
        self.starts = 0
        self.status: int | None = None
        self._stops = stops
        self._listens = listens

    @property
    def log_path(self) -> Path:
        return Path(f"{self.role}.log")

    def start(self) -> None:
        self.starts += 1
        self.status = None

    def poll(self) -> int | None:
        return self.status

    def ask_to_end(self) -> None:
        self._stops.append(f"ask {self.role}")

    def stop(self, timeout_s: float) -> bool:
        self._stops.append(self.role)
        return self._listens

    def last_words(self) -> str:
        return "no port"


class Scene:
    """A supervisor with its clock and everything it said."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.said: list[str] = []
        self.stops: list[str] = []
        self.supervisor = Supervisor(self.clock, self.said.append)

    def part(self, role: str, *, listens: bool = True, beside: bool = False) -> ScriptedPart:
        part = ScriptedPart(role, self.stops, listens=listens)
        self.supervisor.start(part, stop_s=1, beside=beside)
        return part

    def end(self, part: ScriptedPart, status: int, after_s: float = 0.0) -> None:
        """End the part `after_s` seconds from now and have it seen."""
        self.clock.advance(after_s)
        part.status = status
        self.supervisor.tick()


def test_a_part_that_ends_is_started_again_once_its_delay_is_over() -> None:
    scene = Scene()
    part = scene.part("settle")
    scene.end(part, -9)
    scene.supervisor.tick()
    assert part.starts == 1
    scene.clock.advance(1)
    scene.supervisor.tick()
    scene.supervisor.tick()
    assert part.starts == 2
    assert scene.said == ["kench: settle was ended by signal 9; starting it again"]


def test_a_crash_loop_is_told_with_reason_log_and_delay() -> None:
    scene = Scene()
    part = scene.part("stratum")
    for _ in range(CRASH_LOOP_ENDS):
        scene.end(part, 1)
        scene.clock.advance(DELAY_MAX_S)
        scene.supervisor.tick()
    assert scene.said[-1] == (
        "kench: stratum ended with status 1 again (no port); see stratum.log; next start in 1 s"
    )


def test_a_part_that_keeps_ending_is_tried_for_ever_but_never_more_often_than_bounded() -> None:
    scene = Scene()
    part = scene.part("settle")
    for _ in range(100):
        scene.end(part, 1)
        scene.clock.advance(DELAY_MAX_S - 0.001)
        scene.supervisor.tick()
        scene.clock.advance(0.001)
        scene.supervisor.tick()
    assert part.starts == 101


def test_a_part_that_never_got_ready_fails_with_what_it_said() -> None:
    scene = Scene()
    part = scene.part("node")
    for _ in range(ENDS_BEFORE_READY_MAX):
        scene.supervisor.check_starting(part)
        scene.end(part, 1)
        scene.clock.advance(DELAY_MAX_S)
        scene.supervisor.tick()
    with pytest.raises(PartFailedError, match=r"node does not start: no port \(log: node\.log\)"):
        scene.supervisor.check_starting(part)


def test_parts_stop_in_the_order_opposite_to_their_start() -> None:
    scene = Scene()
    for role in ("node", "settle", "stratum", "mine"):
        scene.part(role, listens=role != "settle")
    assert scene.supervisor.stop() == ["settle"]
    assert [line for line in scene.stops if not line.startswith("ask")] == [
        "mine", "stratum", "settle", "node",
    ]  # fmt: skip


def test_parts_beside_each_other_are_asked_to_end_together() -> None:
    scene = Scene()
    for role, beside in (("node", False), ("sell", False), ("stratum", True), ("mine", False)):
        scene.part(role, beside=beside)
    assert scene.supervisor.stop() == []
    assert scene.stops == [
        "ask mine", "mine", "ask sell", "ask stratum", "sell", "stratum", "ask node", "node",
    ]  # fmt: skip
    scene.supervisor.tick()
    assert scene.said == []
