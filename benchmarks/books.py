"""A block of many participants through the books: booked, mature, a lot, sold and settled.

    python -m benchmarks.books [--participants 20000]

Each step is one transaction in a real PostgreSQL in a temporary folder, by the code that a pool
books with; a block of two goes first, so that plans are made when the tables are all but empty, as
in a pool. CPU seconds of this process and of PostgreSQL together, the commit with its checks
included, as the median of the rounds. Exit status 1: all steps together take longer than they are
held to, or the books disagree.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD
from benchmarks.load.database import running_database
from benchmarks.load.server_cpu import ServerCpu
from benchmarks.load.table_sizes import table_sizes
from kench.payouts import ledger
from kench.payouts.audit.invariants import differences
from kench.payouts.booking import book_block
from kench.payouts.postings import write
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.payouts.rounds import FoundBlock, Paid
from kench.payouts.split import split
from kench.pool.address import burn_address
from kench.pool.coinbase import Output
from kench.pool.database import Role, open_engine
from kench.pool.moments import moment_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import canonical, read_document
from kench.sale.entries import deposit_lines, fill_lines
from kench.sale.lots import LotKey, move, read_lot
from kench.sale.machine import LotState
from kench.sale.making import make_lots

PARTICIPANTS = 20_000
REWARD_SAT = 312_500_000
GROSS_TYIYN = 2_510_000_000
VENUE = "paper"
NOW_US = 1_767_300_000_000_000
ORDER = {
    "kench_order": 1,
    "number": 1,
    "title": "Benchmark",
    "issued": "2026-01-01",
    "network": "regtest",
    "effective": {"height": 1, "moment": "2026-01-01T00:00:00+06:00"},
    "rules": {
        "fee": {"pool_ppm": 20_000},
        "venues": [{"venue": VENUE, "address": burn_address("regtest"), "weight": 1}],
        "licences": [
            {
                "venue": VENUE,
                "name": "Paper Venue",
                "number": "L-1",
                "from": "2026-01-01",
                "until": "2027-12-31",
            }
        ],
    },
}
# Of all steps of 20,000 participants together, and as much for each of fewer, beside what
# any block takes.
HELD_S = 7.0
HELD_ANY_S = 0.2
SELL_ALL = (
    """INSERT INTO venue_orders (client_id, block_hash, vout, slice, venue, amount_sat, limit_price,
        reference_price, sale_order, licence_order, intended_at)
    VALUES (:client_id, :block_hash, :vout, 1, :venue, :amount_sat, 1, 1, 1, 1, :at)""",
    """INSERT INTO fills (venue, trade_id, client_id, block_hash, vout, amount_sat, price, cost,
        fee, gross_tyiyn, fee_tyiyn, at, booked_at, raw)
    VALUES (:venue, :client_id, :client_id, :block_hash, :vout, :amount_sat, 1, :cost, 0,
        :gross_tyiyn, 0, :at, :at, '{}')""",
    "UPDATE venue_orders SET state = 'filled', ended_at = :at WHERE client_id = :client_id",
)


class Books:
    """Blocks that go through the books, and what each step of one took."""

    def __init__(self, url: str) -> None:
        self.settle = open_engine(url, Role.SETTLE, application_name="benchmark", pool_size=1)
        self.sell = open_engine(url, Role.SELL, application_name="benchmark", pool_size=1)
        self.owner = open_engine(url, application_name="benchmark", pool_size=1)
        self.orders = OrderBook.of([read_document(canonical(ORDER))])
        self.costs: dict[str, list[float]] = {}
        self._server = ServerCpu(self.settle)
        self._blocks = 0

    @contextmanager
    def step(self, name: str, engine: sa.Engine) -> Iterator[sa.Connection]:
        """One transaction; its CPU is counted under a name."""
        server_s, own_s = self._server.seconds(), time.process_time()
        with engine.begin() as connection:
            yield connection
        spent_s = self._server.seconds() - server_s + time.process_time() - own_s
        self.costs.setdefault(name, []).append(spent_s)

    def take(self, participants: int) -> None:
        """Let a block of so many participants go all the way."""
        block = self._found(participants)
        with self.step("book and pend", self.settle) as connection:
            book_block(connection, block, {})
        with self.step("post", self.settle) as connection:
            ledger.post(connection, block.hash, 1)
        with self.step("make a lot", self.sell) as connection:
            (key,) = make_lots(connection, self.orders, NOW_US)
        with self.sell.begin() as connection:
            _sell(connection, key)
        with self.step("settle", self.sell) as connection:
            settle_lot(connection, Lot(*key), self.orders, moment_of(NOW_US))

    def _found(self, participants: int) -> FoundBlock:
        self._blocks += 1
        digest = hashlib.sha256(str(self._blocks).encode()).hexdigest()
        work_hashes = {i + 1: 10**15 + i * 10**9 for i in range(participants)}
        script = self.orders.venues_at(1).rule[0].script
        return FoundBlock(
            hash=digest,
            height=self._blocks,
            instance=0,
            sequence=self._blocks,
            job_key=1,
            time_us=NOW_US,
            participant=1,
            worker=1,
            credited=True,
            share_work_hashes=1,
            reward_sat=REWARD_SAT,
            order=0,
            method="round",
            coinbase_txid=digest,
            outputs=[Output(script, REWARD_SAT)],
            paid=Paid(work_hashes, split(REWARD_SAT, work_hashes), {}),
        )

    def close(self) -> None:
        """Let go of the database."""
        self.settle.dispose()
        self.sell.dispose()
        self.owner.dispose()


def _sell(connection: sa.Connection, key: LotKey) -> None:
    """The venue credits a lot's coins and takes all of them in one trade."""
    lot = read_lot(connection, key)
    for state in ("screening", "cleared", "selling"):
        lot = move(connection, lot, LotState(state), "benchmark", NOW_US, credited_us=NOW_US)
    write(connection, deposit_lines(lot))
    values = {
        **key._asdict(),
        "client_id": key.block_hash[:32],
        "venue": VENUE,
        "amount_sat": REWARD_SAT,
        "cost": Decimal(GROSS_TYIYN).scaleb(-2),
        "gross_tyiyn": GROSS_TYIYN,
        "at": moment_of(NOW_US),
    }
    for statement in SELL_ALL:
        connection.execute(sa.text(statement), values)
    write(connection, fill_lines(VENUE, key.block_hash[:32], REWARD_SAT, GROSS_TYIYN, 0))
    move(connection, read_lot(connection, key), LotState.SOLD, "benchmark", NOW_US)


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether the books are as fast as they are held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.books",
        description="Measure what a block of many participants costs the books.",
        epilog="example: python -m benchmarks.books --participants 5000",
    )
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="(20000)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many blocks (3)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="books-", dir=given.folder) as name,
        running_database(Path(name)) as url,
    ):
        books = Books(url)
        books.take(2)
        books.costs.clear()
        for _ in range(given.rounds):
            books.take(given.participants)
        with books.owner.connect() as connection:
            faults = list(differences(connection))
            sizes = table_sizes(connection)
        books.close()
    shown = Table(title=f"a block of {given.participants:,} participants through the books")
    shown.add_column("transaction")
    shown.add_column("CPU s", justify="right")
    figures = {step: median(costs) for step, costs in books.costs.items()}
    for step, cost_s in figures.items():
        shown.add_row(step, f"{cost_s:.2f}")
    total_s = sum(figures.values())
    shown.add_section()
    shown.add_row("all", f"{total_s:.2f}")
    held_s = HELD_S * given.participants / PARTICIPANTS + HELD_ANY_S
    if total_s > held_s:
        faults.append(f"{total_s:.2f} s of CPU, and {held_s:.2f} s are enough")
    console = Console()
    console.print(shown)
    told = {
        "participants": given.participants,
        "rounds": given.rounds,
        "cpu_s": figures,
        "tables": sizes,
    }
    return end(console, faults, told, given.json)


if __name__ == "__main__":
    sys.exit(main())
