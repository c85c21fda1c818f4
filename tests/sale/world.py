"""A small world for tests of the sale: blocks, two venues in process, a provider, a set clock."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from kench.payouts import ledger
from kench.pool.address import address_of
from kench.pool.clock import ManualClock
from kench.pool.database import Role, connect_arguments
from kench.pool.orders.book import OrderBook
from kench.sale import tables
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.lots import Lot, LotKey, lot_of, read_unfinished
from kench.sale.screening.port import Check, CheckState, Screening, Transfer
from kench.sale.settling import settle
from kench.sale.venues.port import Venue
from kench.venue.exchange import PLAIN, Exchange, Terms, Whim
from kench.venue.market import Quote, SetMarket
from tests.payouts.books import add_block
from tests.support.orders import DEMO_RULES, LICENCE, MOMENT_US, REGTEST, book_of
from tests.support.venues import DirectVenue

BITCOIN = 100_000_000
MATURE_SAT = 312_500_000


def address_of_venue(name: str) -> str:
    """A deposit address of its own for each venue."""
    script = b"\x00\x14" + hashlib.sha256(name.encode()).digest()[:20]
    address = address_of(script, REGTEST)
    assert address
    return address


def rules(names: Iterable[str] = ("other", "paper"), **changes: Any) -> dict[str, Any]:
    """Rules of the demo order, with changed fields of its sale section, and these venues."""
    venues = [
        {"venue": name, "address": address_of_venue(name), "weight": weight}
        for weight, name in enumerate(names, 1)
    ]
    licences = [{**LICENCE, "venue": name, "number": f"L-{name}"} for name in names]
    return {**DEMO_RULES, "venues": venues, "licences": licences,
            "sale": {**DEMO_RULES["sale"], **changes}}  # fmt: skip


@dataclass
class ScriptedScreening:
    """A provider in process: clear unless told otherwise for a transaction."""

    provider: str = "local"
    scores_bp: dict[str, int | None] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)

    def register(self, transfer: Transfer) -> str:
        self.transfers[transfer.reference] = transfer
        return transfer.reference

    def get(self, check_id: str) -> Check:
        transfer = self.transfers[check_id]
        score = self.scores_bp.get(transfer.txid, 100)
        raw = f"{check_id} {score}"
        return Check(CheckState.CHECKED, score, "low", self.provider, check_id,
                     transfer.reference, raw, hashlib.sha256(raw.encode()).digest())  # fmt: skip


@dataclass
class VenueRig:
    """A venue in process, and the hands that feed it."""

    name: str
    clock: ManualClock
    terms: Terms = field(default_factory=Terms)
    whims: Callable[[], Whim] = lambda: PLAIN
    market: SetMarket = field(default_factory=SetMarket)
    exchange: Exchange = field(init=False)
    venue: DirectVenue = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.clock, self.market, self.terms, lambda _event: None)
        self.venue = DirectVenue(self.exchange, self.clock, self.name, whims=self._whim)
        self.quote("8000000")

    def _whim(self) -> Whim:
        return self.whims()

    def quote(self, bid: str, sat: int = 100 * BITCOIN) -> None:
        tyiyn = int(Decimal(bid) * 100)
        self.market.set((Quote(tyiyn, sat),), (Quote(tyiyn + tyiyn // 1000, sat),))


@dataclass
class World:
    """Everything around an executor; a new one is a new process."""

    owner: sa.Engine
    engine: sa.Engine
    bare: sa.Engine | None = None
    """The same without the fence of a lease, where `engine` has one."""
    orders: OrderBook = field(default_factory=lambda: book_of((1, rules())))
    clock: ManualClock = field(default_factory=lambda: ManualClock(MOMENT_US + 1_000_000))
    screening: ScriptedScreening = field(default_factory=ScriptedScreening)
    rigs: dict[str, VenueRig] = field(default_factory=dict)
    blocks: int = 0
    executor: Executor = field(init=False)

    def __post_init__(self) -> None:
        for venue in self.orders.venues_at(100).rule:
            self.rigs[venue.venue] = VenueRig(venue.venue, self.clock)
        self.restart()

    def desk(self) -> Desk:
        return Desk(self.transact, self.clock, lambda: self.orders, self.venues(),
                    self.screenings(), self.look, (self.bare or self.engine).begin)  # fmt: skip

    def venues(self) -> Mapping[str, Venue]:
        return {name: rig.venue for name, rig in self.rigs.items()}

    def screenings(self) -> Mapping[str, Screening]:
        return {"local": self.screening}

    def transact(self) -> AbstractContextManager[sa.Connection]:
        return self.engine.begin()

    def look(self) -> AbstractContextManager[sa.Connection]:
        bare = self.bare or self.engine
        return bare.execution_options(isolation_level="AUTOCOMMIT").connect()

    def restart(self) -> None:
        self.executor = Executor(self.desk(), settle(lambda: self.orders, self.clock))

    def block(
        self, credits_sat: Mapping[int, int] | None = None, *, credit: bool = True,
        weights: Mapping[str, int] | None = None,
    ) -> str:  # fmt: skip
        """A mature block whose outputs the venues have seen, and credited if said so."""
        self.blocks += 1
        credits_sat = credits_sat or {1: MATURE_SAT * 2 // 3, 2: MATURE_SAT - MATURE_SAT * 2 // 3}
        block_hash = hashlib.sha256(f"block {self.blocks}".encode()).hexdigest()
        txid = self.txid_of(self.blocks)
        reward_sat = sum(credits_sat.values())
        shares = weights or {"other": reward_sat // 3, "paper": reward_sat - reward_sat // 3}
        height = 100 + self.blocks
        with self.owner.begin() as connection:
            add_block(connection, block_hash, dict(credits_sat), height=height,
                      sequence=self.blocks)  # fmt: skip
            ledger.pend(connection, block_hash, 1)
            ledger.post(connection, block_hash, 1)
            connection.execute(
                sa.text("UPDATE blocks SET coinbase_txid = :txid WHERE hash = :hash"),
                {"txid": txid, "hash": block_hash},
            )
            scripts = {venue.venue: venue.script for venue in self.orders.venues_at(height).rule}
            for vout, (venue, amount_sat) in enumerate(sorted(shares.items())):
                connection.execute(
                    sa.text("INSERT INTO block_outputs VALUES (:hash, :vout, :script, :sat)"),
                    {"hash": block_hash, "vout": vout, "script": scripts[venue],
                     "sat": amount_sat},
                )  # fmt: skip
                self.rigs[venue].exchange.see_deposit(txid, vout, amount_sat)
                if credit:
                    self.rigs[venue].exchange.credit_deposit(txid, vout)
        return block_hash

    @staticmethod
    def txid_of(number: int) -> str:
        return hashlib.sha256(f"coinbase {number}".encode()).hexdigest()

    def set_orphaned(self, block_hash: str, *, orphaned: bool) -> None:
        with self.owner.begin() as connection:
            connection.execute(
                sa.text("UPDATE blocks SET alarm = :alarm WHERE hash = :hash"),
                {"alarm": orphaned, "hash": block_hash},
            )

    def run(self, turns: int = 60, seconds: float = 61.0) -> None:
        """Let time pass in turns, until nothing is unfinished or the turns are over."""
        for _ in range(turns):
            self.executor.turn()
            self.clock.advance(seconds)
            if all(lot.state in {"settled", "written_off"} for lot in self.lots()):
                return

    def lots(self) -> list[Lot]:
        with self.owner.connect() as connection:
            rows = connection.execute(sa.select(tables.lots).order_by("height", "vout"))
            return [lot_of(row) for row in rows]

    def unfinished_lots(self) -> list[Lot]:
        with self.owner.connect() as connection:
            return [one.lot for one in read_unfinished(connection)]

    def lot(self, block_hash: str, vout: int = 0) -> Lot:
        return next(lot for lot in self.lots() if lot.key == LotKey(block_hash, vout))

    def events(self, key: LotKey) -> list[str]:
        with self.owner.connect() as connection:
            return list(
                connection.execute(
                    sa.select(tables.lot_events.c.goes_to)
                    .where(tables.lot_events.c.block_hash == key.block_hash,
                           tables.lot_events.c.vout == key.vout)
                    .order_by("version")
                ).scalars()
            )  # fmt: skip


def quick_engine(url: str, role: Role | None = None) -> sa.Engine:
    """One connection whose commits do not wait for the disk: crashes here are those of a process.

    It is the process that dies in these tests, never the database.
    """
    arguments = connect_arguments(role, application_name="test")
    arguments["options"] += " -c synchronous_commit=off"
    url = sa.make_url(url).set(drivername="postgresql+psycopg2")
    return sa.create_engine(url, pool_size=1, max_overflow=0, connect_args=arguments)
