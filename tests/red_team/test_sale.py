"""A venue that lies, over its real HTTP: coins it never bought, prices nobody agreed to, deposits.

The sale's own adapter asks it, its own executor believes it or not, and PostgreSQL keeps what is
believed.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from starlette.types import Message, Receive, Scope, Send

from kench.pool.database import Role
from kench.sale.lots import Lot
from tests.sale.world import World, quick_engine
from tests.support.paper_venue import PaperRig, put_paper_rig
from tests.support.web_servers import Switch, switching

SAT = 20_000_000
TURNS = 7
Lie = Callable[[str, dict[str, Any]], object]
"""Changes what is answered to a path."""


class Liar:
    """A venue's application whose answers somebody changes."""

    def __init__(self, app: Any, lie: Lie) -> None:
        self._app, self._lie = app, lie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started: Message = {}

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            told = json.loads(message["body"])
            if started["status"] == 200:
                self._lie(scope["path"], told)
            body = json.dumps(told).encode()
            kept = [one for one in started["headers"] if one[0] != b"content-length"]
            length = (b"content-length", str(len(body)).encode())
            await send(started | {"headers": [*kept, length]})
            await send(message | {"body": body})

        await self._app(scope, receive, changed)


class Scene(NamedTuple):
    """A block whose coins are on sale at a venue that may lie."""

    world: World
    rig: PaperRig
    switch: Switch

    def sell(self, lie: Lie) -> Lot:
        """Have the block's coins sold as far as they are; return the lot."""
        self.switch.app = Liar(self.switch.app, lie)
        block = self.world.block({1: SAT - 7, 2: 7}, weights={"paper": SAT})
        self.world.run(turns=TURNS)
        return self.world.lot(block)

    def fills(self) -> list[Any]:
        """What is believed to be sold."""
        with self.world.owner.connect() as db:
            asked = "SELECT fills.*, limit_price FROM fills JOIN venue_orders USING (client_id)"
            return list(db.execute(sa.text(asked)))


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with switching() as made:
        yield made


@pytest.fixture
def scene(database: str, switch: Switch) -> Iterator[Scene]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    world = World(owner, seller)
    rig = put_paper_rig(switch)
    inner: Any = world.rigs["paper"]
    inner.exchange, inner.market, inner.venue = rig.exchange, rig.market, rig.client()
    rig.clock.advance((world.clock.now_us() - rig.clock.now_us()) / 1e6)
    world.clock = rig.clock
    inner.quote("8000000")
    world.restart()
    yield Scene(world, rig, switch)
    owner.dispose()
    seller.dispose()


def of_trades(change: Callable[[list[dict[str, Any]]], object]) -> Lie:
    """A lie about trades, where there are any."""
    return lambda path, told: path == "/v1/trades" and told["trades"] and change(told["trades"])


def more(trades: list[dict[str, Any]], **changed: Any) -> None:
    trades.append(trades[0] | {"trade_id": "invented"} | changed)


LIES: dict[str, Lie] = {
    "a trade that was none": of_trades(more),
    "one of a hundred bitcoins": of_trades(lambda trades: more(trades, amount_sat=10**10)),
    "less than nothing": of_trades(lambda trades: more(trades, amount_sat=-1)),
    "a trade told twice": of_trades(lambda trades: trades.append(trades[0])),
    "a price below the limit": of_trades(lambda trades: trades[0].update(
        price="1", cost=str(Decimal(trades[0]["amount_sat"]) / 10**8))),
    "another cost than its price": of_trades(lambda trades: trades[0].update(cost="0.01")),
    "a fee of more than it brought": of_trades(lambda trades: trades[0].update(fee="1e15")),
    "a fee in another coin": of_trades(lambda trades: trades[0].update(fee_asset="DOGE")),
    "no number": of_trades(lambda trades: trades[0].update(price="NaN")),
    "another's trade": of_trades(lambda trades: trades[0].update(client_id="somebody")),
    "a filled order without a trade": of_trades(lambda trades: trades.clear()),
    "more filled than ordered": lambda path, told: path.startswith("/v1/orders") and told.update(
        filled_sat=told["amount_sat"] * 2),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_what_a_venue_invents_is_not_booked(what: str, scene: Scene) -> None:
    lot = scene.sell(LIES[what])
    true = {trade.trade_id for trade in scene.rig.exchange.trades}
    fills = scene.fills()
    assert {one.trade_id for one in fills} <= true
    assert sum(one.amount_sat for one in fills) == lot.sold_sat <= lot.amount_sat == SAT
    assert all(one.price >= one.limit_price for one in fills)
    assert lot.state.value != "settled"


def test_without_a_lie_the_same_lot_is_settled(scene: Scene) -> None:
    lot = scene.sell(lambda *_: None)
    assert (lot.state.value, lot.sold_sat) == ("settled", SAT)


@pytest.mark.parametrize(
    ("changed", "state"),
    [({"amount_sat": SAT * 5}, "short_credit"), ({"amount_sat": SAT - 1}, "short_credit"),
     ({"txid": "ab" * 32}, "awaiting_deposit"), ({"vout": 9}, "awaiting_deposit")],
    ids=["more", "less", "another", "elsewhere"],
)  # fmt: skip
def test_coins_that_the_venue_says_came_are_those_that_the_block_paid(
    changed: dict[str, Any], state: str, scene: Scene
) -> None:
    lot = scene.sell(
        lambda path, told: (
            path == "/v1/deposits" and [one.update(changed) for one in told["deposits"]]
        )
    )
    assert (lot.state.value, lot.amount_sat, lot.sold_sat) == (state, SAT, 0)
    assert scene.fills() == []
