"""A few faults by chance, of all that `make chaos` tries for half an hour; how steps are told."""

import contextlib
import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import hosts, nats_hosts, one_machine_faults, several_faults
from tests.chaos.checks import Held
from tests.chaos.one_machine import OneMachine
from tests.chaos.several import Several
from tests.chaos.steps import Fault, Step, run, table
from tests.support.long import IS_LONG, ONLY_LONG, so_many

STEPS = so_many(3, 8)
Faults = Callable[[Any], list[Fault]]


def keep_promises(stand: Any, faults_of: Faults) -> None:
    """Run some steps of a new seed; all must be well."""
    seed = random.randrange(2**32)

    def short() -> list[Fault]:
        return [fault for fault in faults_of(stand) if IS_LONG or not fault.is_long]

    steps = list(itertools.islice(run(stand, short, seed, 3600.0), STEPS))
    assert not [(step.fault, step.broken) for step in steps if step.broken], f"SEED={seed}"
    assert len({step.fault for step in steps}) == STEPS
    # None of them is true of a pool that stood still.
    assert all(step.acknowledged for step in steps)


def require(reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for those of sockets in it."""
    with tempfile.TemporaryDirectory(prefix="kench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_a_pool_and_its_standby_keep_every_promise_through_faults_by_chance(
    short_path: Path,
) -> None:
    require(hosts.why_not())
    with OneMachine(short_path) as stand:
        keep_promises(stand, one_machine_faults.faults_of)


@ONLY_LONG
def test_a_pool_of_several_machines_keeps_every_promise_through_faults_by_chance(
    short_path: Path,
) -> None:
    require(hosts.why_not())
    require(nats_hosts.why_not())
    with Several(short_path) as stand:
        keep_promises(stand, several_faults.faults_of)


def step(number: int, fault: str, served_s: float | None, lost: int = 0) -> Step:
    held = Held(1000, lost, 0, 3, 0.2, ("1 acknowledged shares are in no journal",) * bool(lost))
    return Step(number, fault, "served within 5 s", served_s, 1.25, 500, held)


def test_the_table_tells_of_each_fault_how_often_how_long_and_what_was_lost() -> None:
    steps = [
        step(1, "cut", 1.0),
        step(2, "kill", 0.5),
        step(3, "cut", 3.0),
        step(4, "cut", None, 2),
    ]
    lines = table(steps).splitlines()[2:]
    assert lines == [
        "| cut | served within 5 s | 3 | 2.0, 3.0 (1 too late) | 1.2 | 0.2 | 1,500 | 2 |",
        "| kill | served within 5 s | 1 | 0.5, 0.5 | 1.2 | 0.2 | 500 | 0 |",
    ]
    assert not steps[0].broken
    assert steps[3].broken == [
        "not all miners are served: served within 5 s",
        "1 acknowledged shares are in no journal",
    ]


def test_a_seed_is_an_order_in_which_every_fault_comes_once_before_any_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = [
        Fault(str(number), "", 1.0, lambda _: contextlib.nullcontext()) for number in range(5)
    ]
    monkeypatch.setattr("tests.chaos.steps.Checks", lambda _place: None)
    monkeypatch.setattr(
        "tests.chaos.steps.take",
        lambda _stand, fault, _checks, number, chance: (number, fault.name, chance.random()),
    )

    class Nowhere:
        def place(self) -> None: ...

        def settle_down(self) -> None: ...

    def of_seed(seed: int) -> list[tuple[int, str, float]]:
        return list(itertools.islice(run(Nowhere(), lambda: faults, seed, 60.0), 10))

    taken = of_seed(7)
    assert taken == of_seed(7) != of_seed(8)
    for turn in (taken[:5], taken[5:]):
        assert sorted(name for _, name, _ in turn) == ["0", "1", "2", "3", "4"]
