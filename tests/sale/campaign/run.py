"""One world of the campaign: lots in hundreds, everything going wrong, and what must hold anyway.

Everything follows from the seed; whoever has the seed has the run.
"""

import random
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import sqlalchemy as sa

from kench.pool.orders.book import OrderBook
from kench.sale.acts import Act, Approval, ResolutionError, carry_out, document_of
from kench.sale.executor import Executor
from kench.sale.lots import LotMovedError
from kench.sale.machine import LotState
from kench.sale.reconcile import reconcile
from kench.sale.venues.port import Venue
from kench.venue.exchange import FINE_PER_TYIYN, PLAIN, Whim
from tests.sale.campaign.faults import (
    Crash,
    CrashingVenue,
    Fates,
    LyingVenue,
    crashing_look,
    crashing_transaction,
)
from tests.sale.world import VenueRig, World, rules
from tests.support.orders import MOMENT_US, book_of
from tests.support.paper_venue import PaperRig
from tests.support.venues import Fault, FaultyVenue

VENUES = ("deep", "far", "other", "paper")
OPEN_LOTS_MAX = 48
TURNS_MAX = 20_000
FAULTS = {
    Fault.LOST_QUESTION: 0.02,
    Fault.LOST_ANSWER: 0.03,
    Fault.BUSY: 0.02,
    Fault.REFUSED: 0.01,
    Fault.GARBLED: 0.01,
}
WAITING = {LotState.HELD, LotState.REFUSED, LotState.HALTED, LotState.VENUE_DISAGREES}
_STEP = sa.text("""
    SELECT (SELECT bool_and(balanced) FROM ledger_check) AS balanced,
        count(*) FILTER (WHERE state IN ('settled', 'written_off')) AS ends,
        count(*) FILTER (WHERE state IN ('held', 'refused', 'halted', 'venue_disagrees'))
            AS standing
    FROM lots
""")


