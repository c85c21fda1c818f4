"""The world of a story: fronts, chain, venues, provider, bank, officers, and our processes."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.payouts.bank.make import BatchKind, make_batch
from kench.payouts.bank.outbox import write_batches
from kench.payouts.bank.take import OurSide, take
from kench.payouts.follow import ChainWatch
from kench.payouts.outputs import coinbase_txid_of, outputs_of
from kench.payouts.service import Lookout, SettlementService
from kench.pool.api_key import ApiKey
from kench.pool.backoff import Backoff
from kench.pool.coinbase_outputs import outputs_by_weight
from kench.pool.holder import AWAY, JOIN_S, Holder
from kench.pool.lease import Work
from kench.pool.nodes.chain import ChainView
from kench.pool.orders.book import OrderBook
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.screening.http import HttpScreening
from kench.sale.service import SaleService
from kench.sale.settling import settle
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.web import Web
from kench.screening.provider import LocalProvider
from kench.venue.desk import Desk as VenueDesk
from kench.venue.exchange import FINE_PER_TYIYN, PLAIN, DepositState, Exchange, Terms, Whim
from kench.venue.market import Quote, SetMarket
from tests.payouts.bank.dealings import Bank, som
from tests.payouts.bank.files import ACCOUNT, Line, camt
from tests.payouts.bank.purse import DEBTOR, RULE
from tests.payouts.chains import ScriptedChain
from tests.sale.world import rules
from tests.simulation.checks import CREDITED_LOTS
from tests.simulation.fates import OF_FILES, Fates
from tests.simulation.fronts import Front, job_of
from tests.simulation.ground import Ground
from tests.simulation.processes import Process, Scheduler, Stop
from tests.simulation.wire import (
    HTTP_TIMEOUT_S,
    SteppedNode,
    Transport,
    Wire,
    provider_server,
    signed_by,
    venue_server,
)
from tests.simulation.wire import (
    Line as Wiring,
)
from tests.support.orders import book_of

KEY = ApiKey("story", "secret")
WINDOW_S = 10
STORY_LEASE_S = 300.0
"""Time passes in long steps here, in which nobody renews anything."""
MATURITY = 3
BITCOIN = 100_000_000
FIRST_LEVEL_SAT = 700_000
"""What the best buyer takes: many orders are filled by more than one trade."""
PRICE_KGS = 8_000_000
METHODS: tuple[dict[str, Any], ...] = (
    {"method": "round"}, {"method": "pplns", "window_ppm": 4_000_000}, {"method": "period"},
)  # fmt: skip
VENUES = ("paper", "other")
REACHED = {
    "blocks": "blocks", "mature": "blocks WHERE state = 'mature'", "lots": "lots",
    "orders": "venue_orders", "fills": "fills", "settled lots": "lot_settlements",
    "payouts": "payouts", "payouts booked": "payouts WHERE state <> 'pended'",
}  # fmt: skip


class SteppedLookout(Lookout):
    """The lookout's thread as a thread of the story."""

    def __init__(self, watch: ChainWatch, scheduler: Scheduler) -> None:
        super().__init__(watch)
        self._scheduler = scheduler
        self._waiting = 0

    def start(self) -> None:
        thread = self._scheduler.start("lookout", self._step)
        thread.is_idle = lambda: not self._waiting

    def hand_over(self, blocks: Any) -> None:
        super().hand_over(blocks)
        self._waiting += 1

    def _step(self) -> None:
        while True:
            while not self._waiting:
                self._scheduler.sleep(0.5)
            self.answer()
            self._waiting -= 1


class SteppedHolder(Holder):
    """A holder whose thread that renews the lease is a thread of the story."""

    def __init__(self, scheduler: Scheduler, engine: sa.Engine, work: Work, name: str) -> None:
        clock = scheduler.clock
        super().__init__(engine, work, clock, Backoff(clock), lease_s=STORY_LEASE_S, name=name)
        self._scheduler = scheduler

    @contextmanager
    def _renewed(self) -> Iterator[None]:
        scheduler, lease = self._scheduler, self._lease
        ended = Stop(scheduler)
        thread = scheduler.start("lease", lambda: self._renew(lease, ended))
        thread.weight = 1.0
        try:
            yield
        finally:
            ended.set()
            thread.due_s = self._clock.monotonic()
            left_s = JOIN_S
            while thread.is_alive and left_s > 0:
                scheduler.sleep(1.0)
                left_s -= 1.0
            self._lease = self._new_lease()
            if not thread.is_alive:
                with suppress(*AWAY):
                    lease.release()
                lease.close()


