"""`kench venue` as a process beside a node: deposits of the chain, restarts, and its own faults."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kench.pool.address import burn_address
from kench.pool.api_key import read_api_key
from kench.pool.clock import SystemClock
from kench.pool.secret_sources import tell_secret
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.port import DepositState
from kench.sale.venues.web import Web
from tests.support.nodes import Node, kench_command, kench_node

WAIT_S = 30.0


class VenueProcess:
    """A `kench venue` of a folder."""

    def __init__(self, folder: Path, node: Node, **environment: str) -> None:
        self._folder = folder
        with (folder / "venue.log").open("a") as said:
            self.process = subprocess.Popen(
                kench_command("venue", "--data", str(folder), "--venue-port", "0"),
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={
                    **os.environ,
                    "KENCH_NODE_URLS": (
                        f"http://127.0.0.1:{node.rpc.port}?cookie={node.cookie_file}"
                    ),
                    "KENCH_VENUE_LATENCY_MS": "0",
                    **environment,
                },
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("kench venue: http://"), (folder / "venue.log").read_text()
        self.url = line.split(" ")[2].strip()
        assert self.process.stdout.readline() == "kench venue: ready\n"

    def client(self) -> PaperVenue:
        key = read_api_key(self._folder / "venue" / "key.json")
        clock = SystemClock()
        return PaperVenue("paper", self.url, key, Web("paper", clock, 10.0), clock)

    def end(self, *, kill: bool = False) -> int:
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        status = self.process.wait(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def _await(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return result


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with kench_node(tmp_path_factory.mktemp("node"), "--block-difficulty", "0") as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, node: Node) -> Iterator[Callable[..., VenueProcess]]:
    started: list[VenueProcess] = []

    def start_one(**environment: str) -> VenueProcess:
        started.append(VenueProcess(tmp_path, node, **environment))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.end(kill=True)


def test_a_coinbase_is_credited_after_a_hundred_blocks_and_sold_and_no_restart_forgets_it(
    start: Callable[..., VenueProcess], node: Node, tmp_path: Path
) -> None:
    (first,) = node.rpc.call("generatetoaddress", 1, burn_address("regtest"))
    coinbase = node.rpc.call("getblock", first, 2)["tx"][0]
    venue = start()
    client = venue.client()
    (seen,) = _await(lambda: client.deposits(0))
    assert (seen.txid, seen.vout, seen.state) == (coinbase["txid"], 0, DepositState.SEEN)
    other = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
    node.rpc.call("generatetoaddress", 98, other)
    node.rpc.call("generatetoaddress", 1, other)
    _await(lambda: client.balance().free_sat)
    (credited,) = client.deposits(0)
    assert credited.state is DepositState.CREDITED
    assert client.balance().free_sat == credited.amount_sat == 50 * 100_000_000

    price = client.book().bids[2].price
    sold = client.place_limit_ioc("order-1", 10_000_000, price, SystemClock().now_us())
    assert sold.filled_sat == 10_000_000
    fills, balance = client.fills("order-1"), client.balance()
    assert venue.end(kill=True) < 0

    # A line that the crash cut short was told to nobody.
    with (tmp_path / "venue" / "events.jsonl").open("ab") as events:
        events.write(b'{"event":"order","client_id":"order-2","amo')
    venue = start()
    client = venue.client()
    assert client.fills("order-1") == fills
    assert client.balance() == balance
    assert client.look_up("order-2") is None
    assert client.deposits(0) == [credited]
    assert venue.end() == 0
    assert (tmp_path / "venue" / "key.json").stat().st_mode & 0o077 == 0
    assert (
        read_api_key(tmp_path / "venue" / "key.json").secret
        not in (tmp_path / "venue.log").read_text()
    )


def test_a_deposit_whose_block_leaves_the_chain_is_rejected(
    start: Callable[..., VenueProcess], node: Node
) -> None:
    client = start(KENCH_VENUE_DRAW="other").client()
    (lost,) = node.rpc.call("generatetoaddress", 1, burn_address("regtest"))
    txid = node.rpc.call("getblock", lost, 2)["tx"][0]["txid"]

    def state() -> DepositState | None:
        return next((one.state for one in client.deposits(0) if one.txid == txid), None)

    _await(lambda: state() is DepositState.SEEN)
    node.rpc.call("invalidateblock", lost)
    _await(lambda: state() is DepositState.REJECTED)
    node.rpc.call("reconsiderblock", lost)
    _await(lambda: state() is DepositState.SEEN)


def test_two_venues_do_not_share_a_memory(
    start: Callable[..., VenueProcess], node: Node, tmp_path: Path
) -> None:
    start()
    done = subprocess.run(
        kench_command("venue", "--data", str(tmp_path), "--venue-port", "0"),
        env=tell_secret(os.environ, tmp_path / "secrets", "node_urls", node.url),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert "another `kench venue` works with" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_prices_wander_around_their_base(start: Callable[..., VenueProcess]) -> None:
    client = start(KENCH_VENUE_PRICE_KGS="5000000").client()
    book = client.book()
    assert Decimal(4_500_000) < book.bids[0].price < book.asks[0].price < Decimal(5_500_000)