@dataclass
class Campaign(World):
    """A world in which everything goes wrong that the seed says."""

    orders: OrderBook = field(default_factory=lambda: book_of((1, rules(VENUES))))
    seed: str = "0"
    lots_wanted: int = 100
    is_honest: bool = True
    fates: Fates = field(init=False)
    plain: sa.Engine = field(init=False)
    eyes: sa.Engine = field(init=False)
    draw: random.Random = field(init=False)
    deposits: list[tuple[str, str, int, int]] = field(default_factory=list)
    orphans: set[str] = field(default_factory=set)
    fallen: set[str] = field(default_factory=set)
    hashes: list[str] = field(default_factory=list)
    made: int = 0
    finished: int = 0
    standing: int = 0
    turns: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    executor_type: type[Executor] = Executor

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.fates = Fates(random.Random(f"{self.seed} fates"))
        if not self.is_honest:
            self.fates.lie_share = 0.05
        self.plain = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.eyes = self.owner.execution_options(isolation_level="AUTOCOMMIT")
        super().__post_init__()
        for rig in self.rigs.values():
            rig.whims = self.whim

    def transact(self) -> AbstractContextManager[sa.Connection]:
        return crashing_transaction(self.engine, self.fates)

    def look(self) -> AbstractContextManager[sa.Connection]:
        return crashing_look(self.plain, self.fates)

    def venues(self) -> Mapping[str, Venue]:
        shares = {} if self.fates.is_calm else FAULTS
        made: dict[str, Venue] = {}
        for name, rig in self.rigs.items():
            faulty = FaultyVenue(rig.venue, self.draw, shares)
            lying = LyingVenue(faulty, self.fates)
            made[name] = CrashingVenue(lying, self.fates)  # type: ignore[assignment]
        return made

    def over_http(self, http: PaperRig) -> None:
        """Put the paper venue behind its own server; its clock and book become this world's."""
        rig = self.rigs["paper"]
        rig.clock = self.clock = http.clock
        http.clock.step((MOMENT_US + 1_000_000 - http.clock.now_us()) / 1e6)
        rig.exchange, rig.market = http.exchange, http.market
        rig.venue = http.venue  # type: ignore[assignment]
        rig.quote("8000000")
        for name in VENUES:
            if name != "paper":
                self.rigs[name] = VenueRig(name, self.clock, whims=self.whim)
        self.restart()

    def restart(self) -> None:
        super().restart()
        if self.executor_type is not Executor:
            self.executor = self.executor_type(self.desk(), self.executor._settle)

    def whim(self) -> Whim:
        """What the venue does with an order: most it fills, some in part, later, or not at all."""
        point = 1.0 if self.fates.is_calm else self.draw.random()
        if point < 0.15:
            return Whim(take_ppm=self.draw.randrange(1_000_000))
        if point < 0.20:
            return Whim(defer_us=self.draw.randrange(120_000_000))
        if point < 0.23:
            return Whim(reject="not today")
        return PLAIN

    def go(self) -> None:
        """Run until every lot is at an end, checking after every turn."""
        while True:
            self._feed()
            self._let_time_pass()
            try:
                self.executor.turn()
            except Crash:
                self.seen["crashes"] += 1
                self.restart()
            self._check_turn()
            self._officers()
            self.turns += 1
            assert self.turns < TURNS_MAX, f"seed {self.seed}: lots stay unfinished"
            if self.made >= self.lots_wanted:
                if not self.fates.is_calm:
                    self._calm()
                elif self.finished == self.made:
                    return

    def _calm(self) -> None:
        """Everything has gone wrong that was to: from here on all must come to its end."""
        self.fates.is_calm = True
        for block_hash in sorted(self.orphans):
            self.set_orphaned(block_hash, orphaned=False)
        self.orphans.clear()
        for rig in self.rigs.values():
            rig.quote("8000000")
        self.restart()

    def _feed(self) -> None:
        while self.made < self.lots_wanted and self._open() < OPEN_LOTS_MAX:
            scale = 10 ** self.draw.randrange(4, 8)
            credits_sat = {
                participant: self.draw.randrange(2, 4 * scale)
                for participant in range(self.draw.randrange(2), 2 + self.draw.randrange(4))
            }
            reward_sat = sum(credits_sat.values())
            cuts = {self.draw.randrange(1, reward_sat) for _ in VENUES[1:]}
            parts = pairwise(sorted({0, reward_sat} | cuts))
            outputs = {name: end - start for name, (start, end) in zip(VENUES, parts, strict=False)}
            block_hash = self.block(credits_sat, credit=False, weights=outputs)
            self.hashes.append(block_hash)
            self.made += len(outputs)
            self._draw_score()

    def _open(self) -> int:
        return self.made - self.finished

    def _draw_score(self) -> None:
        """Give the newest block's coins a score; most are clean."""
        point = self.draw.random()
        txid = self.txid_of(self.blocks)
        if point < 0.03:
            self.screening.scores_bp[txid] = None
        elif point < 0.05:
            self.screening.scores_bp[txid] = 6_000
        elif point < 0.07:
            self.screening.scores_bp[txid] = 9_000

    def _let_time_pass(self) -> None:
        self.clock.advance(self.draw.choice((0.5, 5, 61, 61, 61, 61, 130)))
        if self.fates.is_calm:
            self.clock.advance(400)
        self._pay_in()
        if not self.fates.is_calm:
            self._move_market()
            self._reorganise()

    def _pay_in(self) -> None:
        """Venues credit what they have seen, sooner or later."""
        for rig in self.rigs.values():
            for (txid, vout), deposit in list(rig.exchange.deposits.items()):
                if deposit.state == "seen" and (self.fates.is_calm or self.draw.random() < 0.5):
                    rig.exchange.credit_deposit(txid, vout)

    def _move_market(self) -> None:
        for rig in self.rigs.values():
            point = self.draw.random()
            if point < 0.02:
                rig.quote(str(Decimal(8_000_000) * self.draw.randrange(90, 111) / 100))
            elif point < 0.04:
                rig.quote("8000000", sat=self.draw.randrange(1, 60_000))
            elif point < 0.3:
                rig.quote(str(8_000_000 + self.draw.randrange(-20_000, 20_000)))

    def _reorganise(self) -> None:
        if self.hashes and self.draw.random() < 0.02:
            block_hash = self.draw.choice(self.hashes[-10:])
            if block_hash not in self.orphans:
                self.orphans.add(block_hash)
                self.set_orphaned(block_hash, orphaned=True)
        elif self.orphans and self.draw.random() < 0.2:
            block_hash = min(self.orphans)
            self.orphans.discard(block_hash)
            self.set_orphaned(block_hash, orphaned=False)

    def _officers(self) -> None:
        """Two officers look at what stands still, now and then, and decide one way or another."""
        if not self.fates.is_calm and self.draw.random() > 0.3:
            return
        for lot in self.unfinished_lots() if self.standing else ():
            if lot.state not in WAITING:
                continue
            acts = [act for act in (Act.RELEASE, Act.RESUME) if _applies(act, lot.state)]
            if self.draw.random() < 0.1:
                acts = [Act.WRITE_OFF]
            try:
                document = document_of(lot, acts[0], "seen and decided")
                with self.owner.begin() as connection:
                    carry_out(connection, document, Approval("1", b"1"), Approval("2", b"2"),
                              self.clock.now_us())  # fmt: skip
            except (ResolutionError, LotMovedError):
                self.seen["void resolutions"] += 1
            else:
                self.seen[acts[0]] += 1

    def _check_turn(self) -> None:
        """After every step: the ledger balances, nothing is oversold at any venue."""
        with self.eyes.connect() as connection:
            row = connection.execute(_STEP).one()
        assert row.balanced, f"seed {self.seed}: the ledger does not balance"
        self.finished = row.ends
        self.standing = row.standing


