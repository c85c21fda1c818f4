"""What `kench up` wants of orders before it starts anything that could mine."""

from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.clock import SystemClock
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.orders.document import read_document
from kench.pool.orders.register import OrderUnsoundError, load_orders
from kench.pool.orders.verifying import verifier_of
from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings
from kench.sale.planner import Progress, Slice, plan
from kench.sale.venues.port import Book, Capabilities, Level
from kench.up.orders import OrderNetworkError, OrdersMissingError, demo_order, ready_orders
from kench.up.pki import demo_pki
from kench.venue.market import WanderingMarket
from tests.support.fake_nodes import HealthyNode
from tests.support.orders import DEMO_RULES, MOMENT_US
from tests.support.registers import accept_orders, trust_settings

CLOCK = SystemClock()


class MainNode(HealthyNode):
    """A node whose coins are worth something."""

    chain = "main"


class RegtestNode(HealthyNode):
    """A node whose coins are worth nothing."""

    chain = "regtest"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(data_dir=tmp_path)


def url(node: HealthyNode) -> str:
    return f"http://{node.credentials}@127.0.0.1:{node.port}"


def test_the_embedded_node_gets_an_order_of_the_demos_officers_once(
    engine: sa.Engine, settings: Settings
) -> None:
    with RegtestNode() as node:
        assert ready_orders(engine, settings, url(node), CLOCK, embedded=True)
        assert not ready_orders(engine, settings, url(node), CLOCK, embedded=True)
        next_height = node.height + 1
    with engine.connect() as connection:
        book = load_orders(connection, verifier_of(settings))
    assert (book.newest, book.network) == (1, "regtest")
    assert [one.venue for one in book.venues_at(next_height).rule] == ["paper"]
    later = CLOCK.now_us() + 2_000_000
    assert book.licence_of("paper", later)
    assert (book.screening_at(later).order, book.sale_at(later).order) == (1, 1)


@pytest.mark.parametrize("node_kind", [RegtestNode, MainNode])
def test_nodes_of_others_get_no_order_made_and_nothing_starts(
    engine: sa.Engine, settings: Settings, node_kind: type[HealthyNode]
) -> None:
    with node_kind() as node, pytest.raises(OrdersMissingError, match="kench order --help"):
        ready_orders(engine, settings, url(node), CLOCK, embedded=False)
    assert not settings.demo_pki_directory.exists()


def test_where_authorities_are_named_no_other_is_made(engine: sa.Engine, tmp_path: Path) -> None:
    roots = Path(trust_settings(tmp_path)["KENCH_SIGNATURE_ROOTS"])
    settings = read_settings(data_dir=tmp_path, signature_roots=(roots,))
    with RegtestNode() as node, pytest.raises(OrdersMissingError):
        ready_orders(engine, settings, url(node), CLOCK, embedded=True)
    assert not settings.demo_pki_directory.exists()


def _trusting(tmp_path: Path) -> Settings:
    named = {name.removeprefix("KENCH_").lower(): (Path(value),)
             for name, value in trust_settings(tmp_path).items()}  # fmt: skip
    return read_settings(data_dir=tmp_path, **named)


def test_orders_of_another_network_than_the_nodes_stop_it(
    engine: sa.Engine, tmp_path: Path
) -> None:
    accept_orders(engine)
    with MainNode() as node, pytest.raises(OrderNetworkError, match=r"regtest.*is on main"):
        ready_orders(engine, _trusting(tmp_path), url(node), CLOCK, embedded=False)


def test_an_order_that_is_not_in_force_yet_is_said_with_its_height(
    engine: sa.Engine, tmp_path: Path
) -> None:
    with RegtestNode() as node:
        accept_orders(engine, (node.height + 2, DEMO_RULES))
        with pytest.raises(NoOrderError, match=f"height {node.height + 2}"):
            ready_orders(engine, _trusting(tmp_path), url(node), CLOCK, embedded=False)
        node.height += 1
        assert not ready_orders(engine, _trusting(tmp_path), url(node), CLOCK, embedded=False)


def test_orders_are_not_taken_from_officers_of_another_folder(
    engine: sa.Engine, settings: Settings, tmp_path: Path
) -> None:
    other = read_settings(data_dir=tmp_path / "other")
    demo_pki(other.demo_pki_directory, CLOCK)
    with RegtestNode() as node:
        assert ready_orders(engine, settings, url(node), CLOCK, embedded=True)
        with pytest.raises(OrderUnsoundError):
            ready_orders(engine, other, url(node), CLOCK, embedded=True)


def test_the_demos_order_is_lawful_whenever_it_is_made() -> None:
    for now_us in (CLOCK.now_us(), 1_767_203_999_999_999, 1_767_204_000_000_000):
        document = read_document(demo_order(1, 5, now_us))
        assert document.height == 5
        assert document.moment_us is not None
        assert now_us < document.moment_us <= now_us + 1_000_000


def test_the_demo_sells_a_blocks_coins_in_one_slice_at_almost_any_second() -> None:
    settings, reward_sat = Settings(), 5_000_000_000
    document = read_document(demo_order(1, 1, MOMENT_US))
    rule = OrderBook.of([document]).sale_at(MOMENT_US + 2_000_000).rule
    assert rule.interval_s == 1
    assert rule.daily_cap_sat >= 300 * reward_sat  # regtest will never have more
    market = WanderingMarket(settings.venue_draw, settings.venue_price_kgs * 100,
                             most_sat=settings.venue_level_sat)  # fmt: skip
    can = Capabilities(
        minimum_sat=10_000, step_sat=1, price_step=Decimal("0.01"), client_ids=True,
        immediate_or_cancel=True, deposits=True, request_window_s=10,
    )  # fmt: skip
    slices = []
    for tick in range(0, 86_400, 86):
        depth = market.depth(tick)
        bids, asks = ([Level(Decimal(quote.price_tyiyn) / 100, quote.amount_sat) for quote in side]
                      for side in depth)  # fmt: skip
        progress = Progress(reward_sat, None, 0, None)
        step = plan(progress, rule, can, Book(tuple(bids), tuple(asks), 0, ""), 0)
        assert isinstance(step, Slice)
        slices.append(step.amount_sat)
    assert slices.count(reward_sat) > 0.98 * len(slices)