@dataclass
class World:
    """Everything around the settlement path, and the path's own processes."""

    ground: Ground
    fates: Fates
    scheduler: Scheduler = field(init=False)
    book: OrderBook = field(init=False)
    chain: ScriptedChain = field(default_factory=ScriptedChain)
    nodes: list[SteppedNode] = field(init=False)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    markets: dict[str, SetMarket] = field(default_factory=dict)
    servers: dict[str, Any] = field(default_factory=dict)
    provider: LocalProvider = field(default_factory=LocalProvider)
    bank: Bank = field(default_factory=Bank)
    fronts: list[Front] = field(default_factory=list)
    wired: dict[str, int] = field(default_factory=dict)
    """Tyiyn that venues paid to the clients' account, by the bank's reference."""
    deepest: dict[str, int] = field(default_factory=dict)
    """How many confirmations each of our blocks ever had on the best chain."""
    coinbases: dict[str, tuple[str, list[tuple[str, int]]]] = field(default_factory=dict)
    """Of our blocks: txid, and venue and satoshi of each output."""
    running: dict[str, Process] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    maturity: int = MATURITY
    is_calm: bool = False

    def __post_init__(self) -> None:
        draw = self.fates.draw
        self.scheduler = Scheduler(self.fates)
        self.clock = self.fates.clock
        self.journals = self.ground.folder / "journal"
        self.outbox = self.ground.folder / "out"
        method = METHODS[draw.choices(range(3), (6, 2, 1))[0]]
        venues = VENUES[: draw.choices((1, 2), (3, 1))[0]]
        self.book = _book(tuple(venues), str(method))
        self.nodes = [
            SteppedNode(f"node{n}", self.scheduler, self.chain) for n in range(draw.choice((1, 2)))
        ]
        for venue in venues:
            self._add_venue(venue)
        serve = provider_server(self.provider)
        self.servers["local"] = Wiring(self.scheduler, "local", serve)
        self.journals.mkdir(parents=True)
        for number in range(draw.choices((1, 2), (2, 1))[0]):
            self.fronts.append(Front(self.journals, number, self.clock, draw))
        self._jobs = 0
        # What is half of a story's calls where it happens: each only now and then.
        self.has_daily = draw.random() < 0.15
        has_pings = draw.random() < 0.15
        for engine in self.ground.engines.values():
            engine.pool._pre_ping = has_pings

    # What the pool's processes are made of.

    def start(self, name: str) -> None:
        """Start `settle 1`, `sell 2` and so on."""
        run = self._settle if name.startswith("settle") else self._sell
        self.running[name] = self.scheduler.start(name, lambda: run(name))

    def _settle(self, name: str) -> None:
        engine = self.ground.engines[name]
        view = ChainView(self.nodes, self.clock, "regtest")  # type: ignore[arg-type]
        service = SettlementService(
            engine, self.journals, ChainWatch(view, MATURITY), self.clock,
            orders_on=lambda _connection: self.book,
            lookout=lambda watch: SteppedLookout(watch, self.scheduler),
        )  # fmt: skip
        service._holder = SteppedHolder(self.scheduler, engine, Work.SETTLE, name)
        service.run(Stop(self.scheduler))

    def _sell(self, name: str) -> None:
        engine = self.ground.engines[name]
        venues = {}
        for venue in self.exchanges:
            backend = Wire(self.scheduler, self.servers[venue])
            web = Web(venue, self.clock, HTTP_TIMEOUT_S, backend)
            venues[venue] = PaperVenue(venue, f"http://{venue}", KEY, web, self.clock)
        provider = HttpScreening(
            "local", "http://local", "key", "secret", self.clock,
            transport=Transport(self.servers["local"]),
        )  # fmt: skip
        plain = engine.execution_options(isolation_level="AUTOCOMMIT")
        holder = SteppedHolder(self.scheduler, engine, Work.SELL, name)
        desk = Desk(
            holder.engine.begin, self.clock, lambda: self.book, venues, {"local": provider},
            look=plain.connect, snapshots=engine.begin, require_lead=holder.require,
        )  # fmt: skip
        service = SaleService(
            holder, desk, lambda: Executor(desk, settle(lambda: self.book, self.clock))
        )
        if not self.has_daily:
            service._daily.look = lambda _executor: None  # type: ignore[method-assign]
        service.run(Stop(self.scheduler))

    def command(self, name: str, run: Callable[[], object]) -> None:
        """Start a short command of an officer; that the database fails it is told, no more."""

        def guarded() -> None:
            for engine in ("payout", "send"):  # a new process has connections of its own
                self.ground.engines[engine].dispose()
            try:
                run()
            except DBAPIError as failure:
                self.fates.say("command failed", type(failure.orig).__name__)

        self.running[name] = self.scheduler.start(name, guarded)

    def make_payouts(self) -> None:
        """`kench payout make`: a batch in one transaction, then its file."""
        at = datetime.fromtimestamp(self.clock.now_us() // 1_000_000, UTC)
        with self.ground.engines["payout"].begin() as connection:
            made = make_batch(connection, BatchKind.CLIENTS, RULE, DEBTOR, at)
        self.outcomes["batches"] += made.batch is not None
        self.send_payouts()

    def send_payouts(self) -> None:
        """`kench payout send`: the files that are missing."""
        with self.ground.engines["send"].begin() as connection, watched_files(self):
            write_batches(connection, self.outbox)

    def take(self, raw: bytes) -> None:
        """`kench payout take`."""
        ours = OurSide(ACCOUNT, {account_of(venue): venue for venue in self.exchanges})
        at = datetime.fromtimestamp(self.clock.now_us() // 1_000_000, UTC)
        with self.ground.engines["payout"].begin() as connection:
            findings = take(connection, raw, "file.xml", ours, at)
        for finding in findings:
            self.outcomes[finding.outcome.value] += 1

    # What is outside.

    def _add_venue(self, name: str) -> None:
        market = SetMarket()
        exchange = Exchange(self.clock, market, Terms(), lambda _event: None)
        desk = VenueDesk(exchange, self.clock, WINDOW_S + 1)
        keeper = signed_by([(KEY.key, KEY.secret)], self.clock, WINDOW_S)
        serve = venue_server(desk, keeper, self._whim)
        self.exchanges[name], self.markets[name] = exchange, market
        self.servers[name] = Wiring(self.scheduler, name, serve)
        self.quote(name)

    def quote(self, name: str, ppm: int = 1_000_000, sat: int = 100 * BITCOIN) -> None:
        """Set a venue's book: so much of the usual price, for so many satoshi."""
        tyiyn = PRICE_KGS * 100 * ppm // 1_000_000
        bids = Quote(tyiyn, min(sat, FIRST_LEVEL_SAT)), Quote(tyiyn - tyiyn // 5000, sat)
        self.markets[name].set(bids, (Quote(tyiyn + tyiyn // 1000, sat),))

    def _whim(self) -> Whim:
        point = 1.0 if self.is_calm else self.fates.draw.random()
        if point < 0.15:
            return Whim(take_ppm=self.fates.draw.randrange(1_000_000))
        if point < 0.25:
            return Whim(defer_us=self.fates.draw.randrange(100_000_000))
        if point < 0.28:
            return Whim(reject="not today")
        return PLAIN

    def new_job(self, reward_sat: int) -> Any:
        """A job on the tip of now."""
        self._jobs += 1
        height = len(self.chain.best)
        outputs = outputs_by_weight(reward_sat, self.book.venues_at(height).rule)
        return job_of(self._jobs, height, self.chain.best[-1], outputs, self.clock.now_us())

    def unmined(self) -> list[tuple[Any, Any]]:
        """Blocks that fronts found and that could be the next of the chain."""
        return [
            (job, record) for front in self.fronts for job, record in front.blocks
            if job.prevhash == self.chain.best[-1]
        ]  # fmt: skip

    def accept(self, job: Any, record: Any) -> None:
        """Let the chain take a block of ours; the venues see what it pays them."""
        block_hash = job.block_hash(record)
        self.chain.mine(hashes=[block_hash])
        txid = coinbase_txid_of(job, record)
        scripts = {venue.script: venue.venue for venue in self.book.venues_at(job.height).rule}
        paid = [(scripts[output.script], output.amount_sat) for output in outputs_of(job)
                if output.amount_sat]  # fmt: skip
        self.coinbases[block_hash] = txid, paid
        for vout, (venue, amount_sat) in enumerate(paid):
            self.exchanges[venue].see_deposit(txid, vout, amount_sat)
        self.measure()

    def measure(self) -> None:
        """Remember how deep each of our blocks is."""
        for height, block_hash in enumerate(self.chain.best):
            if block_hash in self.coinbases:
                depth = len(self.chain.best) - height
                self.deepest[block_hash] = max(depth, self.deepest.get(block_hash, 0))

    def creditable(self) -> list[tuple[str, str, int]]:
        """Deposits (venue, txid, vout) that are deep enough to be credited."""
        found = []
        for block_hash, (txid, paid) in self.coinbases.items():
            if self.chain.header(block_hash).confirmations >= MATURITY:  # type: ignore[operator]
                for vout, (venue, _) in enumerate(paid):
                    if self.exchanges[venue].deposits[txid, vout].state is DepositState.SEEN:
                        found.append((venue, txid, vout))
        return found

    def reached(self) -> dict[str, int]:
        """How far the story came: how many of what there are in the books."""
        asked = ", ".join(f"(SELECT count(*) FROM {what})" for what in REACHED.values())
        row = self.ground.watch.ask(f"SELECT {asked}")[0]
        return dict(zip(REACHED, row, strict=True))

    def unlotted_sat(self, venue: str) -> int:
        """Satoshi that a venue credited of blocks that are no lots of ours."""
        lots = set(self.ground.watch.ask(CREDITED_LOTS))
        return sum(
            deposit.amount_sat for key, deposit in self.exchanges[venue].deposits.items()
            if deposit.state is DepositState.CREDITED and key not in lots
        )  # fmt: skip

    def credited(self) -> set[tuple[str, int]]:
        """Outputs that venues credited."""
        return {
            key for exchange in self.exchanges.values()
            for key, deposit in exchange.deposits.items()
            if deposit.state is DepositState.CREDITED
        }  # fmt: skip

    def withdrawable(self, venue: str) -> int:
        """Tyiyn that a venue can send to the bank; less than our books may have, for they round."""
        exchange = self.exchanges[venue]
        return exchange.kgs_fine // FINE_PER_TYIYN - 2 * len(exchange.deposits)

    def wire(self, venue: str, tyiyn: int) -> None:
        """Let a venue pay to the clients' account."""
        self.exchanges[venue].kgs_fine -= tyiyn * FINE_PER_TYIYN
        reference = f"V{len(self.wired) + 1}"
        self.wired[reference] = tyiyn
        line = Line(som(tyiyn), "CRDT", reference=reference, counterparty=account_of(venue))
        self.bank.told.append(("camt.054", line))


_books: dict[tuple[tuple[str, ...], str], OrderBook] = {}


def _book(venues: tuple[str, ...], method: str) -> OrderBook:
    """Orders for these venues; made once, for it takes longer than a story."""
    if (venues, method) not in _books:
        reward = next(one for one in METHODS if str(one) == method)
        _books[venues, method] = book_of((1, {**rules(venues), "reward": reward}))
    return _books[venues, method]


def account_of(venue: str) -> str:
    """The number of the account that a venue pays from."""
    return str(10**15 + int(hashlib.sha256(venue.encode()).hexdigest()[:8], 16))


def told_file(told: list[tuple[str, Any]]) -> bytes:
    """Return the bank's file about entries of one account."""
    return camt(*(line for kind, line in told if kind == "camt.054"))


class watched_files:  # noqa: N801 - a context, as contextlib names them
    """While it lasts, the process may be killed before each operation on its files."""

    active: "World | None" = None

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        watched_files.active = self._world

    def __exit__(self, *_: object) -> None:
        watched_files.active = None


def _on_file(event: str, arguments: tuple[Any, ...]) -> None:
    world = watched_files.active
    if world is None or event not in {"open", "os.rename"} or world.scheduler.current is None:
        return
    if str(arguments[0]).startswith(str(world.outbox)) and not world.scheduler.current.is_killed:
        world.fates.say("file", event, str(arguments[0]).rpartition("/")[2])
        world.scheduler.fault(OF_FILES)


sys.addaudithook(_on_file)
