"""A `kench sell` that stands still after its last look: the venue and the books stay one sale's.

Two real processes, a real `kench venue`; each of the two stands still once.
"""

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.clock import SystemClock
from kench.pool.database import Role
from kench.pool.secret_sources import tell_secret
from kench.venue.event_file import EventFile
from kench.venue.exchange import Exchange, Terms
from kench.venue.market import SetMarket
from tests.sale.standing_seller import STANDS_STILL_AT
from tests.sale.world import World, quick_engine, rules
from tests.support.orders import book_of
from tests.support.registers import accept_orders, trust_settings
from tests.support.root_process import running_root
from tests.support.settling import NO_NODE
from tests.support.stopping import Process, await_answer, await_event, events_of
from tests.support.waiting import await_that

WINDOW_S = 8
SELLER = "tests.sale.standing_seller"
SLICE_SAT = 1_000_000
RULES = rules(["paper"], slice_sat=SLICE_SAT, interval_s=1, deviation_bp=5000, depth_bp=10_000)
HOLDER = "SELECT split_part(holder, ' process ', 2)::int FROM leases WHERE name = 'sell'"
ORDERS = sa.text("""
    SELECT slice, client_id, state, filled_sat FROM venue_orders ORDER BY slice
""")
STATE_OF = "SELECT state FROM venue_orders WHERE slice = {}"
LOTS = "SELECT string_agg(state, ' ') FROM lots"


@pytest.fixture
def lot(database: str, engine: sa.Engine) -> Iterator[World]:
    """One lot of three slices, about to be sold."""
    accept_orders(engine, (1, RULES))
    seller = quick_engine(database, Role.SELL)
    world = World(engine, seller, orders=book_of((1, RULES)))
    world.rigs["paper"].market.set((), ())
    world.block({1: 3 * SLICE_SAT}, weights={"paper": 3 * SLICE_SAT})
    world.executor.turn()
    assert [one.state for one in world.lots()] == ["selling"]
    yield world
    seller.dispose()


@pytest.fixture
def venue(lot: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A venue that has the lot's coins; yields the variables by which one sells there."""
    memory = EventFile(tmp_path / "venue" / "events.jsonl")
    exchange = Exchange(SystemClock(), SetMarket(), Terms(), memory.append)
    # Coins of a block to come too: the venue would have what to sell besides.
    for number in (1, 2):
        exchange.see_deposit(lot.txid_of(number), 0, 3 * SLICE_SAT)
        exchange.credit_deposit(lot.txid_of(number), 0)
    memory.close()
    variables = {"KENCH_DATA": str(tmp_path), "KENCH_VENUE_WINDOW_S": str(WINDOW_S)}
    told = tell_secret(variables, tmp_path / "venue-secrets", "node_urls", NO_NODE)
    words = ["--venue-port", "0"]
    with running_root("kench.venue", tmp_path / "venue.log", told, words) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("kench venue: ").strip()
        key_file = str(tmp_path / "venue" / "key.json")
        paper = {"name": "paper", "kind": "paper", "url": url, "key_file": key_file}
        yield {"KENCH_VENUES": json.dumps([paper])}


def placed(folder: Path) -> list[str]:
    """Return the ids of the orders that the venue took, in their order."""
    lines = (folder / "venue" / "events.jsonl").read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [one["client_id"] for one in events if one["event"] == "order"]


def booked_by(log: Path) -> list[str]:
    """Return the ids of the orders that a seller booked, in its order."""
    return [entry["id"] for entry in events_of(log) if entry["event"] == "slice sold"]


def await_stopped(process: Process) -> None:
    """Wait until a process stands still."""
    status = Path(f"/proc/{process.pid}/stat")
    await_that(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")


def test_what_a_seller_sends_after_it_stood_still_is_its_intent_in_time_or_nothing(
    lot: World, venue: dict[str, str], database: str, engine: sa.Engine, tmp_path: Path
) -> None:
    known = {
        **trust_settings(tmp_path), **venue, "KENCH_DATA": str(tmp_path), "KENCH_LEASE_S": "2",
        "KENCH_DATABASE_URL": database, STANDS_STILL_AT: "1",
    }  # fmt: skip
    first_log, second_log = tmp_path / "first.log", tmp_path / "second.log"
    with contextlib.ExitStack() as stack:
        with engine.begin() as connection:
            # No slice is offered before both are there: the venue's window is short.
            connection.execute(sa.text("LOCK TABLE venue_orders"))
            first = stack.enter_context(running_root(SELLER, first_log, known))
            await_answer(engine, HOLDER, first.pid)
            second = stack.enter_context(running_root(SELLER, second_log, known))
            await_event(second_log, "another is at work, standing by")
        await_stopped(first)
        await_answer(engine, HOLDER, second.pid)
        assert placed(tmp_path) == []
        # In time: the order is sold as it was intended, and the second one books it.
        first.send_signal(signal.SIGCONT)
        await_answer(engine, STATE_OF.format(1), "filled")
        lost = await_event(first_log, "lease lost, standing by")
        assert f"process {second.pid} has the lease" in lost["why"]

        await_stopped(second)
        await_answer(engine, HOLDER, first.pid)
        # Too late: the first one has sold all without it, and it is refused.
        await_answer(engine, LOTS, "settled")
        second.send_signal(signal.SIGCONT)
        lost = await_event(second_log, "lease lost, standing by")
        assert f"process {first.pid} has the lease" in lost["why"]
    with engine.connect() as connection:
        orders = connection.execute(ORDERS).all()
    assert [(order.state, order.filled_sat) for order in orders] == [
        ("filled", SLICE_SAT), ("not_placed", 0), ("filled", SLICE_SAT), ("filled", SLICE_SAT),
    ]  # fmt: skip
    assert placed(tmp_path) == [order.client_id for order in orders if order.filled_sat]
    assert booked_by(second_log) == [orders[0].client_id]
    assert booked_by(first_log) == [orders[2].client_id, orders[3].client_id]