def _applies(act: Act, state: LotState) -> bool:
    released = state in {LotState.HELD, LotState.REFUSED}
    return released if act is Act.RELEASE else not released


def check_end(world: Campaign) -> None:
    """Every coin is where the venue's own books say, each trade is booked once, nothing twice."""
    with world.owner.connect() as connection:
        for name, rig in world.rigs.items():
            booked = {
                row.trade_id: (row.client_id, row.amount_sat, row.cost, row.fee)
                for row in connection.execute(
                    sa.text("SELECT * FROM fills WHERE venue = :venue"), {"venue": name}
                )
            }
            traded = {
                fill.trade_id: (fill.client_id, fill.amount_sat, fill.cost, fill.fee)
                for fill in rig.venue.fills_since(0)
            }
            assert booked == traded, f"seed {world.seed}: trades of {name} are not our fills"
            held_sat, held_tyiyn = (
                _account(connection, f"venue:{name}:{asset}") for asset in ("btc", "kgs")
            )
            assert held_sat == rig.exchange.free_sat + rig.exchange.held_sat
            tyiyn = rig.exchange.kgs_fine // FINE_PER_TYIYN
            lots = len(world.hashes)  # one of each block at each venue, at most
            # Each lot's cost is floored and its fee rounded up: less than a tyiyn of each.
            assert tyiyn - 2 * lots <= held_tyiyn <= tyiyn
            assert reconcile(world.executor._desk, rig.venue).differences == []
        check_lots(connection)


def check_lies(world: Campaign) -> None:
    """A lie may get into the books where a venue keeps to it; then reconciliation lists it."""
    for name, rig in world.rigs.items():
        found = reconcile(world.executor._desk, world.rigs[name].venue).differences
        with world.owner.connect() as connection:
            booked = {
                (row.trade_id, row.amount_sat, row.cost)
                for row in connection.execute(
                    sa.text("SELECT * FROM fills WHERE venue = :venue"), {"venue": name}
                )
            }
        traded = {(fill.trade_id, fill.amount_sat, fill.cost) for fill in rig.venue.fills_since(0)}
        assert bool(found) == (booked != traded), f"seed {world.seed}: {found}"


def check_lots(connection: sa.Connection) -> None:
    """What PostgreSQL holds of each lot agrees with itself and with what was carried."""
    strays = connection.execute(
        sa.text("""
            SELECT lots.block_hash, lots.vout FROM lots
            WHERE sold_sat <> (SELECT coalesce(sum(amount_sat), 0) FROM fills
                               WHERE (fills.block_hash, fills.vout) = (lots.block_hash, lots.vout))
                OR sold_sat + left_sat <> amount_sat OR open_sat <> 0
                OR sold_sat <> (SELECT sum(amount_sat) FROM lot_sold_shares AS shares
                               WHERE (shares.block_hash, shares.vout)
                                   = (lots.block_hash, lots.vout))
        """)
    ).all()
    assert not strays
    whole = connection.execute(
        sa.text("""
            SELECT (SELECT sum(output_sat) FROM lots)
                = (SELECT sum(amount_sat) FROM fills)
                + (SELECT coalesce(sum(amount_sat), 0) FROM lot_remainders AS rest
                   WHERE NOT EXISTS (SELECT FROM lot_carries AS taken WHERE
                       (taken.block_hash, taken.vout) = (rest.block_hash, rest.vout)
                       AND rest.kind = 'carried'))
        """)
    ).scalar_one()
    assert whole, "coins of the chain are neither sold nor left over"


def _account(connection: sa.Connection, code: str) -> int:
    found = connection.execute(
        sa.text("SELECT debits_posted - credits_posted FROM accounts WHERE code = :code"),
        {"code": code},
    ).scalar_one_or_none()
    return int(found or 0)
