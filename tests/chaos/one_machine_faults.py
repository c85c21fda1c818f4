"""What can befall a pool on one machine and its standby, and what is promised for each."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

from kench.pool.postgres_account import processes_in
from tests.chaos.checks import BrokenPromiseError
from tests.chaos.machines import full
from tests.chaos.one_machine import Machine, OneMachine
from tests.chaos.services import ServiceError
from tests.chaos.slow_line import slowed
from tests.chaos.steps import Fault, Strike

SLOW_S, LOSS = 0.04, 0.01
CLOCK_STEPS_S = (-300.0, -20.0, -2.0, 2.0, 20.0)
"""What was written ahead of the clock is booked when it gets there, so not far ahead."""
REPLACED_S = 60.0
"""A machine that was replaced leaves within this time of hearing of it."""
HEARD_S = 10.0
"""`kench standby promote` refuses for so long after the main machine was heard last."""

# Programs that start read 2 s of Python's modules each, on two cores that carry every machine.
STARTS = "served within 60 s"
AT_ONCE, SERVES = "served all along; no miner waits 5 s", "served within 10 s"
CLOCK = AT_ONCE + "; what came ahead of the clock is booked when it gets there"


def faults_of(stand: OneMachine) -> list[Fault]:
    """Return all, of the machines as they stand now."""
    return [*_kills(stand), *_restarts(stand), *_lines(stand), *_machines(stand), *_moves(stand)]


def _kills(stand: OneMachine) -> Iterator[Fault]:
    leader, follower = stand.leader, stand.follower
    yield Fault("kill -9: a front", SERVES, 10, _kill_a_front(stand))
    yield Fault("kill -9: the job maker", STARTS, 60, _kill(leader, "stratum"))
    yield Fault("kill -9: settlement", AT_ONCE, 5, _kill(leader, "settle"))
    yield Fault("kill -9: the lender of the database", AT_ONCE, 5, _kill(leader, "lend"))
    yield Fault("kill -9: PostgreSQL", AT_ONCE, 5, lambda _: _killed_database(stand))
    yield Fault("kill -9: the node", AT_ONCE, 5, lambda _: _killed(stand.node.kill))
    yield Fault("kill -9: the standby", "served within 10 s", 10, _kill(follower, "serve"))
    yield Fault(
        "kill -9: the standby's PostgreSQL", AT_ONCE, 5,
        lambda _: _killed(lambda: _kill_postgres(follower)),
    )  # fmt: skip


def _restarts(stand: OneMachine) -> Iterator[Fault]:
    leader = stand.leader
    yield Fault("restart: stratum", STARTS, 60, _kill(leader, "stratum", orderly=True))
    yield Fault("restart: PostgreSQL", AT_ONCE, 5, lambda _: _restarted_database(stand))


def _lines(stand: OneMachine) -> Iterator[Fault]:
    network = stand.network
    leader, follower = stand.leader.host.name, stand.follower.host.name
    for one, other, promise, limit_s, served in (
        (leader, follower, SERVES, 10.0, True),
        (leader, "node", AT_ONCE, 5.0, True),
        (leader, "miners", "served within 10 s of its being whole", 10.0, False),
    ):
        names = {leader: "main machine", follower: "standby", "node": "node", "miners": "miners"}
        yield Fault(
            f"line cut: {names[one]} and {names[other]}", promise, limit_s,
            lambda _, ends=(one, other): network.without(*ends), (2.0, 6.0), served,
        )  # fmt: skip
    yield Fault(
        "cable pulled: main machine", "served within 10 s of its being back", 10,
        lambda _: stand.network.pulled(leader), (2.0, 6.0), served_meanwhile=False,
    )  # fmt: skip
    yield Fault(
        "cable pulled: standby", SERVES, 10, lambda _: stand.network.pulled(follower), (2.0, 6.0)
    )
    for name, whose in ((leader, "main machine"), (follower, "standby"), ("node", "node")):
        yield Fault(
            f"slow line, 80 ms there and back, 1 in 100 lost: {whose}", SERVES, 10,
            lambda chance, name=name: slowed(network, name, chance, delay_s=SLOW_S, loss=LOSS),
            (3.0, 6.0),
        )  # fmt: skip


def _machines(stand: OneMachine) -> Iterator[Fault]:
    leader, follower = stand.leader, stand.follower
    yield Fault(
        "disk full: journals", "served within 15 s of there being room", 15,
        lambda _: full(leader.data / "journal"), (2.0, 5.0), served_meanwhile=False,
    )  # fmt: skip
    yield Fault(
        "clock stepped, 5 minutes back to 20 s on, and back again", CLOCK, 5,
        lambda chance: leader.clock.stepped(chance.choice(CLOCK_STEPS_S)), (3.0, 6.0),
    )  # fmt: skip
    yield Fault(
        "power lost: standby, and back", SERVES, 10, lambda _: _without_power(stand, follower)
    )
    yield Fault(
        "power lost: main machine, and back", "served within 60 s of its being back", 60,
        lambda _: _without_power(stand, leader), served_meanwhile=False, is_long=True,
    )  # fmt: skip


def _moves(stand: OneMachine) -> Iterator[Fault]:
    yield Fault(
        "power lost: main machine; the standby is promoted", "served within 60 s", 60,
        lambda _: _promoted(stand), (0.0, 1.0), moves=True, is_long=True,
    )  # fmt: skip
    yield Fault(
        "main machine cut off; the standby is promoted; the line is whole",
        "served within 90 s; the old machine leaves within 60 s", 90,
        lambda _: _replaced(stand), (0.0, 1.0), moves=True, is_long=True,
    )  # fmt: skip


@contextlib.contextmanager
def _killed(kill: Callable[[], None]) -> Iterator[None]:
    kill()
    yield


def _kill(machine: Machine, name: str, *, orderly: bool = False) -> Strike:
    number = signal.SIGTERM if orderly else signal.SIGKILL
    return lambda _: _killed(lambda: machine.services[name].kill(number))


def _kill_a_front(stand: OneMachine) -> Strike:
    def kill(chance: random.Random) -> None:
        os.kill(chance.choice(stand.front_pids()), signal.SIGKILL)

    return lambda chance: _killed(lambda: kill(chance))


def _kill_postgres(machine: Machine) -> None:
    for pid in processes_in(machine.data / "postgres/cluster"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def _killed_database(stand: OneMachine) -> Iterator[None]:
    """As where `kench up` watches over it: it is brought back."""
    _kill_postgres(stand.leader)
    try:
        yield
    finally:
        stand.start_database(stand.leader)


@contextlib.contextmanager
def _restarted_database(stand: OneMachine) -> Iterator[None]:
    """Stopped as by its unit, with others connected; and started."""
    cluster = stand.leader.data / "postgres/cluster"
    first = (cluster / "postmaster.pid").read_text().split()[0]
    os.kill(int(first), signal.SIGINT)  # a "fast" stop
    while set(processes_in(cluster)):
        time.sleep(0.05)
    try:
        yield
    finally:
        stand.start_database(stand.leader)


@contextlib.contextmanager
def _without_power(stand: OneMachine, machine: Machine) -> Iterator[None]:
    stand.lose_power(machine)
    try:
        yield
    finally:
        stand.restart(machine)


@contextlib.contextmanager
def _promoted(stand: OneMachine) -> Iterator[None]:
    stand.lose_power(stand.leader)
    stand.promote("--main-is-off")
    stand.change_places()
    try:
        yield
    finally:
        stand.make_anew()


@contextlib.contextmanager
def _replaced(stand: OneMachine) -> Iterator[None]:
    """The old machine lives on behind a line that is cut, and hears of it when that is whole."""
    old = stand.leader
    stand.network.pull(old.host.name)
    began = time.monotonic()
    try:
        stand.promote()
    except ServiceError as refused:
        if "heard" not in str(refused):
            raise
        time.sleep(HEARD_S)
        stand.promote()
    else:
        # On a busy machine the command itself may begin when nothing was heard for so long.
        if time.monotonic() - began < HEARD_S:
            raise BrokenPromiseError("the standby was promoted while its main machine was heard")
    stand.change_places()
    try:
        yield
    finally:
        stand.network.plug(old.host.name)
        _see_it_leave(old)
        stand.make_anew()


def _see_it_leave(machine: Machine) -> None:
    """Wait until a machine that was replaced serves nobody, whoever starts its programs again."""
    deadline = time.monotonic() + REPLACED_S
    while not (machine.data / "replaced").exists() or machine.services["stratum"].serves:
        if time.monotonic() > deadline:
            raise BrokenPromiseError("the machine that was replaced does not leave")
        time.sleep(0.2)
