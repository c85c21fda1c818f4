"""What can befall a pool of several machines, and what is promised for each."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from tests.chaos.checks import BrokenPromiseError
from tests.chaos.machines import full, power_off
from tests.chaos.services import Service
from tests.chaos.several import FRONTS, MAKERS, NATS, Several
from tests.chaos.slow_line import slowed
from tests.chaos.steps import Fault, Noted, Strike

SLOW_S, LOSS = 0.04, 0.01
CLOCK_STEPS_S = (-300.0, -20.0, -2.0, 2.0, 20.0)
"""What was written ahead of the clock is booked when it gets there, so not far ahead."""
TAKEN_OVER_S = 15.0
"""Two seconds are promised, and measured; so much is allowed on cores that carry all machines."""
LOOK_S = 0.05

AT_ONCE, SERVES = "served all along; no miner waits 5 s", "served within 10 s"
CLOCK = AT_ONCE + "; what came ahead of the clock is booked when it gets there"
ELECTS = AT_ONCE + "; another makes the jobs within 2 s"


def faults_of(stand: Several) -> list[Fault]:
    """Return all, of the machines as they stand now."""
    return [*_kills(stand), *_restarts(stand), *_lines(stand), *_slow(stand), *_machines(stand),
            *_power(stand)]  # fmt: skip


def _kills(stand: Several) -> Iterator[Fault]:
    yield Fault("kill -9: a front", SERVES, 10, _kill_a_front(stand))
    yield Fault(
        "kill -9: all of a front-end's feed", SERVES, 10,
        _end_one_of([stand.machines[name].stratum for name in FRONTS]),
    )  # fmt: skip
    yield Fault("kill -9: the job maker", ELECTS, 5, lambda _: _without_maker(stand))
    yield Fault("kill -9: a NATS server", SERVES, 10, _end_one_of(stand.nats))
    for name, service in (
        ("kench gather", stand.gather),
        ("settlement", stand.settle),
        ("PostgreSQL", stand.database.service),
        ("PostgreSQL's replica", stand.replica.service),
        ("the node", stand.service("node")),
    ):
        yield Fault(f"kill -9: {name}", AT_ONCE, 5, _end_one_of([service]))


def _restarts(stand: Several) -> Iterator[Fault]:
    yield Fault("restart: a NATS server", SERVES, 10, _end_one_of(stand.nats, signal.SIGTERM))
    yield Fault(
        "restart: PostgreSQL", AT_ONCE, 5, _end_one_of([stand.database.service], signal.SIGINT)
    )


def _lines(stand: Several) -> Iterator[Fault]:
    database = stand.database.host.name
    yield Fault(
        "line cut: a front-end and the cluster", SERVES, 10,
        lambda chance: _cut(stand, chance.choice(FRONTS), NATS), (3.0, 6.0),
    )  # fmt: skip
    yield Fault(
        "line cut: the job maker and the cluster", ELECTS, 5,
        lambda _: _without_maker(stand, lambda name: _cut(stand, name, NATS)), (3.0, 6.0),
    )  # fmt: skip
    yield Fault(
        "line cut: a front-end and PostgreSQL", AT_ONCE, 5,
        lambda chance: _cut(stand, chance.choice(FRONTS), [database]), (3.0, 6.0),
    )  # fmt: skip
    yield Fault(
        "line cut: two NATS servers", SERVES, 10,
        lambda chance: stand.network.without(*chance.sample(NATS, 2)), (3.0, 6.0),
    )  # fmt: skip
    yield Fault("cable pulled: a front-end", SERVES, 10, _pull_one_of(stand, FRONTS), (3.0, 6.0))
    yield Fault("cable pulled: a NATS server", SERVES, 10, _pull_one_of(stand, NATS), (3.0, 6.0))
    yield Fault(
        "cable pulled: the job maker", ELECTS, 5,
        lambda _: _without_maker(stand, stand.network.pulled), (3.0, 6.0),
    )  # fmt: skip
    for what, name in (("the books", "books"), ("PostgreSQL", database), ("the node", "node")):
        yield Fault(f"cable pulled: {what}", AT_ONCE, 5, _pull_one_of(stand, [name]), (3.0, 6.0))


def _slow(stand: Several) -> Iterator[Fault]:
    for what, names in (
        ("a front-end", FRONTS),
        ("a NATS server", NATS),
        ("PostgreSQL", [stand.database.host.name]),
    ):
        yield Fault(
            f"slow line, 80 ms there and back, 1 in 100 lost: {what}", SERVES, 10,
            lambda chance, names=names: slowed(
                stand.network, chance.choice(names), chance, delay_s=SLOW_S, loss=LOSS
            ),
            (3.0, 6.0),
        )  # fmt: skip


def _machines(stand: Several) -> Iterator[Fault]:
    yield Fault(
        "disk full: a front-end's journal", SERVES, 10,
        lambda chance: full(stand.machines[chance.choice(FRONTS)].data / "journal"), (3.0, 5.0),
    )  # fmt: skip
    for what, names in (("a front-end", FRONTS), ("a maker", MAKERS)):
        yield Fault(
            f"clock stepped, 5 minutes back to 20 s on, and back again: {what}", CLOCK, 5,
            lambda chance, names=names: stand.machines[chance.choice(names)].clock.stepped(
                chance.choice(CLOCK_STEPS_S)
            ),
            (3.0, 6.0),
        )  # fmt: skip


def _power(stand: Several) -> Iterator[Fault]:
    nats = {name: [stand.service(name)] for name in NATS}
    yield Fault(
        "power lost: a front-end, and back", SERVES, 10,
        lambda chance: _front_without_power(stand, chance.choice(FRONTS)), (2.0, 5.0),
    )  # fmt: skip
    yield Fault(
        "power lost: a NATS server, and back", SERVES, 10,
        lambda chance: _without_power(stand, nats[chance.choice(NATS)]), (2.0, 5.0),
    )  # fmt: skip
    yield Fault(
        "power lost: the whole cluster, and back", SERVES, 10,
        lambda _: _without_power(stand, stand.nats), (3.0, 8.0), is_long=True,
    )  # fmt: skip
    yield Fault(
        "power lost: the books, and back", AT_ONCE, 5,
        lambda _: _without_power(stand, [stand.gather, stand.settle]), (2.0, 5.0),
    )  # fmt: skip
    yield Fault(
        "power lost: PostgreSQL; the replica is promoted", AT_ONCE, 5,
        lambda _: _database_replaced(stand), (2.0, 5.0), is_long=True,
    )  # fmt: skip


def _end_one_of(services: Sequence[Service], number: int = signal.SIGKILL) -> Strike:
    @contextlib.contextmanager
    def strike(chance: random.Random) -> Iterator[None]:
        chance.choice(services).kill(number)
        yield

    return strike


def _kill_a_front(stand: Several) -> Strike:
    @contextlib.contextmanager
    def strike(chance: random.Random) -> Iterator[None]:
        fronts = stand.state(chance.choice(FRONTS))["fronts"].values()
        os.kill(next(front["pid"] for front in fronts if front["pid"]), signal.SIGKILL)
        yield

    return strike


@contextlib.contextmanager
def _without_maker(
    stand: Several,
    strike: Callable[[str], contextlib.AbstractContextManager[object]] | None = None,
) -> Iterator[Noted]:
    """Strike the one that makes the jobs, by kill -9 if nothing else; see another take over."""
    leads = stand.leading_maker()
    if leads is None:
        raise BrokenPromiseError("nobody makes jobs")
    other = next(name for name in MAKERS if name != leads)
    with contextlib.ExitStack() as mended:
        began = time.monotonic()
        if strike is None:
            stand.machines[leads].stratum.kill()
        else:
            mended.enter_context(strike(leads))
        while (stand.state(other).get("feed") or {}).get("role") != "leads":
            if time.monotonic() - began > TAKEN_OVER_S:
                raise BrokenPromiseError(f"nobody makes jobs {TAKEN_OVER_S:.0f} s after {leads}")
            time.sleep(LOOK_S)
        yield {"another makes the jobs": time.monotonic() - began}


@contextlib.contextmanager
def _cut(stand: Several, name: str, others: Sequence[str]) -> Iterator[None]:
    with contextlib.ExitStack() as cuts:
        for other in others:
            cuts.enter_context(stand.network.without(name, other))
        yield


def _pull_one_of(stand: Several, names: Sequence[str]) -> Strike:
    return lambda chance: stand.network.pulled(chance.choice(names))


@contextlib.contextmanager
def _without_power(stand: Several, services: Sequence[Service]) -> Iterator[None]:
    """Nobody hears a goodbye: cables go first."""
    for service in services:
        service.leave()
    hosts = sorted({service.host.name for service in services})
    for name in hosts:
        stand.network.pull(name)
        power_off(stand.network[name])
    try:
        yield
    finally:
        for name in hosts:
            stand.network.plug(name)
        for service in services:
            service.start(wait=False)


def _front_without_power(stand: Several, name: str) -> contextlib.AbstractContextManager[None]:
    return _without_power(stand, [stand.machines[name].stratum])


@contextlib.contextmanager
def _database_replaced(stand: Several) -> Iterator[Noted]:
    began = time.monotonic()
    old = stand.database
    old.service.leave()
    stand.network.pull(old.host.name)
    power_off(old.host)
    stand.replace_database()
    try:
        yield {"the replica leads": time.monotonic() - began}
    finally:
        stand.network.plug(old.host.name)
        stand.make_replica_anew()
