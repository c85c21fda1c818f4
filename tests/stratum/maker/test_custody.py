"""Jobs pay whom the order in force at their height says; one that does not is never sent."""

import dataclasses
from typing import Any

import pytest
from structlog.testing import capture_logs

from kench.pool.address import script_of
from kench.pool.clock import ManualClock
from kench.pool.coinbase import Output
from kench.pool.custody import CustodyError, read_coinbase
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.template import Template
from kench.stratum.jobs import JobFactory
from kench.stratum.maker.custody import Custody, WrongNetworkError
from tests.support.jobs import small_template
from tests.support.orders import DEMO_RULES, book_of

ONE = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
OTHER = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"
BOTH = {
    **DEMO_RULES,
    "venues": [
        {"venue": "paper", "address": ONE, "weight": 1},
        {"venue": "second", "address": OTHER, "weight": 2},
    ],
    "licences": [
        DEMO_RULES["licences"][0],
        DEMO_RULES["licences"][0] | {"venue": "second", "number": "L-2"},
    ],
}


class World:
    """A factory with custody over a book that can be exchanged, and what it delivered."""

    def __init__(self, book: OrderBook, network: str | None = "regtest") -> None:
        self.book, self.network = book, network
        self.clock = ManualClock()
        self.custody = Custody(lambda: self.book, lambda: self.network, self.clock)
        self.sent: list[Job] = []
        self.stray: Output | None = None
        self.factory = JobFactory(
            JobMaker(JobKeys(self.clock), self._outputs, b"/kench/"),
            self.custody.check,
            lambda job, _template, _for_all: self.sent.append(job),
        )

    def _outputs(self, template: Template) -> Any:
        """What custody says, unless something went wrong on the way from there to the job."""
        outputs = list(self.custody.outputs(template))
        if self.stray is not None:
            outputs[0] = dataclasses.replace(self.stray, amount_sat=outputs[0].amount_sat)
        return outputs

    def paid(self) -> list[tuple[bytes, int]]:
        """What the newest job pays."""
        job = self.sent[-1].archived
        return list(read_coinbase(job.coinb1, job.coinb2).payments)


def at(height: int) -> Template:
    return small_template(height=height, coinbase_value_sat=3000)


def test_each_job_pays_the_venues_of_its_own_height() -> None:
    world = World(book_of((1, DEMO_RULES), (10, BOTH)))
    world.factory.from_template(at(9))
    assert [sat for _, sat in world.paid()] == [3000]
    assert world.custody.state()["order"] == 1
    world.factory.from_template(at(10))
    assert world.paid() == [(script_of(ONE, "regtest"), 1000), (script_of(OTHER, "regtest"), 2000)]
    world.factory.from_template(at(9))  # the chain was reorganised
    assert [sat for _, sat in world.paid()] == [3000]
    assert world.custody.state() == {
        "order": 1, "checked": 3, "refused": 0, "why": None, "refused_at_us": None,
    }  # fmt: skip


def test_without_an_order_there_is_no_job_and_it_is_said_what_to_do() -> None:
    world = World(OrderBook())
    with pytest.raises(NoOrderError, match="kench order"):
        world.factory.from_template(at(5))
    world.book = book_of((6, DEMO_RULES))
    with pytest.raises(NoOrderError, match="height 6"):
        world.factory.again()
    world.book = book_of((5, DEMO_RULES))
    world.factory.again()
    assert len(world.sent) == 1


def test_orders_of_another_network_pay_nobody() -> None:
    world = World(book_of(), network="main")
    with pytest.raises(WrongNetworkError, match=r"for network regtest.*are on main"):
        world.factory.from_template(at(5))
    assert world.sent == []


def test_a_job_that_pays_another_is_never_sent_and_the_alarm_stands_until_one_passes() -> None:
    world = World(book_of())
    world.factory.from_template(at(5))
    world.stray = Output(b"\x00\x14" + b"\x66" * 20, 0)
    with capture_logs() as logs:
        for make in (lambda: world.factory.from_template(at(6)), world.factory.again):
            with pytest.raises(CustodyError, match="66" * 20):
                make()
    assert len(world.sent) == 1
    assert [entry["log_level"] for entry in logs] == ["critical"] * 2
    state = world.custody.state()
    assert (state["checked"], state["refused"]) == (1, 2)
    assert "66" * 20 in state["why"]
    assert state["refused_at_us"] == world.clock.now_us()
    world.stray = None
    world.factory.again()
    assert (len(world.sent), world.custody.state()["why"]) == (2, None)
